//! `/api/v1/conversations/{id}/members`.

use super::openapi::{Routes, at, one, op};
use actix_web::{HttpResponse, web};
use bedside_protocol::reply::Logged;
use bedside_protocol::{
    Command, ConversationId, Member, MemberRole, UserId,
    command::{ConversationRef, MemberAdd, MemberRemove},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{auth::Me, input::Body, parts::Parts, problem::Problem, view};

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("Conversations").add(
        at("/conversations/{conversation_id}/members")
            .get(list, op("The present members").about("In a broadcast an ordinary member sees only themselves and its admins.").ok(one::<Members>))
            .post(add, op("Bring somebody in, or change what they are here").created(one::<Logged>).or(409)),
    )
    .add(
        at("/conversations/{conversation_id}/members/{user_id}")
            .delete(remove, op("Take somebody out, or leave").ok(one::<Logged>).or(400).or(409)),
    );
}

#[derive(Serialize, ToSchema)]
struct Members {
    members: Vec<Member>,
}

/// 200 `{members: [...]}`: the present ones; in a broadcast an ordinary member sees only
/// themselves and its admins. `not_a_member` for past members.
async fn list(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
) -> Result<HttpResponse, Problem> {
    let members = view::present_conversation(&parts, &me, *id).await?.members;
    Ok(HttpResponse::Ok().json(Members { members }))
}

#[derive(Deserialize, ToSchema)]
struct Newcomer {
    user_id: UserId,
    #[serde(default)]
    member_role: MemberRole,
    #[serde(default)]
    share_history: bool,
}

/// Body: `{user_id, member_role?, share_history?}`. 201 `{conversation_id, seq}`.
async fn add(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    body: Body<Newcomer>,
) -> Result<HttpResponse, Problem> {
    let command = Command::MemberAdd(MemberAdd {
        conversation_id: *id,
        user_id: body.0.user_id,
        member_role: body.0.member_role,
        share_history: body.0.share_history,
    });
    Ok(HttpResponse::Created().json(me.run(&parts, command).await?))
}

/// 200 `{conversation_id, seq}`. Removing oneself is leaving.
async fn remove(
    parts: Parts,
    me: Me,
    path: web::Path<(ConversationId, UserId)>,
) -> Result<HttpResponse, Problem> {
    let (conversation_id, user_id) = path.into_inner();
    let command = if user_id == *me.id() {
        Command::MemberLeave(ConversationRef { conversation_id })
    } else {
        Command::MemberRemove(MemberRemove {
            conversation_id,
            user_id,
        })
    };
    Ok(HttpResponse::Ok().json(me.run(&parts, command).await?))
}
