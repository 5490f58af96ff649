//! A client of a connection, and what it is served.

use crate::socketio::engine::metrics::NoSessionMetrics;
use crate::ws::frame::{Opcode, framed};
use futures_util::task::{ArcWake, waker};
use parking_lot::Mutex;
use serde_json::json;
use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;

/// What a test wants a peer to do.
#[derive(Clone, Copy)]
pub(super) enum Wish {
    End(End),
    Closed(End),
    Busy(bool),
    Waiting(bool),
}

#[derive(Default)]
struct State {
    peers: usize,
    wishes: HashMap<String, Wish>,
    told: HashMap<String, (usize, usize)>,
}

type Shared = Arc<Mutex<State>>;

/// Lets clients in everywhere but in `/nowhere` and `/closed`, says hello, and answers `echo`
/// with its first argument and `raw` with all.
struct Echo(Shared);

struct EchoPeer {
    namespace: String,
    shared: Shared,
    hello: Option<Json>,
    events: Vec<(ClientEvent, Option<i64>)>,
}

impl Application for Echo {
    fn connect(&self, request: ConnectRequest<'_>) -> Connecting {
        self.admit(&request).into()
    }
}

impl Echo {
    fn admit(&self, request: &ConnectRequest<'_>) -> Connected {
        let refused = |data| ConnectRefused {
            message: "no".to_owned(),
            data,
        };
        match request.namespace {
            "/nowhere" => return Err(refused(None)),
            "/closed" => return Err(refused(Some(json!({"why": "closed"})))),
            _ => {}
        }
        self.0.lock().peers += 1;
        Ok(Box::new(EchoPeer {
            namespace: request.namespace.to_owned(),
            shared: Arc::clone(&self.0),
            hello: Some(request.auth.clone()),
            events: Vec::new(),
        }))
    }
}

impl EchoPeer {
    fn wish(&self) -> Option<Wish> {
        self.shared.lock().wishes.get(&self.namespace).copied()
    }
}

impl Peer for EchoPeer {
    fn greeting(&self) -> Vec<(&'static str, String)> {
        match self.namespace.as_str() {
            "/greeting" => vec![("pid", "p".to_owned())],
            _ => Vec::new(),
        }
    }

    fn poll_admitted(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.wish() {
            Some(Wish::Waiting(true)) => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.wish() {
            Some(Wish::Busy(true)) => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    fn event(&mut self, event: ClientEvent, ack: Option<i64>) {
        self.events.push((event, ack));
    }

    fn poll_output(&mut self, _: &mut Context<'_>, into: &mut Packets<'_>) -> Poll<PeerOutput> {
        if let Some(Wish::End(end)) = self.wish() {
            self.shared.lock().wishes.remove(&self.namespace);
            return Poll::Ready(PeerOutput::End(end));
        }
        if self.hello.is_none() && self.events.is_empty() {
            return Poll::Pending;
        }
        if let Some(auth) = self.hello.take() {
            into.emit("hello", &auth);
        }
        for (mut event, ack) in self.events.drain(..) {
            if event.name() == "echo" {
                into.emit("back", &event.argument());
            }
            if event.name() == "raw" {
                into.emit_back("back", &event.into_arguments());
            }
            if let Some(id) = ack {
                into.ack(id, &"done");
            }
        }
        Poll::Ready(PeerOutput::Packets)
    }

    fn poll_closed(&mut self, _: &mut Context<'_>) -> Poll<End> {
        match self.wish() {
            Some(Wish::Closed(end)) => Poll::Ready(end),
            _ => Poll::Pending,
        }
    }

    fn written(&mut self) {
        self.shared
            .lock()
            .told
            .entry(self.namespace.clone())
            .or_default()
            .0 += 1;
    }

    fn heard(&mut self) {
        self.shared
            .lock()
            .told
            .entry(self.namespace.clone())
            .or_default()
            .1 += 1;
    }
}

impl Drop for EchoPeer {
    fn drop(&mut self) {
        self.shared.lock().peers -= 1;
    }
}

#[derive(Default)]
struct Bell(AtomicBool);

impl ArcWake for Bell {
    fn wake_by_ref(bell: &Arc<Self>) {
        bell.0.store(true, Ordering::Relaxed);
    }
}

pub(super) fn limits() -> Limits {
    Limits {
        message_bytes_max: 1_000,
        attachments_max: 3,
        namespaces_max: 4,
        ..Limits::default()
    }
}

pub(super) struct Client {
    pub(super) connection: Connection,
    pub(super) admission: Arc<Admission>,
    shared: Shared,
    bell: Arc<Bell>,
}

impl Client {
    /// In no namespace.
    pub(super) fn new() -> Self {
        let shared = Shared::default();
        let admission = Admission::new(1);
        let server = Arc::new(SocketIo {
            application: Arc::new(Echo(Arc::clone(&shared))),
            limits: limits(),
            admission: Arc::clone(&admission),
            metrics: Arc::new(NoSessionMetrics),
        });
        let address = [127, 0, 0, 1].into();
        let handshake = Handshake {
            bearer: None,
            address,
            agent: None,
        };
        let waiting = admission.wait_for_hello(address).expect("there is room");
        Self {
            connection: Connection::new(server, handshake, Some(waiting)),
            admission,
            shared,
            bell: Arc::default(),
        }
    }

    /// In `/`.
    pub(super) fn connected() -> Self {
        let mut client = Self::new();
        client.say("0");
        assert_eq!(client.frames().len(), 2);
        client
    }

    pub(super) fn try_say(&mut self, text: &str) -> Result<(), CloseCode> {
        self.connection.text(text.to_owned().into())
    }

    pub(super) fn say(&mut self, text: &str) {
        assert_eq!(self.try_say(text), Ok(()), "{text}");
    }

    pub(super) fn try_send(&mut self, bytes: &[u8]) -> Result<(), CloseCode> {
        self.connection.binary(Bytes::copy_from_slice(bytes))
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        assert_eq!(self.try_send(bytes), Ok(()), "{bytes:?}");
    }

    fn output(&mut self) -> (Vec<Bytes>, Option<CloseCode>) {
        let waker = waker(Arc::clone(&self.bell));
        let mut cx = Context::from_waker(&waker);
        let mut frames = VecDeque::new();
        let code = loop {
            match self.connection.poll_output(&mut cx, &mut frames) {
                Poll::Ready(Output::Frames) => {}
                Poll::Ready(Output::Closed(code)) => break Some(code),
                Poll::Pending => break None,
            }
        };
        (frames.into(), code)
    }

    /// What was sent: text as it is, bytes as a list.
    pub(super) fn frames(&mut self) -> Vec<String> {
        let show = |frame: Bytes| {
            let payload = payload(&frame);
            match frame[0] {
                0x81 => String::from_utf8(payload.to_vec()).expect("text is UTF-8"),
                0x82 => format!("{payload:?}"),
                other => panic!("a frame that begins with {other:#x}"),
            }
        };
        self.output().0.into_iter().map(show).collect()
    }

    /// What was sent in MessagePack.
    pub(super) fn messages(&mut self) -> Vec<Json> {
        let read = |frame: &Bytes| rmp_serde::from_slice(payload(frame)).expect("is MessagePack");
        self.output().0.iter().map(read).collect()
    }

    pub(super) fn closed(&mut self) -> Option<CloseCode> {
        self.output().1
    }

    pub(super) fn poll_closed(&mut self) -> Poll<CloseCode> {
        let waker = waker(Arc::clone(&self.bell));
        self.connection
            .poll_closed(&mut Context::from_waker(&waker))
    }

    pub(super) fn is_ready(&mut self) -> bool {
        let waker = waker(Arc::clone(&self.bell));
        let ready = self.connection.poll_ready(&mut Context::from_waker(&waker));
        ready.is_ready()
    }

    /// Whether it was woken since this was asked before.
    pub(super) fn woken(&self) -> bool {
        self.bell.0.swap(false, Ordering::Relaxed)
    }

    pub(super) fn wish(&self, namespace: &str, wish: Wish) {
        self.shared.lock().wishes.insert(namespace.to_owned(), wish);
    }

    pub(super) fn peers(&self) -> usize {
        self.shared.lock().peers
    }

    /// How often a peer was told that what it gave is written, and that its client is there.
    pub(super) fn told(&self, namespace: &str) -> (usize, usize) {
        self.shared.lock().told[namespace]
    }

    /// How long it takes until its deadlines end it.
    pub(super) fn lives(&mut self) -> Duration {
        let start = Instant::now();
        loop {
            let at = self.connection.deadline().expect("it has a deadline");
            if self.connection.on_deadline(at).is_err() {
                return at - start;
            }
        }
    }
}

/// What a frame of ours holds.
fn payload(frame: &Bytes) -> &[u8] {
    for header in [2, 4, 10] {
        let payload = &frame[header..];
        for opcode in [Opcode::Text, Opcode::Binary] {
            if framed(opcode, payload) == *frame {
                return payload;
            }
        }
    }
    panic!("no frame")
}
