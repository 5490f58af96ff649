//! Engine.IO without Socket.IO: messages come back as they went.

use bedside::{
    socketio::{
        application::Handshake,
        engine::speaker::{Speaker, Speaks, Str},
    },
    ws::{
        admission::Waiting,
        dialect::Output,
        frame::{Opcode, framed},
    },
};
use bedside_protocol::CloseCode;
use bytes::Bytes;
use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

/// Messages that wait. While there are so many the client is not read.
const WAITING_MAX: usize = 64;

/// Echoes.
pub(crate) struct EchoSpeaks;

impl Speaks for EchoSpeaks {
    fn open(&self, _: Handshake, waiting: Waiting) -> Box<dyn Speaker> {
        // Nobody has to say who they are.
        drop(waiting);
        Box::<Echo>::default()
    }
}

#[derive(Default)]
struct Echo {
    waiting: VecDeque<Bytes>,
    choked: bool,
}

impl Speaker for Echo {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.choked = self.waiting.len() >= WAITING_MAX;
        if self.choked {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    fn text(&mut self, text: Str) -> Result<(), CloseCode> {
        let frame = framed(Opcode::Text, format!("4{text}").as_bytes());
        self.waiting.push_back(frame.into());
        Ok(())
    }

    fn binary(&mut self, bytes: Bytes) -> Result<(), CloseCode> {
        self.waiting
            .push_back(framed(Opcode::Binary, &bytes).into());
        Ok(())
    }

    fn message_bytes_max(&self) -> usize {
        1_000_000
    }

    fn poll_output(&mut self, cx: &mut Context<'_>, into: &mut VecDeque<Bytes>) -> Poll<Output> {
        if self.waiting.is_empty() {
            // Messages come on the task that asks here, which therefore needs no waking.
            return Poll::Pending;
        }
        into.append(&mut self.waiting);
        if std::mem::take(&mut self.choked) {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Output::Frames)
    }

    fn poll_closed(&mut self, _: &mut Context<'_>) -> Poll<CloseCode> {
        Poll::Pending
    }
}
