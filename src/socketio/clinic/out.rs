//! What goes out to one client, and which of it is shared.

use bedside_actors::outbox::SharedEvent;
use bedside_protocol::CommandError;
use bytes::Bytes;
use serde::Serialize;

use crate::socketio::application::{Format, Packets, event_frame};

/// Where an event keeps the frame that all clients of one kind get. The native formats have
/// slots 0 and 1. A type of events is made into at most one thing per slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    /// `/`, seed 004, to the other one: `new_message`, `typing_start` and so on.
    Chat = 2,
    /// `/`, seed 004, to the one who did it: `message_sent`.
    ChatOwn = 3,
    /// `/`, seed 003: `message-received`, `user-typing`, `message-read`.
    Chats = 4,
    /// `/messages`, seed 000: `new-message`, `user-typing`, `message-read-status`.
    Messages = 5,
    /// No frame: whether a receipt is news.
    News = 6,
}

/// Packets for one client.
pub(super) struct Out<'a, 'b> {
    packets: &'a mut Packets<'b>,
    namespace: &'static str,
    added: bool,
}

#[derive(Serialize)]
struct ErrorEvent {
    message: String,
}

#[derive(Serialize)]
struct Refused<'a> {
    ok: bool,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'static str,
    message: &'a str,
}

impl<'a, 'b> Out<'a, 'b> {
    pub(super) fn new(packets: &'a mut Packets<'b>, namespace: &'static str) -> Self {
        Self {
            packets,
            namespace,
            added: false,
        }
    }

    /// Whether anything was added.
    pub(super) fn added(&self) -> bool {
        self.added
    }

    /// An event for this client alone. A tuple makes as many arguments.
    pub(super) fn emit<T: Serialize>(&mut self, event: &str, argument: &T) {
        self.added = true;
        self.packets.emit(event, argument);
    }

    /// An event that is the same for all clients that get `shared` as this.
    pub(super) fn emit_shared<T: Serialize>(
        &mut self,
        shared: &SharedEvent,
        slot: Slot,
        event: &str,
        argument: impl FnOnce() -> T,
    ) {
        self.added = true;
        match self.packets.format() {
            Format::Json => {
                let namespace = self.namespace;
                let make = || event_frame(namespace, event, &argument());
                self.packets.shared(shared.shared(slot as usize, make));
            }
            Format::MsgPack => self.packets.emit(event, &argument()),
        }
    }

    /// An event whose frame was made before.
    pub(super) fn emit_made<T: Serialize>(&mut self, frame: &Bytes, event: &str, argument: &T) {
        self.added = true;
        match self.packets.format() {
            Format::Json => self.packets.shared(frame.clone()),
            Format::MsgPack => self.packets.emit(event, argument),
        }
    }

    /// The answer to something that went well, for a client that waits for one.
    pub(super) fn answer<T: Serialize>(&mut self, ack: Option<i64>, answer: &T) {
        if let Some(ack) = ack {
            self.added = true;
            self.packets.ack(ack, answer);
        }
    }

    /// The answer to something that was refused, or `error`.
    pub(super) fn refuse(&mut self, ack: Option<i64>, error: &CommandError) {
        self.added = true;
        match ack {
            Some(ack) => {
                let error = ErrorBody {
                    code: error.code.name(),
                    message: &error.message,
                };
                self.packets.ack(ack, &Refused { ok: false, error });
            }
            None => {
                let message = error.to_string();
                self.packets.emit("error", &ErrorEvent { message });
            }
        }
    }
}

/// Whether a receipt is news, as the first one to look at it found out.
pub(super) fn is_news(shared: &SharedEvent, find_out: impl FnOnce() -> bool) -> bool {
    let find_out = || Bytes::from_static(if find_out() { b"1" } else { b"" });
    !shared.shared(Slot::News as usize, find_out).is_empty()
}
