//! `/api/v1/conversations/{id}/typing`.

use super::openapi::{Routes, at, empty, op};
use actix_web::{HttpResponse, web};
use bedside_protocol::{Command, ConversationId, command::TypingSet};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{auth::Me, input::Body, parts::Parts, problem::Problem};

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("Conversations").add(
        at("/conversations/{conversation_id}/typing").post(
            set,
            op("The caller is writing, or has stopped")
                .about("Ends by itself after 5 s; renew it every 3 s.")
                .ok(empty),
        ),
    );
}

#[derive(Deserialize, ToSchema)]
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
