//! A session on a WebSocket: opened there, or carried on from polling.

use bedside_protocol::CloseCode;
use bytes::Bytes;
use engineioxide_core::Packet;
use std::{
    cell::RefCell,
    collections::VecDeque,
    future::Future as _,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    Engine,
    payload::{parse, text_frame},
    polling::{GiveUp, Handover, Request},
    registry::{Claim, Registered},
    session::Session,
    speaker::Str,
};
use crate::ws::{
    admission::Seat,
    dialect::{Dialect, Incoming, Output, Step},
};

/// The most bytes of a message before the session is there: room for `2probe`.
const PROBE_BYTES_MAX: usize = 64;

/// One WebSocket that speaks Engine.IO.
pub(super) struct EngineSocket {
    state: State,
}

enum State {
    /// It has a session.
    Open {
        session: Session,
        /// Its entry in the registry, if it began with polling. Only held.
        _registered: Option<Box<Registered>>,
    },
    /// It wants to carry a session on.
    Probing(Box<Probing>),
    /// It is of no use.
    Doomed,
}

struct Probing {
    engine: Arc<Engine>,
    claim: Claim,
    /// Where the session's seat goes.
    seat: GivenSeat,
    until: Instant,
    step: ProbeStep,
    queue: VecDeque<Bytes>,
}

enum ProbeStep {
    /// `2probe` has yet to come.
    Greeting,
    /// The session knows; `5` has yet to come. It is told when this is dropped.
    Waiting(oneshot::Sender<GiveUp>),
    /// The session is on its way.
    Taking(oneshot::Receiver<Handover>),
}

/// Where a seat goes that comes after the socket.
pub(super) type GivenSeat = Rc<RefCell<Option<Seat>>>;

/// The seat of a socket, held for as long as the connection is.
pub(super) enum Place {
    /// Its own.
    Own {
        /// Only held.
        _seat: Seat,
    },
    /// That of the session that it carries on.
    Given {
        /// Only held.
        _seat: GivenSeat,
    },
}

impl EngineSocket {
    /// With a new session.
    pub(super) fn open(session: Session) -> Self {
        Self {
            state: State::Open {
                session,
                _registered: None,
            },
        }
    }

    /// To carry on a session that polls.
    pub(super) fn probing(engine: Arc<Engine>, claim: Claim, seat: GivenSeat) -> Self {
        let until = Instant::now() + engine.config.upgrade_timeout;
        let probing = Probing {
            engine,
            claim,
            seat,
            until,
            step: ProbeStep::Greeting,
            queue: VecDeque::new(),
        };
        Self {
            state: State::Probing(Box::new(probing)),
        }
    }

    /// To be closed at once.
    pub(super) fn doomed() -> Self {
        Self {
            state: State::Doomed,
        }
    }

    /// Ready unless a session is on its way.
    fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let State::Probing(probing) = &mut self.state else {
            return Poll::Ready(());
        };
        let ProbeStep::Taking(coming) = &mut probing.step else {
            return Poll::Ready(());
        };
        self.state = match ready!(Pin::new(coming).poll(cx)) {
            Ok(Handover {
                mut session,
                mut registered,
                seat,
            }) => {
                registered.upgraded();
                session.upgraded();
                // `3probe`, if the client was so fast.
                while let Some(frame) = probing.queue.pop_back() {
                    session.queue.push_front(frame);
                }
                *probing.seat.borrow_mut() = Some(seat);
                State::Open {
                    session,
                    _registered: Some(Box::new(registered)),
                }
            }
            Err(_) => State::Doomed,
        };
        Poll::Ready(())
    }
}

impl Probing {
    fn receive(&mut self, message: Incoming<'_>) -> Step {
        let packet = match message {
            Incoming::Text(text) => parse(Str::copy_from_slice(text)),
            Incoming::Binary(_) => return Step::Close(self.engine.malformed()),
        };
        match (packet, &self.step) {
            (Ok(Packet::PingUpgrade), ProbeStep::Greeting) => self.greet(),
            // Once is enough, but more than once does no harm.
            (Ok(Packet::PingUpgrade), ProbeStep::Waiting(_)) => {
                if self.queue.is_empty() {
                    self.queue.push_back(text_frame("3probe"));
                }
                Step::Next
            }
            (Ok(Packet::Upgrade), ProbeStep::Waiting(_)) => self.take(),
            _ => Step::Close(self.engine.malformed()),
        }
    }

    fn greet(&mut self) -> Step {
        let (ask, asked) = oneshot::channel();
        if self
            .claim
            .requests
            .try_send(Request::Probed(asked))
            .is_err()
        {
            // It ended, or is busier than any honest client makes it.
            return Step::Close(CloseCode::GoingAway);
        }
        self.step = ProbeStep::Waiting(ask);
        self.queue.push_back(text_frame("3probe"));
        Step::Next
    }

    fn take(&mut self) -> Step {
        let (give, coming) = oneshot::channel();
        let before = std::mem::replace(&mut self.step, ProbeStep::Taking(coming));
        if let ProbeStep::Waiting(ask) = before {
            // When it has ended nothing comes, which is seen there.
            let _ = ask.send(give);
        }
        Step::Next
    }
}

impl Dialect for EngineSocket {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_taken(cx));
        match &mut self.state {
            State::Open { session, .. } => {
                let ready = session.speaker.poll_ready(cx);
                session.deaf = ready.is_pending();
                ready
            }
            State::Probing(_) | State::Doomed => Poll::Ready(()),
        }
    }

    fn receive(&mut self, message: Incoming<'_>) -> Step {
        let session = match &mut self.state {
            State::Open { session, .. } => session,
            State::Probing(probing) => return probing.receive(message),
            State::Doomed => return Step::Next,
        };
        let packet = match message {
            Incoming::Text(text) => parse(Str::copy_from_slice(text)),
            Incoming::Binary(bytes) => Ok(Packet::Binary(Bytes::copy_from_slice(bytes))),
        };
        let received = match packet {
            Ok(packet) => session.receive(packet),
            Err(_) => Err(session.engine.malformed()),
        };
        match received {
            Ok(()) => Step::Next,
            Err(code) => Step::Close(code),
        }
    }

    fn message_bytes_max(&self) -> usize {
        match &self.state {
            State::Open { session, .. } => session.speaker.message_bytes_max(),
            State::Probing(_) | State::Doomed => PROBE_BYTES_MAX,
        }
    }

    fn poll_output(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut VecDeque<Bytes>,
        _frames_max: usize,
    ) -> Poll<Output> {
        ready!(self.poll_taken(cx));
        match &mut self.state {
            State::Open { session, .. } => session.poll_output(cx, into),
            State::Probing(probing) if !probing.queue.is_empty() => {
                into.append(&mut probing.queue);
                Poll::Ready(Output::Frames)
            }
            State::Probing(probing) => match &mut probing.step {
                // The session may end before it is carried on.
                ProbeStep::Waiting(ask) => ask
                    .poll_closed(cx)
                    .map(|()| Output::Closed(CloseCode::Normal)),
                ProbeStep::Greeting | ProbeStep::Taking(_) => Poll::Pending,
            },
            State::Doomed => Poll::Ready(Output::Closed(CloseCode::Normal)),
        }
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<CloseCode> {
        match &mut self.state {
            State::Open { session, .. } => session.speaker.poll_closed(cx),
            State::Probing(_) | State::Doomed => Poll::Pending,
        }
    }

    fn farewell(&self, _code: CloseCode) -> Option<Bytes> {
        None
    }

    fn deadline(&self) -> Option<(Instant, CloseCode)> {
        match &self.state {
            State::Open { session, .. } => Some((session.deadline(), CloseCode::IdleTimeout)),
            State::Probing(probing) => Some((probing.until, CloseCode::IdleTimeout)),
            State::Doomed => None,
        }
    }

    fn on_deadline(&mut self, now: Instant) -> Step {
        match &mut self.state {
            State::Open { session, .. } => match session.on_deadline(now) {
                Ok(()) => Step::Next,
                Err(code) => Step::Close(code),
            },
            State::Probing(_) => Step::Close(CloseCode::IdleTimeout),
            State::Doomed => Step::Next,
        }
    }

    fn has_heartbeat(&self) -> bool {
        true
    }

    fn written(&mut self) {
        if let State::Open { session, .. } = &mut self.state {
            session.speaker.written();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_socket_is_small() {
        let bytes = size_of::<EngineSocket>();
        assert!(bytes <= 128, "{bytes}");
    }
}
