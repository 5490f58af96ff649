//! `/api/v1/conversations/{id}/me`: what a conversation is to the caller alone.

use super::openapi::{Routes, at, one, op};
use actix_web::{HttpResponse, web};
use bedside_protocol::Mine;
use bedside_protocol::{Command, ConversationId, Timestamp, command::ConversationSet};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{auth::Me, input::Body, parts::Parts, problem::Problem, view};

pub(super) fn routes(routes: &mut Routes<'_>) {
    let set_marks = || {
        op("Pin, mute or archive, for the caller alone")
            .about("What is absent stays; null unmutes.")
            .ok(one::<Mine>)
    };
    routes.under("Conversations").add(
        at("/conversations/{conversation_id}/me")
            .get(
                get,
                op("What a conversation is to the caller").ok(one::<Mine>),
            )
            .put(set, set_marks())
            .patch(set, set_marks()),
    );
}

/// 200 with [`bedside_protocol::Mine`].
async fn get(parts: Parts, me: Me, id: web::Path<ConversationId>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(view::conversation(&parts, &me, *id).await?.me))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ConversationMarks)]
struct Marks {
    pinned: Option<bool>,
    #[serde(default, deserialize_with = "null_or_time")]
    muted_until: Option<Option<Timestamp>>,
    archived: Option<bool>,
}

/// Tells null, which unmutes, from an absent field, which changes nothing.
fn null_or_time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(d).map(Some)
}

/// Body: `{pinned?, muted_until?, archived?}`; what is absent stays, also with PUT. 200 with
/// [`bedside_protocol::Mine`].
async fn set(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    body: Body<Marks>,
) -> Result<HttpResponse, Problem> {
    let command = Command::ConversationSet(ConversationSet {
        conversation_id: *id,
        pinned: body.0.pinned,
        muted_until: body.0.muted_until,
        archived: body.0.archived,
    });
    Ok(HttpResponse::Ok().json(me.run(&parts, command).await?))
}
