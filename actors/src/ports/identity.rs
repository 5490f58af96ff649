//! Who a token speaks for.

use bedside_protocol::{CommandError, Roles, Timestamp, UserId};
use std::{fmt, sync::Arc};

/// What a verified token says.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionIdentity {
    /// The token's `sub`.
    pub user_id: UserId,
    /// Display name; empty when the token had none.
    pub name: Arc<str>,
    /// Empty when the token had none.
    pub email: Arc<str>,
    /// What it grants.
    pub roles: Roles,
    /// When it runs out; none for never.
    pub expires_at: Option<Timestamp>,
}

impl fmt::Debug for SessionIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionIdentity({})", self.user_id)
    }
}

/// Verifies tokens.
pub trait Identities: Send + Sync {
    /// Who this token speaks for, at `now`.
    ///
    /// # Errors
    /// `unauthorized` or `token_expired`.
    fn verify(&self, token: &str, now: Timestamp) -> Result<SessionIdentity, CommandError>;
}
