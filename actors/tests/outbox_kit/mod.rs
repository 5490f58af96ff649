//! An outbox without a socket: short frames, and a driver that looks at each.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test binary uses some of it")]

use bedside_actors::outbox::{Drained, Encoder, Outbox, SharedEvent};
use bedside_protocol::{
    CommandError, ConversationId, Event, EventFrame, Message, Reply, Roles, UserId,
    event::TypingChanged,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Writes the seq, or the length that the text names.
struct Short;

impl Encoder for Short {
    fn slot(&self) -> usize {
        0
    }
    fn event(&self, frame: &EventFrame) -> Bytes {
        match (&frame.event, frame.seq) {
            (Event::MessageCreated(m), Some(_)) if m.text.starts_with("bytes ") => {
                Bytes::from(vec![b'x'; m.text[6..].parse().unwrap()])
            }
            (_, Some(seq)) => Bytes::from(seq.to_string()),
            _ => Bytes::from_static(b"typing"),
        }
    }
    fn reply(&self, reply_to: u64, _: &Reply) -> Bytes {
        Bytes::from(format!("reply {reply_to}"))
    }
    fn error(&self, _: Option<u64>, error: &CommandError) -> Bytes {
        Bytes::from(error.code.name())
    }
}

pub(crate) fn outbox() -> Arc<Outbox> {
    Outbox::new(&Short, Roles::NONE)
}

pub(crate) fn message(id: ConversationId, seq: u64, text: &str) -> std::sync::Arc<SharedEvent> {
    let message: Message = serde_json::from_value(serde_json::json!({
        "message_id": bedside_protocol::MessageId::new(), "sender_id": "s",
        "type": "text", "text": text, "created_at": "2026-01-01T00:00:00.000Z",
    }))
    .unwrap();
    SharedEvent::new(EventFrame::logged(id, seq, Event::MessageCreated(message)))
}

pub(crate) fn typing(id: ConversationId) -> std::sync::Arc<SharedEvent> {
    SharedEvent::new(EventFrame::about(
        id,
        Event::TypingChanged(TypingChanged {
            user_id: UserId::new("s").unwrap(),
            typing: true,
        }),
    ))
}

pub(crate) fn push(outbox: &Outbox, id: ConversationId, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        outbox.event(&message(id, seq, "text"));
    }
}

#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    pub(crate) fn taken(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

pub(crate) fn poll(outbox: &Outbox, frames_max: usize) -> (Poll<Drained>, Vec<String>) {
    let mut frames = VecDeque::new();
    let mut cx = Context::from_waker(Waker::noop());
    let drained = outbox.poll_drain(&mut cx, &mut frames, frames_max);
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    (drained, frames.into_iter().map(text).collect())
}

/// All frames that wait, and what came at their end.
pub(crate) fn drain(outbox: &Outbox) -> (Vec<String>, Poll<Drained>) {
    let mut all = Vec::new();
    loop {
        match poll(outbox, 7) {
            (Poll::Ready(Drained::Frames), frames) => all.extend(frames),
            (end, frames) => {
                assert!(frames.is_empty());
                return (all, end);
            }
        }
    }
}

pub(crate) fn holes(ids: &[ConversationId]) -> Poll<Drained> {
    Poll::Ready(Drained::Holes(ids.to_vec()))
}
