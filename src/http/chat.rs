//! Seed 004: `/chat`, and the same for patients under `/users` and for doctors under `/doctors`.
//!
//! Direct conversations only. What the server itself wrote and what was taken back does not
//! appear: see [`crate::seeds::chat`].

use super::openapi::{Extracts, Operation, Routes, at, bounds, data, data_array, op};
use crate::seeds::chat::ChatMessage;
use actix_web::{HttpResponse, web};
use bedside_protocol::{
    Command, CommandError, Reply, UserId, command::Receipt, limits::PRESENCE_WATCH_MAX,
};
use list::Row;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use utoipa::{IntoParams, ToSchema};

use super::{
    answer,
    auth::Me,
    history,
    input::{Body, Params},
    parts::{HttpParts, Parts},
    problem::PlainProblem,
};
use crate::seeds::chat::ChatDraft;
use pair::Pair;
use who::{Doctor, Patient, Who};

mod list;
mod pair;
mod search;
mod who;

type Answer = Result<HttpResponse, PlainProblem>;

pub(super) fn routes(routes: &mut Routes<'_>) {
    let (mine, theirs) = ("/chat", "/users");
    routes.under("Direct messages (seed 004)");
    conversations::<Me>(routes, mine);
    conversations::<Patient>(routes, theirs);
    routes
        .add(
            at("/chat/online-status").post(
                online,
                op("Who is online")
                    .about("In the order asked; whoever is nothing to the caller is offline.")
                    .ok(data_array::<Online>),
            ),
        )
        .add(
            at("/chat/search").get(
                find,
                op("Search names and messages")
                    .needs("query")
                    .about("Archived conversations too.")
                    .ok(data_array::<Row>),
            ),
        )
        .add(at("/users/send-message").post(users_send, sending()))
        .add(
            at("/doctors/patients/{user_id}/messages")
                .get(page::<Doctor>, paging())
                .post(doctors_send, sending()),
        );
}

/// The same for whoever may use it, under their own prefix.
fn conversations<W: Who + Extracts>(routes: &mut Routes<'_>, prefix: &str) {
    routes
        .add(
            at(format!("{prefix}/conversations")).get(
                list::<W>,
                op("List my direct conversations")
                    .about("The newest message first, at most 1,000.")
                    .ok(data_array::<Row>),
            ),
        )
        .add(at(format!("{prefix}/conversations/{{user_id}}")).get(page::<W>, paging()))
        .add(at(format!("{prefix}/conversations/{{user_id}}/read")).put(
            read::<W>,
            op("All that was shown was read").ok(data::<Unread>),
        ))
        .add(
            at(format!("{prefix}/unread-count"))
                .get(unread::<W>, op("How much is unread").ok(data::<Unread>)),
        );
}

fn paging() -> Operation {
    op("Messages with somebody")
        .about("Ascending: the newest `limit` of them but for the newest `skip`.")
        .ok(data_array::<ChatMessage>)
}

fn sending() -> Operation {
    op("Send a message")
        .about("200 for a repeated one.")
        .ok(data::<ChatMessage>)
        .created(data::<ChatMessage>)
        .or(404)
        .or(409)
}

/// 200 with the rows of [`list::Row`]: the newest message first.
async fn list<W: Who>(parts: Parts, who: W) -> Answer {
    let me = who.into_me();
    let conversations = list::of(&parts, &me, list::is_listed).await?;
    Ok(answer::ok(list::rows(&parts, &me, conversations).await?))
}

#[derive(Deserialize, IntoParams)]
struct Page {
    #[param(schema_with = bounds::history_page)]
    limit: Option<usize>,
    #[param(schema_with = bounds::skip)]
    skip: Option<usize>,
}

/// `?limit=` 1..=200, by default 50, `&skip=` at most 10,000. 200 with messages, ascending: the
/// newest `limit` of them but for the newest `skip`.
async fn page<W: Who>(
    parts: Parts,
    who: W,
    other: web::Path<UserId>,
    params: Params<Page>,
) -> Answer {
    let me = who.into_me();
    let range = history::Range::of(params.0.limit, params.0.skip)?;
    let Some(pair) = Pair::find(&parts, &me, &other).await? else {
        return Ok(answer::ok([(); 0]));
    };
    let id = pair.conversation.conversation_id;
    let found = history::newest(&parts, &me, id, range).await?;
    parts.shown.note(me.id(), id, found.up_to_seq);
    Ok(answer::ok(pair.messages(found.messages)))
}

#[derive(Serialize, ToSchema)]
#[schema(as = UnreadCount)]
struct Unread {
    #[serde(rename = "unreadCount")]
    unread_count: u64,
}

/// All up to now: what the caller was sent of it, and nothing that came since. 200
/// `{unreadCount}`, what is left in this conversation.
async fn read<W: Who>(parts: Parts, who: W, sender: web::Path<UserId>) -> Answer {
    let me = who.into_me();
    let mut unread_count = 0;
    if let Some(conversation) = pair::conversation(&parts, &me, &sender).await? {
        let shown = parts.shown.up_to_now_anywhere(me.id(), &conversation);
        let up_to_seq = shown.await;
        let command = Command::ReceiptRead(Receipt {
            conversation_id: conversation.conversation_id,
            up_to_seq,
        });
        if let Reply::ReceiptTaken(taken) = me.run(&parts, command).await? {
            unread_count = taken.unread_count;
        }
    }
    Ok(answer::ok(Unread { unread_count }))
}

/// 200 `{unreadCount}`, over all direct conversations that are not archived.
async fn unread<W: Who>(parts: Parts, who: W) -> Answer {
    let unread_count = list::unread(&parts, &who.into_me()).await?;
    Ok(answer::ok(Unread { unread_count }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AskedOnline)]
struct Asked {
    #[schema(schema_with = bounds::watched)]
    user_ids: Vec<UserId>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Online {
    user_id: UserId,
    is_online: bool,
}

/// Body: `{userIds}`, at most 200. 200 `[{userId, isOnline}]`, in the order asked. Whoever is
/// nothing to the caller is shown as offline, and so is who does not exist.
async fn online(parts: Parts, me: Me, body: Body<Asked>) -> Answer {
    let asked = body.0.user_ids;
    if asked.len() > PRESENCE_WATCH_MAX {
        return Err(CommandError::too_large("userIds: at most 200").into());
    }
    let presence = parts.node.presence(&me.0, asked.clone()).await?;
    let online: HashSet<&UserId> = presence
        .iter()
        .filter(|presence| presence.online)
        .map(|presence| &presence.user_id)
        .collect();
    let rows = asked.into_iter().map(|user_id| Online {
        is_online: online.contains(&user_id),
        user_id,
    });
    Ok(answer::ok(rows.collect::<Vec<_>>()))
}

#[derive(Deserialize, IntoParams)]
struct Query {
    #[param(schema_with = bounds::query)]
    query: String,
}

/// `?query=` of 1..=200 bytes: part of a name or of a message. 200 with rows as the list has
/// them, archived conversations too.
async fn find(parts: Parts, me: Me, params: Params<Query>) -> Answer {
    let needle = search::Needle::new(&params.0.query)?;
    let found = search::conversations(&parts, &me, &needle).await?;
    Ok(answer::ok(list::rows(&parts, &me, found).await?))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = MessageToDoctor)]
struct ToDoctor {
    #[serde(rename = "doctorId")]
    doctor_id: UserId,
    #[serde(flatten)]
    draft: ChatDraft,
}

/// Body: `{doctorId, content, messageType?, fileUrl?, fileName?, clientMsgId?}`. 201 with the
/// message, or 200 when an earlier try had stored it.
async fn users_send(parts: Parts, me: Patient, body: Body<ToDoctor>) -> Answer {
    send(&parts, &me.into_me(), body.0.doctor_id, body.0.draft).await
}

/// Body: `{message, clientMsgId?}`. As [`users_send`].
async fn doctors_send(
    parts: Parts,
    me: Doctor,
    patient_id: web::Path<UserId>,
    body: Body<ChatDraft>,
) -> Answer {
    send(&parts, &me.into_me(), patient_id.into_inner(), body.0).await
}

async fn send(parts: &HttpParts, me: &Me, to: UserId, draft: ChatDraft) -> Answer {
    let command = Command::MessageSend(draft.to(to));
    let Reply::MessageSent(sent) = me.run(parts, command).await? else {
        return Err(CommandError::unavailable("the server lost the answer", 0).into());
    };
    let message = pair::message(parts, me, &sent).await?;
    Ok(if sent.duplicate {
        answer::ok(message)
    } else {
        answer::created(message)
    })
}
