//! Tokens as the clinic's sign-in would mint them: HS256, by hand, since the harness shares no
//! code with what it tests.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bedside_protocol::Role;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Tokens outlive any run.
const TTL_S: u64 = 24 * 3_600;

/// A token for `user` in one role.
#[must_use]
pub fn mint(secret: &str, user: &str, role: Role) -> String {
    let now_s = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let claims = serde_json::json!({
        "sub": user,
        "role": role.name(),
        "name": format!("Load {user}"),
        "iat": now_s,
        "exp": now_s + TTL_S,
    });
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let head = encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", encode(&claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .expect("keyed, because HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}
