//! Reading messages out of the log, which has entries that are none, within the caller's window.

use bedside_actors::ports::store::{Located, LogRange, Numbers};
use bedside_protocol::{
    CommandError, Conversation, Event, LastMessage, LoggedEvent,
    limits::{HISTORY_PAGE_MAX, PAGE_BYTES_MAX},
};

use super::pages::Page;
use crate::http::{parts::HttpParts, problem::Problem};

/// Entries of the log that are walked through for one page. Where messages lie further apart, as
/// after thousands of reactions, they are looked up one by one.
const WALK_MAX: u64 = 2_000;

/// The caller's window on a conversation's log.
fn window(conversation: &Conversation) -> (u64, u64) {
    let first = conversation.me.first_seq.max(conversation.log_start_seq);
    (first, conversation.head_seq)
}

/// The message at a seq.
///
/// # Errors
/// `not_found` outside of the window, and where there is no message.
pub(super) async fn message_at(
    parts: &HttpParts,
    conversation: &Conversation,
    seq: u64,
) -> Result<LastMessage, Problem> {
    let (first, last) = window(conversation);
    let mut found = Vec::new();
    if (first..=last).contains(&seq) {
        found = read(parts, conversation, seq, seq).await?;
    }
    let message = found.into_iter().find_map(as_message);
    message.ok_or_else(|| CommandError::not_found("no such message").into())
}

/// A page of messages, the newest page first, ascending inside a page; and how many there are in
/// the caller's window.
///
/// Numbered are the messages that count as unread, deleted ones too. Messages of the system are
/// not: they are shown beside the message that they came after, on top of the page's limit, and
/// at most as many again.
pub(super) async fn messages(
    parts: &HttpParts,
    conversation: &Conversation,
    page: Page,
) -> Result<(Vec<LastMessage>, u64), Problem> {
    let located = locate(parts, conversation, page.skip(), page.limit()).await?;
    let is_sparse = located.to_seq.saturating_sub(located.from_seq) > WALK_MAX;
    let found = if is_sparse {
        one_by_one(parts, conversation, page, located.total).await?
    } else {
        walk(parts, conversation, located, page.limit()).await?
    };
    Ok((found, located.total))
}

async fn locate(
    parts: &HttpParts,
    conversation: &Conversation,
    skip: u64,
    take: u64,
) -> Result<Located, Problem> {
    let (from_seq, to_seq) = window(conversation);
    let numbers = Numbers {
        from_seq,
        to_seq,
        skip,
        take,
    };
    let id = conversation.conversation_id;
    Ok(parts.node.store().locate(id, numbers).await?)
}

/// All messages of a stretch, with at most `limit` that are not numbered: the newest of those.
async fn walk(
    parts: &HttpParts,
    conversation: &Conversation,
    located: Located,
    limit: u64,
) -> Result<Vec<LastMessage>, Problem> {
    let mut newest_first = Vec::new();
    let mut beside = 0;
    let mut to_seq = located.to_seq;
    while located.from_seq <= to_seq {
        let entries = read(parts, conversation, located.from_seq, to_seq).await?;
        let Some(first) = entries.first().map(|entry| entry.seq) else {
            break;
        };
        for found in entries.into_iter().rev().filter_map(as_message) {
            beside += u64::from(!found.message.message_type.is_sendable());
            if found.message.message_type.is_sendable() || beside <= limit {
                newest_first.push(found);
            }
        }
        to_seq = first - 1;
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// The numbered messages of a page, each looked up by its number.
async fn one_by_one(
    parts: &HttpParts,
    conversation: &Conversation,
    page: Page,
    total: u64,
) -> Result<Vec<LastMessage>, Problem> {
    let end = page.skip().saturating_add(page.limit()).min(total);
    let mut found = Vec::new();
    for skip in (page.skip()..end).rev() {
        let seq = locate(parts, conversation, skip, 1).await?.oldest_seq;
        if let Some(seq) = seq {
            found.push(message_at(parts, conversation, seq).await?);
        }
    }
    Ok(found)
}

/// The newest entries of a stretch of the log, ascending.
async fn read(
    parts: &HttpParts,
    conversation: &Conversation,
    from_seq: u64,
    to_seq: u64,
) -> Result<Vec<LoggedEvent>, Problem> {
    let range = LogRange {
        from_seq,
        to_seq,
        newest_first: true,
        limit: HISTORY_PAGE_MAX,
        bytes_max: PAGE_BYTES_MAX,
    };
    let id = conversation.conversation_id;
    Ok(parts.node.store().read_log(id, range).await?.events)
}

fn as_message(entry: LoggedEvent) -> Option<LastMessage> {
    match entry.event {
        Event::MessageCreated(message) => Some(LastMessage {
            seq: entry.seq,
            message,
        }),
        _ => None,
    }
}
