//! What is read: logs, members, and conversations as their members see them.

use bedside_protocol::{
    ClientMsgId, Consultation, Conversation, ConversationId, ConversationKind, ConversationState,
    LoggedEvent, MemberRole, MessageId, Roles, Timestamp, UserId, limits,
};
use std::collections::HashMap;

use super::{Attempt, BodyHash, ConversationKey};

/// The last entry of a log, and when it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its seq.
    pub seq: u64,
    /// Countable messages up to it.
    pub ord: u64,
    /// When it came.
    pub at: Timestamp,
}

/// Everything that a conversation actor starts from.
#[derive(Clone)]
pub struct Loaded {
    /// The store's name of it.
    pub key: ConversationKey,
    /// What it is for.
    pub kind: ConversationKind,
    /// Its title.
    pub title: String,
    /// Whose care it is about.
    pub patient_id: Option<UserId>,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Whether it takes new messages.
    pub state: ConversationState,
    /// Its consultation, if it is of that kind.
    pub consultation: Option<Consultation>,
    /// The first seq that retention has kept.
    pub log_start_seq: u64,
    /// The last entry.
    pub head: Head,
    /// All members, past ones too.
    pub members: Vec<MemberRecord>,
    /// Per sender, how many countable messages they have sent.
    pub sender_ords: HashMap<UserId, u64>,
    /// What was sent with a `client_msg_id` among the last [`TAIL_ENTRIES`] entries, ascending.
    pub tail: Vec<SentRecord>,
    /// The first seq that `tail` covers: an unknown `client_msg_id` needs a look into the store
    /// only when this is above 1.
    pub tail_from_seq: u64,
    /// Who wrote the last [`TAIL_ENTRIES`] entries, ascending. None of a store that this process
    /// alone writes to: there what is in the log was appended here.
    pub attempts: Option<Vec<(u64, Attempt)>>,
}

/// How many entries of the log a load looks back on for its tail.
pub const TAIL_ENTRIES: u64 = 64;

/// A message that was sent under a `client_msg_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRecord {
    /// By whom.
    pub sender_id: UserId,
    /// Under which name.
    pub client_msg_id: ClientMsgId,
    /// Where it is.
    pub seq: u64,
    /// Its id.
    pub message_id: MessageId,
    /// When the server took it in.
    pub created_at: Timestamp,
    /// Of its first body.
    pub body_hash: BodyHash,
}

/// A member as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct MemberRecord {
    /// Who.
    pub user_id: UserId,
    /// Display name; empty when unknown.
    pub name: String,
    /// What the directory knows of their roles.
    pub roles: Roles,
    /// What they are here.
    pub member_role: MemberRole,
    /// The first seq that they may read.
    pub first_seq: u64,
    /// The last one, once they are gone.
    pub last_seq: Option<u64>,
    /// When they came in.
    pub joined_at: Timestamp,
    /// Their watermarks.
    pub receipts: Receipts,
    /// Their own pin, mute and archive marks.
    pub preferences: Preferences,
}

/// A member's watermarks. Each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    /// Everything up to here reached one of their devices.
    pub delivered_seq: u64,
    /// Everything up to here was seen.
    pub read_seq: u64,
    /// Countable messages in the log up to `read_seq`.
    pub read_ord: u64,
    /// Countable messages of their own up to `read_seq`.
    pub read_sender_ord: u64,
}

impl Receipts {
    /// The higher watermark of each kind.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let read = if other.read_seq > self.read_seq {
            other
        } else {
            self
        };
        Self {
            delivered_seq: self.delivered_seq.max(other.delivered_seq),
            ..read
        }
    }

    /// Countable messages of others above the read watermark, when the log's last entry counts
    /// `ord` countable messages, `sender_ord` of them this member's own.
    #[must_use]
    pub const fn unread(self, ord: u64, sender_ord: u64) -> u64 {
        ord.saturating_sub(self.read_ord)
            .saturating_sub(sender_ord.saturating_sub(self.read_sender_ord))
    }
}

/// How many countable messages lie at or below a seq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of everybody.
    pub ord: u64,
    /// Of one sender.
    pub sender_ord: u64,
}

/// What a conversation is to one member alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Shown on top.
    pub pinned: bool,
    /// No alerts before this time.
    pub muted_until: Option<Timestamp>,
    /// Out of the ordinary list.
    pub archived: bool,
}

/// A stretch of a log to read, within the caller's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRange {
    /// The first seq that may be returned.
    pub from_seq: u64,
    /// The last seq that may be returned.
    pub to_seq: u64,
    /// From the newest end of the range; what is returned is ascending all the same.
    pub newest_first: bool,
    /// At most this many entries.
    pub limit: usize,
    /// Stop before this many bytes of text, but return at least one entry.
    pub bytes_max: usize,
}

impl LogRange {
    /// The entry at `seq` and no other.
    #[must_use]
    pub const fn one(seq: u64) -> Self {
        Self {
            from_seq: seq,
            to_seq: seq,
            newest_first: false,
            limit: 1,
            bytes_max: limits::PAGE_BYTES_MAX,
        }
    }
}

/// What a stretch of a log held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPage {
    /// Ascending and dense; messages as they stand now.
    pub events: Vec<LoggedEvent>,
    /// Whether the range holds more.
    pub has_more: bool,
}

/// Which conversations of a user to return.
#[derive(Clone, Debug)]
pub enum Select {
    /// These, in any order; ones that the user never was a member of are left out.
    Ids(Vec<ConversationId>),
    /// Newest activity first, ties by id; pinned ones are not moved up.
    Page {
        /// Go on after this (`last_activity_at` in ms, id); none for the start.
        after: Option<(Timestamp, ConversationId)>,
        /// At most this many.
        limit: usize,
        /// Leave these out.
        without: Vec<ConversationId>,
    },
}

/// What somebody may read of a conversation's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// What the conversation is for.
    pub kind: ConversationKind,
    /// As what they are or were in it.
    pub member_role: MemberRole,
    /// The first entry that they may read.
    pub first_seq: u64,
    /// The last one, for somebody who is not in it any more.
    pub last_seq: Option<u64>,
    /// The last entry that there is for them to read.
    pub head_seq: u64,
    /// The first seq that retention has kept.
    pub log_start_seq: u64,
}

/// A conversation in which something happened lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// Which.
    pub conversation_id: ConversationId,
    /// The last entry of its log; exact for all that was acknowledged.
    pub head: Head,
    /// The first entry of that time; above `head.seq` when there is none any more.
    pub from_seq: u64,
    /// Who of those asked for are or were in it.
    pub members: Vec<UserId>,
}

/// Conversations as one user sees them, without regard to what a broadcast hides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversations {
    /// Each with its members (present ones), the user's own view and the last message.
    pub rows: Vec<Conversation>,
    /// Whether there are more after the last row.
    pub has_more: bool,
}

/// An earlier text of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Revision {
    /// 1 for the first text.
    pub rev: u32,
    /// What it said.
    pub text: String,
    /// When it was replaced.
    pub replaced_at: Timestamp,
}

bedside_protocol::quiet_debug! {
    MemberRecord { user_id, member_role, first_seq, last_seq, receipts }
    Revision { rev, replaced_at }
    Loaded { key, kind, state, head }
}
