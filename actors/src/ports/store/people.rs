//! The directory: people, and who is related to whose care.

use bedside_protocol::{RelationKind, Roles, Timestamp, UserId};

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

bedside_protocol::quiet_debug! {
    PersonRecord { user_id, roles, last_seen_at }
}
