//! The messages of a consultation.

use crate::http::openapi::{Routes, at, bounds, data, data_array, one, op};
use actix_web::{HttpResponse, web};
use bedside_actors::ports::store::{AuditRecord, PersonRecord};
use bedside_protocol::{
    Command, CommandError, ConsultationId, ConversationId, ErrorCode, Message, MessageId, Reply,
    UserId, command::Receipt,
};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use utoipa::{IntoParams, ToSchema};

use super::{Answer, bad};
use crate::{
    http::{
        answer,
        auth::Me,
        history::{self, Range},
        input::{Body, Params},
        messages,
        parts::{HttpParts, Parts},
        problem::{PlainProblem, Problem},
        view,
    },
    seeds::{
        SENDER_SPOOFED, SeedId,
        consultations::{self, MessageDraft, MessageRow},
    },
};

pub(super) fn routes(routes: &mut Routes<'_>) {
    let listing = || {
        op("Messages of a consultation")
            .about("The newest before that one, or of all, ascending.")
            .ok(data_array::<MessageRow>)
    };
    let posting = || {
        op("Send a message")
            .about("200 for a repeated one.")
            .ok(data::<MessageRow>)
            .created(data::<MessageRow>)
            .or(404)
            .or(409)
    };
    routes
        .add(
            at("/consultations/{id}/messages")
                .get(list, listing())
                .post(post_there, posting()),
        )
        .add(at("/messages").post(post, posting()))
        .add(at("/messages/consultation/{id}").get(list, listing()))
        .add(at("/messages/{message_id}/read").put(
            read,
            op("A message was read, and what is before it").ok(one::<Done>),
        ));
}

#[derive(Deserialize, IntoParams)]
struct Page {
    #[param(schema_with = bounds::history_page)]
    limit: Option<usize>,
    before: Option<MessageId>,
}

/// `?limit=` 1..=200, by default 200, `&before=` a message's id. 200 with the newest messages
/// before it, or of all, ascending.
async fn list(parts: Parts, me: Me, id: web::Path<ConsultationId>, params: Params<Page>) -> Answer {
    let consultation = parts.node.consultation(&me.0, *id).await?;
    let chat = consultation.conversation_id;
    let before_seq = match params.0.before {
        Some(before) => Some(seq_of(&parts, chat, before).await?),
        None => None,
    };
    let range = Range::before(before_seq, params.0.limit)?;
    let found = history::newest(&parts, &me, chat, range).await?;
    parts.shown.note(me.id(), chat, found.up_to_seq);
    let messages = found.messages.into_iter();
    let messages = messages.map(|(_, message)| (*id, message)).collect();
    Ok(answer::ok(rows(&parts, messages).await?))
}

/// Where a message of this conversation is.
async fn seq_of(
    parts: &HttpParts,
    chat: ConversationId,
    message_id: MessageId,
) -> Result<u64, Problem> {
    let found = parts.node.store().find_message(message_id).await?;
    found
        .filter(|(conversation_id, _)| *conversation_id == chat)
        .map(|(_, seq)| seq)
        .ok_or_else(|| CommandError::invalid("before: no message of this consultation").into())
}

/// Messages as the seed shows them, with what the directory knows of their senders.
pub(super) async fn rows(
    parts: &HttpParts,
    messages: Vec<(ConsultationId, Message)>,
) -> Result<Vec<MessageRow>, Problem> {
    let senders = messages.iter();
    let senders: HashSet<UserId> = senders
        .filter_map(|(_, message)| message.sender_id.clone())
        .collect();
    let people = parts.node.store().people(senders.into_iter().collect());
    let people = people.await?.into_iter();
    let people: HashMap<UserId, PersonRecord> = people.map(|p| (p.user_id.clone(), p)).collect();
    let rows = messages.iter().filter_map(|(id, message)| {
        let sender = message.sender_id.as_ref().and_then(|id| people.get(id));
        consultations::message(*id, message, sender)
    });
    Ok(rows.collect())
}

/// Body: `{consultationId, message, messageType?, fileUrl?, clientMsgId?}`. 201 with the message,
/// or 200 when an earlier try had stored it.
async fn post(parts: Parts, me: Me, body: Body<MessageDraft>) -> Answer {
    let id = body.0.consultation_id.as_ref();
    let id = id.ok_or_else(|| CommandError::invalid("consultationId is missing"))?;
    let id = id.consultation_id().map_err(bad("consultationId"))?;
    send(&parts, &me, id, body.0).await
}

/// The same without `consultationId`.
async fn post_there(
    parts: Parts,
    me: Me,
    id: web::Path<ConsultationId>,
    body: Body<MessageDraft>,
) -> Answer {
    let given = body.0.consultation_id.as_ref();
    if given.is_some_and(|given| *given != SeedId::from(*id)) {
        return Err(CommandError::invalid("consultationId: differs from the path's").into());
    }
    send(&parts, &me, *id, body.0).await
}

async fn send(parts: &HttpParts, me: &Me, id: ConsultationId, draft: MessageDraft) -> Answer {
    require_self(parts, me, draft.sender_id.as_ref()).await?;
    let command = Command::MessageSend(draft.to(id));
    let Reply::MessageSent(sent) = me.run(parts, command).await? else {
        return Err(CommandError::unavailable("the server lost the answer", 0).into());
    };
    let found = messages::message(parts, me, sent.conversation_id, sent.seq).await?;
    let row = rows(parts, vec![(id, found.message)]).await?.pop();
    // A retry of what was taken back since.
    let row = row.ok_or_else(|| CommandError::not_found("the message was deleted"))?;
    Ok(if sent.duplicate {
        answer::ok(row)
    } else {
        answer::created(row)
    })
}

/// The seed let everybody write as anybody. A sender that is somebody else is refused, and an
/// auditor can see who tried.
async fn require_self(parts: &HttpParts, me: &Me, sender: Option<&SeedId>) -> Result<(), Problem> {
    let Some(sender) = sender.filter(|sender| sender.as_str() != me.id().as_str()) else {
        return Ok(());
    };
    let record = AuditRecord {
        at: parts.node.clock().now(),
        actor: Some(me.id().clone()),
        action: SENDER_SPOOFED.into(),
        subject: sender.as_str().to_owned(),
        detail: String::new(),
    };
    parts.node.trail().write(record).await?;
    Err(CommandError::forbidden("senderId: somebody else than the token's").into())
}

#[derive(Serialize, ToSchema)]
#[schema(as = Success)]
struct Done {
    success: bool,
}

/// All up to and with this message was seen. 200 `{success}`; 404 for one that the caller may not
/// read, or of no consultation.
async fn read(
    parts: Parts,
    me: Me,
    message_id: web::Path<MessageId>,
) -> Result<HttpResponse, PlainProblem> {
    let unknown = || CommandError::not_found("no such message");
    let found = parts.node.store().find_message(*message_id).await?;
    let (conversation_id, up_to_seq) = found.ok_or_else(unknown)?;
    let conversation = view::conversation(&parts, &me, conversation_id).await;
    let conversation = conversation.map_err(|problem| match problem.code() {
        ErrorCode::NotAMember | ErrorCode::Forbidden => unknown().into(),
        _ => problem,
    })?;
    let window = conversation.me.first_seq..=conversation.head_seq;
    if conversation.consultation_id.is_none() || !window.contains(&up_to_seq) {
        return Err(unknown().into());
    }
    let command = Command::ReceiptRead(Receipt {
        conversation_id,
        up_to_seq,
    });
    me.run(&parts, command).await?;
    Ok(HttpResponse::Ok().json(Done { success: true }))
}
