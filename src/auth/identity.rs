//! What a verified token says.

use bedside_actors::ports::identity::{SessionIdentity, TokenStamp};
use bedside_protocol::{Roles, Timestamp, UserId};
use std::{fmt, sync::Arc};

/// What a verified token says.
///
/// PHI: `name` and `email` identify a person, so `Debug` leaves them out.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// `sub`.
    pub user_id: UserId,
    /// `role` and `roles`; empty gives no rights.
    pub roles: Roles,
    /// `name`, else `fullname`; at most 200 bytes, empty when the token had none.
    pub name: Arc<str>,
    /// `email`; at most 320 bytes, empty when the token had none.
    pub email: Arc<str>,
    /// `scope` and `scopes`.
    pub scopes: Arc<[String]>,
    /// `exp`, without leeway.
    pub expires_at: Timestamp,
    /// `iat` and `jti`.
    pub stamp: TokenStamp,
}

impl Identity {
    /// Whether the token grants `scope`.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    /// Whether the token still counts at `now`, with the leeway that the verifier gives.
    #[must_use]
    pub const fn is_live(&self, now: Timestamp) -> bool {
        now.millis_since(self.expires_at) < super::LEEWAY_MS
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user_id", &self.user_id)
            .field("roles", &self.roles.iter().collect::<Vec<_>>())
            .field("scopes", &self.scopes)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl From<Identity> for SessionIdentity {
    fn from(identity: Identity) -> Self {
        Self {
            user_id: identity.user_id,
            name: identity.name,
            email: identity.email,
            roles: identity.roles,
            expires_at: Some(identity.expires_at),
            stamp: identity.stamp,
        }
    }
}
