//! Text that nobody can guess.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Characters of [`random_text`].
pub const RANDOM_TEXT_LEN: usize = 43;

/// 32 bytes from the operating system as 43 characters of base64url.
///
/// # Errors
/// When the system gives no randomness; nothing may then be made that rests on it.
pub fn random_text() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
