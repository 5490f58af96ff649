//! How calls and their answers are written: a byte that says which, two bytes with the length of
//! the head, the head as MessagePack, and then bytes as they are.
//!
//! ```text
//! 01 0041 93d9... 346869      Post: head of 65 bytes, then the payload "4hi"
//! ```
//!
//! A kind's number is never given to anything else. A node that does not know a kind says
//! [`Refused::Unknown`], so that nodes of two versions can be in one cluster for as long as an
//! upgrade takes.

use bedside_actors::ports::identity::{SessionIdentity, TokenId, TokenStamp};
use bedside_protocol::{
    ConsultationId, ConversationId, Roles, SessionId, Timestamp, UserId, limits,
};
use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt, net::IpAddr};

/// The most bytes of a call or an answer: what is polled or posted at once, which is more than its
/// bound when it is a single message of bytes in base64, and its head.
pub const CALL_BYTES_MAX: usize = 2 * limits::SOCKETIO_PAYLOAD_BYTES_MAX + HEAD_BYTES_MAX + 3;
/// The most bytes of a head.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// A request of a client that is made again is the same attempt, and is carried out once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The session's id. Secret.
    pub sid: String,
    /// Drawn at random for each request of a client.
    pub id: u64,
    /// How long the other node may keep the call before it says [`Answer::Later`], milliseconds.
    pub hold_ms: u32,
}

/// Names a WebSocket that is carried to another node. Drawn at random by the node that has it.
pub type StreamId = u128;

/// A request for a WebSocket.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Names it from now on.
    pub stream: StreamId,
    /// The session that it is to carry on. Secret.
    pub sid: String,
    /// Path and query of the request.
    pub target: String,
    /// The request's headers that count.
    pub headers: Vec<(String, String)>,
    /// Who sent it, as far as proxies that are trusted tell.
    pub address: IpAddr,
}

/// Bytes of a client.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// Of which WebSocket.
    pub stream: StreamId,
    /// How many came before.
    pub offset: u64,
    /// The client has no more.
    pub is_end: bool,
    /// How long the other node may take over it, milliseconds.
    pub hold_ms: u32,
}

/// Asks for bytes to a client.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// For which WebSocket.
    pub stream: StreamId,
    /// How many it has: they need not be kept any more.
    pub offset: u64,
    /// How long the other node may wait for some, milliseconds.
    pub hold_ms: u32,
}

/// What is asked of another node.
#[derive(Clone, PartialEq, Eq)]
pub enum Call {
    /// What there is to read in a session.
    Poll(Attempt),
    /// To take what a client posted.
    Post(Attempt, Bytes),
    /// To have a poll that waits in this session end without anything.
    Release(String),
    /// The client does not wait for this attempt any more.
    Abandon(Attempt),
    /// To have a WebSocket carry a session on.
    Open(Open),
    /// To take bytes of a client.
    Push(Push, Bytes),
    /// For bytes to a client.
    Pull(Pull),
    /// A WebSocket is gone.
    Close(StreamId),
    /// To use a ticket up.
    Redeem(String),
    /// To show an event, whose argument is this JSON, to the sockets in a room.
    Tell(Told, Bytes),
    /// Which sockets are in a room.
    Sitters(Room),
    /// How far somebody was sent a conversation.
    Shown(UserId, ConversationId),
}

/// A room of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Room {
    /// A chat that sockets have joined.
    Chat(ConversationId),
    /// A consultation that sockets have joined.
    Consultation(ConsultationId),
}

/// An event for the sockets in a room.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Which.
    pub room: Room,
    /// Its name.
    pub event: String,
    /// Sockets that are slow may miss it.
    pub is_ephemeral: bool,
}

/// A socket in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seated {
    /// Whose it is.
    pub user_id: UserId,
    /// Its name.
    pub session_id: SessionId,
}

/// Who a ticket was made for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeemed {
    user_id: UserId,
    name: String,
    email: String,
    roles: Roles,
    expires_at: Option<Timestamp>,
    #[serde(default)]
    issued_at: Option<Timestamp>,
    #[serde(default)]
    token_id: Option<String>,
}

/// Why a call was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// Nobody here knows this kind of call.
    Unknown,
    /// It cannot be read.
    Malformed,
    /// There is no room for it now.
    Busy,
    /// It, or its answer, has too many bytes.
    TooLarge,
}

/// What another node answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was not carried out.
    Refused(Refused),
    /// What was polled.
    Polled(Bytes),
    /// What was posted is taken, or the WebSocket is there.
    Done,
    /// Refused in the words of Engine.IO: the code of a fault.
    Fault(u8),
    /// Nothing yet: the same is to be asked again.
    Later,
    /// So many bytes of the client were taken so far.
    Taken(u64),
    /// Bytes to the client.
    Pulled(Bytes),
    /// There are no more bytes, and none are taken.
    Ended,
    /// Who the ticket was made for; none when it is not good.
    Redeemed(Option<Box<Redeemed>>),
    /// The sockets in a room.
    Sitters(Vec<Seated>),
    /// Up to this `seq`; 0 when nothing is known.
    Shown(u64),
}

impl From<SessionIdentity> for Redeemed {
    fn from(identity: SessionIdentity) -> Self {
        Self {
            user_id: identity.user_id,
            name: identity.name.as_ref().to_owned(),
            email: identity.email.as_ref().to_owned(),
            roles: identity.roles,
            expires_at: identity.expires_at,
            issued_at: identity.stamp.issued_at,
            token_id: identity.stamp.token_id.map(|id| id.as_str().to_owned()),
        }
    }
}

impl From<Redeemed> for SessionIdentity {
    fn from(redeemed: Redeemed) -> Self {
        Self {
            user_id: redeemed.user_id,
            name: redeemed.name.into(),
            email: redeemed.email.into(),
            roles: redeemed.roles,
            expires_at: redeemed.expires_at,
            stamp: TokenStamp {
                issued_at: redeemed.issued_at,
                token_id: redeemed.token_id.as_deref().and_then(TokenId::new),
            },
        }
    }
}

const POLL: u8 = 1;
const POST: u8 = 2;
const ABANDON: u8 = 3;
const OPEN: u8 = 4;
const PUSH: u8 = 5;
const PULL: u8 = 6;
const REDEEM: u8 = 7;
const RELEASE: u8 = 8;
const CLOSE: u8 = 9;
const TELL: u8 = 10;
const SITTERS: u8 = 11;
const SHOWN: u8 = 12;

const REFUSED: u8 = 0;
const POLLED: u8 = 1;
const DONE: u8 = 2;
const FAULT: u8 = 3;
const LATER: u8 = 4;
const TAKEN: u8 = 5;
const PULLED: u8 = 6;
const ENDED: u8 = 7;
const REDEEMED: u8 = 8;
const SEATED: u8 = 9;
const SHOWN_UP_TO: u8 = 10;

impl Call {
    /// As bytes.
    ///
    /// # Errors
    /// [`Refused::TooLarge`].
    pub fn encode(&self) -> Result<Bytes, Refused> {
        match self {
            Self::Poll(attempt) => pack(POLL, attempt, &[]),
            Self::Post(attempt, body) => pack(POST, attempt, body),
            Self::Abandon(attempt) => pack(ABANDON, attempt, &[]),
            Self::Open(open) => pack(OPEN, open, &[]),
            Self::Push(push, bytes) => pack(PUSH, push, bytes),
            Self::Pull(pull) => pack(PULL, pull, &[]),
            Self::Redeem(ticket) => pack(REDEEM, ticket, &[]),
            Self::Release(sid) => pack(RELEASE, sid, &[]),
            Self::Close(stream) => pack(CLOSE, stream, &[]),
            Self::Tell(told, argument) => pack(TELL, told, argument),
            Self::Sitters(room) => pack(SITTERS, room, &[]),
            Self::Shown(user_id, id) => pack(SHOWN, &(user_id, id), &[]),
        }
    }

    /// From bytes.
    ///
    /// # Errors
    /// What to answer.
    pub fn decode(bytes: Bytes) -> Result<Self, Refused> {
        let (kind, head, tail) = split(bytes)?;
        match kind {
            POLL => Ok(Self::Poll(read(&head)?)),
            POST => Ok(Self::Post(read(&head)?, tail)),
            ABANDON => Ok(Self::Abandon(read(&head)?)),
            OPEN => Ok(Self::Open(read(&head)?)),
            PUSH => Ok(Self::Push(read(&head)?, tail)),
            PULL => Ok(Self::Pull(read(&head)?)),
            REDEEM => Ok(Self::Redeem(read(&head)?)),
            RELEASE => Ok(Self::Release(read(&head)?)),
            CLOSE => Ok(Self::Close(read(&head)?)),
            TELL => Ok(Self::Tell(read(&head)?, tail)),
            SITTERS => Ok(Self::Sitters(read(&head)?)),
            SHOWN => {
                let (user_id, id) = read(&head)?;
                Ok(Self::Shown(user_id, id))
            }
            _ => Err(Refused::Unknown),
        }
    }
}

impl Answer {
    /// As bytes.
    ///
    /// # Errors
    /// [`Refused::TooLarge`].
    pub fn encode(&self) -> Result<Bytes, Refused> {
        match self {
            Self::Refused(why) => pack(REFUSED, why, &[]),
            Self::Polled(body) => pack(POLLED, &(), body),
            Self::Done => pack(DONE, &(), &[]),
            Self::Fault(code) => pack(FAULT, code, &[]),
            Self::Later => pack(LATER, &(), &[]),
            Self::Taken(offset) => pack(TAKEN, offset, &[]),
            Self::Pulled(bytes) => pack(PULLED, &(), bytes),
            Self::Ended => pack(ENDED, &(), &[]),
            Self::Redeemed(who) => pack(REDEEMED, who, &[]),
            Self::Sitters(sitters) => pack(SEATED, sitters, &[]),
            Self::Shown(seq) => pack(SHOWN_UP_TO, seq, &[]),
        }
    }

    /// From bytes.
    ///
    /// # Errors
    /// It is no answer.
    pub fn decode(bytes: Bytes) -> Result<Self, Refused> {
        let (kind, head, tail) = split(bytes)?;
        match kind {
            REFUSED => Ok(Self::Refused(read(&head)?)),
            POLLED => Ok(Self::Polled(tail)),
            DONE => Ok(Self::Done),
            FAULT => Ok(Self::Fault(read(&head)?)),
            LATER => Ok(Self::Later),
            TAKEN => Ok(Self::Taken(read(&head)?)),
            PULLED => Ok(Self::Pulled(tail)),
            ENDED => Ok(Self::Ended),
            REDEEMED => Ok(Self::Redeemed(read(&head)?)),
            SEATED => Ok(Self::Sitters(read(&head)?)),
            SHOWN_UP_TO => Ok(Self::Shown(read(&head)?)),
            _ => Err(Refused::Unknown),
        }
    }
}

fn pack<T: Serialize>(kind: u8, head: &T, tail: &[u8]) -> Result<Bytes, Refused> {
    let head = rmp_serde::to_vec(head).map_err(|_| Refused::TooLarge)?;
    let length = u16::try_from(head.len()).map_err(|_| Refused::TooLarge)?;
    let bytes = 3 + head.len() + tail.len();
    if head.len() > HEAD_BYTES_MAX || bytes > CALL_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    let mut out = BytesMut::with_capacity(bytes);
    out.put_u8(kind);
    out.put_u16(length);
    out.put_slice(&head);
    out.put_slice(tail);
    Ok(out.freeze())
}

fn split(bytes: Bytes) -> Result<(u8, Bytes, Bytes), Refused> {
    if bytes.len() > CALL_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    let [kind, high, low] = *bytes.first_chunk().ok_or(Refused::Malformed)?;
    let end = 3 + usize::from(u16::from_be_bytes([high, low]));
    if end > bytes.len() || end > 3 + HEAD_BYTES_MAX {
        return Err(Refused::Malformed);
    }
    Ok((kind, bytes.slice(3..end), bytes.slice(end..)))
}

fn read<T: DeserializeOwned>(head: &[u8]) -> Result<T, Refused> {
    rmp_serde::from_slice(head).map_err(|_| Refused::Malformed)
}

// Ids, tickets and what people write do not belong in logs: only the kind is shown.

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poll(_) => "Poll",
            Self::Post(..) => "Post",
            Self::Abandon(_) => "Abandon",
            Self::Open(_) => "Open",
            Self::Push(..) => "Push",
            Self::Pull(_) => "Pull",
            Self::Redeem(_) => "Redeem",
            Self::Release(_) => "Release",
            Self::Close(_) => "Close",
            Self::Tell(..) => "Tell",
            Self::Sitters(_) => "Sitters",
            Self::Shown(..) => "Shown",
        })
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused(why) => return write!(f, "Refused({why:?})"),
            Self::Polled(_) => "Polled",
            Self::Done => "Done",
            Self::Fault(code) => return write!(f, "Fault({code})"),
            Self::Later => "Later",
            Self::Taken(_) => "Taken",
            Self::Pulled(_) => "Pulled",
            Self::Ended => "Ended",
            Self::Redeemed(_) => "Redeemed",
            Self::Sitters(_) => "Sitters",
            Self::Shown(_) => "Shown",
        })
    }
}

#[cfg(test)]
mod tests;
