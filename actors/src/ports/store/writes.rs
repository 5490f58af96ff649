//! What is written: entries of a log, and new conversations.

use bedside_protocol::{
    ConsultationStatus, ConversationId, ConversationKind, ConversationState, Event, MemberRole,
    Message, MessageId, SessionId, Timestamp, UserId, event::ConversationChanged,
};
use std::{
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

#[cfg(doc)]
use super::StoreError;
use super::{ConversationKey, StoreResult};

/// A keyed hash of what a message first said (type, text, attachments, `reply_to_seq`): tells a
/// retry from another message under the same `client_msg_id`.
pub type BodyHash = [u8; 16];

/// Who tried to write an entry, unique among all tries of all nodes: tells a writer that was not
/// answered whether what it finds at its place is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attempt(pub u128);

impl Attempt {
    /// The next one of this process.
    #[must_use]
    pub fn next() -> Self {
        static PROCESS: LazyLock<u128> = LazyLock::new(|| {
            let random = SessionId::new().to_bytes();
            u128::from_be_bytes(random) << 64
        });
        static COUNT: AtomicU64 = AtomicU64::new(1);
        Self(*PROCESS | u128::from(COUNT.fetch_add(1, Ordering::Relaxed)))
    }
}

/// One entry for a conversation's log.
#[derive(Clone, Debug)]
pub struct Append {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// The store's name of it.
    pub key: ConversationKey,
    /// Its place: head + 1.
    pub seq: u64,
    /// The writer's own name of this try.
    pub attempt: Attempt,
    /// When the server took it in.
    pub at: Timestamp,
    /// Who did it; none for the server itself.
    pub by: Option<UserId>,
    /// Countable messages in the log up to and with this entry.
    pub ord: u64,
    /// Countable messages of `by` up to and with this entry.
    pub sender_ord: u64,
    /// What happened.
    pub body: AppendBody,
}

/// What an entry says, and what it changes besides the log.
#[derive(Clone)]
pub enum AppendBody {
    /// Somebody said something.
    Message {
        /// The message; `client_msg_id` and all else inside.
        message: Arc<Message>,
        /// Of its first body.
        body_hash: BodyHash,
    },
    /// The text of the message at `target_seq` becomes `text`; the one before is kept as a
    /// revision. The entry itself holds no text.
    Edit {
        /// Which message.
        target_seq: u64,
        /// Its id.
        message_id: MessageId,
        /// The new text.
        text: Arc<str>,
    },
    /// The message at `target_seq` becomes a tombstone; its text is kept as a revision.
    Delete {
        /// Which message.
        target_seq: u64,
        /// Its id.
        message_id: MessageId,
    },
    /// `by` puts the emoji on the message at `target_seq`, or takes it off.
    React {
        /// Which message.
        target_seq: u64,
        /// Its id.
        message_id: MessageId,
        /// The emoji.
        emoji: Arc<str>,
        /// Put on, or taken off.
        on: bool,
    },
    /// Title, state or members change.
    Change {
        /// As clients see it.
        event: Box<ConversationChanged>,
        /// What is stored besides.
        effect: ChangeEffect,
    },
    /// The conversation's consultation begins or ends: its `status` becomes this one,
    /// `started_at` (of one that goes on) or `ended_at` (of one that is over) the time of the
    /// entry, and so does `updated_at`. A [`StoreError::Conflict`] in a conversation without one.
    Consultation {
        /// As clients see it: `consultation.started` or `consultation.ended`. Any other is a
        /// [`StoreError::Conflict`].
        event: Box<Event>,
        /// The new status.
        status: ConsultationStatus,
        /// What the doctor noted; none leaves the notes as they are.
        notes: Option<Arc<str>>,
    },
}

/// What a [`AppendBody::Change`] changes besides the log.
#[derive(Clone)]
pub enum ChangeEffect {
    /// A new title.
    Title(String),
    /// A new state.
    State(ConversationState),
    /// A member comes in, comes back, or gets another role. Their watermarks become at least
    /// those just below `first_seq`: what came before it is not unread to them.
    PutMember(NewMember),
    /// A member's window ends with this entry.
    EndMember(UserId),
}

/// A member to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMember {
    /// Who.
    pub user_id: UserId,
    /// What they are here.
    pub member_role: MemberRole,
    /// The first seq that they may read.
    pub first_seq: u64,
    /// When they came in.
    pub joined_at: Timestamp,
}

/// What became of one [`Append`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Which entry.
    pub seq: u64,
    /// Which try: another entry may have been given the same seq since.
    pub attempt: Attempt,
    /// Stored, or not.
    pub result: StoreResult<()>,
}

/// Who hears what became of appends: one per arbiter.
pub trait AppendSink: Send + Sync {
    /// Called once per commit with all that it held for this sink. Must not block or panic.
    fn appended(&self, batch: Vec<Appended>);
}

/// A conversation to be made. Its log starts with `event` at seq 1.
#[derive(Clone)]
pub struct NewConversation {
    /// Its id.
    pub conversation_id: ConversationId,
    /// What it is for.
    pub kind: ConversationKind,
    /// Its title.
    pub title: String,
    /// Whose care it is about.
    pub patient_id: Option<UserId>,
    /// Who makes it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Its first members. For a direct one these two people make the pair that is unique.
    pub members: Vec<NewMember>,
    /// Its first entry.
    pub event: ConversationChanged,
}

/// A conversation was made, or was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// The new one's id, or that of the pair's existing direct conversation.
    pub conversation_id: ConversationId,
    /// Whether it is new.
    pub created: bool,
}

impl fmt::Debug for AppendBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No texts: see `quiet_debug`.
        f.write_str(match self {
            Self::Message { .. } => "Message",
            Self::Edit { .. } => "Edit",
            Self::Delete { .. } => "Delete",
            Self::React { .. } => "React",
            Self::Change { .. } => "Change",
            Self::Consultation { .. } => "Consultation",
        })
    }
}

impl fmt::Debug for ChangeEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Title(_) => f.write_str("Title"),
            Self::State(state) => write!(f, "State({state:?})"),
            Self::PutMember(member) => write!(f, "PutMember({member:?})"),
            Self::EndMember(user_id) => write!(f, "EndMember({user_id})"),
        }
    }
}

bedside_protocol::quiet_debug! {
    NewConversation { conversation_id, kind, created_by }
}
