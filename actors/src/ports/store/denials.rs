//! What the actors need of durable storage to keep people and tokens out.

use async_trait::async_trait;
use bedside_protocol::{Timestamp, UserId};

use super::StoreResult;
use crate::ports::identity::TokenId;

/// What is not let in.
#[derive(Clone, PartialEq, Eq)]
pub enum Denial {
    /// Tokens of this user that were issued before this time. Later ones are good.
    Issued {
        /// Whose.
        user_id: UserId,
        /// Before when.
        before: Timestamp,
    },
    /// The token of this id, whosever it is.
    Token(TokenId),
    /// This user, whatever their token, until the block is lifted.
    Block {
        /// Who.
        user_id: UserId,
        /// Why, in the words of who did it. For administrators only.
        reason: String,
    },
}

/// A [`Denial`] as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct DenialRecord {
    /// What is not let in.
    pub denial: Denial,
    /// Since when.
    pub at: Timestamp,
    /// Who said so.
    pub by: UserId,
}

/// Says which state of the denials something was read from. Another state has another one.
pub type DenialsVersion = u128;

/// All that is not let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Denials {
    /// The state that these are of, or one before it: when it is not the present one any more,
    /// they have to be read again.
    pub version: DenialsVersion,
    /// In no particular order, and one for each user or token and kind.
    pub records: Vec<DenialRecord>,
}

/// Durable storage of who and what is not let in. Nothing of it is ever forgotten by itself:
/// nobody knows how long the longest token lives.
#[async_trait]
pub trait DenialStore: Send + Sync {
    /// Keeps it. Of two times before which a user's tokens are not good the later one stands,
    /// with who said so; what is said again of a token changes nothing; a block that is
    /// made again has the new reason.
    async fn deny(&self, record: DenialRecord) -> StoreResult<()>;

    /// Lifts a block; whether there was one.
    async fn unblock(&self, user_id: UserId) -> StoreResult<bool>;

    /// Of which state the denials are now. Cheap: every node asks every two seconds.
    async fn denials_version(&self) -> StoreResult<DenialsVersion>;

    /// All of them.
    async fn denials(&self) -> StoreResult<Denials>;
}

bedside_protocol::quiet_debug! {
    DenialRecord { denial, at, by }
}

impl std::fmt::Debug for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Issued { user_id, before } => write!(f, "Issued({user_id}, {before})"),
            Self::Token(_) => f.write_str("Token"),
            // No reason: it is free text about a person.
            Self::Block { user_id, .. } => write!(f, "Block({user_id})"),
        }
    }
}

/// Which denial a [`Denial`] takes the place of: its kind, and whom or what it is about.
#[must_use]
pub fn place(denial: &Denial) -> (&'static str, &str) {
    match denial {
        Denial::Issued { user_id, .. } => ("issued", user_id.as_str()),
        Denial::Token(token_id) => ("token", token_id.as_str()),
        Denial::Block { user_id, .. } => ("block", user_id.as_str()),
    }
}
