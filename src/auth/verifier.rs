//! Who a token speaks for, as far as its signature and claims tell.
//!
//! The issuer that a token names decides whose keys may sign it, and each key is good for one
//! algorithm: nothing else in its header is believed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bedside_protocol::{CommandError, Timestamp, limits};
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use jsonwebtoken::{Header, decode_header};
use serde::Deserialize;
use serde_json::Value;
use std::{fmt, sync::Arc};

use super::{
    Identity,
    jwks::Keyring,
    keys::Key,
    provider::{Judged, Keys, Provider},
    unauthorized,
};
use crate::config::Secret;

/// Verifies tokens of one or several providers.
pub struct Verifier(Vec<Provider>);

/// What is known of a token without asking anybody.
pub(super) enum Verdict<'a> {
    Done(Result<(Identity, &'a Provider), CommandError>),
    /// It may be of a key that these providers have published since.
    UnknownKey(Vec<Arc<Keyring>>),
}

/// What a token says before anybody knows whether it is true.
#[derive(Deserialize)]
struct Claimed {
    iss: Option<Value>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier of the tokens of these providers.
    #[must_use]
    pub const fn new(providers: Vec<Provider>) -> Self {
        Self(providers)
    }

    /// A verifier of tokens signed with `secret`. Where an issuer or an audience is given the
    /// token must name it; where none is given any will do.
    #[must_use]
    pub fn hs256(secret: &Secret, issuer: Option<String>, audience: Option<String>) -> Self {
        Self::new(vec![Provider {
            issuer,
            audience,
            keys: Keys::Fixed([Key::secret(secret)].into()),
            is_home: true,
        }])
    }

    /// Who the token speaks for at `now`, by the keys that are known now.
    ///
    /// # Errors
    /// `too_large` over 8 KiB; `token_expired` for a token that is good but for its age;
    /// `unavailable` when its provider's keys could not be fetched; `unauthorized` for everything
    /// else. The message never repeats anything of the token.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, CommandError> {
        self.known(token, now).map(|(identity, _)| identity)
    }

    pub(super) fn known(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(Identity, &Provider), CommandError> {
        match self.judge(token, now) {
            Verdict::Done(verified) => verified,
            Verdict::UnknownKey(rings) => Err(refusal(&rings)),
        }
    }

    pub(super) fn judge(&self, token: &str, now: Timestamp) -> Verdict<'_> {
        let (header, issuer) = match read(token) {
            Ok(read) => read,
            Err(error) => return Verdict::Done(Err(error)),
        };
        let mut refused = unauthorized("the token has another issuer");
        let mut rings = Vec::new();
        for provider in self.of_issuer(issuer.as_deref()) {
            match provider.judge(token, &header, now) {
                Judged::Done(Ok(identity)) => return Verdict::Done(Ok((identity, provider))),
                Judged::Done(Err(error)) => refused = error,
                Judged::UnknownKey(ring) => rings.push(ring),
            }
        }
        if rings.is_empty() {
            Verdict::Done(Err(refused))
        } else {
            Verdict::UnknownKey(rings)
        }
    }

    /// Those who may have issued it: an issuer that some of them name is nobody else's.
    fn of_issuer(&self, issuer: Option<&str>) -> impl Iterator<Item = &Provider> {
        let is_named =
            |provider: &Provider| issuer.is_some() && provider.issuer.as_deref() == issuer;
        let named = self.0.iter().any(is_named);
        self.0.iter().filter(move |provider| match named {
            true => provider.issuer.as_deref() == issuer,
            false => provider.issuer.is_none(),
        })
    }
}

/// Ends when all of these have looked for new keys; none when none of them may now.
pub(super) fn refreshed(rings: &[Arc<Keyring>]) -> Option<BoxFuture<'static, ()>> {
    let waits: Vec<_> = rings.iter().filter_map(Keyring::refreshed).collect();
    (!waits.is_empty()).then(|| join_all(waits).map(|_| ()).boxed())
}

/// What a token is refused with whose key none of these has: one that could not be asked might.
pub(super) fn refusal(rings: &[Arc<Keyring>]) -> CommandError {
    let mut refusals = rings.iter().map(|ring| ring.refusal());
    let first = refusals.next();
    let later = refusals.find(|error| error.code.retryable());
    match (first, later) {
        (Some(first), _) if first.code.retryable() => first,
        (_, Some(later)) => later,
        (first, None) => first.unwrap_or_else(|| unauthorized("the token has another issuer")),
    }
}

fn read(token: &str) -> Result<(Header, Option<String>), CommandError> {
    if token.len() > limits::TOKEN_BYTES_MAX {
        return Err(CommandError::too_large("the token is longer than 8 KiB"));
    }
    let unreadable = || unauthorized("the token cannot be read");
    let header =
        decode_header(token).map_err(|error| unauthorized(super::describe(error.kind())))?;
    // RFC 7515, 4.1.11: whoever does not know a critical header refuses the token, and we know
    // none.
    if header.crit.is_some() {
        return Err(unauthorized("the token has a critical header"));
    }
    let payload = token.split('.').nth(1).ok_or_else(unreadable)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| unreadable())?;
    let claimed: Claimed = serde_json::from_slice(&payload).map_err(|_| unreadable())?;
    let issuer = match claimed.iss {
        Some(Value::String(issuer)) => Some(issuer),
        _ => None,
    };
    Ok((header, issuer))
}
