//! `/api/v1/messages/{id}`, `.../read`: one message by its id.

use crate::http::openapi::{Routes, at, bounds, one, op};
use actix_web::{HttpResponse, web};
use bedside_protocol::{
    Command, CommandError, Conversation, ConversationId, ErrorCode, LastMessage, MessageId,
    command::{MessageEdit, MessageRef, Receipt},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Done, history};
use crate::{
    http::{
        auth::Me,
        input::Body,
        parts::{HttpParts, Parts},
        problem::Problem,
        view,
    },
    seeds::clinic::{ChatMessage, is_read},
};

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes
        .under(super::HEADING)
        .add(
            at("/messages/{id}")
                .get(
                    get,
                    op("One message, also a deleted one").ok(one::<ChatMessage>),
                )
                .put(
                    edit,
                    op("Change the text of an own message")
                        .ok(one::<ChatMessage>)
                        .or(409),
                )
                .delete(
                    delete,
                    op("Take an own message back")
                        .about("Its row can still be read, without its content.")
                        .ok(one::<Done>)
                        .or(409),
                ),
        )
        .add(at("/messages/{id}/read").post(
            read,
            op("A message was read, and what is before it").ok(one::<ChatMessage>),
        ));
}

/// Where a message is, for those who may read it; to all others it does not exist.
async fn find(
    parts: &HttpParts,
    me: &Me,
    id: MessageId,
) -> Result<(Conversation, LastMessage), Problem> {
    let no_such = || CommandError::not_found("no such message");
    let place = parts.node.store().find_message(id).await?;
    let (conversation_id, seq) = place.ok_or_else(no_such)?;
    let conversation = parts.node.conversation(&me.0, conversation_id).await;
    let conversation = conversation.map_err(|error| match error.code {
        ErrorCode::NotAMember | ErrorCode::Forbidden => no_such(),
        _ => error,
    })?;
    let found = history::message_at(parts, &conversation, seq).await?;
    Ok((conversation, found))
}

fn shown(me: &Me, conversation: &Conversation, found: LastMessage) -> ChatMessage {
    let sender = found.message.sender_id.as_ref();
    let is_read = is_read(conversation, me.id(), found.seq, sender);
    ChatMessage::new(conversation.conversation_id, found.message, is_read)
}

/// 200 with the message at a place that the caller may read, as it stands now.
pub(super) async fn answer(
    parts: &HttpParts,
    me: &Me,
    conversation_id: ConversationId,
    seq: u64,
) -> Result<HttpResponse, Problem> {
    let conversation = view::conversation(parts, me, conversation_id).await?;
    let found = history::message_at(parts, &conversation, seq).await?;
    Ok(HttpResponse::Ok().json(shown(me, &conversation, found)))
}

/// 200 with the message, also with one that was deleted.
async fn get(parts: Parts, me: Me, id: web::Path<MessageId>) -> Result<HttpResponse, Problem> {
    let (conversation, found) = find(&parts, &me, *id).await?;
    Ok(HttpResponse::Ok().json(shown(&me, &conversation, found)))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ChatMessageText)]
struct Text {
    #[schema(schema_with = bounds::said)]
    content: String,
}

/// Body: `{content}`. 200 with the message.
async fn edit(
    parts: Parts,
    me: Me,
    id: web::Path<MessageId>,
    body: Body<Text>,
) -> Result<HttpResponse, Problem> {
    let (conversation, found) = find(&parts, &me, *id).await?;
    let conversation_id = conversation.conversation_id;
    let command = Command::MessageEdit(MessageEdit {
        conversation_id,
        seq: found.seq,
        text: body.0.content,
    });
    me.run(&parts, command).await?;
    answer(&parts, &me, conversation_id, found.seq).await
}

/// 200 `{message}`.
async fn delete(parts: Parts, me: Me, id: web::Path<MessageId>) -> Result<HttpResponse, Problem> {
    let (conversation, found) = find(&parts, &me, *id).await?;
    let command = Command::MessageDelete(MessageRef {
        conversation_id: conversation.conversation_id,
        seq: found.seq,
    });
    me.run(&parts, command).await?;
    Ok(HttpResponse::Ok().json(Done {
        message: "Message deleted",
    }))
}

/// Read, and with it everything before it. 200 with the message.
async fn read(parts: Parts, me: Me, id: web::Path<MessageId>) -> Result<HttpResponse, Problem> {
    let (conversation, found) = find(&parts, &me, *id).await?;
    let receipt = Receipt {
        conversation_id: conversation.conversation_id,
        up_to_seq: found.seq,
    };
    me.run(&parts, Command::ReceiptRead(receipt)).await?;
    let is_own = found.message.sender_id.as_ref() == Some(me.id());
    let mut row = shown(&me, &conversation, found);
    row.is_read |= !is_own;
    Ok(HttpResponse::Ok().json(row))
}
