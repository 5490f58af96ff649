//! What commands are answered with, for clients that wait for an answer.

use bedside_protocol::{ConversationId, MessageId, Reply, Timestamp, reply::MessageSent};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{asked::Asked, out::Out};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    ok: bool,
    message_id: MessageId,
    conversation_id: ConversationId,
    seq: u64,
    created_at: Timestamp,
    duplicate: bool,
}

impl From<&MessageSent> for Sent {
    fn from(sent: &MessageSent) -> Self {
        Self {
            ok: true,
            message_id: sent.message_id,
            conversation_id: sent.conversation_id,
            seq: sent.seq,
            created_at: sent.created_at,
            duplicate: sent.duplicate,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    ok: bool,
    unread_count: u64,
}

/// It went well, and there is nothing more to say.
pub(super) fn ok() -> Json {
    json!({"ok": true})
}

/// Answers what went well.
pub(super) fn answer(asked: &Asked, reply: &Reply, out: &mut Out<'_, '_>) {
    if asked.ack.is_none() {
        return;
    }
    match reply {
        Reply::MessageSent(sent) => out.answer(asked.ack, &Sent::from(sent)),
        Reply::ReceiptTaken(taken) => {
            let read = Read {
                ok: true,
                unread_count: taken.unread_count,
            };
            out.answer(asked.ack, &read);
        }
        _ => out.answer(asked.ack, &ok()),
    }
}
