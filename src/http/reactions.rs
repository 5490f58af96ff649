//! `/api/v1/conversations/{id}/messages/{seq}/reactions/{emoji}`.

use actix_web::{HttpResponse, web};
use bedside_protocol::{Command, ConversationId, command::MessageReact};

use super::{auth::Me, parts::Parts, problem::Problem};

type Target = web::Path<(ConversationId, u64, String)>;

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/conversations/{conversation_id}/messages/{seq}/reactions/{emoji}")
            .route(web::put().to(put))
            .route(web::delete().to(delete)),
    );
}

/// 200 `{conversation_id, seq}`; the message's own seq when it stood there already.
async fn put(parts: Parts, me: Me, path: Target) -> Result<HttpResponse, Problem> {
    react(parts, me, path, true).await
}

/// 200 `{conversation_id, seq}`; the message's own seq when it did not stand there.
async fn delete(parts: Parts, me: Me, path: Target) -> Result<HttpResponse, Problem> {
    react(parts, me, path, false).await
}

async fn react(parts: Parts, me: Me, path: Target, on: bool) -> Result<HttpResponse, Problem> {
    let (conversation_id, seq, emoji) = path.into_inner();
    let command = Command::MessageReact(MessageReact {
        conversation_id,
        seq,
        emoji,
        on,
    });
    Ok(HttpResponse::Ok().json(me.run(&parts, command).await?))
}
