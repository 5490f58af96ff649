//! `/api/v1/chats/{id}/participants`.

use crate::http::openapi::{Routes, at, either, one, op};
use actix_web::{HttpResponse, web};
use bedside_protocol::{
    Command, CommandError, Conversation, ConversationId, MemberRole, UserId,
    command::{ConversationRef, MemberAdd, MemberRemove},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Done, conversation, pages::Page};
use crate::{
    http::{
        auth::Me,
        input::Body,
        parts::{HttpParts, Parts},
        problem::Problem,
    },
    seeds::clinic::Participant,
};

/// People whom one request may add. Each is an entry of the log.
const ADDED_MAX: usize = 100;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under(super::HEADING).add(
        at("/chats/{id}/participants").post(
            add,
            op("Bring people in")
                .about("One with userId, or up to 100 with userIds. 200 when all were there already. The first refusal ends it: those before it are in, and the same again goes on.")
                .ok(either::<Participant, Participant>)
                .created(either::<Participant, Participant>)
                .or(409),
        ),
    )
    .add(at("/chats/{id}/participants/{user_id}").delete(remove, op("Take somebody out, or leave").ok(one::<Done>).or(400).or(409)));
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Newcomers {
    user_id: Option<UserId>,
    user_ids: Option<Vec<UserId>>,
    is_admin: Option<bool>,
}

impl Newcomers {
    /// Who, and whether they were named one by one.
    fn ids(&self) -> Result<(Vec<UserId>, bool), CommandError> {
        match (&self.user_id, &self.user_ids) {
            (Some(id), None) => Ok((vec![id.clone()], true)),
            (None, Some(ids)) if ids.is_empty() => Err(CommandError::invalid("userIds: empty")),
            (None, Some(ids)) if ids.len() > ADDED_MAX => {
                Err(CommandError::too_large("userIds: at most 100"))
            }
            (None, Some(ids)) => {
                let mut ids = ids.clone();
                ids.sort_unstable();
                ids.dedup();
                Ok((ids, false))
            }
            _ => Err(CommandError::invalid("one of userId and userIds is needed")),
        }
    }

    /// The role to give somebody; none when it is theirs already.
    fn role_for(&self, user_id: &UserId, conversation: &Conversation) -> Option<MemberRole> {
        let asked = if self.is_admin == Some(true) {
            MemberRole::Admin
        } else {
            MemberRole::Member
        };
        let present = conversation.members.iter().find(|m| m.user_id == *user_id);
        match present.map(|member| member.member_role) {
            None => Some(asked),
            // Not to be an admin is no reason to take away what they are instead.
            Some(MemberRole::Admin) => (self.is_admin == Some(false)).then_some(asked),
            Some(_) => (asked == MemberRole::Admin).then_some(asked),
        }
    }
}

/// Body: `{userId, isAdmin?}` or `{userIds, isAdmin?}` (at most 100). 201 with the participant,
/// or with the list of them; 200 when all of them were there already. With several the first
/// refusal ends it: those before it are in, and the same again goes on.
async fn add(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    body: Body<Newcomers>,
) -> Result<HttpResponse, Problem> {
    let (user_ids, is_single) = body.0.ids()?;
    let before = conversation(&parts, &me, *id).await?;
    let mut is_new = false;
    for user_id in &user_ids {
        let Some(member_role) = body.0.role_for(user_id, &before) else {
            continue;
        };
        let command = MemberAdd {
            conversation_id: *id,
            user_id: user_id.clone(),
            member_role,
            share_history: false,
        };
        me.run(&parts, Command::MemberAdd(command)).await?;
        is_new = true;
    }
    let rows = participants(&parts, &me, *id, &user_ids).await?;
    let mut answer = if is_new {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    if is_single {
        let row = rows.into_iter().next();
        return Ok(answer.json(row.ok_or_else(|| {
            CommandError::not_found("the participant was taken out again meanwhile")
        })?));
    }
    let total = rows.len() as u64;
    let page = Page::of(None, Some(ADDED_MAX as u64))?;
    Ok(answer.json(page.list(rows, total)))
}

/// The rows of these people.
async fn participants(
    parts: &HttpParts,
    me: &Me,
    id: ConversationId,
    user_ids: &[UserId],
) -> Result<Vec<Participant>, Problem> {
    let conversation = conversation(parts, me, id).await?;
    let now = parts.node.clock().now();
    let members = conversation.members.iter();
    let named = members.filter(|member| user_ids.contains(&member.user_id));
    Ok(named
        .map(|member| Participant::new(&conversation, member, me.id(), now))
        .collect())
}

/// 200 `{message}`. Removing oneself is leaving.
async fn remove(
    parts: Parts,
    me: Me,
    path: web::Path<(ConversationId, UserId)>,
) -> Result<HttpResponse, Problem> {
    let (conversation_id, user_id) = path.into_inner();
    conversation(&parts, &me, conversation_id).await?;
    let command = if user_id == *me.id() {
        Command::MemberLeave(ConversationRef { conversation_id })
    } else {
        Command::MemberRemove(MemberRemove {
            conversation_id,
            user_id,
        })
    };
    me.run(&parts, command).await?;
    Ok(HttpResponse::Ok().json(Done {
        message: "Participant removed",
    }))
}
