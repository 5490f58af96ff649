//! One session, whatever carries it: packets in, messages and pings out.

use bedside_protocol::CloseCode;
use bytes::Bytes;
use engineioxide_core::Packet;
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::time::Instant;

use super::{
    Engine,
    heartbeat::{Beat, Heartbeat},
    metrics::Transport,
    payload::text_frame,
    speaker::Speaker,
};
use crate::ws::dialect::Output;

/// Engine.IO's ping as a frame.
const PING: Bytes = Bytes::from_static(b"\x81\x012");

/// A session that is open. Moves from polling to a WebSocket as it is.
pub(super) struct Session {
    pub(super) engine: Arc<Engine>,
    pub(super) speaker: Box<dyn Speaker>,
    heartbeat: Heartbeat,
    /// Frames that wait before those that the speaker has.
    pub(super) queue: VecDeque<Bytes>,
    /// What the client sends is left unread for now.
    pub(super) deaf: bool,
    transport: Transport,
}

/// The first packet of a session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Open<'a> {
    sid: &'a str,
    upgrades: &'a [&'static str],
    ping_interval: u128,
    ping_timeout: u128,
    max_payload: usize,
}

impl Session {
    pub(super) fn new(engine: Arc<Engine>, speaker: Box<dyn Speaker>, on: Transport) -> Self {
        engine.metrics.opened(on);
        Self {
            heartbeat: Heartbeat::starting(Instant::now(), &engine.config),
            engine,
            speaker,
            queue: VecDeque::new(),
            deaf: false,
            transport: on,
        }
    }

    /// What tells the client how the session is served.
    pub(super) fn open_packet(&self, sid: &str) -> String {
        let config = &self.engine.config;
        let upgrades: &[_] = match self.transport {
            Transport::Polling => &["websocket"],
            Transport::WebSocket => &[],
        };
        let open = Open {
            sid,
            upgrades,
            ping_interval: config.ping_interval.as_millis(),
            ping_timeout: config.ping_timeout.as_millis(),
            max_payload: config.payload_bytes_max,
        };
        let json = serde_json::to_string(&open).expect("writes, because it is texts and numbers");
        format!("0{json}")
    }

    /// From now on it is carried by a WebSocket.
    pub(super) fn upgraded(&mut self) {
        self.transport = Transport::WebSocket;
        self.engine.metrics.upgraded();
    }

    /// Takes a packet.
    pub(super) fn receive(&mut self, packet: Packet) -> Result<(), CloseCode> {
        if self.transport == Transport::WebSocket || packet == Packet::Pong {
            // A post may have been under way before the client had what it polled.
            self.speaker.heard();
        }
        let bytes_max = self.speaker.message_bytes_max();
        match packet {
            Packet::Message(text) if text.len() > bytes_max => Err(CloseCode::MessageTooBig),
            Packet::Binary(bytes) if bytes.len() > bytes_max => Err(CloseCode::MessageTooBig),
            Packet::Message(text) => self.speaker.text(text),
            Packet::Binary(bytes) => self.speaker.binary(bytes),
            Packet::Pong => {
                self.heartbeat.on_pong(&self.engine.config);
                Ok(())
            }
            Packet::Close => Err(CloseCode::Normal),
            Packet::Noop | Packet::Upgrade => Ok(()),
            // Only servers send these.
            _ => Err(self.engine.malformed()),
        }
    }

    /// Adds frames, or is woken when there are some.
    pub(super) fn poll_output(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut VecDeque<Bytes>,
    ) -> Poll<Output> {
        if self.queue.is_empty() {
            return self.speaker.poll_output(cx, into);
        }
        into.append(&mut self.queue);
        self.queue = VecDeque::new();
        Poll::Ready(Output::Frames)
    }

    /// Takes the ping out of what waits. Says whether there was one.
    pub(super) fn take_ping(&mut self) -> bool {
        let before = self.queue.len();
        self.queue.retain(|frame| *frame != PING);
        self.queue.len() < before
    }

    pub(super) fn deadline(&self) -> Instant {
        let speaker = self.speaker.deadline();
        speaker.map_or(self.heartbeat.deadline(), |at| {
            at.min(self.heartbeat.deadline())
        })
    }

    /// The deadline has come.
    pub(super) fn on_deadline(&mut self, now: Instant) -> Result<(), CloseCode> {
        match self
            .heartbeat
            .on_deadline(now, self.deaf, &self.engine.config)
        {
            Beat::Nothing => {}
            Beat::Ping => self.queue.push_back(PING),
            Beat::Dead => return Err(CloseCode::IdleTimeout),
        }
        match self.speaker.deadline() {
            Some(at) if at <= now => self.speaker.on_deadline(now),
            _ => Ok(()),
        }
    }

    /// The end of a session that polls, as a frame.
    pub(super) fn close_packet() -> Bytes {
        text_frame("1")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.engine.metrics.closed(self.transport);
    }
}
