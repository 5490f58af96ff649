//! Engine.IO's payloads and Socket.IO's packets, from a client that may send anything: nothing
//! panics, nothing comes from nothing, and whatever is answered is made of whole frames that a
//! client can read.
//!
//! The input is cut at bytes that no text has. Each piece is a message, binary or text by its
//! first bit; as a payload of long polling the same pieces are cut once more.

#![no_main]

#[path = "../../src/budget.rs"]
#[allow(dead_code, reason = "only the server needs all of it")]
mod budget;
#[path = "../../src/recent.rs"]
#[allow(dead_code, reason = "only the server needs all of it")]
mod recent;

#[path = "../../src/ws"]
#[allow(dead_code, reason = "only the server needs all of it")]
mod ws {
    pub mod admission;
    pub mod dialect;
    pub mod frame;
}

#[path = "../../src/socketio"]
#[allow(dead_code, reason = "only the server needs all of it")]
mod socketio {
    pub mod application;
    pub mod protocol;

    pub mod engine {
        pub mod metrics;
        mod payload;
        mod sid;
        pub mod speaker;

        pub(crate) use sid::random_id;

        /// The packets of a payload, up to the first that cannot be understood.
        pub fn packets(payload: String) -> Vec<engineioxide_core::Packet> {
            payload::Packets::of(payload)
                .map_while(Result::ok)
                .collect()
        }

        /// The payload that these frames become.
        pub fn payload(frames: &mut std::collections::VecDeque<bytes::Bytes>) -> bytes::Bytes {
            payload::take(frames, 1_000)
        }
    }
}

use bedside_protocol::CloseCode;
use bytes::Bytes;
use engineioxide_core::Packet;
use libfuzzer_sys::fuzz_target;
use socketio::{
    application::{
        Application, Arguments, ClientEvent, ConnectRefused, ConnectRequest, Connecting, End,
        Handshake, Packets, Peer, PeerOutput,
    },
    engine::{self, metrics::NoSessionMetrics, speaker::Speaker as _},
    protocol::{Connection, Limits, SocketIo},
};
use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    task::{Context, Poll, Waker},
};
use ws::{admission::Admission, dialect::Output, frame::Opcode};

/// Between two messages.
const CUT: u8 = 0xff;

/// Lets in everywhere but at `/x`, at `/w` not at once, and gives back what it gets.
struct Echo;

#[derive(Default)]
struct Client(Vec<(Arguments, Option<i64>)>);

impl Application for Echo {
    fn connect(&self, request: ConnectRequest<'_>) -> Connecting {
        let refused = ConnectRefused {
            message: "no".to_owned(),
            data: Some(request.auth.clone()),
        };
        match request.namespace {
            "/x" => Connecting::Done(Err(refused)),
            "/w" => Connecting::Waiting(Box::pin(async {
                tokio::task::yield_now().await;
                Ok(Box::<Client>::default() as Box<dyn Peer>)
            })),
            _ => Connecting::Done(Ok(Box::<Client>::default())),
        }
    }
}

impl Peer for Client {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn event(&mut self, mut event: ClientEvent, ack: Option<i64>) {
        let _ = event.argument();
        self.0.push((event.into_arguments(), ack));
    }

    fn poll_output(&mut self, _: &mut Context<'_>, into: &mut Packets<'_>) -> Poll<PeerOutput> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        for (arguments, ack) in self.0.drain(..) {
            match ack {
                Some(id) => into.ack_back(id, &arguments),
                None => into.emit_back("back", &arguments),
            }
        }
        Poll::Ready(PeerOutput::Packets)
    }

    fn poll_closed(&mut self, _: &mut Context<'_>) -> Poll<End> {
        Poll::Pending
    }
}

struct Session {
    connection: Connection,
    answers: VecDeque<Bytes>,
}

impl Session {
    fn new() -> Self {
        let server = Arc::new(SocketIo {
            application: Arc::new(Echo),
            limits: Limits::default(),
            admission: Admission::new(1),
            metrics: Arc::new(NoSessionMetrics),
        });
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let handshake = Handshake {
            bearer: None,
            address,
            agent: None,
        };
        Self {
            connection: Connection::new(server, handshake, None),
            answers: VecDeque::new(),
        }
    }

    fn take(&mut self, packet: Packet) -> Result<(), CloseCode> {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(self.connection.poll_ready(&mut cx).is_ready());
        let taken = match packet {
            Packet::Message(text) => self.connection.text(text),
            Packet::Binary(bytes) => self.connection.binary(bytes),
            _ => Ok(()),
        };
        while let Poll::Ready(Output::Frames) =
            self.connection.poll_output(&mut cx, &mut self.answers)
        {}
        taken
    }

    /// Takes packets until one is too bad, and looks at the answers.
    fn take_all(mut self, packets: impl IntoIterator<Item = Packet>) {
        for packet in packets {
            if self.take(packet).is_err() {
                break;
            }
        }
        let mut payloads = Vec::new();
        let mut frames = self.answers.clone();
        while !frames.is_empty() {
            payloads.push(engine::payload(&mut frames));
        }
        let texts: Vec<_> = self.answers.iter().map(text_of).collect();
        if texts.iter().flatten().any(|text| text.contains('\x1e')) {
            // The name of a namespace that no client of long polling can have sent.
            return;
        }
        let polled: Vec<_> = payloads
            .into_iter()
            .flat_map(|payload| engine::packets(String::from_utf8(payload.into()).expect("text")))
            .collect();
        // Whichever way they go, the client gets the same.
        assert_eq!(texts.len(), polled.len());
        for (text, packet) in texts.into_iter().zip(polled) {
            match (text, packet) {
                (Some(text), Packet::Message(message)) => assert_eq!(text, message.as_str()),
                (None, Packet::Binary(_)) => {}
                (text, packet) => panic!("{text:?} became {packet:?}"),
            }
        }
    }
}

/// The Socket.IO packet in a frame; none for bytes. Its payload is JSON.
fn text_of(frame: &Bytes) -> Option<String> {
    if frame[0] & 0x0f == Opcode::Binary as u8 {
        return None;
    }
    let text = unframed(frame);
    let packet = text.strip_prefix('4').expect("a message");
    let body = match packet.find('/') {
        Some(namespace) if !packet[..namespace].contains('[') => {
            packet.split_once(',').map_or("", |(_, body)| body)
        }
        _ => packet,
    };
    if let Some(start) = body.find(['[', '{']) {
        let json = serde_json::from_str::<serde::de::IgnoredAny>(&body[start..]);
        assert!(json.is_ok(), "no JSON: {packet}");
    }
    Some(packet.to_owned())
}

/// The text in a frame of the server's, which has no mask.
fn unframed(frame: &[u8]) -> String {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    String::from_utf8(frame[header..].to_vec()).expect("text")
}

fuzz_target!(|input: &[u8]| {
    let pieces = input.split(|byte| *byte == CUT);
    let messages = pieces.clone().filter_map(|piece| {
        let (kind, rest) = piece.split_first()?;
        Some(match kind & 1 {
            0 => Packet::Message(String::from_utf8_lossy(rest).into_owned().into()),
            _ => Packet::Binary(Bytes::copy_from_slice(rest)),
        })
    });
    Session::new().take_all(messages);
    let packets =
        pieces.flat_map(|piece| engine::packets(String::from_utf8_lossy(piece).into_owned()));
    Session::new().take_all(packets);
});
