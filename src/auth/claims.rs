//! The claims of a token whose signature is good, and what they must be.
//!
//! Only what identity rests on (`sub`, `exp`, `nbf`, `iss`, `aud`) can spoil a token. The rest
//! is read kindly: issuers in the field write `"name":null` or roles of another system, and a
//! value that cannot be used simply gives nothing.

use bedside_actors::ports::identity::{TokenId, TokenStamp};
use bedside_protocol::{
    CommandError, ErrorCode, Role, Roles, Timestamp, UserId, limits::NAME_BYTES_MAX,
};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

use super::{Identity, LEEWAY_MS, unauthorized};

/// An e-mail address, bytes: RFC 5321's longest.
const EMAIL_BYTES_MAX: usize = 320;
/// 9999-12-31T23:59:59Z in seconds, the last time that can be told. An `exp` beyond it was
/// written in milliseconds by mistake and would never end.
const LAST_S: f64 = 253_402_300_799.0;

#[derive(Deserialize)]
pub(super) struct Claims {
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    jti: Option<Value>,
    iss: Option<Value>,
    aud: Option<Value>,
    role: Option<Value>,
    roles: Option<Value>,
    name: Option<Value>,
    fullname: Option<Value>,
    email: Option<Value>,
    scope: Option<Value>,
    scopes: Option<Value>,
}

impl Claims {
    pub(super) fn check(
        self,
        issuer: Option<&str>,
        audience: Option<&str>,
        now: Timestamp,
    ) -> Result<Identity, CommandError> {
        let user_id = user_id(self.sub.as_ref())
            .ok_or_else(|| unauthorized("the token's sub is no user id"))?;
        if issuer.is_some() && self.iss.as_ref().and_then(Value::as_str) != issuer {
            return Err(unauthorized("the token has another issuer"));
        }
        if audience.is_some_and(|a| !strings(self.aud.as_ref()).any(|text| text == a)) {
            return Err(unauthorized("the token is for another audience"));
        }
        if let Some(nbf) = &self.nbf {
            let nbf = time(nbf).ok_or_else(|| unauthorized("the token's nbf is no time"))?;
            if nbf.millis_since(now) > LEEWAY_MS {
                return Err(unauthorized("the token is not valid yet"));
            }
        }
        let expires_at = self
            .exp
            .as_ref()
            .and_then(time)
            .ok_or_else(|| unauthorized("the token has no exp"))?;
        let identity = Identity {
            user_id,
            roles: strings(self.role.as_ref())
                .chain(strings(self.roles.as_ref()))
                .filter_map(Role::parse)
                .collect::<Roles>(),
            name: name(self.name.as_ref(), self.fullname.as_ref()),
            email: email(self.email.as_ref()),
            scopes: strings(self.scope.as_ref())
                .chain(strings(self.scopes.as_ref()))
                .flat_map(str::split_ascii_whitespace)
                .map(str::to_owned)
                .collect(),
            expires_at,
            stamp: TokenStamp {
                issued_at: issued_at(self.iat.as_ref(), now),
                token_id: self
                    .jti
                    .as_ref()
                    .and_then(Value::as_str)
                    .and_then(TokenId::new),
            },
        };
        // Last, so that `token_expired` always means: the same token, younger, would do.
        if identity.is_live(now) {
            Ok(identity)
        } else {
            Err(CommandError::new(
                ErrorCode::TokenExpired,
                "the token ran out",
            ))
        }
    }
}

/// A string, or a whole number as its decimal text: Laravel's user ids are numbers.
fn user_id(sub: Option<&Value>) -> Option<UserId> {
    match sub? {
        Value::String(text) => UserId::new(text).ok(),
        Value::Number(number) => UserId::new(&number.as_u64()?.to_string()).ok(),
        _ => None,
    }
}

/// Seconds since 1970, whole or not (RFC 7519's NumericDate), as a number only.
fn time(value: &Value) -> Option<Timestamp> {
    let s = value.as_f64().filter(|s| s.abs() <= LAST_S)?;
    // The bound keeps milliseconds far below 2^53, so whole seconds stay exact.
    Some(Timestamp::from_millis((s * 1_000.0).round() as i64))
}

/// When it was issued. A time to come is none: with it a token would escape every revocation.
fn issued_at(iat: Option<&Value>, now: Timestamp) -> Option<Timestamp> {
    iat.and_then(time)
        .filter(|iat| iat.millis_since(now) <= LEEWAY_MS)
}

/// The strings of a claim that may be one string or an array of them.
fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let items = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    items.iter().filter_map(Value::as_str)
}

pub(super) fn name(name: Option<&Value>, fullname: Option<&Value>) -> Arc<str> {
    let text = [name, fullname]
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::trim)
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    Arc::from(&clean[..clean.floor_char_boundary(NAME_BYTES_MAX)])
}

pub(super) fn email(email: Option<&Value>) -> Arc<str> {
    let usable = |text: &&str| text.len() <= EMAIL_BYTES_MAX && !text.contains(char::is_control);
    let text = email.and_then(Value::as_str).map(str::trim);
    Arc::from(text.filter(usable).unwrap_or_default())
}
