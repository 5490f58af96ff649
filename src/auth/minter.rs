//! Making tokens: for the demo's people and for operators.

use bedside_protocol::{Timestamp, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use std::{fmt, time::Duration};

use crate::config::Secret;

/// Mints HS256 tokens that the [`Verifier`](super::Verifier) of the same secret, issuer and
/// audience accepts.
pub struct Minter {
    key: EncodingKey,
    issuer: Option<String>,
    audience: Option<String>,
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minter").finish_non_exhaustive()
    }
}

/// What a new token is to say.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// Whom it is for.
    pub user_id: &'a UserId,
    /// Wire names of roles.
    pub roles: &'a [&'a str],
    /// Display name, if any.
    pub name: Option<&'a str>,
    /// Scopes, if any.
    pub scopes: &'a [String],
    /// How long it lives.
    pub ttl: Duration,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    roles: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iat: i64,
    exp: i64,
}

impl Minter {
    /// A minter of tokens signed with `secret`, which name the issuer and audience if given.
    #[must_use]
    pub fn hs256(secret: &Secret, issuer: Option<String>, audience: Option<String>) -> Self {
        Self {
            key: EncodingKey::from_secret(secret.expose().as_bytes()),
            issuer,
            audience,
        }
    }

    /// Makes a token, good from `now`.
    #[must_use]
    pub fn mint(&self, grant: &Grant<'_>, now: Timestamp) -> String {
        let iat = now.as_millis() / 1_000;
        let ttl_s = i64::try_from(grant.ttl.as_secs()).unwrap_or(i64::MAX);
        let claims = Claims {
            sub: grant.user_id.as_str(),
            roles: grant.roles,
            name: grant.name,
            scope: (!grant.scopes.is_empty()).then(|| grant.scopes.join(" ")),
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
            iat,
            exp: iat.saturating_add(ttl_s),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.key)
            .expect("signs, because the key is of HS256's kind and the claims are plain JSON")
    }
}
