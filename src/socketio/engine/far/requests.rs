//! Requests of clients whose session another node has.

use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep},
};

use super::{Failed, Far, MARGIN, There};
use crate::{
    peer_calls::wire::{Answer, Attempt, Call},
    socketio::engine::fault::Fault,
    ws::admission::Admission,
};

/// How soon a call that failed is made again.
const PAUSE: Duration = Duration::from_millis(200);

impl There {
    /// Polls. When this server is about to stop, the poll ends without anything, so that the
    /// client comes back to another node.
    pub(in super::super) async fn poll(
        &self,
        sid: &str,
        admission: &Admission,
    ) -> Result<Bytes, Failed> {
        let attempt = self.attempt(sid)?;
        let mut waiting = Waiting::new(self, &attempt);
        let call = Call::Poll(attempt);
        let mut asking = std::pin::pin!(self.ask_within_bounds(&call));
        let answer = tokio::select! {
            answer = &mut asking => answer,
            () = admission.drained() => {
                let release = Call::Release(sid.to_owned());
                let releasing = self.ask(&release, Duration::ZERO, self.far.patience);
                let (_, answer) = tokio::join!(releasing, asking);
                answer
            }
        };
        waiting.is_over = true;
        match answer? {
            Answer::Polled(body) => Ok(body),
            answer => Err(failed(&answer)),
        }
    }

    /// Posts.
    pub(in super::super) async fn post(&self, sid: &str, body: Bytes) -> Result<(), Failed> {
        let call = Call::Post(self.attempt(sid)?, body);
        match self.ask_within_bounds(&call).await? {
            Answer::Done => Ok(()),
            answer => Err(failed(&answer)),
        }
    }

    fn attempt(&self, sid: &str) -> Result<Attempt, Failed> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|_| Failed::Unreachable)?;
        Ok(Attempt {
            sid: sid.to_owned(),
            id: u64::from_ne_bytes(id),
            hold_ms: millis(self.far.hold),
        })
    }

    async fn ask_within_bounds(&self, call: &Call) -> Result<Answer, Failed> {
        let Ok(_place) = self.far.requests.try_acquire() else {
            return Err(Failed::Unreachable);
        };
        self.ask(call, self.far.hold, self.far.patience).await
    }

    /// Makes a call until there is an answer. All calls may be made more than once.
    pub(super) async fn ask(
        &self,
        call: &Call,
        hold: Duration,
        patience: Duration,
    ) -> Result<Answer, Failed> {
        let body = call.encode().map_err(|_| Failed::Unreachable)?;
        let mut failing = None;
        loop {
            if self.far.peers.is_gone(&self.node) {
                return Err(Failed::Fault(Fault::UnknownSession));
            }
            let answered = self.far.peers.call(&self.node, body.clone(), hold + MARGIN);
            match answered.await.map(Answer::decode) {
                Ok(Ok(Answer::Later)) => failing = None,
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(_)) => return Err(Failed::Unreachable),
                Err(_) => {
                    let since: Instant = *failing.get_or_insert_with(Instant::now);
                    if since.elapsed() >= patience {
                        return Err(Failed::Unreachable);
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Why something else was answered than what was asked for.
pub(super) fn failed(answer: &Answer) -> Failed {
    match answer {
        Answer::Fault(code) => Fault::of(*code).map_or(Failed::Unreachable, Failed::Fault),
        _ => Failed::Unreachable,
    }
}

pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// A client waits for an attempt. One that hangs up is not answered, and its session has to know
/// that at once.
struct Waiting {
    far: Arc<Far>,
    node: bedside_protocol::NodeId,
    attempt: Attempt,
    is_over: bool,
}

impl Waiting {
    fn new(there: &There, attempt: &Attempt) -> Self {
        Self {
            far: Arc::clone(&there.far),
            node: there.node.clone(),
            attempt: attempt.clone(),
            is_over: false,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let (false, Ok(runtime)) = (self.is_over, Handle::try_current()) else {
            return;
        };
        let (peers, node) = (Arc::clone(&self.far.peers), self.node.clone());
        let Ok(body) = Call::Abandon(self.attempt.clone()).encode() else {
            return;
        };
        runtime.spawn(async move {
            // If it does not get there, the attempt's time runs out.
            let _ = peers.call(&node, body, MARGIN).await;
        });
    }
}
