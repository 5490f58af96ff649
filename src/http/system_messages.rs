//! `/api/v1/conversations/{id}/system-messages`: what the clinic's systems write into
//! conversations.

use super::openapi::{Routes, at, bounds, one, op};
use actix_web::{HttpResponse, http::header, web};
use bedside_protocol::ConversationId;
use bedside_protocol::reply::MessageSent;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{auth::Bearer, input::Body, parts::Parts, problem::Problem};

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("Messages").add(
        at("/conversations/{conversation_id}/system-messages").post(
            post,
            op("Write into a conversation as one of the clinic's systems")
                .for_services()
                .created_somewhere(one::<MessageSent>)
                .or(409),
        ),
    );
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SystemMessage)]
struct Post {
    #[schema(schema_with = bounds::said)]
    text: String,
}

/// Body: `{text}`, for service tokens. 201 with [`bedside_protocol::reply::MessageSent`].
async fn post(
    parts: Parts,
    bearer: Bearer,
    id: web::Path<ConversationId>,
    body: Body<Post>,
) -> Result<HttpResponse, Problem> {
    bearer.require_service()?;
    let by = bearer.caller();
    let sent = parts.node.post_system_message(&by, *id, body.0.text);
    let sent = sent.await?;
    let path = format!("/api/v1/conversations/{id}/messages/{}", sent.seq);
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, path))
        .json(sent))
}
