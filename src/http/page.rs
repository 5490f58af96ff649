//! Pages of lists: limits and cursors.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bedside_protocol::CommandError;
use serde::{Serialize, de::DeserializeOwned};

use super::problem::Problem;

/// Rows of a page when the caller names no limit.
const PAGE_DEFAULT: usize = 50;

/// How many rows to return: 1..=`max`, by default 50.
pub(super) fn limit(asked: Option<usize>, max: usize) -> Result<usize, CommandError> {
    match asked {
        None => Ok(PAGE_DEFAULT.min(max)),
        Some(0) => Err(CommandError::invalid(format!("limit: 1 to {max}"))),
        Some(limit) if limit > max => Err(CommandError::too_large(format!("limit: at most {max}"))),
        Some(limit) => Ok(limit),
    }
}

/// A place in a list as an opaque text.
pub(super) fn to_cursor<T: Serialize>(place: &T) -> Result<String, Problem> {
    let json = serde_json::to_vec(place)
        .map_err(|_| CommandError::unavailable("the cursor could not be written", 0))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(json))
}

/// The place that a cursor stands for.
pub(super) fn from_cursor<T: DeserializeOwned>(cursor: &str) -> Result<T, CommandError> {
    BASE64_URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| CommandError::invalid("cursor: not one of this list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_place_it_was_made_of() {
        let cursor = to_cursor(&("a", 7)).expect("encodes");
        let place: (String, u64) = from_cursor(&cursor).expect("is one");
        assert_eq!(place, ("a".to_owned(), 7));
        assert!(from_cursor::<(String, u64)>("oh no").is_err());
    }

    #[test]
    fn limits_are_bounded() {
        assert_eq!(limit(None, 200), Ok(50));
        assert_eq!(limit(Some(200), 200), Ok(200));
        assert!(limit(Some(0), 200).is_err());
        assert!(limit(Some(201), 200).is_err());
    }
}
