//! What is served over Socket.IO, as the protocol sees it.
//!
//! An [`Application`] admits clients into namespaces; each admission is a [`Peer`] that gets the
//! client's events and is drained of [`Packets`]. Everything is [`Send`], because a session that
//! starts with long polling may go on as a WebSocket of another worker.

mod event;

use actix_http::header::{self, HeaderMap};
use bedside_protocol::CloseCode;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value as Json;
use socketioxide_core::{Value, packet::Packet, parser::Parse as _};
use socketioxide_parser_common::CommonParser;
use socketioxide_parser_msgpack::MsgPackParser;
use std::{
    collections::VecDeque,
    net::IpAddr,
    task::{Context, Poll},
};

pub use event::{Arguments, ClientEvent};

use crate::ws::frame::{Opcode, frame_header, framed};

/// What is served. One for all connections of a server.
pub trait Application: Send + Sync + 'static {
    /// A client asks to be let into a namespace. Called on an arbiter's thread, and what is to be
    /// waited for is polled on one.
    fn connect(&self, request: ConnectRequest<'_>) -> Connecting;
}

/// The client in the namespace, or what it is refused with.
pub type Connected = Result<Box<dyn Peer>, ConnectRefused>;

/// What becomes of a client that asks to be let in.
pub enum Connecting {
    /// It is known at once.
    Done(Connected),
    /// Somebody else has to be asked first. Dropped when the client is gone.
    Waiting(BoxFuture<'static, Connected>),
}

impl From<Connected> for Connecting {
    fn from(connected: Connected) -> Self {
        Self::Done(connected)
    }
}

/// A client asks to be let into a namespace.
pub struct ConnectRequest<'a> {
    /// Which, with its slash: `/` or `/messages`.
    pub namespace: &'a str,
    /// What the client says about itself; `null` when nothing.
    pub auth: &'a Json,
    /// What came with the HTTP request that opened the session.
    pub handshake: &'a Handshake,
    /// The id that the client is going to be told. Opaque, and no secret.
    pub socket_id: &'a str,
    /// How this client's packets are written.
    pub format: Format,
}

/// What came with the HTTP request that opened a session.
#[derive(Clone)]
pub struct Handshake {
    /// The token of `Authorization: Bearer`. Secret.
    pub bearer: Option<String>,
    /// Who sent it, as far as proxies that are trusted tell.
    pub address: IpAddr,
    /// What it calls itself, cut to 200 characters.
    pub agent: Option<Box<str>>,
}

/// Why a client is not let in: `CONNECT_ERROR`.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectRefused {
    /// Its `message`.
    pub message: String,
    /// Its `data`, if any.
    pub data: Option<Json>,
}

/// How packets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON with binary attachments, as every client speaks.
    Json,
    /// MessagePack, as clients with that parser speak.
    MsgPack,
}

/// One client in one namespace. Dropped when either is gone.
pub trait Peer: Send {
    /// Further members of the answer to CONNECT, besides `sid`: `pid`, say.
    fn greeting(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Ready when the client may be told that it is in: from then on nothing passes it by.
    /// Called before the answer to CONNECT, which waits for it, and not again once it was ready.
    fn poll_admitted(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Ready when [`event`](Self::event) may be called; until then the client is not read.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The client emitted an event; with `ack` it waits for an answer under that number.
    fn event(&mut self, event: ClientEvent, ack: Option<i64>);

    /// Adds packets, or is woken when there are some.
    fn poll_output(&mut self, cx: &mut Context<'_>, into: &mut Packets<'_>) -> Poll<PeerOutput>;

    /// Ready when no more packets will come, though not all were taken.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<End>;

    /// All that was taken out of [`poll_output`](Self::poll_output) before has been written to
    /// the connection.
    fn written(&mut self) {}

    /// Something came from the client: a packet, or the answer to a ping.
    fn heard(&mut self) {}
}

/// What [`Peer::poll_output`] has to say.
#[derive(Debug)]
pub enum PeerOutput {
    /// Packets were added.
    Packets,
    /// No more will come.
    End(End),
}

/// How a peer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client is told that it left the namespace, and does not come back by itself.
    Disconnect,
    /// The whole connection is closed, so that the client comes back by itself.
    Close(CloseCode),
}

/// Where a peer's packets go: WebSocket frames of Engine.IO messages. (Long polling takes the
/// frames off again.)
pub struct Packets<'a> {
    pub(super) namespace: &'a str,
    pub(super) format: Format,
    pub(super) frames: &'a mut VecDeque<Bytes>,
}

impl Packets<'_> {
    /// Whether [`shared`](Self::shared) may be called.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// A frame that [`event_frame`] made for this namespace. Only for JSON.
    pub fn shared(&mut self, frame: Bytes) {
        debug_assert_eq!(self.format, Format::Json, "shared frames are JSON");
        self.frames.push_back(frame);
    }

    /// An event with one argument; with a tuple as many.
    pub fn emit<T: Serialize>(&mut self, event: &str, argument: &T) {
        let value = match self.format {
            Format::Json => CommonParser.encode_value(argument, Some(event)),
            Format::MsgPack => MsgPackParser.encode_value(argument, Some(event)),
        };
        let value = value.expect("encoded, because what is emitted is plain data");
        self.packet(Packet::event(self.namespace.to_owned(), value));
    }

    /// The answer to a client's event.
    pub fn ack<T: Serialize>(&mut self, id: i64, argument: &T) {
        let value = match self.format {
            Format::Json => CommonParser.encode_value(argument, None),
            Format::MsgPack => MsgPackParser.encode_value(argument, None),
        };
        let value = value.expect("encoded, because what is answered is plain data");
        self.packet(Packet::ack(self.namespace.to_owned(), value, id));
    }

    /// An event with a client's arguments, as they came from this very client.
    pub fn emit_back(&mut self, event: &str, arguments: &Arguments) {
        let value = arguments.under(event);
        self.packet(Packet::event(self.namespace.to_owned(), value));
    }

    /// The answer to a client's event, with arguments as they came from this very client.
    pub fn ack_back(&mut self, id: i64, arguments: &Arguments) {
        let value = arguments.alone();
        self.packet(Packet::ack(self.namespace.to_owned(), value, id));
    }

    /// The client has left.
    pub(super) fn disconnect(&mut self) {
        self.packet(Packet::disconnect(self.namespace.to_owned()));
    }

    pub(super) fn packet(&mut self, packet: Packet) {
        let encoded = match self.format {
            Format::Json => CommonParser.encode(packet),
            Format::MsgPack => MsgPackParser.encode(packet),
        };
        match encoded {
            Value::Str(text, attachments) => {
                self.frames.push_back(message_frame(&text));
                for attachment in attachments.into_iter().flatten() {
                    let frame = framed(Opcode::Binary, &attachment);
                    self.frames.push_back(frame.into());
                }
            }
            Value::Bytes(bytes) => {
                let frame = framed(Opcode::Binary, &bytes);
                self.frames.push_back(frame.into());
            }
        }
    }
}

/// An event without attachments as a finished frame, to be shared by all clients of a namespace
/// that speak JSON.
#[must_use]
pub fn event_frame<T: Serialize>(namespace: &str, event: &str, argument: &T) -> Bytes {
    let mut frames = VecDeque::new();
    let mut packets = Packets {
        namespace,
        format: Format::Json,
        frames: &mut frames,
    };
    packets.emit(event, argument);
    frames.pop_front().unwrap_or_default()
}

/// An Engine.IO message with this text.
pub(super) fn message_frame(text: &str) -> Bytes {
    let header = frame_header(Opcode::Text, 1 + text.len());
    [header.as_slice(), b"4", text.as_bytes()].concat().into()
}

impl Handshake {
    /// From the headers of a request of this address.
    pub(super) fn new(headers: &HeaderMap, address: IpAddr) -> Self {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim().to_owned());
        let agent = headers.get(header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        let agent = agent.map(|agent| agent.chars().take(200).collect());
        Self {
            bearer,
            address,
            agent,
        }
    }
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handshake({})", self.address)
    }
}
