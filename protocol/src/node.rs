//! What the nodes of a cluster tell each other. Clients never see any of it.
//!
//! A batch is a row of [`NodeMessage`]s, each behind its length in 4 bytes and written in
//! MessagePack with field names, so that nodes of two versions understand each other while one
//! takes the place of the other: a message that a reader does not know is passed over, and so
//! is a field.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    Availability, CloseCode, Command, CommandError, Consultation, ConsultationId, ConversationId,
    EventFrame, NodeId, Roles, SessionId, Timestamp, UserId, WireFormat,
    codec::{ServerFrame, decode_command, decode_server_frame, encode_command, encode_event},
    conversation::Mine,
    reply::{ConsultationReply, Logged, MessageSent, ReceiptTaken},
};

/// One thing that a node tells another, or all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NodeMessage {
    /// Something for a conversation that is placed on the receiver.
    Ask(Box<NodeAsk>),
    /// What became of an [`Self::Ask`].
    Answer {
        /// Which one.
        request: u64,
        /// The answer.
        result: NodeResult,
    },
    /// An event for people who are on the receiver.
    Deliver(Box<Delivery>),
    /// A log reaches this far, and that may not have been shown.
    Announce {
        /// Whose.
        conversation_id: ConversationId,
        /// All up to here was shown before.
        pushed: u64,
        /// The last entry, and to whom it matters.
        to: Vec<(UserId, u64)>,
    },
    /// A conversation was just made: whoever it is placed on shows it to its members.
    Made(ConversationId),
    /// Something that memberships of this conversation rest on has changed.
    Recheck(ConversationId),
    /// What somebody and each of these others may see of each other has changed.
    Unrelated(UserId, Vec<UserId>),
    /// All sockets of somebody are to be closed.
    EndSessions {
        /// Whose.
        user_id: UserId,
        /// With which code.
        code: u16,
    },
    /// For all: what is let in has changed. It stands in the store already.
    Denied(Denied),
    /// For all: who is on the sender.
    Here(Vec<Here>),
    /// For all: who is in the rooms of consultations, on the sender.
    Rooms(Vec<RoomMove>),
    /// Asks for everybody in all rooms on the receiver; answered by [`Self::AllRooms`].
    AskRooms,
    /// Everybody in all rooms on the sender.
    AllRooms(Vec<RoomMove>),
    /// For all, once a second: the sender lives, and this was the last `link_seq` to each peer.
    Beat(Beat),
    /// The sender may have failed to tell the receiver what happened from this time on.
    Doubt(Timestamp),
    /// Who is on the sender stands anew in what nodes share: read it again.
    Anew,
    /// The sender goes away. It may say more, which nobody needs to hear.
    Leaving,
    /// Something that the receiver is to do for a client of the sender's.
    Call {
        /// The sender's name of it.
        request: u64,
        /// What.
        body: Blob,
    },
    /// The answer to a [`Self::Call`].
    Returned {
        /// Which one.
        request: u64,
        /// The answer.
        body: Blob,
    },
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}

/// A command of a client for a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeAsk {
    /// The sender's name of it.
    pub request: u64,
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who asks; the sender has checked their token.
    pub user_id: UserId,
    /// Their display name.
    pub name: String,
    /// What their token grants.
    pub roles: Roles,
    /// The socket that asks; none for REST.
    pub session_id: Option<SessionId>,
    /// What.
    pub act: NodeAct,
}

/// What is asked of a conversation on another node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NodeAct {
    /// What a client asks.
    Command(WireCommand),
    /// The consultation is called off.
    CancelConsultation,
    /// A message of the server's own, with this text.
    SystemMessage(String),
    /// The same, where nothing can be added any more, too.
    Notice(String),
}

/// What a conversation answers to another node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NodeResult {
    /// Done, nothing to say.
    Done,
    /// A message is stored.
    Sent(MessageSent),
    /// An entry is stored.
    Logged(Logged),
    /// The caller's own view of the conversation.
    Mine(Box<Mine>),
    /// A receipt is stored.
    Receipt(ReceiptTaken),
    /// A consultation as it stands now.
    Consultation(Box<ConsultationReply>),
    /// The caller may enter the room, which is on their own node.
    MayEnter(Box<Consultation>),
    /// The caller may subscribe, which happens on their own node.
    MaySubscribe(Option<Subscription>),
    /// It was refused.
    Refused(CommandError),
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}

/// What a subscriber gets to hear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Who is writing right now.
    pub typing: Vec<UserId>,
    /// Whose presence comes with it, and when that ends.
    pub watch: Vec<(UserId, Option<Timestamp>)>,
}

/// An event for people on another node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The event.
    pub frame: WireEvent,
    /// For whom.
    pub to: Vec<UserId>,
    /// Which of their sockets.
    pub audience: Audience,
    /// The socket whose command made it, which hears of it by its answer.
    pub origin: Option<SessionId>,
}

/// A change of what is let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Denied {
    /// Tokens of somebody that were issued before this time are not good any more.
    Issued {
        /// Whose.
        user_id: UserId,
        /// Before when.
        before: Timestamp,
    },
    /// The token of this id (`jti`) is not good any more.
    Token(String),
    /// Somebody is kept out.
    Blocked(UserId),
    /// They are not any more.
    Unblocked(UserId),
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}

/// Which sockets of a person an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience {
    /// All.
    All,
    /// Those whose token is of staff.
    Staff,
    /// Those that subscribed to the conversation, or hear typing in a direct one by themselves.
    TypingDirect,
    /// Those that subscribed, or hear typing in a consultation by themselves.
    TypingConsultation,
    /// Those that subscribed, or listen to the conversation.
    Typing,
}

/// Somebody's presence on the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// Whose.
    pub user_id: UserId,
    /// Whether any of their sockets is there.
    pub is_here: bool,
    /// What they set last, and when; the later one counts.
    pub status: Availability,
    /// See `status`.
    pub status_at: Timestamp,
    /// When their last socket closed, once they are gone.
    pub last_seen_at: Option<Timestamp>,
}

/// Somebody in the room of a consultation, on the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomMove {
    /// Which.
    pub consultation_id: ConsultationId,
    /// Who.
    pub user_id: UserId,
    /// Whether they are in it.
    pub is_in: bool,
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The last `link_seq` to each peer: name, incarnation, seq.
    pub links: Vec<(NodeId, u64, u64)>,
}

/// Bytes as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Blob;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }
            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(bytes))
            }
        }
        d.deserialize_byte_buf(Bytes)
    }
}

/// A command, as clients write it.
#[derive(Clone, Debug, PartialEq)]
pub struct WireCommand(pub Command);

impl Serialize for WireCommand {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&encode_command(WireFormat::MsgPack, None, &self.0))
    }
}

impl<'de> Deserialize<'de> for WireCommand {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Blob(bytes) = Blob::deserialize(d)?;
        let frame = decode_command(WireFormat::MsgPack, &bytes);
        let frame = frame.map_err(|_| D::Error::custom("not a command"))?;
        Ok(Self(frame.command))
    }
}

/// An event, as clients read it.
#[derive(Clone, Debug, PartialEq)]
pub struct WireEvent(pub EventFrame);

impl Serialize for WireEvent {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&encode_event(WireFormat::MsgPack, &self.0))
    }
}

impl<'de> Deserialize<'de> for WireEvent {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Blob(bytes) = Blob::deserialize(d)?;
        match decode_server_frame(WireFormat::MsgPack, &bytes) {
            Ok(ServerFrame::Event(frame)) => Ok(Self(frame)),
            _ => Err(D::Error::custom("not an event")),
        }
    }
}

impl NodeMessage {
    /// The closing of all sockets of somebody.
    #[must_use]
    pub fn end_sessions(user_id: UserId, code: CloseCode) -> Self {
        Self::EndSessions {
            user_id,
            code: code as u16,
        }
    }

    /// Adds this message to a batch.
    pub fn write(&self, batch: &mut Vec<u8>) {
        let message = rmp_serde::to_vec_named(self)
            .expect("writes, because every type here has string keys and its writer is a Vec");
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        batch.extend_from_slice(&length.to_be_bytes());
        batch.extend_from_slice(&message);
    }

    /// The messages of a batch; what cannot be read is passed over, and none how many.
    #[must_use]
    pub fn read_all(mut batch: &[u8]) -> (Vec<Self>, usize) {
        let (mut messages, mut unread) = (Vec::new(), 0);
        while let Some((length, rest)) = batch.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let Some((message, rest)) = rest.split_at_checked(length) else {
                return (messages, unread + 1);
            };
            match rmp_serde::from_slice(message) {
                Ok(Self::Unknown) | Err(_) => unread += 1,
                Ok(message) => messages.push(message),
            }
            batch = rest;
        }
        (messages, unread + usize::from(!batch.is_empty()))
    }
}
