//! `GET /api/v1/users/{id}`: one person, for those who have to do with them.

use actix_web::{HttpResponse, web};
use bedside_protocol::{CommandError, ConversationKind, Role, UserId};

use super::{User, own_record, stored};
use crate::http::{
    auth::Bearer,
    parts::{HttpParts, Parts},
    problem::Problem,
};

/// Newest broadcasts that are looked through for somebody who posts in them.
const BROADCASTS_MAX: usize = 20;

/// 200 with the row: one's own, and for staff and systems anybody's. Others see whom they share
/// a group with, whom they may or might once write to, and who posts in their broadcasts; all
/// others are `not_found` to them.
pub(super) async fn get(
    parts: Parts,
    bearer: Bearer,
    id: web::Path<UserId>,
) -> Result<HttpResponse, Problem> {
    let identity = &bearer.identity;
    if identity.roles.is_empty() {
        return Err(CommandError::forbidden("the token's roles have no rights here").into());
    }
    if *id == identity.user_id {
        return Ok(HttpResponse::Ok().json(User::from(own_record(&parts, identity).await?)));
    }
    let not_found = || CommandError::not_found("nobody of that id is known");
    let person = stored(&parts, &id).await?.ok_or_else(not_found)?;
    let sees_all = identity.roles.is_staff() || identity.roles.has(Role::Service);
    if sees_all || has_to_do_with(&parts, &bearer, &id).await? {
        return Ok(HttpResponse::Ok().json(User::from(person)));
    }
    Err(not_found().into())
}

async fn has_to_do_with(
    parts: &HttpParts,
    bearer: &Bearer,
    other: &UserId,
) -> Result<bool, Problem> {
    let (node, caller) = (&parts.node, bearer.caller());
    // Whose presence one sees: who shares a group with one, or whom one may write to.
    if !node
        .presence(&caller, vec![other.clone()])
        .await?
        .is_empty()
    {
        return Ok(true);
    }
    // A direct conversation stays readable when its relation ends.
    let direct = node
        .store()
        .direct_of(caller.user_id.clone(), other.clone());
    if direct.await?.is_some() {
        return Ok(true);
    }
    let listed = node.listed(&caller).await?.into_iter();
    let broadcasts = listed
        .filter(|one| one.kind == ConversationKind::Broadcast && one.last_seq.is_none())
        .map(|one| one.conversation_id)
        .take(BROADCASTS_MAX)
        .collect();
    let broadcasts = node.conversations_of(&caller, broadcasts).await?;
    // As one sees them: their admins, and oneself.
    let mut seen = broadcasts.iter().flat_map(|one| &one.members);
    Ok(seen.any(|member| member.user_id == *other))
}
