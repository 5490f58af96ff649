//! A session of Engine.IO on any transport. It is driven by tasks of its own, which answer pings:
//! a test that looks at one session keeps its others alive.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};

use super::{
    http::Connection,
    polling::Session,
    soon,
    under_test::Server,
    websocket::{Incoming, Reader, Received, WebSocket, Writer},
};

/// What a session runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// WebSocket from the start.
    WebSocket,
    /// Long polling.
    Polling,
    /// Long polling at the start, then WebSocket.
    Upgraded,
}

/// What comes from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping, which has been answered.
    Ping,
    /// The session has ended.
    Closed,
}

/// What goes to the server.
enum Outgoing {
    /// A packet with its type.
    Packet(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// An answer to a ping of RFC 6455.
    SocketPong(Vec<u8>),
}

/// A session.
pub(crate) struct Engine {
    /// What the server said at the start.
    pub(crate) opening: Value,
    outgoing: UnboundedSender<Outgoing>,
    events: UnboundedReceiver<Event>,
    _tasks: JoinSet<()>,
}

impl Event {
    /// A text message.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

impl Engine {
    /// A new session.
    pub(crate) async fn open(server: Server, transport: Transport) -> Self {
        let (outgoing, to_send) = unbounded_channel();
        let (sender, events) = unbounded_channel();
        let pump = Pump {
            events: sender,
            outgoing: outgoing.clone(),
        };
        let mut tasks = JoinSet::new();
        let opening = match transport {
            Transport::WebSocket => {
                let (opening, socket) = open_websocket(server).await;
                pump.run_websocket(socket, to_send, &mut tasks);
                opening
            }
            Transport::Upgraded => {
                let session = Session::open(server).await;
                let socket = upgrade(&session).await;
                pump.run_websocket(socket, to_send, &mut tasks);
                session.opening
            }
            Transport::Polling => {
                let session = Session::open(server).await;
                pump.run_polling(server, &session, to_send, &mut tasks);
                session.opening
            }
        };
        Self {
            opening,
            outgoing,
            events,
            _tasks: tasks,
        }
    }

    /// Sends a text message.
    pub(crate) fn say(&self, text: &str) {
        self.packet(&format!("4{text}"));
    }

    /// Sends a packet with its type.
    pub(crate) fn packet(&self, packet: &str) {
        self.put(Outgoing::Packet(packet.to_owned()));
    }

    /// Sends a binary message.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.put(Outgoing::Binary(bytes.to_vec()));
    }

    fn put(&self, outgoing: Outgoing) {
        // There is nobody to take it when the session is at its end: its events will tell.
        let _ = self.outgoing.send(outgoing);
    }

    async fn event(&mut self) -> Event {
        let event = soon("an event of Engine.IO", self.events.recv()).await;
        event.unwrap_or(Event::Closed)
    }

    /// The next message, or the end.
    pub(crate) async fn next(&mut self) -> Event {
        let next = async {
            loop {
                match self.event().await {
                    Event::Ping => {}
                    event => return event,
                }
            }
        };
        soon("an event of Engine.IO but pings", next).await
    }

    /// The next message, which is text.
    pub(crate) async fn next_text(&mut self) -> String {
        match self.next().await {
            Event::Text(text) => text,
            other => panic!("not text: {other:?}"),
        }
    }

    /// The next message, which is binary.
    pub(crate) async fn next_binary(&mut self) -> Vec<u8> {
        match self.next().await {
            Event::Binary(bytes) => bytes,
            other => panic!("not binary: {other:?}"),
        }
    }

    /// The session has to end, and nothing has to come before.
    pub(crate) async fn closes(&mut self) {
        assert_eq!(self.next().await, Event::Closed);
    }

    /// The server has taken all that was sent and has answered nothing. The first ping may have
    /// been on its way; its answer is behind what was sent, and the second ping behind the answer.
    pub(crate) async fn stays_quiet(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            assert_eq!(event, Event::Ping);
        }
        for _ in 0..2 {
            assert_eq!(self.event().await, Event::Ping);
        }
    }
}

/// A WebSocket, and what it began with.
pub(crate) async fn open_websocket(server: Server) -> (Value, WebSocket) {
    let mut socket = WebSocket::open(server.address, &server.target("websocket")).await;
    let Incoming::Text(first) = socket.next().await else {
        panic!("an open packet is text");
    };
    let open = first.strip_prefix('0').expect("an open packet");
    let opening = serde_json::from_str(open).expect("JSON in an open packet");
    (opening, socket)
}

/// Moves a session that has no poll under way to a WebSocket.
pub(crate) async fn upgrade(session: &Session) -> WebSocket {
    let mut socket = session.websocket().await;
    socket.say("2probe").await;
    assert_eq!(socket.next().await, Incoming::text("3probe"));
    socket.say("5").await;
    socket
}

/// A WebSocket that gets nowhere: it is refused, or closed before anything is said on it.
pub(crate) async fn assert_no_session(server: Server, target: &str) {
    let mut socket = match WebSocket::try_open(server.address, target).await {
        Err(answer) => return assert_eq!(answer.status, 400, "{answer:?}"),
        Ok(socket) => socket,
    };
    for packet in ["2probe", "5", "4hello"] {
        socket.say(packet).await;
    }
    let (before, _) = socket.until_closed().await;
    assert!(!before.contains(&Incoming::text("4hello")), "{before:?}");
}

struct Pump {
    events: UnboundedSender<Event>,
    outgoing: UnboundedSender<Outgoing>,
}

impl Pump {
    fn run_websocket(
        self,
        socket: WebSocket,
        to_send: UnboundedReceiver<Outgoing>,
        tasks: &mut JoinSet<()>,
    ) {
        tasks.spawn(write_frames(socket.writer, to_send));
        tasks.spawn(self.read_frames(socket.reader));
    }

    async fn read_frames(self, mut reader: Reader) {
        loop {
            match reader.next().await {
                Received::Ping(payload) => self.send(Outgoing::SocketPong(payload)),
                Received::Message(Incoming::Text(packet)) => {
                    if self.packet(&packet) == Flow::Ends {
                        return;
                    }
                }
                Received::Message(Incoming::Binary(bytes)) => self.tell(Event::Binary(bytes)),
                Received::Message(Incoming::Closed(_)) => return self.tell(Event::Closed),
            }
        }
    }

    fn run_polling(
        self,
        server: Server,
        session: &Session,
        to_send: UnboundedReceiver<Outgoing>,
        tasks: &mut JoinSet<()>,
    ) {
        tasks.spawn(post_payloads(server, session.target(), to_send));
        tasks.spawn(self.poll(server, session.target()));
    }

    async fn poll(self, server: Server, target: String) {
        let mut connection = Connection::open(server.address).await;
        loop {
            connection.send("GET", &target, b"").await;
            let Some(answer) = connection.answer().await else {
                return self.tell(Event::Closed);
            };
            if answer.status != 200 {
                return self.tell(Event::Closed);
            }
            for packet in answer.packets() {
                if self.packet(packet) == Flow::Ends {
                    return;
                }
            }
        }
    }

    /// Takes a packet.
    fn packet(&self, packet: &str) -> Flow {
        let mut rest = packet.chars();
        match rest.next() {
            Some('2') => {
                self.send(Outgoing::Packet("3".to_owned()));
                self.tell(Event::Ping);
            }
            Some('4') => self.tell(Event::text(rest.as_str())),
            Some('b') => {
                let bytes = BASE64.decode(rest.as_str()).expect("base64");
                self.tell(Event::Binary(bytes));
            }
            Some('6') => {}
            Some('1') => {
                self.tell(Event::Closed);
                return Flow::Ends;
            }
            _ => panic!("a packet of no kind: {packet}"),
        }
        Flow::GoesOn
    }

    fn send(&self, outgoing: Outgoing) {
        let _ = self.outgoing.send(outgoing);
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

#[derive(PartialEq, Eq)]
enum Flow {
    GoesOn,
    Ends,
}

async fn write_frames(mut writer: Writer, mut to_send: UnboundedReceiver<Outgoing>) {
    while let Some(next) = to_send.recv().await {
        match next {
            Outgoing::Packet(packet) => writer.say(&packet).await,
            Outgoing::Binary(bytes) => writer.send(&bytes).await,
            Outgoing::SocketPong(payload) => writer.pong(&payload).await,
        }
    }
}

/// Posts what there is in one payload, one request after the other, as a browser's client does.
async fn post_payloads(server: Server, target: String, mut to_send: UnboundedReceiver<Outgoing>) {
    let mut connection = Connection::open(server.address).await;
    while let Some(first) = to_send.recv().await {
        let mut payload = encoded(first);
        while let Ok(next) = to_send.try_recv() {
            payload.push('\x1e');
            payload.push_str(&encoded(next));
        }
        connection.send("POST", &target, payload.as_bytes()).await;
        match connection.answer().await {
            Some(answer) if answer.status == 200 => {}
            // The polls tell the end.
            _ => return,
        }
    }
}

fn encoded(outgoing: Outgoing) -> String {
    match outgoing {
        Outgoing::Packet(packet) => packet,
        Outgoing::Binary(bytes) => format!("b{}", BASE64.encode(bytes)),
        Outgoing::SocketPong(_) => unreachable!("because there is no WebSocket"),
    }
}
