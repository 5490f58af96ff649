//! `/api/v1/chats`, `/api/v1/chats/{id}`, `.../pin`.

use crate::http::openapi::{Routes, at, bounds, one, op, paged};
use actix_web::{HttpResponse, http::header, web};
use bedside_protocol::{
    Command, CommandError, Conversation, ConversationId, ConversationKind, Reply, Timestamp,
    UserId,
    command::{ConversationCreate, ConversationSet, ConversationUpdate},
    limits::MEMBERS_MAX,
};
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

use super::{Done, chat, conversation, pages::Page};
use crate::{
    http::{
        auth::Me,
        conversations::Archived,
        input::{Body, OptionalBody, Params},
        parts::{HttpParts, Parts},
        problem::Problem,
    },
    seeds::clinic::{Chat, ChatType, is_muted},
};

/// Participants up to which a row of the list shows all of them. Of a larger chat it shows the
/// caller alone; the chat itself shows everybody.
const LISTED_PARTICIPANTS_MAX: usize = 64;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes
        .under(super::HEADING)
        .add(
            at("/chats")
                .get(
                    list,
                    op("List my chats")
                        .about("Pinned ones first, then by last activity.")
                        .ok(paged::<Chat>),
                )
                .post(
                    create,
                    op("Make a chat")
                        .about("200 for a Direct chat that was there.")
                        .ok(one::<Chat>)
                        .created_somewhere(one::<Chat>)
                        .or(404)
                        .or(409),
                ),
        )
        .add(
            at("/chats/{id}")
                .get(get, op("One chat").ok(one::<Chat>))
                .put(
                    update,
                    op("Change a chat, and the caller's own marks")
                        .about("What is absent stays.")
                        .ok(one::<Chat>)
                        .or(409),
                )
                .delete(
                    archive,
                    op("Take a chat out of the caller's own list")
                        .about("History and the other members keep it, and it can still be read.")
                        .ok(one::<Done>),
                ),
        )
        .add(at("/chats/{id}/pin").post(pin, op("Pin a chat, or unpin it").ok(one::<Chat>)));
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewChat {
    #[schema(schema_with = bounds::maybe_title)]
    name: Option<String>,
    #[serde(rename = "type")]
    #[schema(schema_with = bounds::chat_type)]
    chat_type: ChatType,
    #[serde(default)]
    #[schema(schema_with = bounds::members)]
    participants: Vec<UserId>,
    patient_id: Option<UserId>,
}

impl NewChat {
    fn into_command(mut self, me: &UserId) -> Result<ConversationCreate, CommandError> {
        let kind = self
            .chat_type
            .kind()
            .ok_or_else(|| CommandError::invalid("type: SMS is not offered yet"))?;
        if self.participants.len() > MEMBERS_MAX {
            return Err(CommandError::too_large("participants: at most 1000"));
        }
        // The caller is a member of what they make, named or not.
        self.participants.retain(|id| id != me);
        if kind == ConversationKind::Direct {
            self.participants.dedup();
            if self.participants.len() != 1 {
                return Err(CommandError::invalid(
                    "participants: a Direct chat takes exactly one other person",
                ));
            }
            // It goes by the other person's name, and is about nobody in particular.
            self.name = None;
            self.patient_id = None;
        }
        Ok(ConversationCreate {
            kind,
            member_ids: self.participants,
            title: self.name.unwrap_or_default(),
            patient_id: self.patient_id,
        })
    }
}

/// Body: `{name, type, participants[], patientId?}`. 201 with the chat; for a Direct chat that is
/// there 200 with the one that is there, back in the caller's list if they had taken it out.
async fn create(parts: Parts, me: Me, body: Body<NewChat>) -> Result<HttpResponse, Problem> {
    let command = Command::ConversationCreate(body.0.into_command(me.id())?);
    let Reply::Conversation(made) = me.run(&parts, command).await? else {
        return Err(super::no_chat());
    };
    let mut conversation = made.conversation;
    if conversation.me.archived {
        let back = ConversationSet {
            archived: Some(false),
            ..no_marks(conversation.conversation_id)
        };
        me.run(&parts, Command::ConversationSet(back)).await?;
        conversation.me.archived = false;
    }
    let id = conversation.conversation_id;
    let mut answer = if made.created {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer
        .insert_header((header::LOCATION, format!("/api/v1/chats/{id}")))
        .json(chat(&parts, &me, conversation)?))
}

const fn no_marks(conversation_id: ConversationId) -> ConversationSet {
    ConversationSet {
        conversation_id,
        pinned: None,
        muted_until: None,
        archived: None,
    }
}

#[derive(Deserialize, IntoParams)]
struct List {
    #[param(schema_with = bounds::page_number)]
    page: Option<u64>,
    #[param(schema_with = bounds::page_number)]
    limit: Option<u64>,
    #[serde(default)]
    #[param(inline)]
    archived: Archived,
}

/// 200 with a page of the chats that the caller is in: pinned ones first, then by last activity.
/// `?page=&limit=&archived=` (false, true or all).
async fn list(parts: Parts, me: Me, params: Params<List>) -> Result<HttpResponse, Problem> {
    let page = Page::of(params.0.page, params.0.limit)?;
    let mut listed = parts.node.listed(&me.0).await?;
    listed.retain(|one| {
        one.last_seq.is_none()
            && ChatType::of(one.kind).is_some()
            && params.0.archived.takes(one.archived)
    });
    // The sort is stable, so the rest stays by activity.
    listed.sort_by_key(|one| !one.pinned);
    let total = listed.len() as u64;
    let ids: Vec<_> = page
        .cut(listed)
        .iter()
        .map(|one| one.conversation_id)
        .collect();
    Ok(HttpResponse::Ok().json(page.list(rows(&parts, &me, ids).await?, total)))
}

/// The chats of these ids, in their order. One that was left a moment ago is not there.
async fn rows(parts: &HttpParts, me: &Me, ids: Vec<ConversationId>) -> Result<Vec<Chat>, Problem> {
    let found = parts.node.conversations_of(&me.0, ids.clone()).await?;
    let mut found: HashMap<_, _> = found
        .into_iter()
        .map(|conversation| (conversation.conversation_id, conversation))
        .collect();
    let rows = ids.iter().filter_map(|id| found.remove(id));
    rows.map(|conversation| {
        let mut row = chat(parts, me, conversation)?;
        if row.participants.len() > LISTED_PARTICIPANTS_MAX {
            row.participants.retain(|one| one.user_id == *me.id());
        }
        Ok(row)
    })
    .collect()
}

/// 200 with the chat; past ones too.
async fn get(parts: Parts, me: Me, id: web::Path<ConversationId>) -> Result<HttpResponse, Problem> {
    let conversation = conversation(&parts, &me, *id).await?;
    Ok(HttpResponse::Ok().json(chat(&parts, &me, conversation)?))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChatChanges)]
struct Update {
    #[schema(schema_with = bounds::new_title)]
    name: Option<String>,
    is_pinned: Option<bool>,
    muted: Option<bool>,
    archived: Option<bool>,
}

impl Update {
    /// What changes of the caller's own marks; none when nothing does.
    fn marks(&self, conversation: &Conversation, now: Timestamp) -> Option<ConversationSet> {
        let me = &conversation.me;
        let muted = self.muted.filter(|muted| *muted != is_muted(me, now));
        let marks = ConversationSet {
            conversation_id: conversation.conversation_id,
            pinned: self.is_pinned.filter(|pinned| *pinned != me.pinned),
            muted_until: muted.map(|muted| muted.then_some(FOR_GOOD)),
            archived: self.archived.filter(|archived| *archived != me.archived),
        };
        (marks != no_marks(conversation.conversation_id)).then_some(marks)
    }
}

/// The seed knows no end of a mute.
const FOR_GOOD: Timestamp = Timestamp::from_millis(i64::MAX);

/// Body: `{name?, isPinned?, muted?, archived?}`; what is absent stays. The name is everybody's,
/// the marks are the caller's own. 200 with the chat.
async fn update(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    body: Body<Update>,
) -> Result<HttpResponse, Problem> {
    let before = conversation(&parts, &me, *id).await?;
    let marks = body.0.marks(&before, parts.node.clock().now());
    let shown = chat(&parts, &me, before)?;
    // Clients put back the whole row: a name that stays is no renaming.
    if let Some(title) = body.0.name.filter(|name| *name != shown.name) {
        let rename = ConversationUpdate {
            conversation_id: *id,
            title,
        };
        me.run(&parts, Command::ConversationUpdate(rename)).await?;
    }
    if let Some(marks) = marks {
        me.run(&parts, Command::ConversationSet(marks)).await?;
    }
    get(parts, me, id).await
}

/// Takes the chat out of the caller's own list; its history is kept, and others keep it.
/// 200 `{message}`.
async fn archive(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
) -> Result<HttpResponse, Problem> {
    conversation(&parts, &me, *id).await?;
    let archived = ConversationSet {
        archived: Some(true),
        ..no_marks(*id)
    };
    me.run(&parts, Command::ConversationSet(archived)).await?;
    Ok(HttpResponse::Ok().json(Done {
        message: "Chat removed from your list",
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChatPin)]
struct Pin {
    is_pinned: Option<bool>,
}

/// Body: `{isPinned}`, or none to change it to the other. 200 with the chat.
async fn pin(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    body: OptionalBody<Pin>,
) -> Result<HttpResponse, Problem> {
    let before = conversation(&parts, &me, *id).await?;
    let asked = body.0.and_then(|body| body.is_pinned);
    let marks = ConversationSet {
        pinned: Some(asked.unwrap_or(!before.me.pinned)),
        ..no_marks(*id)
    };
    me.run(&parts, Command::ConversationSet(marks)).await?;
    get(parts, me, id).await
}
