//! Who a token speaks for: the verifier of tokens, the minter of our own, and tickets.
//!
//! ```text
//! gate        what is known at once, and what is waited for
//! verifier    which provider's keys may have signed it        (pure)
//! provider    one of them: its issuer, audience and keys      (pure)
//! keys        PEM and JWKS to keys of one algorithm each      (pure)
//! jwks        published keys: fetched, kept, fetched anew
//! home        the clinic's own sign-in: introspection, profiles
//!   asked       answers kept for a while
//! fetch       HTTP to either
//! claims      what the claims must be                         (pure)
//! ```
//!
//! The signature is checked by the `jsonwebtoken` library, the claims by hand in `claims`:
//! the library reads the machine's clock, while everything here is told the time.

mod asked;
mod claims;
mod fetch;
mod gate;
mod home;
mod identity;
mod jwks;
mod keys;
mod minter;
mod provider;
mod random;
pub mod tickets;
mod verifier;

use bedside_protocol::{CommandError, ErrorCode};
use jsonwebtoken::errors::ErrorKind;

pub use fetch::{FetchError, Fetcher};
pub use gate::Gate;
pub use home::{Home, HomeCounts};
pub use identity::Identity;
pub use jwks::{FetchCounts, Keyring, Pace};
pub use keys::{KEYS_MAX, Key, KeyError, PUBLIC_ALGORITHMS, pem_keys};
pub use minter::{Grant, Minter};
pub use provider::{Keys, Provider};
pub use random::{RANDOM_TEXT_LEN, random_text};
pub use tickets::Tickets;
pub use verifier::Verifier;

/// How far clocks may disagree, milliseconds: a token counts as good this long after its `exp`
/// and before its `nbf`.
pub const LEEWAY_MS: i64 = 30_000;

fn unauthorized(why: &'static str) -> CommandError {
    CommandError::new(ErrorCode::Unauthorized, why)
}

/// The library's own texts quote the token's content.
const fn describe(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "the token is not signed by whom this server trusts",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token is not of an algorithm that its issuer has"
        }
        _ => "the token cannot be read",
    }
}
