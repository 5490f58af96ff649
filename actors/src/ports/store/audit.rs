//! What the actors need of durable storage for the audit log.
//!
//! A store keeps entries and heads as they are. What makes a chain of them, and finds one that
//! was tampered with, is in `crate::audit`.

use async_trait::async_trait;
use bedside_protocol::{Timestamp, UserId};
use std::borrow::Cow;

use super::StoreResult;

/// Something that an auditor wants to know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Option<UserId>,
    /// What they did, such as `member.share_history`.
    pub action: Cow<'static, str>,
    /// To what: an id, never a text.
    pub subject: String,
    /// More about it, without health data.
    pub detail: String,
}

/// A hash or a MAC of the chain.
pub type AuditHash = [u8; 32];

/// A record in its place in a node's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Which node wrote it, by the name that it has in its cluster.
    pub node: String,
    /// Its place: 1, 2, 3 ... per node.
    pub seq: u64,
    /// What it says.
    pub record: AuditRecord,
    /// The client's address, when one is known.
    pub ip: Option<String>,
    /// What the client called itself, when it did.
    pub agent: Option<String>,
    /// The hash of the one before; zeros for the first.
    pub prev_hash: AuditHash,
    /// Of all above.
    pub hash: AuditHash,
}

/// How far a node's chain reached when it was last written to, and that this server said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// Whose chain.
    pub node: String,
    /// The last entry.
    pub seq: u64,
    /// Its hash.
    pub hash: AuditHash,
    /// Over all of the above, with the server's key.
    pub mac: AuditHash,
}

/// A stretch of a node's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditRange {
    /// The first place that may be returned.
    pub from_seq: u64,
    /// The last one.
    pub to_seq: u64,
    /// Begin at the end, and return them in this order.
    pub newest_first: bool,
    /// At most this many.
    pub limit: usize,
}

/// Durable storage of the audit log. Entries are added and read, never changed or deleted.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Stores entries of one node, which follow each other, and the head that the last of them
    /// makes, together or not at all. A [`StoreError::Conflict`](super::StoreError::Conflict)
    /// when one of these places is taken. After any other error it is unknown whether they
    /// are stored; in a store of several machines, the first of them may be.
    async fn append_audit(&self, entries: Vec<AuditEntry>, head: AuditHead) -> StoreResult<()>;

    /// The nodes that ever wrote, by name.
    async fn audit_nodes(&self) -> StoreResult<Vec<String>>;

    /// The head of a node's chain.
    async fn audit_head(&self, node: String) -> StoreResult<Option<AuditHead>>;

    /// Entries of a node's chain.
    async fn audit_entries(&self, node: String, range: AuditRange) -> StoreResult<Vec<AuditEntry>>;
}
