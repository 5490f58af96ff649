//! Tokens and keys as somebody hostile would write them: nobody gets in without the secret, with
//! it only who says all that a token has to say, and what is refused is refused in words of ours.
//!
//! The first byte of the input chooses what the rest is. Where that has parts, they are cut at
//! bytes that no text has.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use bedside_protocol::{ErrorCode, Timestamp};
use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use std::sync::LazyLock;

use crate::{
    auth::{Identity, Key, Keys, LEEWAY_MS, Provider, Verifier, pem_keys},
    config::Secret,
};

/// Between two parts.
const CUT: u8 = 0xff;
const SECRET: &str = "what signs the tokens of this check, and no other ones";
const ISSUER: &str = "clinic";
const AUDIENCE: &str = "bedside";
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// The longest text of an error.
const ERROR_BYTES_MAX: usize = 120;
/// Nobody has the other half of it.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
             MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAES4KcOBYtSD5B+JDMBunMSeJ4hwnF\n\
             kVDFW1EMqpsIgDJirbYy+xPa6v/HSR9y7xaGFDpG5z/75yhXwbz2ZCk2mA==\n\
             -----END PUBLIC KEY-----";

/// What counts of a header. What else stands there need not even be text.
#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<Value>,
}

/// What counts of the claims.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Value,
    sub: Value,
    exp: f64,
    nbf: Option<f64>,
}

/// The clinic itself, and somebody whose tokens name no issuer.
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let clinic = Provider {
        issuer: Some(ISSUER.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        keys: Keys::Fixed([Key::secret(&Secret::new(SECRET))].into()),
        is_home: true,
    };
    let other = Provider {
        issuer: None,
        audience: None,
        keys: Keys::Fixed(pem_keys(PUBLIC_KEY).expect("a public key").into()),
        is_home: false,
    };
    Verifier::new(vec![clinic, other])
});

/// Panics when something is wrong.
pub(crate) fn check(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let mut parts = rest.split(|byte| *byte == CUT);
    let mut part = || parts.next().unwrap_or_default();
    match kind & 3 {
        0 => assert_eq!(verified(&String::from_utf8_lossy(rest)), None),
        1 => {
            signed(part(), part());
        }
        2 => {
            let token = [part(), part(), part()]
                .map(|part| B64.encode(part))
                .join(".");
            assert_eq!(verified(&token), None);
        }
        _ => keys(&String::from_utf8_lossy(rest)),
    }
}

/// Whom it lets in, if anybody.
fn verified(token: &str) -> Option<Identity> {
    match VERIFIER.verify(token, NOW) {
        Ok(identity) => Some(identity),
        Err(error) => {
            use ErrorCode::{TokenExpired, TooLarge, Unauthorized};
            assert!([TokenExpired, TooLarge, Unauthorized].contains(&error.code));
            assert!(error.message.len() <= ERROR_BYTES_MAX && error.message.is_ascii());
            None
        }
    }
}

/// Signed as the clinic signs, whatever it says: whether it is let in.
pub(crate) fn signed(header: &[u8], claims: &[u8]) -> bool {
    let text = format!("{}.{}", B64.encode(header), B64.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(text.as_bytes());
    let token = format!("{text}.{}", B64.encode(mac.finalize().into_bytes()));
    let Some(identity) = verified(&token) else {
        return false;
    };
    let header: Header = serde_json::from_slice(header).expect("a header of JSON");
    assert_eq!((header.alg.as_str(), header.crit), ("HS256", None));
    let claims: Claims = serde_json::from_slice(claims).expect("claims of JSON");
    assert_eq!(claims.iss, ISSUER);
    assert!(names_audience(&claims.aud));
    let sub = claims
        .sub
        .as_str()
        .map_or_else(|| claims.sub.to_string(), str::to_owned);
    assert_eq!(identity.user_id.as_str(), sub);
    let (now, leeway) = (NOW.as_millis() as f64, LEEWAY_MS as f64 + 1.0);
    assert!(claims.exp * 1e3 > now - leeway);
    assert!(claims.nbf.is_none_or(|nbf| nbf * 1e3 <= now + leeway));
    assert!(!identity.name.chars().any(char::is_control));
    true
}

fn names_audience(aud: &Value) -> bool {
    let one = |aud: &Value| aud == AUDIENCE;
    one(aud) || aud.as_array().is_some_and(|all| all.iter().any(one))
}

/// A text that an operator might have put into the settings.
fn keys(text: &str) {
    match pem_keys(text) {
        Ok(keys) => assert!((1..=64).contains(&keys.len()) && text.contains("PUBLIC KEY")),
        Err(error) => assert!(error.to_string().is_ascii()),
    }
}
