//! `/api/v1/unread`.

use super::openapi::{Routes, at, one, op};
use actix_web::HttpResponse;
use bedside_protocol::{ConversationId, limits::CONVERSATIONS_PAGE_MAX};
use serde::Serialize;
use utoipa::ToSchema;

use super::{auth::Me, parts::Parts, problem::Problem};

/// Store pages that are looked through for conversations with something unread.
const SCANS_MAX: usize = 5;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("Receipts").add(at("/unread").get(
        get,
        op("How much is unread")
            .about("Archived conversations are not counted; those far down the list by activity are counted but not listed.")
            .ok(one::<Unread>),
    ));
}

#[derive(Serialize, ToSchema)]
struct Unread {
    unread_count: u64,
    conversations: Vec<UnreadIn>,
}

#[derive(Serialize, ToSchema)]
struct UnreadIn {
    conversation_id: ConversationId,
    unread_count: u64,
}

/// 200 `{unread_count, conversations: [{conversation_id, unread_count}]}`: archived ones are not
/// counted; those with nothing unread, and any far down the list by activity, are not
/// listed.
async fn get(parts: Parts, me: Me) -> Result<HttpResponse, Problem> {
    let unread_count = parts.node.store().unread_total(me.id().clone()).await?;
    let mut conversations = Vec::new();
    let mut listed = 0;
    let mut cursor: Option<String> = None;
    for _ in 0..SCANS_MAX {
        // All of it is accounted for: the older conversations have nothing to add.
        if listed >= unread_count {
            break;
        }
        let page = parts
            .node
            .conversations(&me.0, cursor.as_deref(), CONVERSATIONS_PAGE_MAX);
        let (rows, next) = page.await?;
        for row in rows {
            let is_counted = !row.me.archived && row.me.last_seq.is_none();
            if is_counted && row.me.unread_count > 0 {
                listed += row.me.unread_count;
                conversations.push(UnreadIn {
                    conversation_id: row.conversation_id,
                    unread_count: row.me.unread_count,
                });
            }
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(HttpResponse::Ok().json(Unread {
        unread_count,
        conversations,
    }))
}
