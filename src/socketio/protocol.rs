//! Socket.IO, version 5: one client, in any number of namespaces, over one session.
//!
//! Pure but for the clock: messages in, frames out. Whatever breaks the protocol ends the session,
//! as with the reference server, whose clients come back by themselves.

mod limits;
mod packets;
#[cfg(test)]
mod tests;

pub use limits::Limits;

use bedside_protocol::CloseCode;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use serde_json::Value as Json;
use socketioxide_core::{Str, packet::PacketData, parser::ParserState};
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::Instant;

use self::packets::Inbound;
use super::{
    application::{
        Application, ClientEvent, ConnectRefused, ConnectRequest, Connected, Connecting, End,
        Format, Handshake, Packets, Peer, PeerOutput,
    },
    engine::{
        metrics::SessionMetrics,
        random_id,
        speaker::{Speaker, Speaks},
    },
};
use crate::ws::{
    admission::{Admission, Waiting},
    dialect::Output,
};

/// Answers of our own that wait. While there are so many the client is not read.
const QUEUE_MAX: usize = 32;
/// How often a client in no namespace is looked at, in case the server is about to stop.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Speaks Socket.IO with clients.
pub struct SocketIo {
    /// What is served.
    pub application: Arc<dyn Application>,
    /// What clients may do.
    pub limits: Limits,
    /// Whether the server is about to stop.
    pub admission: Arc<Admission>,
    /// Counts.
    pub metrics: Arc<dyn SessionMetrics>,
}

/// One client.
pub struct Connection {
    server: Arc<SocketIo>,
    handshake: Handshake,
    /// Its place among those that have not said who they are.
    waiting: Option<Waiting>,
    /// Known from its first packet on.
    format: Option<Format>,
    members: Vec<Member>,
    /// Namespaces that it waits to be let into.
    asking: Vec<Asking>,
    /// A packet whose attachments have not all come.
    partial: Option<Box<ParserState>>,
    /// Answers of our own.
    queue: VecDeque<Bytes>,
    /// The client was not read because of them.
    choked: bool,
    refusals: u8,
    /// It is in no namespace.
    alone: Option<Alone>,
    ended: Option<CloseCode>,
}

/// The client in one namespace.
struct Member {
    namespace: Str,
    peer: Box<dyn Peer>,
    /// The id that it has yet to be told, once its peer is ready for it.
    admitting: Option<Box<str>>,
}

/// A client that somebody else is asked about.
struct Asking {
    namespace: Str,
    socket_id: Box<str>,
    connected: BoxFuture<'static, Connected>,
}

struct Alone {
    until: Instant,
    /// When to look next.
    look: Instant,
}

impl Speaks for Arc<SocketIo> {
    fn open(&self, handshake: Handshake, waiting: Waiting) -> Box<dyn Speaker> {
        Box::new(Connection::new(Arc::clone(self), handshake, Some(waiting)))
    }
}

impl Connection {
    /// A client that has yet to ask for a namespace.
    #[must_use]
    pub fn new(server: Arc<SocketIo>, handshake: Handshake, waiting: Option<Waiting>) -> Self {
        let alone = Some(Alone::since(Instant::now(), &server.limits));
        Self {
            server,
            handshake,
            waiting,
            format: None,
            members: Vec::new(),
            asking: Vec::new(),
            partial: None,
            queue: VecDeque::new(),
            choked: false,
            refusals: 0,
            alone,
            ended: None,
        }
    }

    // What comes in

    fn take(&mut self, inbound: Result<Inbound, packets::Malformed>) -> Result<(), CloseCode> {
        self.server.metrics.received();
        let result = match inbound {
            // It cannot become anything that may be said in no namespace.
            Ok(Inbound::Partial) if self.members.is_empty() => Err(packets::Malformed),
            Ok(Inbound::Partial) => Ok(()),
            Ok(Inbound::Connect { namespace, auth }) => return self.connect(namespace, &auth),
            Ok(Inbound::Packet { namespace, data }) => self.on_packet(&namespace, data),
            Err(packets::Malformed) => Err(packets::Malformed),
        };
        result.map_err(|packets::Malformed| self.malformed())
    }

    fn malformed(&self) -> CloseCode {
        self.server.metrics.malformed();
        CloseCode::ProtocolError
    }

    fn format(&self) -> Format {
        self.format.unwrap_or(Format::Json)
    }

    fn position(&self, namespace: &str) -> Option<usize> {
        let is_it = |member: &Member| member.namespace.as_str() == namespace;
        self.members.iter().position(is_it)
    }

    fn connect(&mut self, namespace: Str, auth: &Json) -> Result<(), CloseCode> {
        let is_new = self.position(&namespace).is_none() && self.asked(&namespace).is_none();
        let namespaces = self.members.len() + self.asking.len();
        if !is_new || namespaces >= self.server.limits.namespaces_max {
            return Err(self.malformed());
        }
        if self.server.admission.is_draining() {
            return Err(CloseCode::GoingAway);
        }
        let Ok(socket_id) = random_id() else {
            return Err(CloseCode::InternalError);
        };
        let server = Arc::clone(&self.server);
        let connecting = server.application.connect(ConnectRequest {
            namespace: &namespace,
            auth,
            handshake: &self.handshake,
            socket_id: &socket_id,
            format: self.format(),
        });
        let namespace = kept(&namespace);
        match connecting {
            Connecting::Done(connected) => self.connected(namespace, &socket_id, connected),
            Connecting::Waiting(connected) => {
                self.asking.push(Asking {
                    namespace,
                    socket_id: socket_id.into(),
                    connected,
                });
                Ok(())
            }
        }
    }

    fn connected(
        &mut self,
        namespace: Str,
        socket_id: &str,
        connected: Connected,
    ) -> Result<(), CloseCode> {
        match connected {
            Ok(mut peer) => {
                // Most are ready at once; the others are asked again for output.
                let mut cx = Context::from_waker(Waker::noop());
                let is_ready = peer.poll_admitted(&mut cx).is_ready();
                if is_ready {
                    self.packets(&namespace).welcome(socket_id, &*peer);
                }
                // Most clients join one namespace, for which a Vec would make room for four.
                self.members.reserve_exact(1);
                self.members.push(Member {
                    namespace,
                    peer,
                    admitting: (!is_ready).then(|| socket_id.into()),
                });
                self.alone = None;
                if let Some(mut waiting) = self.waiting.take() {
                    waiting.excuse();
                }
                Ok(())
            }
            Err(refused) => self.refuse(&namespace, &refused),
        }
    }

    fn asked(&self, namespace: &str) -> Option<usize> {
        let is_it = |asking: &Asking| asking.namespace.as_str() == namespace;
        self.asking.iter().position(is_it)
    }

    /// Lets those in about whom others were asked, or refuses them.
    fn poll_asked(&mut self, cx: &mut Context<'_>) {
        let mut at = 0;
        while let Some(asking) = self.asking.get_mut(at) {
            let Poll::Ready(connected) = asking.connected.poll_unpin(cx) else {
                at += 1;
                continue;
            };
            let asking = self.asking.remove(at);
            let connected = self.connected(asking.namespace, &asking.socket_id, connected);
            if let Err(code) = connected {
                self.ended = Some(code);
                self.asking = Vec::new();
                return;
            }
        }
    }

    fn refuse(&mut self, namespace: &str, refused: &ConnectRefused) -> Result<(), CloseCode> {
        let frame = packets::refusal(self.format(), namespace, refused);
        self.queue.push_back(frame);
        // What is wrong with a token is counted by the application.
        if let (Some(_), Some(waiting)) = (&refused.data, &mut self.waiting) {
            waiting.excuse();
        }
        self.refusals += 1;
        if self.refusals >= self.server.limits.refusals_max {
            return Err(CloseCode::Unauthorized);
        }
        Ok(())
    }

    fn on_packet(&mut self, namespace: &str, data: PacketData) -> Result<(), packets::Malformed> {
        if let (Some(at), PacketData::Disconnect) = (self.asked(namespace), &data) {
            // It does not wait for the answer.
            self.asking.remove(at);
            return Ok(());
        }
        let at = self.position(namespace).ok_or(packets::Malformed)?;
        let format = self.format();
        match data {
            PacketData::Disconnect => self.leave(at),
            PacketData::Event(value, ack) | PacketData::BinaryEvent(value, ack) => {
                let event = ClientEvent::new(value, format).ok_or(packets::Malformed)?;
                self.members[at].peer.event(event, ack);
            }
            // Nothing is emitted that asks for an answer.
            PacketData::EventAck(..) | PacketData::BinaryAck(..) => {}
            PacketData::Connect(_) | PacketData::ConnectError(_) => {
                return Err(packets::Malformed);
            }
        }
        Ok(())
    }

    fn leave(&mut self, at: usize) {
        self.members.remove(at);
        if self.members.is_empty() {
            self.members = Vec::new();
            self.alone = Some(Alone::since(Instant::now(), &self.server.limits));
        }
    }

    // What goes out

    fn packets<'a>(&'a mut self, namespace: &'a str) -> Packets<'a> {
        Packets {
            namespace,
            format: self.format(),
            frames: &mut self.queue,
        }
    }

    /// Adds what the peers have. Says whether any of them had something.
    fn gather(&mut self, cx: &mut Context<'_>, into: &mut VecDeque<Bytes>) -> bool {
        let (format, mut had, mut at) = (self.format(), false, 0);
        while let Some(member) = self.members.get_mut(at) {
            let mut packets = Packets {
                namespace: &member.namespace,
                format,
                frames: into,
            };
            if let Some(sid) = member.admitting.take() {
                if member.peer.poll_admitted(cx).is_pending() {
                    member.admitting = Some(sid);
                    at += 1;
                    continue;
                }
                packets.welcome(&sid, &*member.peer);
                had = true;
            }
            match member.peer.poll_output(cx, &mut packets) {
                Poll::Pending => at += 1,
                Poll::Ready(PeerOutput::Packets) => {
                    had = true;
                    at += 1;
                }
                Poll::Ready(PeerOutput::End(End::Disconnect)) => {
                    had = true;
                    packets.disconnect();
                    self.leave(at);
                }
                Poll::Ready(PeerOutput::End(End::Close(code))) => {
                    self.ended = Some(code);
                    self.members = Vec::new();
                    return true;
                }
            }
        }
        had
    }
}

impl Packets<'_> {
    /// The answer to CONNECT.
    fn welcome(&mut self, sid: &str, peer: &dyn Peer) {
        let members = [("sid", sid.to_owned())].into_iter();
        let members = members.chain(peer.greeting());
        self.packet(packets::connected(self.format, self.namespace, members));
    }
}

/// A namespace's name without the packet that it came in, which holds a token.
fn kept(namespace: &Str) -> Str {
    match namespace.as_str() {
        "/" => "/".into(),
        other => Str::copy_from_slice(other),
    }
}

impl Alone {
    fn since(now: Instant, limits: &Limits) -> Self {
        Self {
            until: now + limits.connect_timeout,
            look: now + LOOK_INTERVAL,
        }
    }
}

impl Speaker for Connection {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.queue.len() >= QUEUE_MAX {
            self.choked = true;
            return Poll::Pending;
        }
        let mut ready = Poll::Ready(());
        for member in &mut self.members {
            if member.peer.poll_ready(cx).is_pending() {
                ready = Poll::Pending;
            }
        }
        ready
    }

    fn text(&mut self, text: Str) -> Result<(), CloseCode> {
        let format = *self.format.get_or_insert(Format::Json);
        let inbound = packets::text(format, &self.server.limits, &mut self.partial, text);
        self.take(inbound)
    }

    fn binary(&mut self, bytes: Bytes) -> Result<(), CloseCode> {
        let format = *self.format.get_or_insert(Format::MsgPack);
        let inbound = packets::binary(format, &self.server.limits, &mut self.partial, bytes);
        self.take(inbound)
    }

    fn message_bytes_max(&self) -> usize {
        if self.alone.is_some() {
            self.server.limits.connect_bytes_max
        } else {
            self.server.limits.message_bytes_max
        }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>, into: &mut VecDeque<Bytes>) -> Poll<Output> {
        if let Some(code) = self.ended {
            return Poll::Ready(Output::Closed(code));
        }
        let before = into.len();
        self.poll_asked(cx);
        if !self.queue.is_empty() {
            into.append(&mut self.queue);
            self.queue = VecDeque::new();
        }
        if std::mem::take(&mut self.choked) {
            // Now there is room, so it may be read again.
            cx.waker().wake_by_ref();
        }
        let had = self.gather(cx, into);
        let frames = into.len() - before;
        if frames > 0 {
            self.server.metrics.sent(frames);
            return Poll::Ready(Output::Frames);
        }
        match self.ended {
            Some(code) => Poll::Ready(Output::Closed(code)),
            None => {
                if had {
                    // Nobody else would ask again.
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<CloseCode> {
        if let Some(code) = self.ended {
            return Poll::Ready(code);
        }
        for member in &mut self.members {
            // One that only leaves its namespace can wait until that can be said.
            if let Poll::Ready(End::Close(code)) = member.peer.poll_closed(cx) {
                return Poll::Ready(code);
            }
        }
        Poll::Pending
    }

    fn deadline(&self) -> Option<Instant> {
        self.alone.as_ref().map(|alone| alone.until.min(alone.look))
    }

    fn on_deadline(&mut self, now: Instant) -> Result<(), CloseCode> {
        let Some(alone) = &mut self.alone else {
            return Ok(());
        };
        if self.server.admission.is_draining() {
            return Err(CloseCode::GoingAway);
        }
        if alone.until <= now {
            return Err(CloseCode::Unauthorized);
        }
        alone.look = now + LOOK_INTERVAL;
        Ok(())
    }

    fn written(&mut self) {
        for member in &mut self.members {
            member.peer.written();
        }
    }

    fn heard(&mut self) {
        for member in &mut self.members {
            member.peer.heard();
        }
    }
}
