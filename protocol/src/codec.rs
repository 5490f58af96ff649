//! Frames to bytes and back, in JSON and in MessagePack (`rmp_serde::to_vec_named` of the same
//! structs).
//!
//! ```text
//! C>S {"id":7,"type":"message.send","data":{...}}
//! S>C {"reply_to":7,"data":{...}}
//!     {"reply_to":7,"error":{"code":"not_a_member","message":"...","retry_after_ms":0}}
//!     {"type":"message.created","conversation_id":"...","seq":42,"data":{...}}
//! ```

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
    ser::SerializeMap,
};
use std::{borrow::Cow, fmt, marker::PhantomData};

use crate::{
    Command, CommandError, ConversationId, EventFrame, Reply, command::DataOf, event::EventParts,
};

/// How frames are written on one socket; chosen by the subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireFormat {
    /// `bedside.v1.json`: text frames.
    Json,
    /// `bedside.v1.msgpack`: binary frames.
    MsgPack,
}

impl WireFormat {
    /// Both formats, the server's preference first.
    pub const ALL: [Self; 2] = [Self::Json, Self::MsgPack];

    /// The name in `Sec-WebSocket-Protocol`.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "bedside.v1.json",
            Self::MsgPack => "bedside.v1.msgpack",
        }
    }

    fn write<T: Serialize>(self, value: &T) -> Vec<u8> {
        match self {
            Self::Json => serde_json::to_vec(value).map_err(|e| e.to_string()),
            Self::MsgPack => rmp_serde::to_vec_named(value).map_err(|e| e.to_string()),
        }
        .expect("writes, because every type here has string keys and its writer is a Vec")
    }

    fn read<'de, T: Deserialize<'de>>(self, bytes: &'de [u8]) -> Result<T, String> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|e| e.to_string()),
            Self::MsgPack => read_msgpack(bytes),
        }
    }
}

/// How deep MessagePack may nest: as deep as serde_json lets JSON.
const DEPTH_MAX: usize = 128;

/// One value and nothing behind it, as serde_json reads JSON: what stood there would be lost.
fn read_msgpack<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, String> {
    let mut d = rmp_serde::Deserializer::from_read_ref(bytes);
    d.set_max_depth(DEPTH_MAX);
    let value = T::deserialize(&mut d).map_err(|e| e.to_string())?;
    // Only when no byte is left there is no marker to read.
    match bool::deserialize(&mut d) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err("trailing bytes".to_owned()),
    }
}

/// A command and the number under which the client wants its reply.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandFrame {
    /// Chosen by the client, unique among its open commands. Without one there is no reply
    /// when it goes well, and an error answers `"reply_to":null`.
    pub id: Option<u64>,
    /// What is asked.
    pub command: Command,
}

/// A frame that is no command; `id` is what could still be read of it.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodeError {
    /// Whom to answer.
    pub id: Option<u64>,
    /// With what.
    pub error: CommandError,
}

/// Reads one frame of a client.
///
/// # Errors
/// `invalid_argument` for anything that is no command. The message names the field, never what
/// was in it.
pub fn decode_command(format: WireFormat, bytes: &[u8]) -> Result<CommandFrame, DecodeError> {
    struct Frame(Parts<Option<Command>>);
    struct CommandParts;
    impl Tagged for CommandParts {
        type Data = Option<Command>;
        fn read<'de, D: Deserializer<'de>>(kind: &str, d: D) -> Result<Self::Data, D::Error> {
            DataOf(kind).deserialize(d)
        }
    }
    impl<'de> Deserialize<'de> for Frame {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            parts::<CommandParts, D>(d).map(Self)
        }
    }

    match format.read::<Frame>(bytes) {
        Ok(Frame(Parts { id, kind: None, .. })) => Err(DecodeError {
            id,
            error: CommandError::invalid("type is missing"),
        }),
        Ok(Frame(Parts {
            id,
            data: Some(Some(command)),
            ..
        })) => Ok(CommandFrame { id, command }),
        Ok(Frame(Parts {
            id,
            data: Some(None),
            ..
        })) => Err(DecodeError {
            id,
            error: CommandError::invalid("type is not a command of this version"),
        }),
        Ok(Frame(Parts { id, data: None, .. })) => Err(DecodeError {
            id,
            error: CommandError::invalid("data is missing"),
        }),
        Err(fault) => {
            #[derive(Deserialize)]
            struct OnlyId {
                #[serde(default)]
                id: Option<u64>,
            }
            Err(DecodeError {
                id: format.read::<OnlyId>(bytes).ok().and_then(|f| f.id),
                error: CommandError::invalid(describe(&fault)),
            })
        }
    }
}

/// Says what is wrong with a frame without repeating what a user wrote: serde's own texts quote
/// offending values, which may be health data.
fn describe(fault: &str) -> Cow<'static, str> {
    const OUR_OWN: [&str; 5] = [
        "no such id",
        "not an RFC 3339 time",
        "a user id has 1 to 128 bytes and no control characters",
        "a client_msg_id has 1 to 64 bytes and no control characters",
        "the same field twice",
    ];
    // Only ever at the front: further back it may be what a user wrote, quoted by serde.
    if let Some(own) = OUR_OWN.into_iter().find(|own| fault.starts_with(own)) {
        return Cow::Borrowed(own);
    }
    let missing = fault.strip_prefix("missing field `");
    match missing.and_then(|rest| rest.split('`').next()) {
        // The name is one of ours, because it comes from a derive.
        Some(name) => Cow::Owned(format!("{name} is missing")),
        None => Cow::Borrowed("the frame is not a command, or a field has the wrong type"),
    }
}

/// Writes a command, as clients do.
#[must_use]
pub fn encode_command(format: WireFormat, id: Option<u64>, command: &Command) -> Vec<u8> {
    struct Frame<'a>(Option<u64>, &'a Command);
    impl Serialize for Frame<'_> {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            let mut map = s.serialize_map(Some(2 + usize::from(self.0.is_some())))?;
            if let Some(id) = self.0 {
                map.serialize_entry("id", &id)?;
            }
            map.serialize_entry("type", self.1.name())?;
            map.serialize_entry("data", self.1)?;
            map.end()
        }
    }
    format.write(&Frame(id, command))
}

/// Writes the answer to a command that went well.
#[must_use]
pub fn encode_reply(format: WireFormat, reply_to: u64, reply: &Reply) -> Vec<u8> {
    #[derive(Serialize)]
    struct Frame<'a> {
        reply_to: u64,
        data: &'a Reply,
    }
    format.write(&Frame {
        reply_to,
        data: reply,
    })
}

/// Writes the answer to a command that was refused.
#[must_use]
pub fn encode_error(format: WireFormat, reply_to: Option<u64>, error: &CommandError) -> Vec<u8> {
    #[derive(Serialize)]
    struct Frame<'a> {
        reply_to: Option<u64>,
        error: &'a CommandError,
    }
    format.write(&Frame { reply_to, error })
}

/// Writes an event.
#[must_use]
pub fn encode_event(format: WireFormat, frame: &EventFrame) -> Vec<u8> {
    format.write(frame)
}

/// A frame of the server, as a client reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerFrame {
    /// A command went well. What `data` is, the command tells.
    Reply {
        /// Which command.
        reply_to: u64,
        /// Its answer.
        data: serde_json::Value,
    },
    /// A command was refused.
    Error {
        /// Which command; none when the frame had no readable id.
        reply_to: Option<u64>,
        /// Why.
        error: CommandError,
    },
    /// Something happened.
    Event(EventFrame),
}

/// Reads one frame of the server.
///
/// # Errors
/// A text that says what is wrong, for anything that is no such frame.
pub fn decode_server_frame(format: WireFormat, bytes: &[u8]) -> Result<ServerFrame, String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        reply_to: Option<u64>,
        #[serde(default)]
        data: Option<serde_json::Value>,
        #[serde(default)]
        error: Option<CommandError>,
    }
    struct Event(EventFrame);
    impl<'de> Deserialize<'de> for Event {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            use serde::de::Error as _;
            let p = parts::<EventParts, D>(d)?;
            Ok(Self(EventFrame {
                conversation_id: p.conversation_id,
                seq: p.seq,
                event: p.data.ok_or_else(|| D::Error::missing_field("data"))?,
            }))
        }
    }
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type", default)]
        kind: Option<IgnoredAny>,
    }
    if format.read::<Kind>(bytes)?.kind.is_some() {
        return format.read::<Event>(bytes).map(|e| ServerFrame::Event(e.0));
    }
    match format.read::<Answer>(bytes)? {
        Answer {
            reply_to,
            error: Some(error),
            ..
        } => Ok(ServerFrame::Error { reply_to, error }),
        Answer {
            reply_to: Some(reply_to),
            data: Some(data),
            ..
        } => Ok(ServerFrame::Reply { reply_to, data }),
        _ => Err("neither a reply nor an event".to_owned()),
    }
}

/// Something whose `data` is read by its `type`.
pub(crate) trait Tagged {
    /// What `data` becomes.
    type Data;
    /// Reads `data` of the thing called `kind`.
    fn read<'de, D: Deserializer<'de>>(kind: &str, d: D) -> Result<Self::Data, D::Error>;
}

/// The fields of a frame, in whatever order they came.
pub(crate) struct Parts<T> {
    pub(crate) id: Option<u64>,
    pub(crate) kind: Option<()>,
    pub(crate) conversation_id: Option<ConversationId>,
    pub(crate) seq: Option<u64>,
    pub(crate) data: Option<T>,
}

struct Seed<'a, T>(&'a str, PhantomData<T>);

impl<'de, T: Tagged> DeserializeSeed<'de> for Seed<'_, T> {
    type Value = T::Data;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<T::Data, D::Error> {
        T::read(self.0, d)
    }
}

/// Reads a frame in one pass when `type` comes before `data`, as every client writes it;
/// otherwise `data` waits as a generic value until `type` is known.
pub(crate) fn parts<'de, T: Tagged, D: Deserializer<'de>>(
    d: D,
) -> Result<Parts<T::Data>, D::Error> {
    struct Fields<T>(PhantomData<T>);
    impl<'de, T: Tagged> Visitor<'de> for Fields<T> {
        type Value = Parts<T::Data>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map with type and data")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            use serde::de::Error as _;
            let mut out = Parts {
                id: None,
                kind: None,
                conversation_id: None,
                seq: None,
                data: None,
            };
            let mut kind: Option<Name<'de>> = None;
            let mut early: Option<serde_json::Value> = None;
            while let Some(key) = map.next_key::<Name<'de>>()? {
                match &*key.0 {
                    "id" => out.id = map.next_value()?,
                    "type" if kind.is_none() => kind = Some(map.next_value()?),
                    "conversation_id" => out.conversation_id = map.next_value()?,
                    "seq" => out.seq = map.next_value()?,
                    "data" if out.data.is_none() && early.is_none() => match &kind {
                        Some(kind) => {
                            out.data = Some(map.next_value_seed(Seed::<T>(&kind.0, PhantomData))?);
                        }
                        None => early = Some(map.next_value()?),
                    },
                    "type" | "data" => return Err(A::Error::custom("the same field twice")),
                    _ => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
            if let (Some(kind), Some(value)) = (&kind, early) {
                out.data = Some(T::read(&kind.0, value).map_err(A::Error::custom)?);
            }
            out.kind = kind.map(|_| ());
            Ok(out)
        }
    }
    d.deserialize_map(Fields::<T>(PhantomData))
}

/// A string that is borrowed from the frame where the format allows it.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        d.deserialize_str(Text)
    }
}
