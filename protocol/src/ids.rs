//! Ids, each its own type. On the wire all of them are opaque strings.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr, sync::Arc};
use uuid::Uuid;

use crate::limits;

/// The text given for an id cannot be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId(pub &'static str);

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidId {}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, ordered by the time of its making (UUID version 7).
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The 16 bytes, as stores keep them.
            #[must_use]
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }

            /// The id of these 16 bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| InvalidId("no such id"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                let mut buffer = Uuid::encode_buffer();
                s.serialize_str(self.0.hyphenated().encode_lower(&mut buffer))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", stringify!($name), " as a string"))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                d.deserialize_str(Text)
            }
        }
    };
}

uuid_id!(
    /// One conversation: a direct chat, a group or a consultation's chat. Made by the server.
    ConversationId
);
uuid_id!(
    /// One message. Made by the server; time-ordered, so it also sorts by age.
    MessageId
);
uuid_id!(
    /// One connection of one user, from its welcome to its close. Made by the server, never
    /// reused, and tells nothing about the user.
    SessionId
);

uuid_id!(
    /// One call. Made by the server; time-ordered.
    CallId
);
uuid_id!(
    /// One person's place in one call, from when they first join to the call's end, whatever
    /// becomes of their connections. Made by the server; tells nothing about the user.
    ParticipantId
);

uuid_id!(
    /// One notification of one person. Made by the server; time-ordered.
    NotificationId
);

/// One server of a cluster: 1 to 63 characters of a-z, 0-9 and `-`, chosen by its operator.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = 63;

    /// The node of this name.
    ///
    /// # Errors
    /// When it is empty, too long, or has other characters.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let is_good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if text.is_empty() || text.len() > Self::BYTES_MAX || !text.bytes().all(is_good) {
            return Err(InvalidId("a node's name has 1 to 63 of a-z, 0-9 and -"));
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Self::new(&text).map_err(D::Error::custom)
    }
}

/// One consultation: a number up to 2^53 - 1, so that clients in JavaScript may keep it as one,
/// and time-ordered. A decimal string on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsultationId(u64);

impl ConsultationId {
    /// The largest.
    pub const MAX: u64 = (1 << 53) - 1;
    /// Milliseconds from 1970 to 2025: ids count from there.
    const EPOCH_MS: u64 = 1_735_689_600_000;
    /// Different ids of one millisecond.
    const PER_MS: u64 = 1 << 12;

    /// A new id: milliseconds since 2025 and 12 random bits. Two of one millisecond may be the
    /// same, which the store finds out.
    #[must_use]
    pub fn new(now: crate::Timestamp) -> Self {
        let ms = u64::try_from(now.as_millis()).unwrap_or(0);
        let random = Uuid::new_v4().as_u128() as u64 % Self::PER_MS;
        Self((ms.saturating_sub(Self::EPOCH_MS) * Self::PER_MS + random) & Self::MAX)
    }

    /// The id of this number; none for one that cannot be an id.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        if number <= Self::MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// When it was made.
    #[must_use]
    pub const fn made_at(self) -> crate::Timestamp {
        let ms = Self::EPOCH_MS + self.0 / Self::PER_MS;
        crate::Timestamp::from_millis(ms.cast_signed())
    }
}

impl fmt::Display for ConsultationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ConsultationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ConsultationId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let number = text.parse().ok().and_then(Self::from_number);
        number
            .filter(|id| id.to_string() == text)
            .ok_or(InvalidId("a consultation id is a number up to 2^53 - 1"))
    }
}

impl Serialize for ConsultationId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ConsultationId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = ConsultationId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a consultation id as a string")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ConsultationId, E> {
                text.parse().map_err(E::custom)
            }
        }
        d.deserialize_str(Text)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:expr, $fault:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the bounds and takes the text.
            ///
            /// # Errors
            /// When it is empty, too long or holds a control character.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                if text.is_empty() || text.len() > $max || text.chars().any(char::is_control) {
                    return Err(InvalidId($fault));
                }
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", stringify!($name), " as a string"))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::new(text).map_err(E::custom)
                    }
                }
                d.deserialize_str(Text).map_err(D::Error::custom)
            }
        }
    };
}

text_id!(
    /// A person (or service): the `sub` of the token. Opaque, 1..=128 bytes.
    UserId,
    limits::USER_ID_BYTES_MAX,
    "a user id has 1 to 128 bytes and no control characters"
);
text_id!(
    /// The sender's own name for a message, 1..=64 bytes: what makes a retry safe.
    ClientMsgId,
    limits::CLIENT_MSG_ID_BYTES_MAX,
    "a client_msg_id has 1 to 64 bytes and no control characters"
);
