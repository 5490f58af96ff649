//! What the actors need of durable storage.
//!
//! Promises that every store keeps, and that one contract suite (`actors/src/testkit/store_contract.rs`)
//! checks on all of them:
//!
//! 1. What was answered with success survives a crash of the process and of the machine.
//! 2. A conversation's log is dense: an entry is stored only when its seq is head + 1, and what
//!    belongs to it (the edited row, the member's window) is stored with it or not at all.
//! 3. Appends of one conversation are stored, and answered, in the order in which they came.
//!    When one fails, those that were handed in behind it fail too ([`StoreError::Conflict`]),
//!    until a load with `after_writes` has begun anew: another process may meanwhile have filled
//!    the place that they count on.
//! 4. A load with `after_writes` sees every append that was handed in before it.
//! 5. Watermarks only grow, whatever the order of the writes.
//! 6. After an acknowledged delete no read returns the text, attachments or reactions.

mod audit;
mod consultations;
pub mod denials;
pub mod glass;
pub mod memory;
mod notifications;
pub mod numbered;
pub mod page;

pub use self::{
    audit::{AuditEntry, AuditHash, AuditHead, AuditRange, AuditRecord, AuditStore},
    consultations::{ConsultationSelect, ConsultationStore, NewConsultation},
    denials::{Denial, DenialRecord, DenialStore, Denials, DenialsVersion},
    glass::{Glass, GlassStore},
    notifications::{NewNotification, NotificationMark, NotificationRecord, NotificationStore},
    numbered::{Listed, Located, NumberedStore, Numbers},
};

use async_trait::async_trait;
use bedside_protocol::{
    ClientMsgId, Consultation, ConsultationStatus, Conversation, ConversationId, ConversationKind,
    ConversationState, Event, LoggedEvent, MemberRole, Message, MessageId, RelationKind, Roles,
    SessionId, Timestamp, UserId, event::ConversationChanged,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The entry's seq is not head + 1 (as when another process was quicker), or what it changes
    /// is not there: nothing was stored, and never will be.
    Conflict,
    /// The disk is full: nothing was stored. Free some space; it goes on by itself.
    Full,
    /// Reading or writing failed; whether it was stored is unknown. The text is for operators.
    Unavailable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict => f.write_str("conflicts with what is stored"),
            Self::Full => f.write_str("the disk is full"),
            Self::Unavailable(why) => write!(f, "storage is unavailable: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Shorthand for what stores return.
pub type StoreResult<T> = Result<T, StoreError>;

/// The store's own short name of a conversation, learned by loading it. Opaque to actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConversationKey(pub i64);

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

/// A person of the directory.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// The token's `sub`.
    pub user_id: UserId,
    /// Display name; empty when unknown.
    pub name: String,
    /// Empty when unknown.
    pub email: String,
    /// What the last token, or the directory, said.
    pub roles: Roles,
    /// When their last socket closed.
    pub last_seen_at: Option<Timestamp>,
}

/// Someone is related to a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Whose care.
    pub patient_id: UserId,
    /// Who is related.
    pub user_id: UserId,
    /// How.
    pub kind: RelationKind,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

impl Relation {
    /// Whether it is in force.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
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

/// Durable storage. See the module's text for its promises.
#[async_trait]
pub trait Store:
    AuditStore + ConsultationStore + DenialStore + GlassStore + NotificationStore + NumberedStore
{
    /// Changes only when seqs could repeat, as after a restore from back-up.
    fn epoch(&self) -> &str;

    /// Names who hears of the appends of each lane: `sinks[lane]`. Called once, before the
    /// first append.
    fn connect(&self, sinks: Vec<Arc<dyn AppendSink>>);

    /// Hands an entry to the writer and returns at once; `sinks[lane]` hears what became of it.
    fn append(&self, lane: usize, append: Append);

    /// Raises a member's watermarks to at least these.
    async fn put_receipts(
        &self,
        key: ConversationKey,
        user_id: UserId,
        receipts: Receipts,
    ) -> StoreResult<()>;

    /// Sets a member's own marks.
    async fn put_preferences(
        &self,
        key: ConversationKey,
        user_id: UserId,
        preferences: Preferences,
    ) -> StoreResult<()>;

    /// Makes a conversation with its members and first entry, or finds the direct one of the
    /// pair.
    async fn create_conversation(&self, new: NewConversation) -> StoreResult<Created>;

    /// What an actor starts from. With `after_writes` it sees every append handed in before.
    async fn load(
        &self,
        conversation_id: ConversationId,
        after_writes: bool,
    ) -> StoreResult<Option<Loaded>>;

    /// The direct conversation of two people.
    async fn direct_of(&self, a: UserId, b: UserId) -> StoreResult<Option<ConversationId>>;

    /// A stretch of a log. An unknown conversation has an empty one.
    async fn read_log(
        &self,
        conversation_id: ConversationId,
        range: LogRange,
    ) -> StoreResult<LogPage>;

    /// A user's conversations, past ones too.
    async fn conversations(&self, user_id: UserId, select: Select) -> StoreResult<Conversations>;

    /// What somebody may read of a conversation; none for who was never in it. Says the same as
    /// [`Self::conversations`], which a store that reads more for it than it takes should avoid.
    async fn access(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> StoreResult<Option<Access>> {
        let ids = vec![conversation_id];
        let found = self.conversations(user_id, Select::Ids(ids)).await?;
        Ok(found.rows.first().map(|row| Access {
            kind: row.kind,
            member_role: row.me.member_role,
            first_seq: row.me.first_seq,
            last_seq: row.me.last_seq,
            head_seq: row.head_seq,
            log_start_seq: row.log_start_seq,
        }))
    }

    /// Conversations of any of these people in which an entry was added at `since` or later (by
    /// the time of the entries), each once. What a node reads to learn what it was not told.
    async fn active_since(
        &self,
        user_ids: Vec<UserId>,
        since: Timestamp,
    ) -> StoreResult<Vec<Active>>;

    /// Countable unread messages over all conversations that the user is in and has not
    /// archived.
    async fn unread_total(&self, user_id: UserId) -> StoreResult<u64>;

    /// How many countable messages lie at or below `seq`, and how many of them are the user's.
    async fn counts_at(
        &self,
        conversation_id: ConversationId,
        seq: u64,
        user_id: UserId,
    ) -> StoreResult<Counts>;

    /// Where a message with this id is.
    async fn find_message(
        &self,
        message_id: MessageId,
    ) -> StoreResult<Option<(ConversationId, u64)>>;

    /// What was sent under a `client_msg_id` in the last 7 days at least.
    async fn find_sent(
        &self,
        conversation_id: ConversationId,
        sender_id: UserId,
        client_msg_id: ClientMsgId,
    ) -> StoreResult<Option<SentRecord>>;

    /// Earlier texts of a message, the first one first. For audit and export only.
    async fn revisions(
        &self,
        conversation_id: ConversationId,
        seq: u64,
    ) -> StoreResult<Vec<Revision>>;

    /// Writes a person. What the new record does not know (an empty name or email, no
    /// `last_seen_at`) stays as it was: a token without a name takes nobody's name away.
    async fn put_person(&self, person: PersonRecord) -> StoreResult<()>;

    /// Notes when someone was last here.
    async fn put_last_seen(&self, user_id: UserId, at: Timestamp) -> StoreResult<()>;

    /// These people, unknown ones left out.
    async fn people(&self, user_ids: Vec<UserId>) -> StoreResult<Vec<PersonRecord>>;

    /// People who hold one of `roles`, by user id, after `after`, at most `limit`.
    async fn people_with_roles(
        &self,
        roles: Roles,
        after: Option<UserId>,
        limit: usize,
    ) -> StoreResult<Vec<PersonRecord>>;

    /// Makes or changes a relation; one per (patient, user).
    async fn put_relation(&self, relation: Relation) -> StoreResult<()>;

    /// Ends a relation; whether there was one.
    async fn delete_relation(&self, patient_id: UserId, user_id: UserId) -> StoreResult<bool>;

    /// Relations in which the user stands on either side, ended ones too.
    async fn relations_of(&self, user_id: UserId) -> StoreResult<Vec<Relation>>;

    /// Those of `others` who are present members of a group that the user is a present member
    /// of. Broadcasts hide their members and direct conversations rest on relations, so neither
    /// counts.
    async fn sharing_with(&self, user_id: UserId, others: Vec<UserId>) -> StoreResult<Vec<UserId>>;

    /// Whether it can be written to right now.
    async fn ready(&self) -> StoreResult<()>;

    /// Commits what is waiting and closes. Appends after it fail.
    async fn close(&self);
}

bedside_protocol::quiet_debug! {
    MemberRecord { user_id, member_role, first_seq, last_seq, receipts }
    PersonRecord { user_id, roles, last_seen_at }
    Revision { rev, replaced_at }
    NewConversation { conversation_id, kind, created_by }
    Loaded { key, kind, state, head }
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
