//! Keys that tokens are signed with. Each is good for one algorithm alone, whatever a token's
//! header says: that is what keeps a public key from being taken for a secret.

use jsonwebtoken::{
    Algorithm, DecodingKey, crypto,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

use crate::config::Secret;

/// Keys that one provider may have at once; more are not looked at.
pub const KEYS_MAX: usize = 64;

/// Public keys of other kinds than HS256, in the order in which they are told.
pub const PUBLIC_ALGORITHMS: [Algorithm; 3] =
    [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Bytes of the shortest RSA modulus that is taken: 2,048 bits.
const RSA_BYTES_MIN: usize = 256;

/// A key and what it is good for.
#[derive(Clone)]
pub struct Key {
    /// Its name, if it has one.
    pub(super) kid: Option<Box<str>>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.algorithm)
    }
}

/// Why a text holds no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It is no PEM with public keys.
    NotPem,
    /// There is a private key in it, which has no place on a server that only verifies.
    Private,
    /// There is a key of another kind, or one that is too weak.
    Unfit,
    /// There are more than [`KEYS_MAX`].
    TooMany,
    /// It is no JSON with an array `keys`.
    NotJwks,
    /// None of the keys in it can be used.
    NoKey,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPem => "no PEM with public keys",
            Self::Private => "a private key, where only public ones belong",
            Self::Unfit => "a key that is neither RSA of 2048 bits or more, nor P-256, nor Ed25519",
            Self::TooMany => "more than 64 keys",
            Self::NotJwks => "no JSON with an array of keys",
            Self::NoKey => "no key that can be used",
        })
    }
}

impl std::error::Error for KeyError {}

impl Key {
    /// The secret of HS256.
    #[must_use]
    pub fn secret(secret: &Secret) -> Self {
        Self {
            kid: None,
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret.expose().as_bytes()),
        }
    }

    fn fit(kid: Option<Box<str>>, algorithm: Algorithm, key: DecodingKey) -> Option<Self> {
        // The library looks at a key only when it verifies.
        crypto::verify("AAAA", b"", &key, algorithm).ok()?;
        Some(Self {
            kid,
            algorithm,
            key,
        })
    }

    fn of_jwk(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let is_for_signatures =
            matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
                && common
                    .key_operations
                    .as_ref()
                    .is_none_or(|does| does.contains(&KeyOperations::Verify));
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                // Base64 without padding: four characters for three bytes.
                let is_long = rsa.n.len() * 3 / 4 >= RSA_BYTES_MIN;
                (is_long.then_some(Algorithm::RS256)?, KeyAlgorithm::RS256)
            }
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(ed) if ed.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            // A secret in a public document is none.
            _ => return None,
        };
        let is_named_so = common.key_algorithm.is_none_or(|alg| alg == named);
        if !is_for_signatures || !is_named_so {
            return None;
        }
        let kid = common.key_id.as_deref().map(Box::from);
        Self::fit(kid, algorithm, DecodingKey::from_jwk(jwk).ok()?)
    }

    fn of_pem(pem: &str) -> Result<Self, KeyError> {
        let text = pem.as_bytes();
        let (algorithm, key) = DecodingKey::from_rsa_pem(text)
            .map(|key| (Algorithm::RS256, key))
            .or_else(|_| DecodingKey::from_ec_pem(text).map(|key| (Algorithm::ES256, key)))
            .or_else(|_| DecodingKey::from_ed_pem(text).map(|key| (Algorithm::EdDSA, key)))
            .map_err(|_| KeyError::Unfit)?;
        let bytes = key.try_get_as_bytes().map_err(|_| KeyError::Unfit)?;
        let is_fit = match algorithm {
            // What stands around the modulus has some bytes, too.
            Algorithm::RS256 => bytes.len() > RSA_BYTES_MIN,
            // An uncompressed point of P-256.
            Algorithm::ES256 => bytes.len() == 65,
            _ => bytes.len() == 32,
        };
        let key = is_fit.then(|| Self::fit(None, algorithm, key)).flatten();
        key.ok_or(KeyError::Unfit)
    }
}

/// The public keys in a text of PEM blocks. `\n` may stand for the ends of lines, since not every
/// environment can hold these.
///
/// # Errors
/// When there is anything else in it, or a key that cannot be used.
pub fn pem_keys(text: &str) -> Result<Vec<Key>, KeyError> {
    const END: &str = "-----END ";
    let text = text.replace("\\n", "\n");
    if text.contains("PRIVATE KEY") {
        return Err(KeyError::Private);
    }
    let mut keys = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(END).ok_or(KeyError::NotPem)? + END.len();
        let length = rest[end..].find("-----").ok_or(KeyError::NotPem)? + 5;
        let (block, behind) = rest.split_at(end + length);
        if keys.len() == KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        keys.push(Key::of_pem(block)?);
        rest = behind.trim_start();
    }
    if keys.is_empty() {
        return Err(KeyError::NotPem);
    }
    Ok(keys)
}

/// The keys of a JWKS document that can be used here. The others are none of our business: such
/// documents hold keys for encryption and of other kinds, too.
///
/// # Errors
/// When it is none, or holds no key that can be used.
pub(super) fn jwks_keys(document: &[u8], algorithms: &[Algorithm]) -> Result<Vec<Key>, KeyError> {
    #[derive(Deserialize)]
    struct Jwks {
        keys: Vec<Value>,
    }
    let document: Jwks = serde_json::from_slice(document).map_err(|_| KeyError::NotJwks)?;
    let keys: Vec<_> = document
        .keys
        .into_iter()
        .filter_map(|key| Key::of_jwk(&serde_json::from_value(key).ok()?))
        .filter(|key| algorithms.contains(&key.algorithm))
        .take(KEYS_MAX)
        .collect();
    if keys.is_empty() {
        return Err(KeyError::NoKey);
    }
    Ok(keys)
}
