//! Ids that nobody can guess.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// 18 bytes from the operating system as 24 characters of base64url.
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_in_a_url_and_differ() {
        let (one, other) = (random_id(), random_id());
        let one = one.expect("there is randomness");
        assert_eq!(one.len(), 24);
        assert!(
            one.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        assert_ne!(one, other.expect("there is randomness"));
    }
}
