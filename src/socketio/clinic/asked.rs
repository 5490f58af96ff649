//! What was asked of the session and is not answered yet.

use bedside_protocol::{
    CommandError, ConsultationId, ConversationId, ErrorCode, MessageId, NotificationId, UserId,
    limits,
};
use std::{collections::HashMap, fmt};

/// Commands of one client that wait for their answers. With so many it is not read: each of
/// them puts two items at most into the client's outbox, the answer and the message itself, and
/// what one client asks for at once must not overflow that.
pub(super) const ASKED_MAX: usize = limits::OUTBOX_FRAMES_MAX / 4;
/// The same, bytes of messages.
const ASKED_BYTES_MAX: usize = limits::OUTBOX_BYTES_MAX / 4;

/// A command on its way.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The event that it came with.
    pub(super) event: &'static str,
    /// The client waits for an answer under this number.
    pub(super) ack: Option<i64>,
    /// For the audit log.
    pub(super) about: About,
    /// What its answer means.
    pub(super) what: What,
}

/// What an answer means.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// Nothing more than that it is done.
    Plain,
    /// A message is stored.
    Sent,
    /// A message to a person is stored (seed 004).
    SentTo,
    /// They may call there.
    Call {
        chat: ConversationId,
        call_type: CallType,
    },
    /// They are in the consultation's room.
    Entered(ConsultationId),
    /// They have left it.
    Left(ConsultationId),
    /// The session has another token.
    Refreshed,
    /// Nobody asked for it, and nobody is told.
    Quiet,
}

/// How somebody calls (seed 003).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallType {
    Voice,
    Video,
}

/// What a command is about, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    Nothing,
    Conversation(ConversationId),
    Consultation(ConsultationId),
    User(UserId),
    Message(MessageId),
    Notification(NotificationId),
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Conversation(id) => write!(f, "conversation {id}"),
            Self::Consultation(id) => write!(f, "consultation {id}"),
            Self::User(id) => write!(f, "user {id}"),
            Self::Message(id) => write!(f, "message {id}"),
            Self::Notification(id) => write!(f, "notification {id}"),
        }
    }
}

impl Asked {
    /// Whether nobody is told how it went.
    pub(super) const fn is_quiet(&self) -> bool {
        matches!(self.what, What::Quiet)
    }

    /// Whether an auditor wants to know of this refusal: somebody tried what is not theirs to do.
    pub(super) fn is_suspicious(&self, error: &CommandError) -> bool {
        if self.is_quiet() {
            return false;
        }
        match error.code {
            ErrorCode::Forbidden | ErrorCode::NotAMember => true,
            // Files on hosts that are not the clinic's.
            ErrorCode::InvalidArgument => error.message.starts_with("attachments:"),
            // Somebody else's look the same as none.
            ErrorCode::NotFound => matches!(self.about, About::Notification(_)),
            _ => false,
        }
    }
}

/// Commands on their way, by their number.
#[derive(Default)]
pub(super) struct AskedTable {
    last: u64,
    /// Each with the bytes of its message.
    waiting: HashMap<u64, (Asked, usize)>,
    bytes: usize,
}

impl AskedTable {
    /// `bytes` is the size of the message that is sent, if one is.
    pub(super) fn add(&mut self, asked: Asked, bytes: usize) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, (asked, bytes));
        self.bytes += bytes;
        self.last
    }

    pub(super) fn get(&self, number: u64) -> Option<&Asked> {
        self.waiting.get(&number).map(|(asked, _)| asked)
    }

    pub(super) fn take(&mut self, number: u64) -> Option<Asked> {
        let (asked, bytes) = self.waiting.remove(&number)?;
        self.bytes -= bytes;
        if self.waiting.is_empty() && self.waiting.capacity() > 8 {
            // An idle client keeps no room for a burst long past.
            self.waiting = HashMap::new();
        }
        Some(asked)
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= ASKED_MAX || self.bytes >= ASKED_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            event: "send_message",
            ack: None,
            about: About::Nothing,
            what: What::Sent,
        }
    }

    #[test]
    fn it_is_full_of_many_commands_and_of_large_ones() {
        let mut table = AskedTable::default();
        let numbers: Vec<_> = (0..ASKED_MAX)
            .map(|_| {
                assert!(!table.is_full());
                table.add(asked(), 0)
            })
            .collect();
        assert!(table.is_full());
        for number in numbers {
            assert!(table.take(number).is_some());
            assert!(table.take(number).is_none(), "it is answered once");
            assert!(!table.is_full());
        }
        let large = table.add(asked(), ASKED_BYTES_MAX - 1);
        assert!(!table.is_full());
        table.add(asked(), 1);
        assert!(table.is_full());
        table.take(large);
        assert!(!table.is_full());
    }
}
