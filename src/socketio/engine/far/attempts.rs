//! Polls and posts that came to other nodes. Each is carried out once and its outcome kept for a
//! while, so that a node whose call was lost can make it again.

use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::watch, time::timeout};

use super::{
    hold,
    lease::{Lease, Term},
};
use crate::{
    peer_calls::wire::{Answer, Attempt, Refused},
    socketio::engine::{
        Engine,
        fault::Fault,
        http,
        polling::Request,
        registry::{Found, Requests},
    },
};

/// Attempts of one session that are kept.
const PER_SESSION_MAX: usize = 16;

/// The attempts of all sessions.
pub(super) struct Attempts {
    sessions: Mutex<HashMap<Arc<str>, Vec<Kept>>>,
    /// How long after its call an attempt is kept: for the other node to make it again.
    kept_for: Duration,
}

struct Kept {
    id: u64,
    kind: Kind,
    outcome: Outcome,
    /// Dropping it gives the attempt up.
    lease: Lease,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Poll,
    Post,
}

/// None until it is there.
type Outcome = watch::Receiver<Option<Answer>>;

/// Answers a poll.
pub(super) async fn poll(engine: &Engine, attempts: &Arc<Attempts>, attempt: &Attempt) -> Answer {
    let requests = || find(engine, &attempt.sid);
    let outcome = attempts.outcome(attempt, Kind::Poll, || {
        let requests = requests()?;
        Ok(async move {
            match http::poll(&requests).await {
                Ok(body) => Answer::Polled(body),
                Err(fault) => fault.into(),
            }
        })
    });
    wait(outcome, attempt).await
}

/// Answers a post.
pub(super) async fn post(
    engine: &Engine,
    attempts: &Arc<Attempts>,
    attempt: &Attempt,
    body: Bytes,
) -> Answer {
    if body.len() > engine.config.payload_bytes_max {
        return Answer::Refused(Refused::TooLarge);
    }
    let outcome = attempts.outcome(attempt, Kind::Post, || {
        let requests = find(engine, &attempt.sid)?;
        Ok(async move {
            match http::take(&requests, body).await {
                Ok(()) => Answer::Done,
                Err(fault) => fault.into(),
            }
        })
    });
    wait(outcome, attempt).await
}

/// Has a poll that waits end without anything.
pub(super) async fn release(engine: &Engine, sid: &str) -> Answer {
    if let Ok(requests) = find(engine, sid) {
        // A session that has ended has no poll that waits.
        let _ = requests.send(Request::Release).await;
    }
    Answer::Done
}

fn find(engine: &Engine, sid: &str) -> Result<Requests, Answer> {
    match engine.registry.find(sid) {
        Found::Polling(requests) => Ok(requests),
        Found::Upgraded => Err(Fault::BadRequest.into()),
        Found::Nowhere => Err(Fault::UnknownSession.into()),
    }
}

async fn wait(outcome: Result<Outcome, Answer>, attempt: &Attempt) -> Answer {
    let mut outcome = match outcome {
        Ok(outcome) => outcome,
        Err(answer) => return answer,
    };
    let there = outcome.wait_for(Option::is_some);
    match timeout(hold(attempt.hold_ms), there).await {
        Ok(Ok(answer)) => answer.clone().unwrap_or(Answer::Later),
        // It was given up.
        Ok(Err(_)) => Fault::UnknownSession.into(),
        Err(_) => Answer::Later,
    }
}

impl Attempts {
    pub(super) fn new(kept_for: Duration) -> Self {
        Self {
            sessions: Mutex::default(),
            kept_for,
        }
    }

    /// What becomes of an attempt, which is `begun` if it is a new one.
    fn outcome<F>(
        self: &Arc<Self>,
        attempt: &Attempt,
        kind: Kind,
        begin: impl FnOnce() -> Result<F, Answer>,
    ) -> Result<Outcome, Answer>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let lasts = hold(attempt.hold_ms) + self.kept_for;
        let mut sessions = self.sessions.lock();
        if let Some(kept) = sessions.get(&*attempt.sid)
            && let Some(kept) = kept.iter().find(|kept| kept.id == attempt.id)
        {
            kept.lease.renew(lasts);
            return Ok(kept.outcome.clone());
        }
        let work = begin()?;
        let sid: Arc<str> = attempt.sid.as_str().into();
        let kept = sessions.entry(Arc::clone(&sid)).or_default();
        make_room(kept, kind)?;
        let (sender, outcome) = watch::channel(None);
        let (lease, term) = Lease::new(lasts);
        kept.push(Kept {
            id: attempt.id,
            kind,
            outcome: outcome.clone(),
            lease,
        });
        drop(sessions);
        let (attempts, id) = (Arc::downgrade(self), attempt.id);
        tokio::spawn(async move {
            carry_out(work, sender, term).await;
            forget(&attempts, &sid, id);
        });
        Ok(outcome)
    }

    /// The client does not wait for it any more.
    pub(super) fn abandon(&self, attempt: &Attempt) {
        remove(&mut self.sessions.lock(), &attempt.sid, attempt.id);
    }
}

/// A client that polls again has what it polled before, and of its posts the last ones count.
fn make_room(kept: &mut Vec<Kept>, kind: Kind) -> Result<(), Answer> {
    if kind == Kind::Poll {
        kept.retain(|kept| kept.kind != Kind::Poll || kept.outcome.borrow().is_none());
    }
    if kept.len() < PER_SESSION_MAX {
        return Ok(());
    }
    let oldest = kept.iter().position(|kept| kept.outcome.borrow().is_some());
    kept.remove(oldest.ok_or(Answer::Refused(Refused::Busy))?);
    Ok(())
}

async fn carry_out(
    work: impl Future<Output = Answer>,
    outcome: watch::Sender<Option<Answer>>,
    mut term: Term,
) {
    tokio::select! {
        answer = work => {
            outcome.send_replace(Some(answer));
        }
        // With its poll the session ends: the client does not come back.
        () = term.runs_out() => return,
    }
    term.runs_out().await;
}

fn forget(attempts: &Weak<Attempts>, sid: &str, id: u64) {
    if let Some(attempts) = attempts.upgrade() {
        remove(&mut attempts.sessions.lock(), sid, id);
    }
}

fn remove(sessions: &mut HashMap<Arc<str>, Vec<Kept>>, sid: &str, id: u64) {
    if let Some(kept) = sessions.get_mut(sid) {
        kept.retain(|kept| kept.id != id);
        if kept.is_empty() {
            sessions.remove(sid);
        }
    }
}

impl From<Fault> for Answer {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault as u8)
    }
}
