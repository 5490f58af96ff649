//! Messages from the newest end, as the seeds' clients page through them.

use bedside_protocol::{
    Command, CommandError, ConversationId, Event, Message, Reply, command::MessageHistory,
    limits::HISTORY_PAGE_MAX, reply::History,
};

use super::{auth::Me, page, parts::HttpParts, problem::Problem};
use crate::seeds::chat;

/// Messages that may be skipped: each costs a look at its entry. Who wants older ones pages by
/// seq in `/api/v1`.
const SKIP_MAX: usize = 10_000;

/// A stretch of messages, counted from the newest.
#[derive(Clone, Copy)]
pub(super) struct Range {
    limit: usize,
    skip: usize,
    before_seq: Option<u64>,
}

impl Range {
    /// Checks what was asked for.
    ///
    /// # Errors
    /// `invalid_argument` and `too_large`.
    pub(super) fn of(limit: Option<usize>, skip: Option<usize>) -> Result<Self, CommandError> {
        let skip = skip.unwrap_or(0);
        if skip > SKIP_MAX {
            return Err(CommandError::too_large("skip: at most 10000"));
        }
        let limit = page::limit(limit, HISTORY_PAGE_MAX)?;
        Ok(Self {
            limit,
            skip,
            before_seq: None,
        })
    }

    /// The newest before this seq, or of all.
    ///
    /// # Errors
    /// `invalid_argument` and `too_large`.
    pub(super) fn before(
        before_seq: Option<u64>,
        limit: Option<usize>,
    ) -> Result<Self, CommandError> {
        Ok(Self {
            limit: page::limit(limit.or(Some(HISTORY_PAGE_MAX)), HISTORY_PAGE_MAX)?,
            skip: 0,
            before_seq,
        })
    }

    /// The newest message alone.
    pub(super) const NEWEST: Self = Self {
        limit: 1,
        skip: 0,
        before_seq: None,
    };

    /// Whether it reaches to the newest end of the log.
    const fn is_at_head(self) -> bool {
        self.skip == 0 && self.before_seq.is_none()
    }
}

/// What was found.
pub(super) struct Found {
    /// Ascending, each with its seq.
    pub(super) messages: Vec<(u64, Message)>,
    /// The highest seq that the stretch covers: the head when nothing was skipped, so that a
    /// deleted newest message does not stay unread for ever.
    pub(super) up_to_seq: u64,
}

/// The messages of this stretch that clients of the seeds can show.
pub(super) async fn newest(
    parts: &HttpParts,
    me: &Me,
    conversation_id: ConversationId,
    range: Range,
) -> Result<Found, Problem> {
    let Range {
        limit, mut skip, ..
    } = range;
    let mut found = Found {
        messages: Vec::new(),
        up_to_seq: 0,
    };
    let mut walk = Walk::new(conversation_id, range.before_seq, limit + skip);
    while found.messages.len() < limit
        && let Some(page) = walk.next(parts, me).await?
    {
        if range.is_at_head() {
            found.up_to_seq = found.up_to_seq.max(page.head_seq);
        }
        for entry in page.events.into_iter().rev() {
            let Event::MessageCreated(message) = entry.event else {
                continue;
            };
            if !chat::is_visible(&message) {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            found.up_to_seq = found.up_to_seq.max(entry.seq);
            found.messages.push((entry.seq, message));
            if found.messages.len() == limit {
                break;
            }
        }
    }
    found.messages.reverse();
    Ok(found)
}

/// A walk through a log from its newest end, within the caller's window.
pub(super) struct Walk {
    conversation_id: ConversationId,
    before_seq: Option<u64>,
    limit: usize,
    is_over: bool,
}

impl Walk {
    /// From below `before_seq`, or the end, in steps of about `step` entries.
    pub(super) fn new(
        conversation_id: ConversationId,
        before_seq: Option<u64>,
        step: usize,
    ) -> Self {
        Self {
            conversation_id,
            before_seq,
            limit: step.clamp(1, HISTORY_PAGE_MAX),
            is_over: false,
        }
    }

    /// The next older page; none at the window's beginning.
    pub(super) async fn next(
        &mut self,
        parts: &HttpParts,
        me: &Me,
    ) -> Result<Option<History>, Problem> {
        if self.is_over {
            return Ok(None);
        }
        let command = Command::MessageHistory(MessageHistory {
            conversation_id: self.conversation_id,
            after_seq: None,
            before_seq: self.before_seq,
            limit: u32::try_from(self.limit).ok(),
        });
        let Reply::History(page) = me.run(parts, command).await? else {
            return Ok(None);
        };
        self.before_seq = page.events.first().map(|entry| entry.seq);
        self.is_over = !page.has_more || self.before_seq.is_none();
        Ok(Some(page))
    }
}
