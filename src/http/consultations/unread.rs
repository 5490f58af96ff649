//! `/messages/unread`: what others wrote in the caller's consultations and the caller has not
//! read.

use crate::http::openapi::{Routes, at, data_array, op};
use crate::seeds::consultations::MessageRow;
use bedside_protocol::{
    ConsultationId, Conversation, Event, Message,
    limits::{CONVERSATIONS_PAGE_MAX, HISTORY_PAGE_MAX},
};

use super::{Answer, chat::rows};
use crate::http::{
    answer,
    auth::Me,
    history::Walk,
    parts::{HttpParts, Parts},
    problem::Problem,
};

/// Messages of one answer.
const LISTED_MAX: usize = 200;

/// Pages of the node that one answer looks through.
const SCANS_MAX: usize = 50;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.add(
        at("/messages/unread").get(
            list,
            op("What I have not read")
                .about("Over all consultations, the newest first, at most 200.")
                .ok(data_array::<MessageRow>),
        ),
    );
}

/// 200 with messages, the newest first, at most 200: of the consultations with the newest
/// activity when there are more.
async fn list(parts: Parts, me: Me) -> Answer {
    let mut found = find(&parts, &me).await?;
    found.sort_by_key(|(_, message)| std::cmp::Reverse(message.created_at));
    Ok(answer::ok(rows(&parts, found).await?))
}

async fn find(parts: &HttpParts, me: &Me) -> Result<Vec<(ConsultationId, Message)>, Problem> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..SCANS_MAX {
        let page = parts
            .node
            .conversations(&me.0, cursor.as_deref(), CONVERSATIONS_PAGE_MAX);
        let (rows, next) = page.await?;
        for row in rows {
            if found.len() < LISTED_MAX {
                unread_in(parts, me, &row, &mut found).await?;
            }
        }
        cursor = next;
        if cursor.is_none() || found.len() >= LISTED_MAX {
            break;
        }
    }
    Ok(found)
}

/// Adds what is unread in a consultation that the caller is in now.
async fn unread_in(
    parts: &HttpParts,
    me: &Me,
    conversation: &Conversation,
    found: &mut Vec<(ConsultationId, Message)>,
) -> Result<(), Problem> {
    let mine = &conversation.me;
    let (Some(id), None) = (conversation.consultation_id, mine.last_seq) else {
        return Ok(());
    };
    if mine.unread_count == 0 {
        return Ok(());
    }
    let mut walk = Walk::new(conversation.conversation_id, None, HISTORY_PAGE_MAX);
    while let Some(page) = walk.next(parts, me).await? {
        for entry in page.events.into_iter().rev() {
            if entry.seq <= mine.read_up_to_seq || found.len() == LISTED_MAX {
                return Ok(());
            }
            if let Event::MessageCreated(message) = entry.event
                && message.sender_id.as_ref() != Some(me.id())
                && crate::seeds::chat::is_visible(&message)
            {
                found.push((id, message));
            }
        }
    }
    Ok(())
}
