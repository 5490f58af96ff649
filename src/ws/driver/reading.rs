//! From bytes to messages.

use bytes::Bytes;
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{Driver, Gone, Phase, TURNS_MAX};
use crate::ws::{
    dialect::{Dialect, Incoming, Step},
    frame::{Message, Opcode, Parsed, framed},
    inbox::with_scratch,
    outgoing::Written,
};

impl<S, D, G> Driver<S, D, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Dialect,
{
    pub(super) fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Gone> {
        for _ in 0..TURNS_MAX {
            if let Phase::Open(dialect) = &mut self.phase {
                self.paused = dialect.poll_ready(cx).is_pending();
                if self.paused {
                    return Ok(());
                }
                if self.inbox.is_worth_parsing() {
                    let mut kept = self.inbox.take();
                    let (consumed, needed) = self.understand(&mut kept, cx, now);
                    self.inbox.put_back(kept, consumed, needed);
                    continue;
                }
            }
            match self.read_once(cx, now) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Ok(()),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn read_once(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), Gone>> {
        if matches!(self.phase, Phase::Closing { ended: true, .. }) {
            return Poll::Pending;
        }
        with_scratch(|scratch| {
            let room = self.inbox.wanted().min(scratch.len());
            let mut buffer = ReadBuf::new(&mut scratch[..room]);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Gone)),
                Poll::Ready(Ok(())) => {}
            }
            let input = buffer.filled_mut();
            self.metrics.read(input.len());
            match &mut self.phase {
                Phase::Open(_) if input.is_empty() => return Poll::Ready(Err(Gone)),
                Phase::Open(_) if self.inbox.is_empty() => {
                    self.heard = now;
                    let (consumed, needed) = self.understand(input, cx, now);
                    if consumed < input.len() {
                        self.inbox.keep(&input[consumed..], needed);
                    }
                }
                Phase::Open(_) => {
                    self.heard = now;
                    self.inbox.append(input);
                }
                // Whatever still comes means nothing any more.
                Phase::Closing { ended, .. } => *ended = input.is_empty(),
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Goes through whole frames at the front of `input`. Returns how many bytes they had, and
    /// how many bytes there have to be from there on before it is worth going on.
    fn understand(
        &mut self,
        input: &mut [u8],
        cx: &mut Context<'_>,
        now: Instant,
    ) -> (usize, usize) {
        let (mut at, mut frames) = (0, 0);
        let needed = loop {
            let Phase::Open(dialect) = &mut self.phase else {
                // What comes after the end means nothing.
                at = input.len();
                break 0;
            };
            if dialect.poll_ready(cx).is_pending() {
                break 0;
            }
            // Only now, because what made it ready may have changed what it takes.
            self.parser
                .set_message_bytes_max(dialect.message_bytes_max());
            let (consumed, step) = match self.parser.next(&mut input[at..]) {
                Ok(Parsed::Incomplete { needed }) => break needed,
                Ok(Parsed::Fragment { consumed }) => (consumed, Step::Next),
                Ok(Parsed::Message { consumed, message }) => {
                    let step = match message {
                        Message::Text(text) => dialect.receive(Incoming::Text(text)),
                        Message::Binary(bytes) => dialect.receive(Incoming::Binary(bytes)),
                        Message::Ping(payload) => {
                            let pong = framed(Opcode::Pong, payload).into();
                            self.answer_ping(pong, cx);
                            Step::Next
                        }
                        Message::Pong(_) => Step::Next,
                        Message::Close(frame) => {
                            let code = frame.map(|frame| frame.code);
                            self.close_back(code, now);
                            Step::Next
                        }
                    };
                    (consumed, step)
                }
                Err(violation) => {
                    self.close_for(violation, now);
                    continue;
                }
            };
            at += consumed;
            frames += 1;
            self.take(step, cx, now);
        };
        if frames > 0 {
            self.metrics.received(frames);
        }
        (at, needed)
    }

    fn answer_ping(&mut self, pong: Bytes, cx: &mut Context<'_>) {
        if self.outgoing.controls_full() {
            let mut written = Written::default();
            // A fault shows again when it is the turn of writing.
            let _ = self.outgoing.poll_flush(&mut self.stream, cx, &mut written);
            self.metrics.written(written.frames, written.bytes);
        }
        self.outgoing.push_control(pong);
    }
}
