//! Search over people and message texts: a bounded look through the caller's own direct
//! conversations, as long as there is no index.

use bedside_protocol::{
    CommandError, Conversation, ConversationId, ErrorCode, Event, Message,
    limits::{HISTORY_PAGE_MAX, SEARCH_MESSAGES_MAX, SEARCH_QUERY_BYTES_MAX},
};
use std::time::Duration;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{list, pair};
use crate::{
    http::{auth::Me, history::Walk, parts::HttpParts, problem::Problem},
    seeds::chat,
};

/// Log entries that one search looks at, over all conversations. Past it only names are compared,
/// and the oldest conversations are those that miss out.
const ENTRIES_MAX: usize = 100_000;

/// Searches that read at the same time: others have to be able to read meanwhile.
const AT_ONCE: usize = 2;

/// How long a search waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// What is looked for.
pub(super) struct Needle(String);

impl Needle {
    /// Checks the query and makes it comparable.
    ///
    /// # Errors
    /// `too_large`, and `invalid_argument` when nothing is left of it to look for.
    pub(super) fn new(query: &str) -> Result<Self, CommandError> {
        if query.len() > SEARCH_QUERY_BYTES_MAX {
            return Err(CommandError::too_large("query: at most 200 bytes"));
        }
        let needle = fold(query.trim());
        if needle.is_empty() {
            return Err(CommandError::invalid("query: empty"));
        }
        Ok(Self(needle))
    }

    fn is_in(&self, text: &str) -> bool {
        fold(text).contains(&self.0)
    }

    fn is_said(&self, message: &Message) -> bool {
        chat::is_visible(message) && self.is_in(&message.text)
    }
}

/// Small letters, and Arabic without what may be left out in writing: the marks of short vowels
/// and the stretching of letters.
fn fold(text: &str) -> String {
    let is_optional = |c: &char| matches!(*c, '\u{64b}'..='\u{652}' | '\u{670}' | '\u{640}');
    text.chars()
        .filter(|c| !is_optional(c))
        .flat_map(char::to_lowercase)
        // The sigma at a word's end is the same letter.
        .map(|c| if c == 'ς' { 'σ' } else { c })
        .collect()
}

/// Those of the caller's direct conversations where the other one's name or a message has the
/// needle in it.
pub(super) async fn conversations(
    parts: &HttpParts,
    me: &Me,
    needle: &Needle,
) -> Result<Vec<Conversation>, Problem> {
    let _turn = turn().await?;
    let mut budget = ENTRIES_MAX;
    let mut found = Vec::new();
    for conversation in list::of(parts, me, |_| true).await? {
        let is_named =
            pair::other(&conversation, me.id()).is_some_and(|other| needle.is_in(&other.name));
        let id = conversation.conversation_id;
        if is_named || is_said_in(parts, me, id, needle, &mut budget).await? {
            found.push(conversation);
        }
    }
    Ok(found)
}

async fn turn() -> Result<SemaphorePermit<'static>, CommandError> {
    match timeout(TURN_TIMEOUT, TURNS.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => Err(CommandError {
            retry_after_ms: 2_000,
            ..CommandError::new(ErrorCode::RateLimited, "too many searches at once")
        }),
    }
}

/// Whether one of the newest [`SEARCH_MESSAGES_MAX`] messages has it.
async fn is_said_in(
    parts: &HttpParts,
    me: &Me,
    id: ConversationId,
    needle: &Needle,
    budget: &mut usize,
) -> Result<bool, Problem> {
    let mut left = SEARCH_MESSAGES_MAX;
    let mut walk = Walk::new(id, None, HISTORY_PAGE_MAX);
    while *budget > 0
        && left > 0
        && let Some(page) = walk.next(parts, me).await?
    {
        *budget = budget.saturating_sub(page.events.len());
        for entry in page.events.iter().rev() {
            let Event::MessageCreated(message) = &entry.event else {
                continue;
            };
            if needle.is_said(message) {
                return Ok(true);
            }
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(query: &str, text: &str) -> bool {
        Needle::new(query).expect("is a query").is_in(text)
    }

    #[test]
    fn case_does_not_matter_in_any_script() {
        assert!(matches("DOE", "Dr. John Doe"));
        assert!(matches("müller", "Frau MÜLLER"));
        assert!(matches("иванова", "ИВАНОВА"));
        assert!(matches("οδος", "ΟΔΟΣ"));
        assert!(!matches("doe", "Dr. John"));
    }

    #[test]
    fn arabic_matches_with_and_without_its_vowel_marks() {
        assert!(matches("دواء", "هل أخذت الدواء اليوم؟"));
        assert!(matches("محمد", "مُحَمَّد"));
        assert!(matches("مُحَمَّد", "محمد"));
        assert!(matches("سلام", "ســـلام"));
        assert!(!matches("دواء", "موعد"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_for_a_turn_is_told_to_come_back() {
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE {
            turns.push(turn().await.expect("is free"));
        }
        let refused = turn().await.expect_err("all are taken");
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert!(refused.retry_after_ms > 0);
        turns.pop();
        assert!(turn().await.is_ok());
    }

    #[test]
    fn a_query_has_its_bounds() {
        let code = |query: &str| Needle::new(query).err().map(|error| error.code);
        assert_eq!(code(""), Some(ErrorCode::InvalidArgument));
        assert_eq!(code("  "), Some(ErrorCode::InvalidArgument));
        assert_eq!(code("\u{64b}"), Some(ErrorCode::InvalidArgument));
        assert_eq!(code(&"x".repeat(SEARCH_QUERY_BYTES_MAX)), None);
        let long = "x".repeat(SEARCH_QUERY_BYTES_MAX + 1);
        assert_eq!(code(&long), Some(ErrorCode::TooLarge));
    }
}
