//! Whose tokens are believed: which issuer and audience they name, and which keys sign them.

use bedside_protocol::{CommandError, Timestamp};
use jsonwebtoken::{Algorithm, Header, Validation, decode};
use std::sync::Arc;

use super::{Identity, claims::Claims, jwks::Keyring, keys::Key, unauthorized};

/// Somebody who issues tokens.
#[derive(Clone, Debug)]
pub struct Provider {
    /// `iss` of their tokens; none for any that is no other provider's.
    pub issuer: Option<String>,
    /// What `aud` of their tokens has to name; none for anything.
    pub audience: Option<String>,
    /// What signs them.
    pub keys: Keys,
    /// Whether their tokens are also looked at by the clinic's own sign-in, if that is set up.
    pub is_home: bool,
}

/// What signs tokens.
#[derive(Clone, Debug)]
pub enum Keys {
    /// The operator gave these, with their names or without.
    Fixed(Arc<[Key]>),
    /// The provider publishes them.
    Published(Arc<Keyring>),
}

/// What one provider makes of a token.
pub(super) enum Judged {
    Done(Result<Identity, CommandError>),
    /// Its key is not known.
    UnknownKey(Arc<Keyring>),
}

impl Provider {
    pub(super) fn judge(&self, token: &str, header: &Header, now: Timestamp) -> Judged {
        match &self.keys {
            Keys::Fixed(keys) => Judged::Done(self.try_all(keys, token, header.alg, now)),
            Keys::Published(ring) => match ring.find(header.alg, header.kid.as_deref()) {
                Some(key) => Judged::Done(self.verify(&key, token, now)),
                None => Judged::UnknownKey(Arc::clone(ring)),
            },
        }
    }

    /// The operator's keys have no names, so all of the right kind are tried.
    fn try_all(
        &self,
        keys: &[Key],
        token: &str,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Identity, CommandError> {
        let mut refused = unauthorized("the token is not of an algorithm that its issuer has");
        for key in keys.iter().filter(|key| key.algorithm == algorithm) {
            match self.verify(key, token, now) {
                Ok(identity) => return Ok(identity),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn verify(&self, key: &Key, token: &str, now: Timestamp) -> Result<Identity, CommandError> {
        let mut validation = Validation::new(key.algorithm);
        // The library reads the machine's clock; `check` looks at the claims.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        let data = decode::<Claims>(token, &key.key, &validation)
            .map_err(|error| unauthorized(super::describe(error.kind())))?;
        data.claims
            .check(self.issuer.as_deref(), self.audience.as_deref(), now)
    }
}
