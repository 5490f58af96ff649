//! What signs tokens: the configured secret, or in demo mode one that was made once.

use std::path::Path;

use crate::{
    config::{Config, Secret},
    key_file::{KeyFileError, key_file},
};

/// The file in the data directory.
const FILE: &str = "demo-secret";

/// Reads the demo secret, and makes it (and the data directory) when there is none yet.
///
/// # Errors
/// When it can neither be read nor made.
pub fn demo_secret(data_dir: &Path) -> Result<Secret, KeyFileError> {
    key_file(data_dir, FILE)
}

/// What signs this server's tokens: `JWT_SECRET`, or the demo secret in demo mode. None for a
/// server whose tokens others sign.
///
/// # Errors
/// When the demo secret can neither be read nor made.
pub fn signing_secret(config: &Config) -> Result<Option<Secret>, KeyFileError> {
    match &config.auth.jwt_secret {
        Some(secret) => Ok(Some(secret.clone())),
        None if config.is_demo() => demo_secret(&config.store.data_dir).map(Some),
        None => Ok(None),
    }
}
