//! Tokens, PEM keys and published keys: see `checks/token.rs`.

#![no_main]

#[path = "../../src/auth"]
#[allow(dead_code, reason = "only the server needs all of it")]
mod auth {
    pub mod claims;
    mod identity;
    pub mod keys;
    mod provider;
    mod verifier;

    use bedside_protocol::{CommandError, ErrorCode};
    use jsonwebtoken::errors::ErrorKind;

    pub use identity::Identity;
    pub use keys::{Key, PUBLIC_ALGORITHMS, pem_keys};
    pub use provider::{Keys, Provider};
    pub use verifier::Verifier;

    pub const LEEWAY_MS: i64 = 30_000;

    /// Keys that nobody fetches: the check has no tokens of such providers.
    pub mod jwks {
        use super::{CommandError, keys::Key, unauthorized};
        use futures_util::future::BoxFuture;
        use jsonwebtoken::Algorithm;
        use std::sync::Arc;

        #[derive(Debug)]
        pub struct Keyring;

        impl Keyring {
            pub fn find(&self, _: Algorithm, _: Option<&str>) -> Option<Key> {
                None
            }

            pub fn refreshed(self: &Arc<Self>) -> Option<BoxFuture<'static, ()>> {
                None
            }

            pub fn refusal(&self) -> CommandError {
                unauthorized("its key is not known")
            }
        }
    }

    fn unauthorized(why: &'static str) -> CommandError {
        CommandError::new(ErrorCode::Unauthorized, why)
    }

    const fn describe(kind: &ErrorKind) -> &'static str {
        match kind {
            ErrorKind::InvalidSignature => "the token is not signed by whom this server trusts",
            _ => "the token cannot be read",
        }
    }

    /// What a provider might publish.
    pub fn published(document: &[u8]) {
        if let Ok(keys) = keys::jwks_keys(document, &PUBLIC_ALGORITHMS) {
            assert!((1..=keys::KEYS_MAX).contains(&keys.len()));
        }
    }
}

#[path = "../../src/config"]
#[allow(dead_code, reason = "only the server needs all of it")]
mod config {
    mod secret;
    pub use secret::Secret;
}

#[path = "../checks/token.rs"]
mod check;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check::check(data);
    auth::published(data);
});
