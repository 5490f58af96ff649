//! `/api/v1/conversations/{id}/system-messages`: what the clinic's systems write into
//! conversations.

use actix_web::{HttpResponse, http::header, web};
use bedside_protocol::ConversationId;
use serde::Deserialize;

use super::{auth::Bearer, input::Body, parts::Parts, problem::Problem};

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/conversations/{conversation_id}/system-messages")
            .route(web::post().to(post)),
    );
}

#[derive(Deserialize)]
struct Post {
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
