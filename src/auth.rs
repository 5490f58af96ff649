//! Who a token speaks for: the verifier of HS256 tokens, the minter of our own, and tickets.
//!
//! The signature is checked by the `jsonwebtoken` library, the claims by hand in `claims`:
//! the library reads the machine's clock, while everything here is told the time.

mod claims;
mod identity;
mod minter;
mod random;
pub mod tickets;

use bedside_actors::ports::identity::{Identities, SessionIdentity};
use bedside_protocol::{CommandError, ErrorCode, Timestamp, limits};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use std::fmt;

pub use identity::Identity;
pub use minter::{Grant, Minter};
pub use random::{RANDOM_TEXT_LEN, random_text};
pub use tickets::Tickets;

use crate::config::Secret;
use claims::Claims;

/// How far clocks may disagree, milliseconds: a token counts as good this long after its `exp`
/// and before its `nbf`.
pub const LEEWAY_MS: i64 = 30_000;

/// Verifies HS256 tokens against one secret.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    issuer: Option<String>,
    audience: Option<String>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier of tokens signed with `secret`. Where an issuer or an audience is given the
    /// token must name it; where none is given any will do.
    #[must_use]
    pub fn hs256(secret: &Secret, issuer: Option<String>, audience: Option<String>) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self {
            key: DecodingKey::from_secret(secret.expose().as_bytes()),
            validation,
            issuer,
            audience,
        }
    }

    /// Who the token speaks for at `now`.
    ///
    /// # Errors
    /// `too_large` over 8 KiB; `token_expired` for a token that is good but for its age;
    /// `unauthorized` for everything else. The message never repeats anything of the token.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, CommandError> {
        if token.len() > limits::TOKEN_BYTES_MAX {
            return Err(CommandError::too_large("the token is longer than 8 KiB"));
        }
        let data = decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| unauthorized(describe(error.kind())))?;
        // RFC 7515, 4.1.11: whoever does not know a critical header refuses the token, and we
        // know none.
        if data.header.crit.is_some() {
            return Err(unauthorized("the token has a critical header"));
        }
        data.claims
            .check(self.issuer.as_deref(), self.audience.as_deref(), now)
    }
}

impl Identities for Verifier {
    fn verify(&self, token: &str, now: Timestamp) -> Result<SessionIdentity, CommandError> {
        Self::verify(self, token, now).map(SessionIdentity::from)
    }
}

fn unauthorized(why: &'static str) -> CommandError {
    CommandError::new(ErrorCode::Unauthorized, why)
}

/// The library's own texts quote the token's content.
const fn describe(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "the token is not signed by whom this server trusts",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "the token is not HS256",
        _ => "the token cannot be read",
    }
}
