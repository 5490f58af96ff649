//! `/messages`: the chats of consultations (seed 000). A socket is in every consultation of its
//! user, those made later too.

use bedside_actors::outbox::{Ambient, SharedEvent};
use bedside_protocol::{
    ClientMsgId, Command, CommandError, ConsultationId, ConversationId, ConversationKind, Event,
    Message, MessageId, MessageSend, Reply, Timestamp,
    command::{Receipt, TypingSet},
    event::{ReceiptChanged, TypingChanged},
};
use futures_util::future::FutureExt as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::{
    answers,
    asked::{About, Asked, What},
    client::{Client, Missing, Step},
    faces::Facts,
    input::Input,
    lookups,
    out::{Out, Slot},
    peer::Dialect,
};
use crate::seeds::{SeedId, chat};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewMessage<'a> {
    consultation_id: SeedId,
    message: &'a str,
    sender_id: SeedId,
    timestamp: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserTyping {
    user_id: SeedId,
    is_typing: bool,
    timestamp: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageRead {
    message_id: MessageId,
    user_id: SeedId,
    timestamp: Timestamp,
}

/// What `send-message` carries besides the consultation. Null is as absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Draft {
    message: Option<String>,
    client_msg_id: Option<ClientMsgId>,
}

/// See the module's text.
pub(super) struct Messages;

impl Messages {
    fn send(client: &mut Client, input: Input) -> Result<(), CommandError> {
        let consultation_id = input.consultation()?;
        let asked = Asked {
            event: input.event,
            ack: input.ack,
            about: About::Consultation(consultation_id),
            what: What::Sent,
        };
        let draft: Draft = input.into()?;
        let send = MessageSend {
            consultation_id: Some(consultation_id),
            client_msg_id: draft.client_msg_id,
            text: draft.message.unwrap_or_default(),
            ..MessageSend::default()
        };
        client.command(Command::MessageSend(send), asked);
        Ok(())
    }

    fn typing(client: &mut Client, input: &Input) -> Result<(), CommandError> {
        let consultation_id = input.consultation()?;
        let typing = input.flag("isTyping")?;
        let asked = Asked {
            event: input.event,
            ack: input.ack,
            about: About::Consultation(consultation_id),
            what: What::Plain,
        };
        let set = move |conversation_id| {
            Command::TypingSet(TypingSet {
                conversation_id,
                typing,
            })
        };
        if let Some(id) = client.hall.faces.consultation(consultation_id) {
            client.command(set(id), asked);
            return Ok(());
        }
        let hall = Arc::clone(&client.hall);
        let job = async move {
            match lookups::consultation(&hall, consultation_id).await {
                Ok(id) => Step::Command(set(id), asked),
                Err(error) => Step::Refused(asked, error),
            }
        };
        client.find_out(job.boxed());
        Ok(())
    }

    fn read(client: &mut Client, input: &Input) -> Result<(), CommandError> {
        let message_id = input.message()?;
        let asked = Asked {
            event: input.event,
            ack: input.ack,
            about: About::Message(message_id),
            what: What::Plain,
        };
        let hall = Arc::clone(&client.hall);
        let job = async move {
            match lookups::message(&hall, message_id).await {
                Ok((conversation_id, up_to_seq, facts))
                    if facts.kind == ConversationKind::Consultation =>
                {
                    let receipt = Receipt {
                        conversation_id,
                        up_to_seq,
                    };
                    Step::Command(Command::ReceiptRead(receipt), asked)
                }
                Ok(_) => Step::Refused(asked, lookups::no_message()),
                Err(error) => Step::Refused(asked, error),
            }
        };
        client.find_out(job.boxed());
        Ok(())
    }

    fn show_message(
        client: &mut Client,
        event: &SharedEvent,
        place: (ConversationId, u64),
        message: &Message,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        let (id, seq) = place;
        let Some(consultation_id) = consultation_of(client, id, Some(seq))? else {
            return Ok(());
        };
        let Some(sender_id) = message.sender_id.as_ref() else {
            return Ok(());
        };
        if !chat::is_visible(message) {
            return Ok(());
        }
        out.emit_shared(event, Slot::Messages, "new-message", || {
            // Once for all, too.
            let faces = &client.hall.faces;
            faces.note_message(id, seq, message.message_id);
            NewMessage {
                consultation_id: consultation_id.into(),
                message: &message.text,
                sender_id: SeedId::from(sender_id),
                timestamp: message.created_at,
            }
        });
        if sender_id != client.me() {
            client.delivery.taken(place, false);
        }
        Ok(())
    }

    fn show_typing(
        client: &Client,
        event: &SharedEvent,
        id: ConversationId,
        typing: &TypingChanged,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        if consultation_of(client, id, None)?.is_none() {
            return Ok(());
        }
        out.emit_shared(event, Slot::Messages, "user-typing", || UserTyping {
            user_id: SeedId::from(&typing.user_id),
            is_typing: typing.typing,
            timestamp: client.hall.node.clock().now(),
        });
        Ok(())
    }

    fn show_receipt(
        client: &Client,
        event: &SharedEvent,
        id: ConversationId,
        receipt: &ReceiptChanged,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        if consultation_of(client, id, None)?.is_none() {
            return Ok(());
        }
        let Some(message_id) = lookups::newly_read(client, event, id, receipt)? else {
            return Ok(());
        };
        out.emit_shared(event, Slot::Messages, "message-read-status", || {
            MessageRead {
                message_id,
                user_id: SeedId::from(&receipt.user_id),
                timestamp: receipt.at,
            }
        });
        Ok(())
    }
}

/// The consultation whose chat this is, if it is one. Errors: it is not known yet.
fn consultation_of(
    client: &Client,
    id: ConversationId,
    seq: Option<u64>,
) -> Result<Option<ConsultationId>, Missing> {
    let facts = lookups::facts(client, id, seq)?;
    Ok(facts.and_then(|facts: Arc<Facts>| facts.consultation_id))
}

impl Dialect for Messages {
    const NAMESPACE: &'static str = "/messages";
    const AMBIENT: Ambient = Ambient {
        direct_typing: false,
        consultation_typing: true,
    };
    const EVENTS: &'static [&'static str] = &["send-message", "typing", "message-read"];

    fn event(&mut self, client: &mut Client, input: Input) -> Result<(), CommandError> {
        match input.event {
            "send-message" => Self::send(client, input),
            "typing" => Self::typing(client, &input),
            _ => Self::read(client, &input),
        }
    }

    fn show(
        &mut self,
        client: &mut Client,
        event: &Arc<SharedEvent>,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        let frame = event.frame();
        let Some(id) = frame.conversation_id else {
            return Ok(());
        };
        match (&frame.event, frame.seq) {
            (Event::MessageCreated(message), Some(seq)) => {
                Self::show_message(client, event, (id, seq), message, out)
            }
            (Event::TypingChanged(typing), _) => Self::show_typing(client, event, id, typing, out),
            (Event::ReceiptChanged(receipt), _) => {
                Self::show_receipt(client, event, id, receipt, out)
            }
            _ => Ok(()),
        }
    }

    fn answer(
        &mut self,
        _core: &mut Client,
        asked: &Asked,
        reply: &Reply,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        answers::answer(asked, reply, out);
        Ok(())
    }
}
