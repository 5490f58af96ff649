//! What transports take out of a raw outbox, and what they ask for.

use bedside_protocol::{CommandError, Reply, UserId};
use bytes::Bytes;
use std::{any::Any, fmt, sync::Arc};

use super::SharedEvent;

/// What waits in an outbox. An encoded outbox holds frames only; a raw one everything else, for
/// a transport that says the same thing differently to each of its sockets.
#[derive(Clone)]
pub enum Item {
    /// A finished frame.
    Frame(Bytes),
    /// An event.
    Event(Arc<SharedEvent>),
    /// The answer to a command that went well.
    Reply(u64, Box<Reply>),
    /// The answer to a command that was refused.
    Error(Option<u64>, Box<CommandError>),
    /// [`Unwatched`], or something between sockets of one transport, which alone knows what it
    /// is.
    Note(Arc<dyn Any + Send + Sync>),
}

/// A note: a relation to this person was written, so their presence is not watched any more.
/// Who may still see it has to ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwatched(pub UserId);

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No contents: see `quiet_debug` of the protocol.
        f.write_str(match self {
            Self::Frame(_) => "Frame",
            Self::Event(_) => "Event",
            Self::Reply(..) => "Reply",
            Self::Error(..) => "Error",
            Self::Note(_) => "Note",
        })
    }
}

/// What a socket hears without having subscribed to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ambient {
    /// Typing in direct conversations.
    pub direct_typing: bool,
    /// Typing in consultations.
    pub consultation_typing: bool,
}
