//! What a client emits.

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value as Json;
use socketioxide_core::{Value, parser::Parse as _};
use socketioxide_parser_common::CommonParser;
use socketioxide_parser_msgpack::MsgPackParser;
use std::{borrow::Cow, fmt};

use super::Format;

/// Names that clients raise by themselves, so that nobody may emit them.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// An event of a client: its name and arguments.
pub struct ClientEvent {
    value: Value,
    format: Format,
    /// The name where it is written with escapes.
    unescaped: Option<Box<str>>,
}

/// The arguments of a client's event, unread: good for giving them back to that client.
#[derive(Clone)]
pub struct Arguments {
    value: Value,
    format: Format,
}

impl ClientEvent {
    /// The payload of a packet; none when it is no array with a name that may be emitted.
    pub(in crate::socketio) fn new(value: Value, format: Format) -> Option<Self> {
        let mut event = Self {
            value,
            format,
            unescaped: None,
        };
        let name = match (format, &event.value) {
            (Format::Json, Value::Str(text, _)) => match serde_json::from_str(text).ok()? {
                Head(Name::Text(Cow::Owned(name))) => {
                    event.unescaped = Some(name.into());
                    event.name()
                }
                Head(Name::Text(Cow::Borrowed(name))) => name,
                Head(Name::Number) => "",
            },
            (Format::MsgPack, Value::Bytes(_)) => MsgPackParser.read_event(&event.value).ok()?,
            _ => return None,
        };
        (!RESERVED.contains(&name)).then_some(event)
    }

    /// Its name; empty when it is a number.
    #[must_use]
    pub fn name(&self) -> &str {
        if let Some(name) = &self.unescaped {
            return name;
        }
        let name = match self.format {
            Format::Json => CommonParser.read_event(&self.value),
            Format::MsgPack => MsgPackParser.read_event(&self.value),
        };
        name.unwrap_or_default()
    }

    /// Its first argument; `null` when there is none, none for one that is broken or binary.
    #[must_use]
    pub fn argument(&mut self) -> Option<Json> {
        match (&mut self.value, self.format) {
            // The parser takes no object whose first name is written with escapes.
            (Value::Str(text, None), Format::Json) => {
                serde_json::from_str(text).ok().map(|First(json)| json)
            }
            (value, Format::Json) => CommonParser.decode_value(value, true).ok(),
            (value, Format::MsgPack) => MsgPackParser.decode_value(value, true).ok(),
        }
    }

    /// Its arguments as they are.
    #[must_use]
    pub fn into_arguments(self) -> Arguments {
        Arguments {
            value: self.value,
            format: self.format,
        }
    }
}

impl Arguments {
    /// Under another name.
    pub(super) fn under(&self, name: &str) -> Value {
        self.behind(Some(name))
    }

    /// Without a name.
    pub(super) fn alone(&self) -> Value {
        self.behind(None)
    }

    fn behind(&self, name: Option<&str>) -> Value {
        match (&self.value, self.format) {
            (Value::Str(text, attachments), _) => {
                Value::Str(json_behind(name, text).into(), attachments.clone())
            }
            (Value::Bytes(bytes), _) => Value::Bytes(msgpack_behind(name, bytes).into()),
        }
    }
}

/// `["old",1,2]` as `["new",1,2]` or `[1,2]`. It was checked to be such an array.
fn json_behind(name: Option<&str>, text: &str) -> String {
    let mut array = serde_json::Deserializer::from_str(text.trim_start().get(1..).unwrap_or(""))
        .into_iter::<IgnoredAny>();
    array.next();
    let rest = text.trim_start().get(1 + array.byte_offset()..);
    let rest = rest.unwrap_or("]").trim_start();
    match name {
        Some(name) => format!("[{}{rest}", Json::from(name)),
        None => format!("[{}", rest.strip_prefix(',').unwrap_or(rest)),
    }
}

/// The same in MessagePack.
fn msgpack_behind(name: Option<&str>, bytes: &[u8]) -> Vec<u8> {
    let (length, rest) = array_header(bytes).unwrap_or((0, &[]));
    let rest = string_header(rest).and_then(|(length, rest)| rest.get(length..));
    let length = length - usize::from(name.is_none() && length > 0);
    let mut out = match u16::try_from(length) {
        Ok(short @ 0..16) => vec![0x90 | short as u8],
        Ok(short) => [&[0xdc][..], &short.to_be_bytes()].concat(),
        Err(_) => [&[0xdd][..], &(length as u32).to_be_bytes()].concat(),
    };
    if let Some(name) = name {
        out.extend(rmp_serde::to_vec(name).expect("encoded, because it is text"));
    }
    out.extend_from_slice(rest.unwrap_or_default());
    out
}

fn array_header(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0x90..=0x9f, rest @ ..] => Some((usize::from(short & 0x0f), rest)),
        [0xdc, rest @ ..] => big_endian::<2>(rest),
        [0xdd, rest @ ..] => big_endian::<4>(rest),
        _ => None,
    }
}

fn string_header(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0xa0..=0xbf, rest @ ..] => Some((usize::from(short & 0x1f), rest)),
        [0xd9, rest @ ..] => big_endian::<1>(rest),
        [0xda, rest @ ..] => big_endian::<2>(rest),
        [0xdb, rest @ ..] => big_endian::<4>(rest),
        _ => None,
    }
}

fn big_endian<const N: usize>(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<N>()?;
    let length = length
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    Some((length, rest))
}

/// An array that begins with a name; what follows is JSON and else unread.
struct Head<'a>(Name<'a>);

enum Name<'a> {
    Text(Cow<'a, str>),
    Number,
}

/// The second element of an array; `null` when there is none.
struct First(Json);

struct HeadVisitor;
struct NameVisitor;
struct FirstVisitor;

impl<'de> Deserialize<'de> for Head<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(HeadVisitor)
    }
}

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = Head<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array with a name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Head<'de>, A::Error> {
        let name = array.next_element()?;
        while array.next_element::<IgnoredAny>()?.is_some() {}
        name.map(Head).ok_or_else(|| A::Error::custom("no name"))
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a number")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Name<'de>, E> {
        Ok(Name::Number)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Name<'de>, E> {
        Ok(Name::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Name<'de>, E> {
        Ok(Name::Number)
    }
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstVisitor)
    }
}

impl<'de> Visitor<'de> for FirstVisitor {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<First, A::Error> {
        array.next_element::<IgnoredAny>()?;
        let first = array.next_element()?;
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(First(first.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::json;

    fn json_event(text: &str) -> Option<ClientEvent> {
        ClientEvent::new(Value::Str(text.to_owned().into(), None), Format::Json)
    }

    fn msgpack_event(value: &Json) -> Option<ClientEvent> {
        let bytes = rmp_serde::to_vec(value).expect("is JSON");
        ClientEvent::new(Value::Bytes(bytes.into()), Format::MsgPack)
    }

    #[test]
    fn a_name_and_a_first_argument() {
        for (text, name, argument) in [
            (r#"["a"]"#, "a", json!(null)),
            (r#" [ "a" , 1 ] "#, "a", json!(1)),
            (r#"["a",{"b":[1]},2]"#, "a", json!({"b": [1]})),
            (
                r#"["caf\u00e9",{"na\u00efve":1}]"#,
                "café",
                json!({"naïve": 1}),
            ),
            (r"[7,8]", "", json!(8)),
        ] {
            let mut event = json_event(text).expect("is an event");
            assert_eq!(event.name(), name, "{text}");
            assert_eq!(event.argument(), Some(argument), "{text}");
        }
        let mut event = msgpack_event(&json!(["a", {"b": 1}])).expect("is an event");
        assert_eq!(event.name(), "a");
        assert_eq!(event.argument(), Some(json!({"b": 1})));
    }

    #[test]
    fn what_is_no_event() {
        for text in [
            "",
            "{}",
            "[]",
            "[{}]",
            "[null]",
            r#"["a""#,
            r#"["a",]"#,
            r#"["a"] x"#,
            r#"["disconnect"]"#,
            r#"["connect\u005ferror"]"#,
        ] {
            assert!(json_event(text).is_none(), "{text}");
        }
        for value in [json!({}), json!([]), json!([1]), json!(["newListener"])] {
            assert!(msgpack_event(&value).is_none(), "{value}");
        }
    }

    #[test]
    fn an_argument_of_bytes_is_none() {
        let text = r#"["a",{"_placeholder":true,"num":0}]"#.to_owned();
        let attachments = Some([Bytes::from_static(&[1])].into());
        let event = ClientEvent::new(Value::Str(text.into(), attachments), Format::Json);
        assert_eq!(event.expect("is an event").argument(), None);
    }

    #[test]
    fn arguments_go_back_as_they_came() {
        for (text, renamed, alone) in [
            (r#"["a"]"#, r#"["b"]"#, "[]"),
            (r#"["a\"]",1.50]"#, r#"["b",1.50]"#, "[1.50]"),
            (
                r#" ["a" , {"z":1,"a":2},"]"]"#,
                r#"["b", {"z":1,"a":2},"]"]"#,
                r#"[ {"z":1,"a":2},"]"]"#,
            ),
            ("[12,3]", r#"["b",3]"#, "[3]"),
        ] {
            let arguments = json_event(text).expect("is an event").into_arguments();
            let Value::Str(back, None) = arguments.under("b") else {
                panic!("no text")
            };
            assert_eq!(back, renamed);
            let Value::Str(back, None) = arguments.alone() else {
                panic!("no text")
            };
            assert_eq!(back, alone);
        }
    }

    #[test]
    fn arguments_in_messagepack_go_back_as_they_came() {
        for (name, more) in [
            ("a", 0),
            ("a", 14),
            ("a", 15),
            ("a", 70_000),
            (&*"n".repeat(300), 2),
        ] {
            let list = |first: &[&str]| -> Json {
                first
                    .iter()
                    .map(|text| json!(text))
                    .chain((0..more).map(|n| json!(n)))
                    .collect()
            };
            let event = msgpack_event(&list(&[name])).expect("is an event");
            let arguments = event.into_arguments();
            let read = |value| match value {
                Value::Bytes(bytes) => {
                    rmp_serde::from_slice::<Json>(&bytes).expect("is MessagePack")
                }
                Value::Str(..) => panic!("no bytes"),
            };
            assert_eq!(read(arguments.under("b")), list(&["b"]));
            assert_eq!(read(arguments.alone()), list(&[]));
        }
    }
}
