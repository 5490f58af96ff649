//! The native protocol on a socket: first who it is, then commands in and the outbox out.

use bedside_actors::{
    audit::Whence,
    node::Node,
    outbox::{Drained, Encoder, Outbox},
    ports::identity::{SessionIdentity, Verification, Verified},
    session::{Opening, SessionHandle},
};
use bedside_protocol::{
    CloseCode, Command, CommandError, CommandFrame, ErrorCode, Event, EventFrame, WireFormat,
    codec, command::SessionHello, event::SessionClosing, limits,
};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, LocalBoxFuture};
use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

use super::{
    admission::Waiting,
    dialect::{Dialect, Incoming, Output, Step},
    encoder::NativeEncoder,
    metrics::SocketMetrics,
};
use crate::strangers::{Strangers, Way};

/// Frames in a row that are no commands. More come from no client that could be helped by
/// another answer.
const MALFORMED_MAX: u32 = 100;
/// When clients of a server that stops are told to come back: not before it may be there again.
const RECONNECT_AFTER_MS: RangeInclusive<u64> = 500..=3_500;

/// A client that has yet to say who it is.
pub struct Stranger {
    /// Who is told when its token is bad.
    pub strangers: Arc<Strangers>,
    /// What is known of it.
    pub whence: Whence,
    /// Its place among all who have yet to.
    pub waiting: Waiting,
}

impl Stranger {
    /// Its token is bad: what it is told.
    fn refused(&self, error: CommandError) -> CommandError {
        let why = error.message.clone();
        self.strangers
            .refused(Way::Native, &self.whence, None, &why, error)
    }
}

/// One socket that speaks the native protocol.
pub struct Native {
    node: Arc<Node>,
    format: WireFormat,
    metrics: Arc<dyn SocketMetrics>,
    state: State,
}

enum State {
    /// It has yet to say who it is.
    Hello {
        deadline: Instant,
        // Boxed: a socket that has said hello must not pay for its room.
        stranger: Box<Stranger>,
    },
    /// It has, and somebody else is asked about its token.
    Asking(Asking),
    /// It was turned away for this.
    Refused(CloseCode),
    /// It has a session.
    Open(Session),
}

struct Asking {
    deadline: Instant,
    stranger: Box<Stranger>,
    /// Under which id the hello is answered.
    id: Option<u64>,
    verified: BoxFuture<'static, Verified>,
}

struct Session {
    handle: Rc<SessionHandle>,
    outbox: Arc<Outbox>,
    /// A command that waits for room in the session's mailbox; nothing is read behind it.
    blocked: Option<LocalBoxFuture<'static, ()>>,
    malformed: u32,
}

impl Native {
    /// A socket whose first frame has to be `session.hello`.
    #[must_use]
    pub fn expecting_hello(
        node: Arc<Node>,
        format: WireFormat,
        metrics: Arc<dyn SocketMetrics>,
        stranger: Stranger,
    ) -> Self {
        let deadline = Instant::now() + Duration::from_millis(limits::HELLO_TIMEOUT_MS);
        Self {
            node,
            format,
            metrics,
            state: State::Hello {
                deadline,
                stranger: Box::new(stranger),
            },
        }
    }

    /// A socket whose handshake said who it is.
    #[must_use]
    pub fn signed_in(
        node: Arc<Node>,
        format: WireFormat,
        metrics: Arc<dyn SocketMetrics>,
        identity: SessionIdentity,
        whence: Whence,
    ) -> Self {
        let state = State::Open(Session::open(&node, format, identity, whence));
        Self {
            node,
            format,
            metrics,
            state,
        }
    }

    fn on_first_frame(&mut self, payload: &[u8], draining: bool) -> Step {
        if draining {
            return Step::Close(CloseCode::GoingAway);
        }
        let (id, token) = match codec::decode_command(self.format, payload) {
            Ok(CommandFrame {
                id,
                command: Command::SessionHello(hello),
            }) => (id, hello.token),
            Ok(CommandFrame { id, .. }) => {
                let error = CommandError::new(ErrorCode::Unauthorized, "say session.hello first");
                return self.turn_away(id, &error);
            }
            Err(fault) => return self.turn_away(fault.id, &fault.error),
        };
        let State::Hello { stranger, .. } = &mut self.state else {
            return Step::Next;
        };
        // It has shown a token; what is wrong with that is counted by itself.
        stranger.waiting.excuse();
        let identities = self.node.identities();
        match identities.verify(&token, self.node.clock().now()) {
            Verification::Done(Ok(identity)) => {
                let whence = stranger.whence.clone();
                self.let_in(id, identity, whence);
            }
            Verification::Done(Err(error)) => {
                let error = stranger.refused(error);
                return self.turn_away(id, &error);
            }
            Verification::Waiting(verified) => self.ask(id, verified),
        }
        Step::Next
    }

    fn ask(&mut self, id: Option<u64>, verified: BoxFuture<'static, Verified>) {
        let state = std::mem::replace(&mut self.state, State::Refused(CloseCode::Unauthorized));
        if let State::Hello { deadline, stranger } = state {
            self.state = State::Asking(Asking {
                deadline,
                stranger,
                id,
                verified,
            });
        }
    }

    /// Goes on once it is known who it is; the frame that says that it is turned away, if so.
    fn poll_asked(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let State::Asking(asking) = &mut self.state else {
            return None;
        };
        let id = asking.id;
        let Poll::Ready(verified) = asking.verified.poll_unpin(cx) else {
            return None;
        };
        // What was sent behind the hello may be read now.
        cx.waker().wake_by_ref();
        match verified {
            Ok(identity) => {
                let whence = asking.stranger.whence.clone();
                self.let_in(id, identity, whence);
                None
            }
            Err(error) => {
                let error = asking.stranger.refused(error);
                self.state = State::Refused(close_code(&error));
                Some(NativeEncoder::of(self.format).error(id, &error))
            }
        }
    }

    fn let_in(&mut self, id: Option<u64>, identity: SessionIdentity, whence: Whence) {
        let mut session = Session::open(&self.node, self.format, identity, whence);
        // The session answers, so that the welcome comes first. The token stays here.
        session.on_command(CommandFrame {
            id,
            command: Command::SessionHello(SessionHello {
                token: String::new(),
            }),
        });
        self.state = State::Open(session);
    }

    fn turn_away(&self, id: Option<u64>, error: &CommandError) -> Step {
        let frame = NativeEncoder::of(self.format).error(id, error);
        Step::CloseAfter(frame, close_code(error))
    }
}

/// A client whose token could not be looked at comes back with the same one.
fn close_code(error: &CommandError) -> CloseCode {
    match error.code {
        ErrorCode::Unavailable => CloseCode::Overloaded,
        // One that is told to wait is still one whose token is bad, so it stays 4401.
        // Before hello nothing but a block is forbidden.
        ErrorCode::Forbidden => CloseCode::Blocked,
        _ => CloseCode::Unauthorized,
    }
}

/// Spread out: all clients of a server that stops come back, to it or to the others.
fn reconnect_after_ms() -> u64 {
    let spread = RECONNECT_AFTER_MS.end() - RECONNECT_AFTER_MS.start() + 1;
    // Without randomness all come at once, which is no more than they would do untold.
    let chance = getrandom::u64().unwrap_or_default();
    RECONNECT_AFTER_MS.start() + chance % spread
}

impl Session {
    fn open(
        node: &Arc<Node>,
        format: WireFormat,
        identity: SessionIdentity,
        whence: Whence,
    ) -> Self {
        let outbox = Outbox::new(NativeEncoder::of(format), identity.roles);
        let opening = Opening {
            whence,
            ..Opening::default()
        };
        let handle = node.open_session_of(identity, opening, Arc::clone(&outbox));
        Self {
            handle: Rc::new(handle),
            outbox,
            blocked: None,
            malformed: 0,
        }
    }

    fn on_command(&mut self, frame: CommandFrame) {
        self.malformed = 0;
        if let Err(frame) = self.handle.command(frame) {
            let handle = Rc::clone(&self.handle);
            self.blocked = Some(async move { handle.command_when_room(frame).await }.boxed_local());
        }
    }
}

impl Dialect for Native {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Asking(_) | State::Refused(_) = &self.state {
            return Poll::Pending;
        }
        if let State::Open(session) = &mut self.state
            && let Some(blocked) = &mut session.blocked
        {
            std::task::ready!(blocked.poll_unpin(cx));
            session.blocked = None;
        }
        Poll::Ready(())
    }

    fn receive(&mut self, message: Incoming<'_>) -> Step {
        let payload = match (self.format, message) {
            (WireFormat::Json, Incoming::Text(text)) => text.as_bytes(),
            (WireFormat::MsgPack, Incoming::Binary(bytes)) => bytes,
            _ => return Step::Close(CloseCode::UnsupportedData),
        };
        let session = match &mut self.state {
            State::Hello { stranger, .. } => {
                let draining = stranger.waiting.is_draining();
                return self.on_first_frame(payload, draining);
            }
            State::Asking(_) | State::Refused(_) => return Step::Next,
            State::Open(session) => session,
        };
        match codec::decode_command(self.format, payload) {
            Ok(frame) => session.on_command(frame),
            Err(fault) => {
                self.metrics.malformed();
                session.malformed += 1;
                if session.malformed > MALFORMED_MAX {
                    return Step::Close(CloseCode::ProtocolError);
                }
                session.outbox.error(fault.id, &fault.error);
            }
        }
        Step::Next
    }

    fn message_bytes_max(&self) -> usize {
        match self.state {
            State::Hello { .. } | State::Asking(_) | State::Refused(_) => {
                limits::HELLO_FRAME_BYTES_MAX
            }
            State::Open(_) => limits::MESSAGE_FRAME_BYTES_MAX,
        }
    }

    fn poll_output(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut VecDeque<Bytes>,
        frames_max: usize,
    ) -> Poll<Output> {
        if let Some(refusal) = self.poll_asked(cx) {
            into.push_back(refusal);
            return Poll::Ready(Output::Frames);
        }
        let session = match &self.state {
            State::Hello { .. } | State::Asking(_) => return Poll::Pending,
            State::Refused(code) => return Poll::Ready(Output::Closed(*code)),
            State::Open(session) => session,
        };
        loop {
            match std::task::ready!(session.outbox.poll_drain(cx, into, frames_max)) {
                Drained::Frames => return Poll::Ready(Output::Frames),
                Drained::Holes(holes) => session.handle.fill_holes(holes),
                Drained::Closed(code) => return Poll::Ready(Output::Closed(code)),
            }
        }
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<CloseCode> {
        match &self.state {
            State::Hello { .. } | State::Asking(_) => Poll::Pending,
            State::Refused(code) => Poll::Ready(*code),
            State::Open(session) => session.outbox.poll_closed(cx),
        }
    }

    fn farewell(&self, code: CloseCode) -> Option<Bytes> {
        let State::Open(_) = &self.state else {
            return None;
        };
        let closing = Event::SessionClosing(SessionClosing {
            code: code.number(),
            reason: code.name().to_owned(),
            reconnect_after_ms: (code == CloseCode::GoingAway).then(reconnect_after_ms),
        });
        Some(NativeEncoder::of(self.format).event(&EventFrame::plain(closing)))
    }

    fn deadline(&self) -> Option<(Instant, CloseCode)> {
        match &self.state {
            State::Hello { deadline, .. } => Some((*deadline, CloseCode::Unauthorized)),
            // It was in time; it is somebody else who is slow.
            State::Asking(asking) => Some((asking.deadline, CloseCode::Overloaded)),
            State::Refused(_) | State::Open(_) => None,
        }
    }
}
