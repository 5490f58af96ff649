//! `/api/v1/conversations/{id}/messages/{seq}/reactions/{emoji}`.

use super::openapi::{Routes, at, one, op};
use actix_web::{HttpResponse, web};
use bedside_protocol::reply::Logged;
use bedside_protocol::{Command, ConversationId, command::MessageReact};

use super::{auth::Me, parts::Parts, problem::Problem};

type Target = web::Path<(ConversationId, u64, String)>;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("Messages").add(
        at("/conversations/{conversation_id}/messages/{seq}/reactions/{emoji}")
            .put(
                put,
                op("Put an emoji on a message")
                    .ok(one::<Logged>)
                    .or(400)
                    .or(409)
                    .or(413),
            )
            .delete(
                delete,
                op("Take an emoji off a message")
                    .ok(one::<Logged>)
                    .or(400)
                    .or(409)
                    .or(413),
            ),
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
