//! Seed 003's paths: its columns in camelCase, one entity as itself, lists by page and limit.
//!
//! | path under `/api/v1` | methods | file |
//! |---|---|---|
//! | `/chats` | GET list, POST make | `chats` |
//! | `/chats/{id}` | GET, PUT, DELETE out of the caller's list | `chats` |
//! | `/chats/{id}/pin` | POST | `chats` |
//! | `/chats/{id}/participants` | POST | `participants` |
//! | `/chats/{id}/participants/{user_id}` | DELETE | `participants` |
//! | `/chats/{id}/messages` | GET page, POST send | `messages` |
//! | `/chats/{id}/messages/read-all` | POST | `messages` |
//! | `/messages/{id}` | GET, PUT text, DELETE | `message` |
//! | `/messages/{id}/read` | POST | `message` |
//! | `/users/me/preferences` | GET, PUT | `preferences` |
//!
//! The shapes are those of [`crate::seeds::clinic`].

mod chats;
mod history;
mod message;
mod messages;
pub(super) mod pages;
mod participants;
mod preferences;

use super::openapi::Routes;
use bedside_protocol::{CommandError, Conversation, ConversationId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{auth::Me, parts::HttpParts, problem::Problem, view};
use crate::seeds::clinic::{Chat, ChatType};

/// Under which heading the document has them.
const HEADING: &str = "Chats (seed 003)";

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes
        .with(chats::routes)
        .with(participants::routes)
        .with(messages::routes)
        .with(message::routes)
        .with(preferences::routes);
}

/// What is answered when there is no entity to show.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {
    pub(super) message: &'static str,
}

/// A conversation that is a chat of this seed.
async fn conversation(
    parts: &HttpParts,
    me: &Me,
    id: ConversationId,
) -> Result<Conversation, Problem> {
    let conversation = view::conversation(parts, me, id).await?;
    // Consultations have paths of their own.
    if ChatType::of(conversation.kind).is_none() {
        return Err(no_chat());
    }
    Ok(conversation)
}

fn no_chat() -> Problem {
    CommandError::not_found("no such chat").into()
}

/// The conversation in this seed's shape.
fn chat(parts: &HttpParts, me: &Me, conversation: Conversation) -> Result<Chat, Problem> {
    Chat::new(conversation, me.id(), parts.node.clock().now()).ok_or_else(no_chat)
}
