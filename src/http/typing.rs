//! `/api/v1/conversations/{id}/typing`.

use actix_web::{HttpResponse, web};
use bedside_protocol::{Command, ConversationId, command::TypingSet};
use serde::Deserialize;

use super::{auth::Me, input::Body, parts::Parts, problem::Problem};

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/conversations/{conversation_id}/typing").route(web::post().to(set)),
    );
}

#[derive(Deserialize)]
struct Typing {
    typing: bool,
}

/// Body: `{typing}`. 200 `{}`. Ends by itself after 5 s; renew it every 3 s.
async fn set(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    body: Body<Typing>,
) -> Result<HttpResponse, Problem> {
    let command = Command::TypingSet(TypingSet {
        conversation_id: *id,
        typing: body.0.typing,
    });
    Ok(HttpResponse::Ok().json(me.run(&parts, command).await?))
}
