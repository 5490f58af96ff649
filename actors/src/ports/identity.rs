//! Who a token speaks for.

use bedside_protocol::{CommandError, Roles, Timestamp, UserId};
use futures_util::future::BoxFuture;
use std::{fmt, sync::Arc};

/// Bytes of a [`TokenId`].
pub const TOKEN_ID_BYTES_MAX: usize = 256;

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
    /// By what it can be revoked.
    pub stamp: TokenStamp,
}

impl fmt::Debug for SessionIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionIdentity({})", self.user_id)
    }
}

/// What tells a token from its user's other ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenStamp {
    /// `iat`. None counts as the beginning of time: whatever is revoked of its user, it is.
    pub issued_at: Option<Timestamp>,
    /// `jti`.
    pub token_id: Option<TokenId>,
}

/// The name that its issuer gave to a token (`jti`): 1 to 256 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(Arc<str>);

impl TokenId {
    /// None for a text that cannot be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=TOKEN_ID_BYTES_MAX).contains(&text.len());
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who a token speaks for, or why it is refused.
pub type Verified = Result<SessionIdentity, CommandError>;

/// What becomes of a token.
#[must_use]
pub enum Verification {
    /// All that it takes was at hand, as nearly always.
    Done(Verified),
    /// Somebody else has to be asked first, such as the provider for a key that was not seen
    /// before. It is done within seconds; dropped, nobody is the worse for it.
    Waiting(BoxFuture<'static, Verified>),
}

impl Verification {
    /// What becomes of it in the end.
    ///
    /// # Errors
    /// As for [`Identities::verify`].
    pub async fn outcome(self) -> Verified {
        match self {
            Self::Done(verified) => verified,
            Self::Waiting(verified) => verified.await,
        }
    }
}

impl From<Verified> for Verification {
    fn from(verified: Verified) -> Self {
        Self::Done(verified)
    }
}

/// Verifies tokens.
pub trait Identities: Send + Sync {
    /// Who this token speaks for, at `now`. It never blocks: what takes time is waited for.
    ///
    /// The outcome is an error `unauthorized` or `token_expired`, or `unavailable` when it cannot
    /// be told for now.
    fn verify(&self, token: &str, now: Timestamp) -> Verification;
}
