//! `/api/v1/conversations/{id}/messages`, `.../messages/{seq}`.

use super::openapi::{Routes, at, bounds, one, op};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
    web,
};
use bedside_protocol::reply::{History, Logged, MessageSent};
use bedside_protocol::{
    Attachment, ClientMsgId, Command, CommandError, ConversationId, Event, LastMessage,
    MessageSend, Reply, Timestamp,
    command::{MessageEdit, MessageHistory, MessageRef},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    auth::Me,
    input::{Body, Params},
    parts::{HttpParts, Parts},
    problem::Problem,
};

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("Messages").add(
        at("/conversations/{conversation_id}/messages")
            .get(
                history,
                op("A page of the log")
                    .about("The dense log, ascending, within the caller's window; the newest page where neither bound is given.")
                    .ok(one::<History>),
            )
            .post(
                send,
                op("Send a message")
                    .about("Answered when it is stored. After a time-out or a 503 send the same again with the same key.")
                    .idempotent()
                    .body(one::<NewMessage>)
                    .ok(one::<MessageSent>)
                    .created_somewhere(one::<MessageSent>)
                    .or(409),
            ),
    )
    .add(
        at("/conversations/{conversation_id}/messages/{seq}")
            .get(get, op("One message as it stands now").ok(one::<LastMessage>))
            .patch(edit, op("Change the text of an own message").ok(one::<Logged>).or(409))
            .delete(delete, op("Take an own message back").ok(one::<Logged>).or(400).or(409)),
    );
}

#[derive(Deserialize, IntoParams)]
struct Range {
    #[param(schema_with = bounds::number)]
    after_seq: Option<u64>,
    #[param(schema_with = bounds::number)]
    before_seq: Option<u64>,
    #[param(schema_with = bounds::history_page)]
    limit: Option<u32>,
}

/// 200 with [`bedside_protocol::reply::History`]: the dense log, ascending, within the
/// caller's window. `limit` 1..=200, by default 50.
async fn history(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    params: Params<Range>,
) -> Result<HttpResponse, Problem> {
    let command = Command::MessageHistory(MessageHistory {
        conversation_id: *id,
        after_seq: params.0.after_seq,
        before_seq: params.0.before_seq,
        limit: params.0.limit,
    });
    Ok(HttpResponse::Ok().json(me.run(&parts, command).await?))
}

/// What of [`MessageSend`] the body holds: where it goes stands in the path.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes")]
struct NewMessage {
    client_msg_id: Option<ClientMsgId>,
    /// text, image, file or voice; by default text, which needs a `text`, while the others need
    /// attachments.
    #[schema(schema_with = bounds::sendable_type, required = false)]
    r#type: String,
    #[schema(schema_with = bounds::message_text, required = false)]
    text: String,
    #[schema(max_items = 10, required = false)]
    attachments: Vec<Attachment>,
    #[schema(schema_with = bounds::nullable_number)]
    reply_to_seq: Option<u64>,
    composed_at: Option<Timestamp>,
}

/// Body: [`MessageSend`] without `conversation_id`. The header `Idempotency-Key` is its
/// `client_msg_id` when the body has none. 201, or 200 when an earlier try had stored it:
/// [`bedside_protocol::reply::MessageSent`].
async fn send(
    parts: Parts,
    me: Me,
    request: HttpRequest,
    id: web::Path<ConversationId>,
    body: Body<MessageSend>,
) -> Result<HttpResponse, Problem> {
    let mut message = body.0;
    if message.conversation_id.is_some_and(|given| given != *id) {
        return Err(CommandError::invalid("conversation_id: differs from the path's").into());
    }
    message.conversation_id = Some(*id);
    if message.client_msg_id.is_none() {
        message.client_msg_id = idempotency_key(request.headers())?;
    }
    let reply = me.run(&parts, Command::MessageSend(message)).await?;
    Ok(match &reply {
        Reply::MessageSent(sent) if !sent.duplicate => {
            let path = format!("/api/v1/conversations/{id}/messages/{}", sent.seq);
            HttpResponse::Created()
                .insert_header((header::LOCATION, path))
                .json(reply)
        }
        _ => HttpResponse::Ok().json(reply),
    })
}

/// The header's value, with or without the quotes of a structured field.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<ClientMsgId>, CommandError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let invalid = |why| CommandError::invalid(format!("Idempotency-Key: {why}"));
    let text = value.to_str().map_err(|_| invalid("not ASCII"))?;
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    ClientMsgId::new(text)
        .map(Some)
        .map_err(|error| invalid(error.0))
}

/// 200 `{seq, ...message}`: the message as it stands now. `not_found` for seqs outside the
/// caller's window and for entries of the log that are no messages.
async fn get(
    parts: Parts,
    me: Me,
    path: web::Path<(ConversationId, u64)>,
) -> Result<HttpResponse, Problem> {
    let (conversation_id, seq) = path.into_inner();
    Ok(HttpResponse::Ok().json(message(&parts, &me, conversation_id, seq).await?))
}

/// One message, by way of the history so that the same rights and window hold.
pub(super) async fn message(
    parts: &HttpParts,
    me: &Me,
    conversation_id: ConversationId,
    seq: u64,
) -> Result<LastMessage, Problem> {
    let command = Command::MessageHistory(MessageHistory {
        conversation_id,
        after_seq: Some(seq.saturating_sub(1)),
        before_seq: None,
        limit: Some(1),
    });
    let found = match me.run(parts, command).await? {
        Reply::History(page) => page.events.into_iter().find(|entry| entry.seq == seq),
        _ => None,
    };
    match found.map(|entry| entry.event) {
        Some(Event::MessageCreated(message)) => Ok(LastMessage { seq, message }),
        _ => Err(CommandError::not_found("no such message").into()),
    }
}

#[derive(Deserialize, ToSchema)]
#[schema(as = MessageText)]
struct Text {
    #[schema(schema_with = bounds::said)]
    text: String,
}

/// Body: `{text}`. 200 `{conversation_id, seq}`, the seq of the edit.
async fn edit(
    parts: Parts,
    me: Me,
    path: web::Path<(ConversationId, u64)>,
    body: Body<Text>,
) -> Result<HttpResponse, Problem> {
    let (conversation_id, seq) = path.into_inner();
    let command = Command::MessageEdit(MessageEdit {
        conversation_id,
        seq,
        text: body.0.text,
    });
    Ok(HttpResponse::Ok().json(me.run(&parts, command).await?))
}

/// 200 `{conversation_id, seq}`, the seq of the deletion.
async fn delete(
    parts: Parts,
    me: Me,
    path: web::Path<(ConversationId, u64)>,
) -> Result<HttpResponse, Problem> {
    let (conversation_id, seq) = path.into_inner();
    let command = Command::MessageDelete(MessageRef {
        conversation_id,
        seq,
    });
    Ok(HttpResponse::Ok().json(me.run(&parts, command).await?))
}
