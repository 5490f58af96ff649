//! Packets of Socket.IO, in both formats: from bytes to what they ask for, and back.
//!
//! The formats come from the parser crates, whose answers are checked here: they leave the
//! payload unread, and the reference server does not.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use socketioxide_core::{
    Str, Value,
    packet::{Packet, PacketData},
    parser::{Parse, ParseConfig, ParseError, ParserState},
};
use socketioxide_parser_common::CommonParser;
use socketioxide_parser_msgpack::MsgPackParser;
use std::{collections::VecDeque, time::Duration};

use super::Limits;
use crate::{
    socketio::application::{ConnectRefused, Format, message_frame},
    ws::frame::{Opcode, framed},
};

/// How long the attachments of a packet may take to come.
const ATTACHMENTS_TIMEOUT: Duration = Duration::from_secs(60);

/// What cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What a message turns out to be.
#[derive(Debug, PartialEq)]
pub(super) enum Inbound {
    /// A part of a packet.
    Partial,
    /// The client wants to be let into a namespace.
    Connect {
        namespace: Str,
        /// An object or `null`.
        auth: Json,
    },
    /// Any other packet.
    Packet { namespace: Str, data: PacketData },
}

/// Takes a message of text.
pub(super) fn text(
    format: Format,
    limits: &Limits,
    partial: &mut Option<Box<ParserState>>,
    text: Str,
) -> Result<Inbound, Malformed> {
    if format == Format::MsgPack || partial.is_some() {
        return Err(Malformed);
    }
    // Few packets have attachments, so few connections need a state that lasts.
    let state = ParserState::default();
    match CommonParser.decode_str(&config(limits), &state, text) {
        Err(ParseError::NeedsMoreBinaryData) => {
            *partial = Some(Box::new(state));
            Ok(Inbound::Partial)
        }
        decoded => sort(format, decoded),
    }
}

/// Takes a message of bytes.
pub(super) fn binary(
    format: Format,
    limits: &Limits,
    partial: &mut Option<Box<ParserState>>,
    bytes: Bytes,
) -> Result<Inbound, Malformed> {
    let decoded = match format {
        Format::Json => {
            let state = partial.take().ok_or(Malformed)?;
            let decoded = CommonParser.decode_bin(&config(limits), &state, bytes);
            if matches!(decoded, Err(ParseError::NeedsMoreBinaryData)) {
                *partial = Some(state);
                return Ok(Inbound::Partial);
            }
            decoded
        }
        Format::MsgPack => {
            MsgPackParser.decode_bin(&config(limits), &ParserState::default(), bytes)
        }
    };
    sort(format, decoded)
}

fn config(limits: &Limits) -> ParseConfig {
    ParseConfig {
        max_incoming_binary_buf_size: limits.message_bytes_max,
        max_incoming_binaries: limits.attachments_max,
        packet_completion_timeout: ATTACHMENTS_TIMEOUT,
    }
}

fn sort(format: Format, decoded: Result<Packet, ParseError>) -> Result<Inbound, Malformed> {
    let Packet { inner, ns } = decoded.map_err(|_| Malformed)?;
    if !has_its_attachments(&inner) {
        return Err(Malformed);
    }
    Ok(match inner {
        PacketData::Connect(auth) => Inbound::Connect {
            namespace: ns,
            auth: read_auth(format, auth.as_ref())?,
        },
        data => Inbound::Packet {
            namespace: ns,
            data,
        },
    })
}

/// Whether every placeholder stands for an attachment. Nobody else looks before it is too late to
/// say so.
fn has_its_attachments(data: &PacketData) -> bool {
    match data {
        PacketData::BinaryEvent(Value::Str(text, attachments), _)
        | PacketData::BinaryAck(Value::Str(text, attachments), _) => {
            let count = attachments.as_ref().map_or(0, VecDeque::len);
            serde_json::from_str(text).is_ok_and(|json| placeholders_are_below(&json, count))
        }
        _ => true,
    }
}

fn placeholders_are_below(json: &Json, count: usize) -> bool {
    match json {
        Json::Array(items) => items.iter().all(|item| placeholders_are_below(item, count)),
        Json::Object(members) if members.get("_placeholder") == Some(&Json::Bool(true)) => {
            let number = members.get("num").and_then(Json::as_u64);
            number.is_some_and(|number| number < count as u64)
        }
        Json::Object(members) => members
            .values()
            .all(|member| placeholders_are_below(member, count)),
        _ => true,
    }
}

fn read_auth(format: Format, auth: Option<&Value>) -> Result<Json, Malformed> {
    let auth = match (format, auth) {
        (_, None) => return Ok(Json::Null),
        (Format::Json, Some(Value::Str(text, _))) => {
            serde_json::from_str(text).map_err(|_| Malformed)?
        }
        (Format::MsgPack, Some(value @ Value::Bytes(_))) => MsgPackParser
            .decode_default(Some(value))
            .map_err(|_| Malformed)?,
        (_, Some(_)) => return Err(Malformed),
    };
    match auth {
        Json::Object(_) => Ok(auth),
        // Where JavaScript has `undefined`.
        Json::Null if format == Format::MsgPack => Ok(auth),
        _ => Err(Malformed),
    }
}

/// The answer to a client that was let in.
pub(super) fn connected(
    format: Format,
    namespace: &str,
    members: impl Iterator<Item = (&'static str, String)>,
) -> Packet {
    let members: Map<String, Json> = members
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let value = match format {
        Format::Json => CommonParser.encode_default(&members),
        Format::MsgPack => MsgPackParser.encode_default(&members),
    };
    let value = value.expect("encoded, because it is a map of texts");
    Packet::connect(namespace.to_owned(), Some(value))
}

/// The answer to a client that was not, as a frame. Written here, because the parsers know of no
/// `data` in it.
pub(super) fn refusal(format: Format, namespace: &str, refused: &ConnectRefused) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a Json>,
    }
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(rename = "type")]
        kind: u8,
        nsp: &'a str,
        data: Body<'a>,
    }
    let body = Body {
        message: &refused.message,
        data: refused.data.as_ref(),
    };
    match format {
        Format::Json => {
            let body = serde_json::to_string(&body).expect("encoded, because it is JSON");
            let namespace = match namespace {
                "/" => String::new(),
                other => format!("{other},"),
            };
            message_frame(&format!("4{namespace}{body}"))
        }
        Format::MsgPack => {
            let whole = Whole {
                kind: 4,
                nsp: namespace,
                data: body,
            };
            let bytes = rmp_serde::to_vec_named(&whole).expect("encoded, because it is JSON");
            framed(Opcode::Binary, &bytes).into()
        }
    }
}
