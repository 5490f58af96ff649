//! `/api/v1/chats/{id}/messages`, `.../read-all`. The id may be any conversation's.

use crate::http::openapi::{Routes, at, bounds, one, op, paged};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use bedside_protocol::{
    Attachment, ClientMsgId, Command, CommandError, ConversationId, Message, MessageSend,
    MessageType, Reply, command::Receipt, reply::MessageSent,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{history, message, pages::Page};
use crate::{
    http::{
        auth::Me,
        input::{Body, Params},
        messages::idempotency_key,
        parts::Parts,
        problem::Problem,
        view,
    },
    seeds::clinic::{ChatMessage, is_read},
};

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes
        .under(super::HEADING)
        .add(
            at("/chats/{id}/messages")
                .get(
                    list,
                    op("A page of messages")
                        .about("The newest page first, ascending inside a page.")
                        .ok(paged::<ChatMessage>),
                )
                .post(
                    send,
                    op("Send a message")
                        .about("200 for a repeated one.")
                        .idempotent()
                        .ok(one::<ChatMessage>)
                        .created_somewhere(one::<ChatMessage>)
                        .or(409),
                ),
        )
        .add(
            at("/chats/{id}/messages/read-all")
                .post(read_all, op("All by now was read").ok(one::<AllRead>)),
        );
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewChatMessage)]
struct NewMessage {
    #[schema(schema_with = bounds::maybe_said)]
    content: Option<String>,
    #[serde(default, alias = "type")]
    message_type: MessageType,
    #[schema(schema_with = bounds::file_field)]
    file_url: Option<String>,
    #[schema(schema_with = bounds::file_field)]
    file_name: Option<String>,
    #[schema(schema_with = bounds::nullable_number)]
    file_size: Option<u64>,
    #[schema(schema_with = bounds::file_field)]
    mime_type: Option<String>,
    client_msg_id: Option<ClientMsgId>,
}

impl NewMessage {
    fn into_command(self, conversation_id: ConversationId) -> Result<MessageSend, CommandError> {
        let attachment = match self.file_url.filter(|url| !url.is_empty()) {
            Some(url) => Some(Attachment {
                url,
                name: self.file_name.unwrap_or_default(),
                media_type: self.mime_type.unwrap_or_default(),
                size_bytes: self.file_size,
            }),
            None if self.file_name.is_some_and(|name| !name.is_empty()) => {
                return Err(CommandError::invalid("fileName: without a fileUrl"));
            }
            None => None,
        };
        Ok(MessageSend {
            conversation_id: Some(conversation_id),
            client_msg_id: self.client_msg_id,
            message_type: self.message_type,
            text: self.content.unwrap_or_default(),
            attachments: attachment.into_iter().collect(),
            ..MessageSend::default()
        })
    }
}

/// Body: `{content, messageType?, fileUrl?, fileName?, fileSize?, mimeType?, clientMsgId?}`. The
/// header `Idempotency-Key` is the `clientMsgId` of a body that has none. 201 with the message,
/// or 200 when an earlier try had stored it.
async fn send(
    parts: Parts,
    me: Me,
    request: HttpRequest,
    id: web::Path<ConversationId>,
    body: Body<NewMessage>,
) -> Result<HttpResponse, Problem> {
    let mut command = body.0.into_command(*id)?;
    if command.client_msg_id.is_none() {
        command.client_msg_id = idempotency_key(request.headers())?;
    }
    let said = command.clone();
    let Reply::MessageSent(sent) = me.run(&parts, Command::MessageSend(command)).await? else {
        return Err(super::no_chat());
    };
    if sent.duplicate {
        // It may have been edited since, so it is shown as it stands.
        return message::answer(&parts, &me, *id, sent.seq).await;
    }
    Ok(HttpResponse::Created()
        .insert_header((
            header::LOCATION,
            format!("/api/v1/messages/{}", sent.message_id),
        ))
        .json(ChatMessage::new(*id, as_sent(said, &sent, &me), false)))
}

/// The message as it was stored. Not read back: a failure of that would make a client send it
/// again.
fn as_sent(said: MessageSend, sent: &MessageSent, me: &Me) -> Message {
    Message {
        message_id: sent.message_id,
        sender_id: Some(me.id().clone()),
        message_type: said.message_type,
        text: said.text,
        attachments: said.attachments,
        reply_to_seq: said.reply_to_seq,
        client_msg_id: said.client_msg_id,
        composed_at: None,
        created_at: sent.created_at,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
    }
}

#[derive(Deserialize, IntoParams)]
struct List {
    #[param(schema_with = bounds::page_number)]
    page: Option<u64>,
    #[param(schema_with = bounds::page_number)]
    limit: Option<u64>,
}

/// 200 with a page of messages: the newest page first, ascending inside a page.
/// `?page=&limit=`.
async fn list(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    params: Params<List>,
) -> Result<HttpResponse, Problem> {
    let page = Page::of(params.0.page, params.0.limit)?;
    let conversation = view::conversation(&parts, &me, *id).await?;
    let (found, total) = history::messages(&parts, &conversation, page).await?;
    if let Some(newest) = found.last() {
        parts.shown.note(me.id(), *id, newest.seq);
    }
    let rows = found.into_iter().map(|found| {
        let sender = found.message.sender_id.as_ref();
        let is_read = is_read(&conversation, me.id(), found.seq, sender);
        ChatMessage::new(*id, found.message, is_read)
    });
    Ok(HttpResponse::Ok().json(page.list(rows.collect(), total)))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AllRead {
    message: &'static str,
    unread_count: u64,
}

/// Everything that the caller may read by now is read. 200 `{message, unreadCount}`.
async fn read_all(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
) -> Result<HttpResponse, Problem> {
    let up_to_seq = view::conversation(&parts, &me, *id).await?.head_seq;
    let receipt = Receipt {
        conversation_id: *id,
        up_to_seq,
    };
    let reply = me.run(&parts, Command::ReceiptRead(receipt)).await?;
    let unread_count = match reply {
        Reply::ReceiptTaken(taken) => taken.unread_count,
        _ => 0,
    };
    Ok(HttpResponse::Ok().json(AllRead {
        message: "All messages marked as read",
        unread_count,
    }))
}
