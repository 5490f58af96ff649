//! Seed 003: chats that a socket has joined.

use bedside_actors::outbox::SharedEvent;
use bedside_protocol::{
    Attachment, ClientMsgId, Command, CommandError, ConversationId, ConversationKind,
    ConversationState, ErrorCode, Message, MessageId, MessageSend, MessageType, SessionId,
    Timestamp, UserId,
    command::{Receipt, TypingSet},
    event::{ReceiptChanged, TypingChanged},
};
use futures_util::future::FutureExt as _;
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, sync::Arc};
use uuid::Uuid;

use crate::{
    budget::{Budget, Taken},
    peer_calls::wire::Seated,
    seeds::clinic::ChatMessage,
    socketio::clinic::{
        answers::ok,
        asked::{About, Asked, CallType, What},
        client::{Client, Missing, Step, Unseen},
        input::Input,
        lookups,
        out::{Out, Slot},
        replay::Place,
        rooms::{Room, RoomEvent, Sitter},
    },
};

/// What the sockets in a chat are told when one joins.
pub(in super::super) const USER_JOINED: &str = "user-joined";
/// What they are told when somebody calls.
pub(in super::super) const CALL_INITIATED: &str = "call-initiated";
/// Chats that one socket may have joined.
pub(super) const JOINED_MAX: usize = 1_000;
/// Sockets that are listed when one joins; where there are more, only the joiner is told of so
/// many, and the others of the joiner alone.
pub(in super::super) const LISTED_MAX: usize = 200;
/// Calls that one socket may announce a minute.
pub(super) const CALLS_A_MINUTE: u32 = 20;
/// How often a minute others are told of a socket that joins a chat again.
pub(super) const REJOINS_A_MINUTE: u32 = 20;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserJoined<'a> {
    user_id: &'a UserId,
    connected_users: Vec<ConnectedUser<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectedUser<'a> {
    socket_id: SessionId,
    user_id: &'a UserId,
    chat_id: ConversationId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserTyping<'a> {
    user_id: &'a UserId,
    is_typing: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageRead<'a> {
    message_id: MessageId,
    read_by: &'a UserId,
    read_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallInitiated<'a> {
    call_id: String,
    call_type: &'static str,
    initiated_by: &'a UserId,
    room_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallAnswer {
    ok: bool,
    call_id: String,
    room_id: String,
}

/// What `send-message` carries besides the chat. Null is as absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Draft {
    content: Option<String>,
    #[serde(rename = "type")]
    message_type: Option<MessageType>,
    file_url: Option<String>,
    file_name: Option<String>,
    client_msg_id: Option<ClientMsgId>,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Chats {
    joined: HashSet<ConversationId>,
    calls: Option<Box<Budget>>,
    rejoins: Option<Box<Budget>>,
}

fn asked(input: &Input, id: ConversationId, what: What) -> Asked {
    Asked {
        event: input.event,
        ack: input.ack,
        about: About::Conversation(id),
        what,
    }
}

// What clients emit

pub(super) fn send(client: &mut Client, input: Input) -> Result<(), CommandError> {
    let id = input.chat()?;
    let asked = asked(&input, id, What::Sent);
    let draft: Draft = input.into()?;
    let url = draft.file_url.filter(|url| !url.is_empty());
    let attachments = url.map(|url| Attachment {
        url,
        name: draft.file_name.unwrap_or_default(),
        media_type: String::new(),
        size_bytes: None,
    });
    let send = MessageSend {
        conversation_id: Some(id),
        client_msg_id: draft.client_msg_id,
        message_type: draft.message_type.unwrap_or_default(),
        text: draft.content.unwrap_or_default(),
        attachments: attachments.into_iter().collect(),
        ..MessageSend::default()
    };
    client.command(Command::MessageSend(send), asked);
    Ok(())
}

pub(super) fn typing(client: &mut Client, input: &Input) -> Result<(), CommandError> {
    let set = TypingSet {
        conversation_id: input.chat()?,
        typing: input.flag("isTyping")?,
    };
    let asked = asked(input, set.conversation_id, What::Plain);
    client.command(Command::TypingSet(set), asked);
    Ok(())
}

pub(super) fn read(client: &mut Client, input: &Input) -> Result<(), CommandError> {
    let (id, message_id) = (input.chat()?, input.message()?);
    let asked = asked(input, id, What::Plain);
    let hall = Arc::clone(&client.hall);
    let job = async move {
        match lookups::message(&hall, message_id).await {
            Ok((conversation_id, up_to_seq, _)) if conversation_id == id => {
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

impl Chats {
    pub(super) fn join(&mut self, client: &mut Client, input: &Input) -> Result<(), CommandError> {
        let id = input.chat()?;
        if self.joined.len() >= JOINED_MAX && !self.joined.contains(&id) {
            return Err(CommandError::too_large(
                "join-chat: at most 1000 chats on one socket",
            ));
        }
        let asked = asked(input, id, What::Plain);
        let (hall, caller) = (Arc::clone(&client.hall), client.caller.clone());
        let job = async move {
            match hall.node.conversation(&caller, id).await {
                Ok(conversation) if conversation.me.last_seq.is_none() => {
                    let unseen = conversation.kind == ConversationKind::Broadcast
                        || conversation.state != ConversationState::Open;
                    let seated = hall.rooms.seated_elsewhere(Room::Chat(id)).await;
                    Step::Join(asked, id, unseen, seated)
                }
                // Their window ended: nothing new is for them.
                Ok(_) => Step::Refused(asked, no_member()),
                Err(error) => Step::Refused(asked, error),
            }
        };
        client.find_out(job.boxed());
        Ok(())
    }

    /// The client may join, as was found out.
    pub(super) fn joined(
        &mut self,
        client: &Client,
        asked: &Asked,
        id: ConversationId,
        unseen: Unseen,
        elsewhere: &[Seated],
    ) {
        let rooms = &client.hall.rooms;
        let is_new = rooms.enter(Room::Chat(id), client.me(), &client.outbox);
        let is_told = is_new || take(&mut self.rejoins, REJOINS_A_MINUTE);
        self.joined.insert(id);
        client.outbox.listen(id);
        tell_joined(client, id, is_told && !unseen, unseen, elsewhere);
        client.done(asked.ack, &ok());
    }

    pub(super) fn call(&mut self, client: &mut Client, input: Input) -> Result<(), CommandError> {
        let id = input.chat()?;
        let call_type = match input.text("callType")? {
            Some("voice") => CallType::Voice,
            Some("video") => CallType::Video,
            _ => return Err(CommandError::invalid("callType: voice or video")),
        };
        if !take(&mut self.calls, CALLS_A_MINUTE) {
            return Err(CommandError {
                retry_after_ms: 60_000 / u64::from(CALLS_A_MINUTE),
                ..CommandError::new(ErrorCode::RateLimited, "too many calls")
            });
        }
        let asked = asked(
            &input,
            id,
            What::Call {
                chat: id,
                call_type,
            },
        );
        // Who may not post may not type either; and who calls has stopped typing.
        let set = TypingSet {
            conversation_id: id,
            typing: false,
        };
        client.command(Command::TypingSet(set), asked);
        Ok(())
    }

    /// The user is a member no more.
    pub(super) fn leave(&mut self, client: &Client, id: ConversationId) {
        if self.joined.remove(&id) {
            client.outbox.unlisten(id);
            let session_id = client.outbox.session_id();
            client.hall.rooms.leave(Room::Chat(id), session_id);
        }
    }

    pub(super) fn leave_all(&mut self, client: &Client) {
        for id in std::mem::take(&mut self.joined) {
            let session_id = client.outbox.session_id();
            client.hall.rooms.leave(Room::Chat(id), session_id);
        }
    }
}

/// Takes one of so many a minute; false when there is none.
fn take(budget: &mut Option<Box<Budget>>, a_minute: u32) -> bool {
    let budget = budget.get_or_insert_with(|| Box::new(Budget::per_minute(a_minute)));
    budget.take() != Taken::None
}

fn no_member() -> CommandError {
    CommandError::new(
        ErrorCode::NotAMember,
        "you are not a member of this conversation",
    )
}

/// Tells who is in a chat: the socket that joined, and those that were there if they are to know.
fn tell_joined(
    client: &Client,
    id: ConversationId,
    to_others: bool,
    unseen: Unseen,
    elsewhere: &[Seated],
) {
    let room = Room::Chat(id);
    let own = client.outbox.session_id();
    let listed = |seated: &[Seated]| {
        let seen = |seated: &&Seated| !unseen || seated.user_id == *client.me();
        let argument = UserJoined {
            user_id: client.me(),
            connected_users: seated
                .iter()
                .filter(seen)
                .map(|seated| ConnectedUser::of(seated, id))
                .collect(),
        };
        RoomEvent::new(client.namespace, room, USER_JOINED, &argument)
    };
    client.hall.rooms.with(room, |sitters| {
        let here = sitters.iter().map(Sitter::seated);
        let seated: Vec<_> = elsewhere.iter().cloned().chain(here).collect();
        let newest = seated.len().saturating_sub(LISTED_MAX);
        let all = listed(&seated[newest..]);
        let for_others = if newest == 0 {
            Arc::clone(&all)
        } else {
            let mut alone = seated.clone();
            alone.retain(|seated| seated.session_id == own);
            listed(&alone)
        };
        for sitter in sitters {
            if sitter.session_id == own {
                sitter.note(&all, false);
            } else if to_others {
                sitter.note(&for_others, true);
            }
        }
        if to_others {
            client.hall.rooms.tell_elsewhere(&for_others, true);
        }
    });
}

impl<'a> ConnectedUser<'a> {
    fn of(seated: &'a Seated, chat_id: ConversationId) -> Self {
        Self {
            socket_id: seated.session_id,
            user_id: &seated.user_id,
            chat_id,
        }
    }
}

/// They may call: everybody who has joined the chat hears of it.
pub(super) fn show_called(
    client: &Client,
    ack: Option<i64>,
    id: ConversationId,
    call_type: CallType,
    out: &mut Out<'_, '_>,
) {
    let room_id = Uuid::new_v4().to_string();
    let call = CallInitiated {
        call_id: Uuid::now_v7().to_string(),
        call_type: match call_type {
            CallType::Voice => "voice",
            CallType::Video => "video",
        },
        initiated_by: client.me(),
        room_id: &room_id,
    };
    let rooms = &client.hall.rooms;
    rooms.tell(client.namespace, Room::Chat(id), CALL_INITIATED, &call);
    let answer = CallAnswer {
        ok: true,
        call_id: call.call_id,
        room_id,
    };
    out.answer(ack, &answer);
}

// What clients are shown

impl Chats {
    /// Shows a message of a chat that was joined; false when these clients are not to see it.
    pub(super) fn show_message(
        &self,
        client: &Client,
        event: &SharedEvent,
        (id, seq): Place,
        message: &Message,
        out: &mut Out<'_, '_>,
    ) -> bool {
        if !self.joined.contains(&id) || message.deleted_at.is_some() {
            return false;
        }
        out.emit_shared(event, Slot::Chats, "message-received", || {
            // Once for all, too.
            let faces = &client.hall.faces;
            faces.note_message(id, seq, message.message_id);
            ChatMessage::new(id, message.clone(), false)
        });
        true
    }

    pub(super) fn show_typing(
        &self,
        event: &SharedEvent,
        id: ConversationId,
        typing: &TypingChanged,
        out: &mut Out<'_, '_>,
    ) {
        if self.joined.contains(&id) {
            out.emit_shared(event, Slot::Chats, "user-typing", || UserTyping {
                user_id: &typing.user_id,
                is_typing: typing.typing,
            });
        }
    }

    /// The last message that somebody has newly read in a chat that was joined.
    pub(super) fn newly_read(
        &self,
        client: &Client,
        event: &SharedEvent,
        id: ConversationId,
        receipt: &ReceiptChanged,
    ) -> Result<Option<MessageId>, Missing> {
        if !self.joined.contains(&id) {
            return Ok(None);
        }
        lookups::newly_read(client, event, id, receipt)
    }

    pub(super) fn show_room(&self, event: &RoomEvent, out: &mut Out<'_, '_>) {
        if let Room::Chat(id) = event.room
            && self.joined.contains(&id)
        {
            out.emit_made(&event.frame, event.event, &event.argument);
        }
    }
}

pub(super) fn show_receipt(
    event: &SharedEvent,
    message_id: MessageId,
    receipt: &ReceiptChanged,
    out: &mut Out<'_, '_>,
) {
    out.emit_shared(event, Slot::Chats, "message-read", || MessageRead {
        message_id,
        read_by: &receipt.user_id,
        read_at: receipt.at,
    });
}
