//! Texts that tell who sent them and which one they are, and how they are found again in a frame
//! without reading all of it.

/// `#`, the sender and the number in hexadecimal, `#`.
const MARK_BYTES: usize = 18;

/// A text of `bytes`, or of [`MARK_BYTES`] if that is more.
pub(super) fn text_of(sender: u32, number: u32, bytes: usize) -> String {
    let mut text = format!("#{sender:08x}{number:08x}#");
    let padding = bytes.saturating_sub(MARK_BYTES);
    text.extend("all is well ".chars().cycle().take(padding));
    text
}

/// Finds texts in frames; where the last one was, the next one is likely to be.
#[derive(Debug, Default)]
pub(super) struct Finder {
    at: usize,
}

impl Finder {
    /// Sender and number of the text in this frame.
    pub(super) fn find(&mut self, frame: &[u8]) -> Option<(u32, u32)> {
        if let Some(found) = mark(frame, self.at) {
            return Some(found);
        }
        let at = frame.iter().position(|byte| *byte == b'#')?;
        let found = mark(frame, at)?;
        self.at = at;
        Some(found)
    }
}

fn mark(frame: &[u8], at: usize) -> Option<(u32, u32)> {
    let mark: &[u8; MARK_BYTES] = frame.get(at..at + MARK_BYTES)?.try_into().ok()?;
    if mark[0] != b'#' || mark[MARK_BYTES - 1] != b'#' {
        return None;
    }
    let hex = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |value, digit| {
            Some(value << 4 | (*digit as char).to_digit(16)?)
        })
    };
    Some((hex(&mark[1..9])?, hex(&mark[9..17])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_again_wherever_it_is() {
        let mut finder = Finder::default();
        for (before, sender, number) in [("", 0, 0), ("{\"x\":\"", 7, u32::MAX), ("{", 9, 1)] {
            let text = text_of(sender, number, 100);
            assert_eq!(text.len(), 100);
            let frame = format!("{before}{text}\"}}");
            for _ in 0..2 {
                assert_eq!(finder.find(frame.as_bytes()), Some((sender, number)));
            }
        }
        assert_eq!(finder.find(b"no text"), None);
        assert_eq!(finder.find(b"#0000000000000000 "), None);
        assert_eq!(text_of(1, 2, 0).len(), MARK_BYTES);
    }
}
