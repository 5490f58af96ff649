//! Seed 004: messages between two people.

use bedside_actors::{caller::Caller, outbox::SharedEvent, ports::store::LogRange};
use bedside_protocol::{
    Availability, Command, CommandError, ConversationId, ConversationKind, Event, Message, Reply,
    UserId,
    command::{ConversationCreate, PresenceSet, Receipt, TypingSet},
    event::{ReceiptChanged, TypingChanged},
    reply::MessageSent,
};
use futures_util::future::FutureExt as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::missed::Missed;
use crate::{
    seeds::chat::{self, ChatDraft, ChatMessage, ChatUser},
    socketio::clinic::{
        answers::ok,
        asked::{About, Asked, What},
        client::{Client, Found, Missing, Step, learn},
        faces::Facts,
        hall::Hall,
        input::Input,
        lookups,
        out::{Out, Slot, is_news},
        replay::Place,
    },
};

#[derive(Serialize)]
struct MessageEvent {
    message: ChatMessage,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ByUser<'a> {
    user_id: &'a UserId,
}

fn asked(input: &Input, about: About, what: What) -> Asked {
    Asked {
        event: input.event,
        ack: input.ack,
        about,
        what,
    }
}

// What clients emit

pub(super) fn send(client: &mut Client, input: Input) -> Result<(), CommandError> {
    let to = input.user("receiverId")?;
    let asked = asked(&input, About::User(to.clone()), What::SentTo);
    let draft: ChatDraft = input.into()?;
    client.command(Command::MessageSend(draft.to(to)), asked);
    Ok(())
}

pub(super) fn set_status(client: &mut Client, input: &Input) -> Result<(), CommandError> {
    let status = input.text("status")?.unwrap_or_default();
    let status = Availability::deserialize(serde_json::Value::from(status))
        .map_err(|_| CommandError::invalid("status: available, busy or away"))?;
    let asked = asked(input, About::Nothing, What::Plain);
    client.command(Command::PresenceSet(PresenceSet { status }), asked);
    Ok(())
}

pub(super) fn typing(client: &mut Client, input: &Input, typing: bool) -> Result<(), CommandError> {
    let other = input.user("receiverId")?;
    let asked = asked(input, About::User(other.clone()), What::Plain);
    let set = move |conversation_id| {
        Command::TypingSet(TypingSet {
            conversation_id,
            typing,
        })
    };
    if let Some(id) = client.hall.faces.direct(client.me(), &other) {
        client.command(set(id), asked);
        return Ok(());
    }
    let (hall, caller) = (Arc::clone(&client.hall), client.caller.clone());
    let job = async move {
        let id = match conversation_with(&hall, &caller, &other).await {
            // Whoever is written to sees so before the first message comes.
            Ok(None) if typing => make_conversation(&hall, &caller, other).await.map(Some),
            found => found,
        };
        match id {
            Ok(Some(id)) => Step::Command(set(id), asked),
            Ok(None) => Step::Done(asked, ok()),
            Err(error) => Step::Refused(asked, error),
        }
    };
    client.find_out(job.boxed());
    Ok(())
}

/// All up to now: what the caller was sent of it, and nothing that came since.
pub(super) fn mark_read(client: &mut Client, input: &Input) -> Result<(), CommandError> {
    let other = input.user("senderId")?;
    let asked = asked(input, About::User(other.clone()), What::Plain);
    let (hall, caller) = (Arc::clone(&client.hall), client.caller.clone());
    let job = async move {
        let id = match conversation_with(&hall, &caller, &other).await {
            Ok(Some(id)) => id,
            Ok(None) => return Step::Done(asked, ok()),
            Err(error) => return Step::Refused(asked, error),
        };
        match hall.node.conversation(&caller, id).await {
            Ok(conversation) => {
                let shown = hall
                    .shown
                    .up_to_now_anywhere(&caller.user_id, &conversation);
                let receipt = Receipt {
                    conversation_id: id,
                    up_to_seq: shown.await,
                };
                Step::Command(Command::ReceiptRead(receipt), asked)
            }
            Err(error) => Step::Refused(asked, error),
        }
    };
    client.find_out(job.boxed());
    Ok(())
}

/// The direct conversation with somebody; none when there is none yet and there could be one.
async fn conversation_with(
    hall: &Hall,
    caller: &Caller,
    other: &UserId,
) -> Result<Option<ConversationId>, CommandError> {
    let me = &caller.user_id;
    if let Some(id) = hall.faces.direct(me, other) {
        return Ok(Some(id));
    }
    let found = hall.node.store().direct_of(me.clone(), other.clone());
    match found.await.map_err(lookups::fault)? {
        Some(id) => {
            hall.faces.note_direct(me, other, id);
            Ok(Some(id))
        }
        None => {
            hall.node.may_write_to(caller, other).await?;
            Ok(None)
        }
    }
}

async fn make_conversation(
    hall: &Hall,
    caller: &Caller,
    other: UserId,
) -> Result<ConversationId, CommandError> {
    // As no socket's doing, so that this one hears of it, too, and watches the other one.
    let caller = Caller {
        origin: None,
        ..caller.clone()
    };
    let create = ConversationCreate {
        kind: ConversationKind::Direct,
        member_ids: vec![other],
        title: String::new(),
        patient_id: None,
    };
    let create = Command::ConversationCreate(create);
    match hall.node.execute(caller, create).await? {
        Reply::Conversation(made) => Ok(made.conversation.conversation_id),
        _ => Err(CommandError::unavailable("no conversation was made", 0)),
    }
}

// What clients are shown

/// Shows a message of a direct conversation; false when these clients cannot show it.
pub(super) fn show(
    client: &Client,
    missed: &mut Missed,
    event: &SharedEvent,
    place: Place,
    facts: &Facts,
    message: &Message,
    out: &mut Out<'_, '_>,
) -> Result<bool, Missing> {
    if !chat::is_visible(message) {
        return Ok(false);
    }
    let Some((one, other)) = people(client, facts)? else {
        return Ok(false);
    };
    let is_own = message.sender_id.as_ref() == Some(client.me());
    let is_missed = missed.is_missed(place);
    if is_own && is_missed {
        return Ok(false);
    }
    let is_read = missed.is_read(place);
    let shown = || MessageEvent {
        message: chat::message(message, &one, &other, is_read)
            .expect("shown, because it was found to be visible"),
    };
    let (name, slot) = if is_own {
        ("message_sent", Slot::ChatOwn)
    } else {
        ("new_message", Slot::Chat)
    };
    match missed.offset(place) {
        // Others may be shown the same as read, or without an offset.
        _ if is_missed => emit(missed, place, name, shown(), out),
        None => out.emit_shared(event, slot, name, shown),
        Some(offset) => out.emit_shared(event, slot, name, || (shown(), offset)),
    }
    missed.note(place);
    Ok(true)
}

fn emit(missed: &Missed, place: Place, name: &str, shown: MessageEvent, out: &mut Out<'_, '_>) {
    match missed.offset(place) {
        None => out.emit(name, &shown),
        Some(offset) => out.emit(name, &(shown, offset)),
    }
}

/// A retry of what was stored before gets no event by itself: who tried is told again.
pub(super) fn show_sent_again(
    client: &mut Client,
    missed: &mut Missed,
    sent: &MessageSent,
    out: &mut Out<'_, '_>,
) -> Result<(), Missing> {
    if !sent.duplicate {
        return Ok(());
    }
    let (id, seq) = (sent.conversation_id, sent.seq);
    let facts = lookups::facts(client, id, None)?;
    let Some(facts) = facts.filter(|facts| facts.kind == ConversationKind::Direct) else {
        return Ok(());
    };
    let Some((one, other)) = people(client, &facts)? else {
        return Ok(());
    };
    let message = match client.found.take() {
        Some(Found::Message(message)) => message,
        _ => return Err(read_message(client, id, seq)),
    };
    let shown = message.and_then(|message| chat::message(&message, &one, &other, false));
    if let Some(message) = shown {
        emit(
            missed,
            (id, seq),
            "message_sent",
            MessageEvent { message },
            out,
        );
        missed.note((id, seq));
    }
    Ok(())
}

fn read_message(client: &Client, id: ConversationId, seq: u64) -> Missing {
    let store = client.store();
    async move {
        let page = store.read_log(id, LogRange::one(seq)).await;
        // Without it the answer is as true.
        let first = page.ok().and_then(|page| page.events.into_iter().next());
        Found::Message(first.and_then(|entry| match entry.event {
            Event::MessageCreated(message) => Some(Box::new(message)),
            _ => None,
        }))
    }
    .boxed()
}

/// Two people.
type Two = (Arc<ChatUser>, Arc<ChatUser>);

/// The two of a direct conversation. Errors: they are not known yet.
fn people(client: &Client, facts: &Facts) -> Result<Option<Two>, Missing> {
    let Some((one, other)) = &facts.pair else {
        return Ok(None);
    };
    let faces = &client.hall.faces;
    let person = |id: &UserId| {
        faces
            .person(id)
            .ok_or_else(|| learn(faces.learn_person(id)))
    };
    Ok(Some((person(one)?, person(other)?)))
}

pub(super) fn show_typing(
    client: &Client,
    event: &SharedEvent,
    id: ConversationId,
    typing: &TypingChanged,
    out: &mut Out<'_, '_>,
) -> Result<(), Missing> {
    if is_direct(client, id)? {
        let name = if typing.typing {
            "typing_start"
        } else {
            "typing_stopped"
        };
        let user_id = &typing.user_id;
        out.emit_shared(event, Slot::Chat, name, || ByUser { user_id });
    }
    Ok(())
}

/// Tells who wrote that the other one has read.
pub(super) fn show_receipt(
    client: &Client,
    event: &SharedEvent,
    id: ConversationId,
    receipt: &ReceiptChanged,
    out: &mut Out<'_, '_>,
) -> Result<(), Missing> {
    let user_id = &receipt.user_id;
    if user_id != client.me()
        && is_direct(client, id)?
        && is_news(event, || client.hall.marks.grew(id, receipt))
    {
        out.emit_shared(event, Slot::Chat, "messages_read", || ByUser { user_id });
    }
    Ok(())
}

fn is_direct(client: &Client, id: ConversationId) -> Result<bool, Missing> {
    let facts = lookups::facts(client, id, None)?;
    Ok(facts.is_some_and(|facts| facts.kind == ConversationKind::Direct))
}
