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
mod people;
mod reads;
mod writes;

pub use self::{
    audit::{AuditEntry, AuditHash, AuditHead, AuditRange, AuditRecord, AuditStore},
    consultations::{ConsultationSelect, ConsultationStore, NewConsultation},
    denials::{Denial, DenialRecord, DenialStore, Denials, DenialsVersion},
    glass::{Glass, GlassStore},
    notifications::{NewNotification, NotificationMark, NotificationRecord, NotificationStore},
    numbered::{Listed, Located, NumberedStore, Numbers},
    people::{PersonRecord, Relation},
    reads::{
        Access, Active, Conversations, Counts, Head, Loaded, LogPage, LogRange, MemberRecord,
        Preferences, Receipts, Revision, Select, SentRecord, TAIL_ENTRIES,
    },
    writes::{
        Append, AppendBody, AppendSink, Appended, Attempt, BodyHash, ChangeEffect, Created,
        NewConversation, NewMember,
    },
};

use async_trait::async_trait;
use bedside_protocol::{ClientMsgId, ConversationId, MessageId, Roles, Timestamp, UserId};
use std::{fmt, sync::Arc};

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
