//! MessagePack, as the parser of that name writes packets: a map with `type`, `data`, `nsp` and `id`.

use rmp_serde::MSGPACK_EXT_STRUCT_NAME;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap as _,
};
use std::fmt;

/// Anything that MessagePack can say, and we do.
#[derive(Clone, Debug)]
pub(crate) enum Pack {
    /// No value.
    Nil,
    /// What JavaScript's parser makes of `undefined`: an extension of type 0 that holds a zero.
    Undefined,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values.
    List(Vec<Self>),
    /// Names and values, in the order of the wire.
    Map(Vec<(String, Self)>),
}

impl Pack {
    /// A map.
    pub(crate) fn map<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Map(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// A list.
    pub(crate) fn list<const N: usize>(values: [Self; N]) -> Self {
        Self::List(values.into())
    }

    /// A member of a map; nil when there is none.
    pub(crate) fn get(&self, name: &str) -> &Self {
        let Self::Map(members) = self else {
            panic!("no map: {self:?}");
        };
        let member = members.iter().find(|(key, _)| key == name);
        member.map_or(&Self::Nil, |(_, value)| value)
    }

    /// On the wire.
    pub(crate) fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(self).expect("encoded, because it is plain data")
    }

    /// From the wire.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        rmp_serde::from_slice(bytes).expect("MessagePack, because the server wrote it")
    }
}

impl PartialEq for Pack {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) | (Self::Undefined, Self::Undefined) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Int(one), Self::Int(other)) => one == other,
            (Self::Float(one), Self::Float(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            // In any order.
            (Self::Map(one), Self::Map(other)) => {
                one.len() == other.len() && one.iter().all(|member| other.contains(member))
            }
            _ => false,
        }
    }
}

impl From<&str> for Pack {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Pack {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&[u8]> for Pack {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl Serialize for Pack {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Undefined => {
                let zero = (0_i8, Self::Bytes(vec![0]));
                serializer.serialize_newtype_struct(MSGPACK_EXT_STRUCT_NAME, &zero)
            }
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(values) => values.serialize(serializer),
            Self::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Pack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PackVisitor)
    }
}

struct PackVisitor;

impl<'de> Visitor<'de> for PackVisitor {
    type Value = Pack;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessagePack")
    }

    fn visit_unit<E>(self) -> Result<Pack, E> {
        Ok(Pack::Nil)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Pack, E> {
        Ok(Pack::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Pack, E> {
        Ok(Pack::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Pack, E> {
        i64::try_from(value).map(Pack::Int).map_err(E::custom)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Pack, E> {
        Ok(Pack::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Pack, E> {
        Ok(Pack::Text(text.to_owned()))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Pack, E> {
        Ok(Pack::Bytes(bytes.to_vec()))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, extension: D) -> Result<Pack, D::Error> {
        match <(i8, Pack)>::deserialize(extension)? {
            (0, Pack::Bytes(zero)) if zero == [0] => Ok(Pack::Undefined),
            other => Err(D::Error::custom(format!("an extension: {other:?}"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Pack, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Pack::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Pack, A::Error> {
        let mut map = Vec::new();
        while let Some((name, value)) = members.next_entry()? {
            // In JavaScript that is no member.
            if value != Pack::Undefined {
                map.push((name, value));
            }
        }
        Ok(Pack::Map(map))
    }
}
