//! A session that polls: one local task that owns it, wherever its requests arrive.

mod leaving;

use bedside_protocol::CloseCode;
use bytes::Bytes;
use std::{
    collections::VecDeque,
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    fault::Fault,
    payload::{self, Packets, text_frame},
    registry::Registered,
    session::Session,
};
use crate::ws::{admission::Seat, dialect::Output};
use leaving::Leaving;

/// Requests that wait for one session.
pub(super) const REQUESTS_MAX: usize = 16;
/// Posts whose packets are not taken yet.
const POSTS_MAX: usize = 4;

/// What is asked of a session.
#[derive(Debug)]
pub(super) enum Request {
    /// What there is to read: answered when there is something.
    Poll(oneshot::Sender<Answer>),
    /// To take these packets: answered when they are.
    Post(Packets, oneshot::Sender<Posted>),
    /// A WebSocket is about to carry it.
    Probed(oneshot::Receiver<GiveUp>),
    /// To end a poll that waits: the server that it came to is about to stop.
    Release,
}

/// The answer to a poll.
pub(super) type Answer = Result<Bytes, Fault>;
/// The answer to a post.
pub(super) type Posted = Result<(), Fault>;
/// Where a session goes that a WebSocket takes.
pub(super) type GiveUp = oneshot::Sender<Handover>;

/// A session on its way to a WebSocket.
pub(super) struct Handover {
    pub(super) session: Session,
    pub(super) registered: Registered,
    pub(super) seat: Seat,
}

/// The task of one session.
pub(super) struct Polling {
    phase: Phase,
    requests: mpsc::Receiver<Request>,
    poll: Option<oneshot::Sender<Answer>>,
    posts: VecDeque<(Packets, oneshot::Sender<Posted>)>,
    upgrade: Option<oneshot::Receiver<GiveUp>>,
    timer: Pin<Box<Sleep>>,
}

enum Phase {
    Open(Handover),
    Leaving(Leaving),
    Gone,
}

/// Whether to go on.
type Flow = ControlFlow<()>;

impl Polling {
    pub(super) fn new(held: Handover, requests: mpsc::Receiver<Request>) -> Self {
        Self {
            timer: Box::pin(sleep_until(held.session.deadline())),
            phase: Phase::Open(held),
            requests,
            poll: None,
            posts: VecDeque::new(),
            upgrade: None,
        }
    }

    fn session(&mut self) -> Option<&mut Session> {
        match &mut self.phase {
            Phase::Open(held) => Some(&mut held.session),
            Phase::Leaving(_) | Phase::Gone => None,
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Flow {
        // First, so that a request that comes too late finds nothing.
        self.keep_time(cx)?;
        self.take_requests(cx)?;
        self.take_posts(cx)?;
        self.watch_upgrade(cx)?;
        self.answer(cx)?;
        // What was done may have moved the deadline, or made one due.
        self.keep_time(cx)
    }

    // Time

    fn keep_time(&mut self, cx: &mut Context<'_>) -> Flow {
        loop {
            let now = Instant::now();
            let due = match &mut self.phase {
                Phase::Open(held) => held.session.deadline(),
                Phase::Leaving(leaving) => leaving.until,
                Phase::Gone => return Flow::Break(()),
            };
            if due > now {
                if self.timer.deadline() != due {
                    self.timer.as_mut().reset(due);
                }
                if self.timer.as_mut().poll(cx).is_pending() {
                    return Flow::Continue(());
                }
                continue;
            }
            let polls = self.poll.is_some();
            let due = self.session().map(|session| {
                // Who takes nothing has itself to blame for not being heard.
                session.deaf &= polls;
                session.on_deadline(now)
            });
            match due {
                Some(Ok(())) => self.answer(cx)?,
                Some(Err(CloseCode::IdleTimeout)) => return self.abort(),
                Some(Err(_)) => self.close(),
                None => return Flow::Break(()),
            }
        }
    }

    // Requests

    fn take_requests(&mut self, cx: &mut Context<'_>) -> Flow {
        while let Poll::Ready(Some(request)) = self.requests.poll_recv(cx) {
            match request {
                Request::Poll(reply) => self.on_poll(reply)?,
                Request::Post(packets, reply) => self.on_post(packets, reply)?,
                Request::Probed(asked) => self.on_probe(asked),
                Request::Release => self.release(),
            }
        }
        Flow::Continue(())
    }

    fn on_poll(&mut self, reply: oneshot::Sender<Answer>) -> Flow {
        if let Some(session) = self.session() {
            // It is back for more, so it has what it was given.
            session.speaker.heard();
        }
        if self.upgrade.is_some() {
            // Nothing is for a poll any more, unless the WebSocket fails; but it may fail only
            // after the client should have answered a ping.
            let pings = self.session().is_some_and(Session::take_ping);
            let _ = reply.send(Ok(if pings { PING } else { NOOP }));
            return Flow::Continue(());
        }
        if self.poll.is_some() {
            let _ = reply.send(Err(Fault::BadRequest));
            return self.abort();
        }
        self.poll = Some(reply);
        Flow::Continue(())
    }

    fn on_post(&mut self, packets: Packets, reply: oneshot::Sender<Posted>) -> Flow {
        if self.session().is_none() {
            let _ = reply.send(Err(Fault::UnknownSession));
            return Flow::Continue(());
        }
        if self.posts.len() == POSTS_MAX {
            let _ = reply.send(Err(Fault::BadRequest));
            return self.abort();
        }
        self.posts.push_back((packets, reply));
        Flow::Continue(())
    }

    fn on_probe(&mut self, asked: oneshot::Receiver<GiveUp>) {
        if self.session().is_none() {
            return;
        }
        self.upgrade = Some(asked);
        self.release();
    }

    fn release(&mut self) {
        if let Some(poll) = self.poll.take() {
            let _ = poll.send(Ok(NOOP));
        }
    }

    fn take_posts(&mut self, cx: &mut Context<'_>) -> Flow {
        while let Some((mut packets, reply)) = self.posts.pop_front() {
            let Some(session) = self.session() else {
                let _ = reply.send(Err(Fault::UnknownSession));
                continue;
            };
            while !packets.is_done() {
                session.deaf = session.speaker.poll_ready(cx).is_pending();
                if session.deaf {
                    self.posts.push_front((packets, reply));
                    return Flow::Continue(());
                }
                let received = match packets.next() {
                    None => break,
                    Some(Ok(packet)) => session.receive(packet),
                    Some(Err(payload::Malformed)) => {
                        session.engine.malformed();
                        let _ = reply.send(Err(Fault::BadRequest));
                        return self.abort();
                    }
                };
                match received {
                    Ok(()) => {}
                    Err(CloseCode::Normal) => {
                        self.leave();
                        break;
                    }
                    Err(_) => {
                        self.close();
                        break;
                    }
                }
            }
            let _ = reply.send(Ok(()));
        }
        Flow::Continue(())
    }

    fn watch_upgrade(&mut self, cx: &mut Context<'_>) -> Flow {
        let Some(asked) = &mut self.upgrade else {
            return Flow::Continue(());
        };
        if !self.posts.is_empty() {
            // What was posted before the change comes before what is sent after it.
            return Flow::Continue(());
        }
        match Pin::new(asked).poll(cx) {
            Poll::Pending => Flow::Continue(()),
            Poll::Ready(Err(_)) => {
                self.upgrade = None;
                Flow::Continue(())
            }
            Poll::Ready(Ok(give)) => {
                if let Phase::Open(held) = std::mem::replace(&mut self.phase, Phase::Gone) {
                    // A WebSocket that is gone by now takes the session with it.
                    let _ = give.send(held);
                }
                Flow::Break(())
            }
        }
    }

    // Answers

    /// Answers the poll if there is something, and watches for the end.
    fn answer(&mut self, cx: &mut Context<'_>) -> Flow {
        loop {
            let Some(poll) = &mut self.poll else {
                return self.watch_speaker(cx);
            };
            if poll.poll_closed(cx).is_ready() {
                // A client that lets go of its poll does not come back, and what it is given
                // would be lost.
                return Flow::Break(());
            }
            let (queue, bytes_max) = match &mut self.phase {
                Phase::Open(held) => {
                    let session = &mut held.session;
                    if gather(session, cx).is_break() {
                        self.close();
                        continue;
                    }
                    (&mut session.queue, session.engine.config.payload_bytes_max)
                }
                Phase::Leaving(leaving) => {
                    if leaving.queue.is_empty() {
                        leaving.queue.append(&mut leaving.last);
                    }
                    (&mut leaving.queue, leaving.bytes_max)
                }
                Phase::Gone => return Flow::Break(()),
            };
            if queue.is_empty() {
                return Flow::Continue(());
            }
            let body = payload::take(queue, bytes_max);
            let is_all = queue.is_empty();
            if let Some(poll) = self.poll.take()
                && poll.send(Ok(body)).is_err()
            {
                return Flow::Break(());
            }
            match &mut self.phase {
                Phase::Open(held) if is_all => held.session.speaker.written(),
                Phase::Leaving(leaving) if is_all && leaving.last.is_empty() => {
                    return Flow::Break(());
                }
                _ => {}
            }
        }
    }

    /// Nobody polls: the session may end all the same. What it has left, which may be the answer
    /// to something that is stored, is for the next poll; but not for a client that was too slow.
    fn watch_speaker(&mut self, cx: &mut Context<'_>) -> Flow {
        if let Some(session) = self.session()
            && let Poll::Ready(code) = session.speaker.poll_closed(cx)
            && (code == CloseCode::SlowConsumer || gather(session, cx).is_break())
        {
            self.close();
        }
        Flow::Continue(())
    }

    // Ends

    /// Tells the client with what is left, now or when it polls next.
    fn close(&mut self) {
        self.leave_with(|session| {
            let left = std::mem::take(&mut session.queue);
            (left, Session::close_packet())
        });
    }

    /// The client closed it: its poll, now or next, has to end.
    fn leave(&mut self) {
        self.leave_with(|_| (VecDeque::new(), text_frame("6")));
    }

    fn leave_with(&mut self, last: impl FnOnce(&mut Session) -> (VecDeque<Bytes>, Bytes)) {
        match std::mem::replace(&mut self.phase, Phase::Gone) {
            Phase::Open(mut held) => {
                let (left, last) = last(&mut held.session);
                self.upgrade = None;
                self.phase = Phase::Leaving(Leaving::new(held, left, last));
            }
            phase => self.phase = phase,
        }
    }

    /// Ends at once.
    fn abort(&mut self) -> Flow {
        if let Some(poll) = self.poll.take() {
            let _ = poll.send(Ok(CLOSE));
        }
        Flow::Break(())
    }
}

/// A ping for a poll.
const PING: Bytes = Bytes::from_static(b"2");
/// What a poll is answered so that it ends.
const NOOP: Bytes = Bytes::from_static(b"6");
/// What tells a client that its session is closed.
const CLOSE: Bytes = Bytes::from_static(b"1");

/// Has the session's frames for one answer in its queue. Broken off when no more will come.
fn gather(session: &mut Session, cx: &mut Context<'_>) -> Flow {
    let bytes_max = session.engine.config.payload_bytes_max;
    let queue = &mut session.queue;
    let mut bytes: usize = queue.iter().map(Bytes::len).sum();
    while bytes < bytes_max {
        let before = queue.len();
        match session.speaker.poll_output(cx, queue) {
            Poll::Pending => break,
            Poll::Ready(Output::Frames) => {
                bytes += queue.range(before..).map(Bytes::len).sum::<usize>();
            }
            Poll::Ready(Output::Closed(_)) => return Flow::Break(()),
        }
    }
    Flow::Continue(())
}

impl Future for Polling {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut().turn(cx) {
            Flow::Continue(()) => Poll::Pending,
            Flow::Break(()) => Poll::Ready(()),
        }
    }
}

impl std::fmt::Debug for Handover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handover")
    }
}
