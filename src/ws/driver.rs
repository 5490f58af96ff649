//! Drives one socket after its handshake, whatever is spoken on it: reads and writes frames,
//! answers pings, keeps the deadlines and closes in order. One task per socket.
//!
//! What the messages mean is up to a [`Dialect`]; how bytes become
//! messages is in `driver/reading.rs`, how time passes in `driver/deadlines.rs`.

mod deadlines;
mod reading;

use bedside_protocol::CloseCode;
use bytes::Bytes;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};

use self::deadlines::first_deadline;
use super::{
    dialect::{Dialect, Output, Step},
    frame::{Opcode, Parser, Violation, close_payload, framed},
    inbox::Inbox,
    metrics::SocketMetrics,
    outgoing::{Outgoing, Written},
};

/// How long a client may take to read its close frame and answer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for one that was too slow: it has to wake up first.
const SLOW_CLOSE_TIMEOUT: Duration = Duration::from_secs(30);
/// After so many reads or batches of writes other sockets get their turn.
const TURNS_MAX: usize = 8;
/// Frames taken over at once, so that most of what waits does so within the outbox's bounds.
const FRAMES_AT_ONCE: usize = 64;

/// What a socket starts with.
pub struct Opening {
    /// What has to be written first: the answer to the handshake.
    pub answer: Bytes,
    /// What was read behind the handshake.
    pub read_ahead: Bytes,
    /// Who counts.
    pub metrics: Arc<dyn SocketMetrics>,
}

/// One socket. Done when the connection is.
pub struct Driver<S, D, G> {
    stream: S,
    parser: Parser,
    inbox: Inbox,
    outgoing: Outgoing,
    phase: Phase<D>,
    heard: Instant,
    wrote: Instant,
    pinged: Instant,
    stalled: Option<Instant>,
    paused: bool,
    /// The dialect was not yet told that what it gave is written.
    unreported: bool,
    /// Set to the earliest deadline or before it, and moved only when it fires.
    timer: Pin<Box<Sleep>>,
    metrics: Arc<dyn SocketMetrics>,
    /// Told the code of the close frame.
    closed: Option<u16>,
    /// Held for as long as the connection is.
    _guard: G,
}

enum Phase<D> {
    Open(D),
    Closing {
        until: Instant,
        /// Our side is shut down.
        shut: bool,
        /// The client's is.
        ended: bool,
    },
}

/// The connection cannot go on.
struct Gone;

impl<S, D, G> Driver<S, D, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Dialect,
{
    /// A socket that starts to speak.
    pub fn new(stream: S, opening: Opening, dialect: D, guard: G) -> Self {
        let now = Instant::now();
        opening.metrics.opened();
        Self {
            stream,
            parser: Parser::new(dialect.message_bytes_max()),
            inbox: Inbox::starting_with(&opening.read_ahead),
            outgoing: Outgoing::starting_with(opening.answer),
            timer: Box::pin(sleep_until(first_deadline(&dialect, now))),
            phase: Phase::Open(dialect),
            heard: now,
            wrote: now,
            pinged: now,
            stalled: None,
            paused: false,
            unreported: false,
            metrics: opening.metrics,
            closed: None,
            _guard: guard,
        }
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        let now = Instant::now();
        self.read(cx, now)?;
        self.write(cx, now)?;
        self.keep_time(cx, now)
    }

    // Writing

    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Gone> {
        for _ in 0..TURNS_MAX {
            let mut written = Written::default();
            let flushed = self.outgoing.poll_flush(&mut self.stream, cx, &mut written);
            if written.bytes > 0 {
                self.metrics.written(written.frames, written.bytes);
                self.wrote = now;
                self.stalled = None;
                self.unreported = true;
            }
            match (flushed, &mut self.phase) {
                (Poll::Ready(Err(_)), _) => return Err(Gone),
                (Poll::Pending, phase) => {
                    self.stalled.get_or_insert(now);
                    if let Phase::Open(dialect) = phase
                        && let Poll::Ready(code) = dialect.poll_closed(cx)
                    {
                        self.close(code, cx, now);
                        continue;
                    }
                    return Ok(());
                }
                (Poll::Ready(Ok(())), Phase::Closing { shut, ended, .. }) => {
                    if !*shut {
                        match Pin::new(&mut self.stream).poll_shutdown(cx) {
                            Poll::Pending => return Ok(()),
                            Poll::Ready(Err(_)) => return Err(Gone),
                            Poll::Ready(Ok(())) => *shut = true,
                        }
                    }
                    return if *ended { Err(Gone) } else { Ok(()) };
                }
                (Poll::Ready(Ok(())), Phase::Open(dialect)) => {
                    if std::mem::take(&mut self.unreported) {
                        dialect.written();
                    }
                    match dialect.poll_output(cx, self.outgoing.queue(), FRAMES_AT_ONCE) {
                        Poll::Pending => return Ok(()),
                        Poll::Ready(Output::Frames) => {}
                        Poll::Ready(Output::Closed(code)) => self.close(code, cx, now),
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    // Closing

    fn take(&mut self, step: Step, cx: &mut Context<'_>, now: Instant) {
        match step {
            Step::Next => {}
            Step::Close(code) => self.close(code, cx, now),
            Step::CloseAfter(frame, code) => {
                self.outgoing.queue().push_back(frame);
                self.close(code, cx, now);
            }
        }
    }

    /// Closes for a reason of ours. What the dialect has left is a bounded amount, and may be an
    /// acknowledgement, so it goes out first; but not to a client that was too slow, which comes
    /// back for it.
    fn close(&mut self, code: CloseCode, cx: &mut Context<'_>, now: Instant) {
        let payload = close_payload(code.number(), code.name());
        if code == CloseCode::SlowConsumer {
            self.outgoing.clear();
            self.close_with(Some(code.number()), &payload, SLOW_CLOSE_TIMEOUT, now);
            return;
        }
        if let Phase::Open(dialect) = &mut self.phase {
            let queue = self.outgoing.queue();
            while let Poll::Ready(Output::Frames) = dialect.poll_output(cx, queue, FRAMES_AT_ONCE) {
            }
            queue.extend(dialect.farewell(code));
        }
        self.close_with(Some(code.number()), &payload, CLOSE_TIMEOUT, now);
    }

    /// Answers the client's close frame with its own code.
    fn close_back(&mut self, code: Option<u16>, now: Instant) {
        let payload = code.map_or_else(Vec::new, |code| close_payload(code, ""));
        self.close_with(code, &payload, CLOSE_TIMEOUT, now);
    }

    /// Closes because the client broke the protocol of WebSocket itself.
    fn close_for(&mut self, violation: Violation, now: Instant) {
        let payload = close_payload(violation.close_code, violation.reason);
        self.close_with(Some(violation.close_code), &payload, CLOSE_TIMEOUT, now);
    }

    fn close_with(&mut self, code: Option<u16>, payload: &[u8], patience: Duration, now: Instant) {
        let frame = framed(Opcode::Close, payload);
        self.outgoing.queue().push_back(frame.into());
        self.closed = code;
        self.inbox = Inbox::default();
        self.phase = Phase::Closing {
            until: now + patience,
            shut: false,
            ended: false,
        };
        self.timer.as_mut().reset(now + patience);
    }
}

impl<S, D, G> Future for Driver<S, D, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Dialect + Unpin,
    G: Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.get_mut().poll_socket(cx) {
            Ok(()) => Poll::Pending,
            Err(Gone) => Poll::Ready(()),
        }
    }
}

impl<S, D, G> Drop for Driver<S, D, G> {
    fn drop(&mut self) {
        self.metrics.closed(self.closed);
    }
}
