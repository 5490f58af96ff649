//! A server of sessions without a server, with a speaker that does what the test says.

use actix_http::test::TestRequest as RawRequest;
use actix_web::{
    App,
    dev::{Service, ServiceResponse},
    http::{Method, StatusCode},
    test::{TestRequest, init_service, read_body},
};
use bedside::{
    socketio::{
        application::Handshake,
        engine::{
            Config, EngineEdge, Parts,
            metrics::{SessionMetrics, Transport},
            speaker::{Speaker, Speaks, Str},
        },
    },
    ws::{
        Edge as _, Upgrade,
        admission::{Admission, Waiting},
        dialect::Output,
        frame::{Opcode, framed},
        metrics::NoMetrics,
    },
};
use bedside_protocol::CloseCode;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    io::{DuplexStream, duplex},
    time::{Instant, sleep},
};

use crate::ws_support::{Client, Frame};

/// What the test and a session's speaker share.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) received: Vec<String>,
    pub(crate) output: VecDeque<Bytes>,
    pub(crate) ended: Option<CloseCode>,
    pub(crate) slow: bool,
    pub(crate) busy: bool,
    /// It takes small messages only.
    pub(crate) strict: bool,
    pub(crate) written: usize,
    pub(crate) heard: usize,
    pub(crate) dropped: bool,
    /// Its place among strangers.
    waiting: Option<Waiting>,
    wakers: Vec<Waker>,
}

#[derive(Clone, Default)]
pub(crate) struct Shared(pub(crate) Arc<Mutex<Script>>);

impl Shared {
    pub(crate) fn change(&self, change: impl FnOnce(&mut Script)) {
        let mut script = self.0.lock();
        change(&mut script);
        for waker in script.wakers.drain(..) {
            waker.wake();
        }
    }

    /// Has the server send a message.
    pub(crate) fn send(&self, text: &str) {
        let frame = framed(Opcode::Text, format!("4{text}").as_bytes());
        self.change(|script| script.output.push_back(frame.into()));
    }

    pub(crate) fn end(&self, code: CloseCode) {
        self.change(|script| script.ended = Some(code));
    }

    pub(crate) fn received(&self) -> Vec<String> {
        self.0.lock().received.clone()
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.0.lock().dropped
    }

    /// The client said who it is.
    pub(crate) fn is_known(&self) {
        self.0.lock().waiting = None;
    }
}

struct Scripted(Shared);

impl Drop for Scripted {
    fn drop(&mut self) {
        let mut script = self.0.0.lock();
        script.dropped = true;
        script.waiting = None;
    }
}

impl Speaker for Scripted {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut script = self.0.0.lock();
        if script.busy {
            script.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn text(&mut self, text: Str) -> Result<(), CloseCode> {
        let mut script = self.0.0.lock();
        script.received.push(text.to_string());
        match text.as_str() {
            "bad" => Err(CloseCode::ProtocolError),
            "busy" => {
                script.busy = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn binary(&mut self, bytes: Bytes) -> Result<(), CloseCode> {
        self.0.0.lock().received.push(format!("{bytes:?}"));
        Ok(())
    }

    fn message_bytes_max(&self) -> usize {
        if self.0.0.lock().strict { 10 } else { 1_000 }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>, into: &mut VecDeque<Bytes>) -> Poll<Output> {
        let mut script = self.0.0.lock();
        if !script.output.is_empty() {
            into.append(&mut script.output);
            return Poll::Ready(Output::Frames);
        }
        if let Some(code) = script.ended {
            return Poll::Ready(Output::Closed(code));
        }
        script.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<CloseCode> {
        let mut script = self.0.0.lock();
        script.wakers.push(cx.waker().clone());
        match script.ended {
            Some(code) => Poll::Ready(code),
            None if script.slow => Poll::Ready(CloseCode::SlowConsumer),
            None => Poll::Pending,
        }
    }

    fn written(&mut self) {
        self.0.0.lock().written += 1;
    }

    fn heard(&mut self) {
        self.0.0.lock().heard += 1;
    }
}

#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<Vec<Shared>>>);

impl Speaks for Sessions {
    fn open(&self, _: Handshake, waiting: Waiting) -> Box<dyn Speaker> {
        let shared = Shared::default();
        shared.0.lock().waiting = Some(waiting);
        self.0.lock().push(shared.clone());
        Box::new(Scripted(shared))
    }
}

/// Sessions open by transport, upgrades and malformed packets.
#[derive(Clone, Default)]
pub(crate) struct Counts(pub(crate) Arc<Mutex<(i64, i64, u64, u64)>>);

impl SessionMetrics for Counts {
    fn opened(&self, on: Transport) {
        let mut counts = self.0.lock();
        match on {
            Transport::Polling => counts.0 += 1,
            Transport::WebSocket => counts.1 += 1,
        }
    }
    fn upgraded(&self) {
        let mut counts = self.0.lock();
        counts.0 -= 1;
        counts.1 += 1;
        counts.2 += 1;
    }
    fn closed(&self, on: Transport) {
        let mut counts = self.0.lock();
        match on {
            Transport::Polling => counts.0 -= 1,
            Transport::WebSocket => counts.1 -= 1,
        }
    }
    fn malformed(&self) {
        self.0.lock().3 += 1;
    }
}

pub(crate) fn config() -> Config {
    Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        upgrade_timeout: Duration::from_secs(10),
        payload_bytes_max: 1_000,
        ..Config::default()
    }
}

pub(crate) struct Server {
    pub(crate) edge: EngineEdge,
    sessions: Sessions,
    pub(crate) admission: Arc<Admission>,
    pub(crate) counts: Counts,
}

/// What a request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn ok(body: &str) -> Self {
        Self {
            status: 200,
            body: body.to_owned(),
        }
    }

    pub(crate) fn fault(code: u8, message: &str) -> Self {
        Self {
            status: if code == 4 { 403 } else { 400 },
            body: format!(r#"{{"code":{code},"message":"{message}"}}"#),
        }
    }

    pub(crate) fn unknown() -> Self {
        Self::fault(1, "Session ID unknown")
    }
}

/// The address of everybody.
pub(crate) const ADDRESS: [u8; 4] = [192, 0, 2, 1];

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(config(), Admission::new(100))
    }

    pub(crate) fn with(config: Config, admission: Arc<Admission>) -> Self {
        tokio::time::pause();
        Self::beside(config, admission)
    }

    /// One more, where time stands still already.
    pub(crate) fn beside(config: Config, admission: Arc<Admission>) -> Self {
        let (sessions, counts) = (Sessions::default(), Counts::default());
        let edge = EngineEdge::new(Parts {
            config,
            speaks: Arc::new(sessions.clone()),
            admission: Arc::clone(&admission),
            allowed_origins: Arc::from(["https://app.example.org".to_owned()]),
            proxies: 0,
            socket_metrics: Arc::new(NoMetrics),
            metrics: Arc::new(counts.clone()),
        });
        Self {
            edge,
            sessions,
            admission,
            counts,
        }
    }

    /// The speaker of the newest session.
    pub(crate) fn speaker(&self) -> Shared {
        let sessions = self.sessions.0.lock();
        sessions.last().expect("there is a session").clone()
    }

    /// One request.
    pub(crate) async fn respond(&self, request: TestRequest) -> ServiceResponse {
        let edge = self.edge.clone();
        let app = init_service(App::new().configure(move |routes| edge.routes(routes))).await;
        let peer = SocketAddr::from((ADDRESS, 5_000));
        let request = request.peer_addr(peer).to_request();
        app.call(request)
            .await
            .expect("handlers answer by themselves")
    }

    pub(crate) async fn request(&self, method: Method, query: &str, body: &str) -> Answer {
        let request = TestRequest::with_uri(&format!("/socket.io/?{query}"))
            .method(method)
            .set_payload(body.to_owned());
        let response = self.respond(request).await;
        let status = response.status();
        let body = read_body(response).await;
        Answer {
            status: status.as_u16(),
            body: String::from_utf8(body.to_vec()).expect("is text"),
        }
    }

    /// Opens a session that polls.
    pub(crate) async fn open(&self) -> (String, Shared) {
        let answer = self
            .request(Method::GET, "EIO=4&transport=polling", "")
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let open = answer.body.strip_prefix('0').expect("an open packet");
        let open: Value = serde_json::from_str(open).expect("is JSON");
        let sid = open["sid"].as_str().expect("has an id").to_owned();
        (sid, self.speaker())
    }

    pub(crate) async fn poll(&self, sid: &str) -> Answer {
        let query = format!("EIO=4&transport=polling&sid={sid}");
        self.request(Method::GET, &query, "").await
    }

    pub(crate) async fn post(&self, sid: &str, body: &str) -> Answer {
        let query = format!("EIO=4&transport=polling&sid={sid}");
        self.request(Method::POST, &query, body).await
    }

    /// Asks for a WebSocket; its answer's head is read.
    pub(crate) async fn upgrade(
        &self,
        query: &str,
        header: Option<(&'static str, &str)>,
    ) -> (Socket, String) {
        let mut request = RawRequest::with_uri(&format!("/socket.io/?{query}"));
        for (name, value) in [
            ("Host", "chat.example.org"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request.insert_header((name, value));
        }
        if let Some(header) = header {
            request.insert_header(header);
        }
        let (near, far) = duplex(1 << 20);
        let upgraded = self.edge.upgrade(Upgrade {
            stream: far,
            request: request.finish(),
            address: IpAddr::from(ADDRESS),
            read_ahead: Bytes::new(),
            unsent: Bytes::new(),
        });
        actix_rt::spawn(upgraded);
        let mut client = Client::new(near);
        let head = client.response_head().await;
        (Socket(client), head)
    }

    /// Opens a session on a WebSocket.
    pub(crate) async fn connect(&self) -> (Socket, Shared) {
        let (mut socket, head) = self.upgrade("EIO=4&transport=websocket", None).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(socket.text().await.starts_with("0{"));
        (socket, self.speaker())
    }

    /// Asks for a WebSocket to carry a session on.
    pub(crate) async fn carry_on(&self, sid: &str) -> Socket {
        let query = format!("EIO=4&transport=websocket&sid={sid}");
        let (socket, head) = self.upgrade(&query, None).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        socket
    }
}

pub(crate) struct Socket(pub(crate) Client<DuplexStream>);

impl Socket {
    pub(crate) async fn say(&mut self, text: &str) {
        self.0.say(text).await;
    }

    /// The next text.
    pub(crate) async fn text(&mut self) -> String {
        let frame = self.0.expect().await;
        assert_eq!(frame.first, 0x81, "not text: {frame:?}");
        frame.text().to_owned()
    }

    /// The code it is closed with, when nothing comes before that.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        self.0.frame().await.as_ref().and_then(Frame::close_code)
    }
}

/// Waits until everybody has nothing left to do: paused time moves only then.
pub(crate) async fn settled() {
    sleep(Duration::from_millis(1)).await;
}

pub(crate) async fn ms(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
}

/// Asserts that so much time has gone by. Timers go by whole milliseconds, rounded up.
pub(crate) fn assert_about(start: Instant, ms: u128) {
    let passed = start.elapsed().as_millis();
    assert!((ms..=ms + 1).contains(&passed), "{passed} ms, not {ms}");
}
