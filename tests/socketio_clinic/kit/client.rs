//! One client: Socket.IO's packets in and out, without a network.

use bedside::{
    socketio::{
        application::Handshake,
        engine::speaker::Speaker as _,
        protocol::{Connection, SocketIo},
    },
    ws::dialect::Output,
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::PATIENCE;

/// One client in one namespace.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    namespace: &'static str,
    msgpack: bool,
    /// What came with CONNECT.
    pub(crate) greeting: Value,
    /// Event and arguments, in the order in which they came.
    pub(crate) heard: VecDeque<(String, Vec<Value>)>,
    acks: HashMap<i64, Value>,
    last_ack: i64,
    refused: Option<Value>,
    /// The server has sent it away, or closed the connection.
    pub(crate) ended: bool,
    /// Whether what is taken counts as written at once.
    pub(crate) writes: bool,
}

impl Client {
    /// One that has not asked to be let in.
    pub(super) fn new(
        server: &Arc<SocketIo>,
        namespace: &'static str,
        msgpack: bool,
        bearer: Option<&str>,
    ) -> Self {
        let handshake = Handshake {
            bearer: bearer.map(str::to_owned),
            address: [192, 0, 2, 7].into(),
            agent: Some("a test".into()),
        };
        Self {
            connection: Connection::new(Arc::clone(server), handshake, None),
            namespace,
            msgpack,
            greeting: Value::Null,
            heard: VecDeque::new(),
            acks: HashMap::new(),
            last_ack: 0,
            refused: None,
            ended: false,
            writes: true,
        }
    }

    /// Asks to be let in, and does not wait for the answer.
    pub(crate) fn knock(&mut self, auth: &Value) {
        self.packet(0, None, auth);
    }

    pub(super) async fn enter(mut self, auth: &Value) -> Result<Self, Value> {
        self.knock(auth);
        while self.greeting.is_null() {
            if let Some(refused) = self.refused.take() {
                return Err(refused);
            }
            self.pump().await;
        }
        Ok(self)
    }

    // To the server

    fn packet(&mut self, kind: u8, ack: Option<i64>, data: &Value) {
        self.connection.heard();
        let taken = if self.msgpack {
            let mut packet = json!({"type": kind, "nsp": self.namespace, "data": data});
            if let Some(ack) = ack {
                packet["id"] = ack.into();
            }
            let bytes = rmp_serde::to_vec_named(&packet).expect("is MessagePack");
            self.connection.binary(bytes.into())
        } else {
            let namespace = match self.namespace {
                "/" => String::new(),
                other => format!("{other},"),
            };
            let ack = ack.map_or_else(String::new, |ack| ack.to_string());
            let text = format!("{kind}{namespace}{ack}{data}");
            self.connection.text(text.into())
        };
        taken.expect("is taken");
    }

    /// Emits with as many arguments.
    pub(crate) async fn emit_all(&mut self, ack: Option<i64>, arguments: &Value) {
        let ready = std::future::poll_fn(|cx| self.connection.poll_ready(cx));
        let ready = tokio::time::timeout(PATIENCE, ready).await;
        ready.expect("the client is read again");
        self.packet(2, ack, arguments);
    }

    /// Emits, and is polled until it would be read again.
    pub(crate) async fn emit(&mut self, event: &str, argument: Value) {
        self.emit_all(None, &json!([event, argument])).await;
        self.glance().await;
        while !self.is_read().await {
            tokio::task::yield_now().await;
            self.glance().await;
        }
    }

    /// Emits, and waits for the answer.
    pub(crate) async fn ask(&mut self, event: &str, argument: Value) -> Value {
        let ack = self.post(event, argument).await;
        self.answer(ack).await
    }

    /// Emits; the number of its answer.
    pub(crate) async fn post(&mut self, event: &str, argument: Value) -> i64 {
        self.last_ack += 1;
        let ack = self.last_ack;
        self.emit_all(Some(ack), &json!([event, argument])).await;
        ack
    }

    pub(crate) async fn answer(&mut self, ack: i64) -> Value {
        loop {
            if let Some(answer) = self.acks.remove(&ack) {
                return answer;
            }
            assert!(!self.ended, "ended before answer {ack} came");
            self.pump().await;
        }
    }

    /// Emits something that goes well.
    pub(crate) async fn done(&mut self, event: &str, argument: Value) -> Value {
        let answer = self.ask(event, argument).await;
        assert_eq!(answer["ok"], json!(true), "{event}: {answer}");
        answer
    }

    /// Emits something that is refused, with and without a wish for an answer: the code.
    pub(crate) async fn refused(&mut self, event: &str, argument: Value) -> String {
        let answer = self.ask(event, argument.clone()).await;
        let code = answer["error"]["code"].as_str().expect("a code").to_owned();
        let message = answer["error"]["message"].as_str().expect("a message");
        assert_eq!(
            answer,
            json!({"ok": false, "error": {"code": code, "message": message}})
        );
        assert!(self.left("error").is_empty(), "no event beside an answer");
        let wanted = json!({"message": format!("{code}: {message}")});
        self.emit(event, argument).await;
        assert_eq!(self.next("error").await, wanted);
        code
    }

    /// All that was taken is written.
    pub(crate) fn connection_written(&mut self) {
        self.connection.written();
    }

    /// The client has answered a ping.
    pub(crate) fn connection_heard(&mut self) {
        self.connection.heard();
    }

    // From the server

    /// Takes in what is there, or waits for something.
    pub(crate) async fn pump(&mut self) {
        let mut frames = VecDeque::new();
        let output = std::future::poll_fn(|cx| self.connection.poll_output(cx, &mut frames));
        let output = tokio::time::timeout(PATIENCE, output).await;
        let output = output.unwrap_or_else(|_| panic!("nothing came; {}", self.names()));
        if let Output::Closed(_) = output {
            self.ended = true;
        }
        for frame in frames {
            self.take(&frame);
        }
        if self.writes {
            self.connection.written();
        }
    }

    /// Takes in what is there, without waiting for more.
    pub(crate) async fn glance(&mut self) {
        while !self.ended
            && tokio::time::timeout(Duration::ZERO, self.pump())
                .await
                .is_ok()
        {}
    }

    fn take(&mut self, frame: &Bytes) {
        let (kind, ack, data) = read(frame, self.namespace);
        match kind {
            0 => self.greeting = data,
            1 => self.ended = true,
            2 => {
                let Value::Array(mut arguments) = data else {
                    panic!("{data}");
                };
                let event = arguments.remove(0).as_str().expect("a name").to_owned();
                self.heard.push_back((event, arguments));
            }
            3 => {
                let answer = data.as_array().expect("arguments")[0].clone();
                let before = self.acks.insert(ack.expect("a number"), answer);
                assert_eq!(before, None, "answered twice");
            }
            4 => self.refused = Some(data),
            other => panic!("a packet of type {other}"),
        }
    }

    /// The only argument of the next such event.
    pub(crate) async fn next(&mut self, event: &str) -> Value {
        let mut arguments = self.next_all(event).await;
        assert_eq!(arguments.len(), 1, "{event} has one argument");
        arguments.remove(0)
    }

    /// All arguments of the next such event.
    pub(crate) async fn next_all(&mut self, event: &str) -> Vec<Value> {
        loop {
            if let Some(at) = self.heard.iter().position(|(name, _)| name == event) {
                return self.heard.remove(at).expect("it was just found").1;
            }
            assert!(!self.ended, "ended before {event} came");
            self.pump().await;
        }
    }

    /// What came under this name and was not taken.
    pub(crate) fn left(&self, event: &str) -> Vec<&Vec<Value>> {
        let left = self.heard.iter().filter(|(name, _)| name == event);
        left.map(|(_, arguments)| arguments).collect()
    }

    /// Nothing is left, but perhaps who comes and goes.
    pub(crate) fn heard_nothing_more(&self) {
        let presence = self.left("user_status_change").len();
        assert_eq!(self.heard.len(), presence, "{}", self.names());
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.heard.iter().map(|(name, _)| name.as_str()).collect();
        format!("heard {}: {names:?}", names.len())
    }

    /// Waits until the server ends it.
    pub(crate) async fn end(&mut self) {
        while !self.ended {
            self.pump().await;
        }
    }

    /// Whether it would be read now.
    pub(crate) async fn is_read(&mut self) -> bool {
        std::future::poll_fn(|cx| Poll::Ready(self.connection.poll_ready(cx).is_ready())).await
    }
}

/// Type, number and data of a packet.
fn read(frame: &Bytes, namespace: &str) -> (u8, Option<i64>, Value) {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let payload = &frame[header..];
    if frame[0] == 0x82 {
        let packet: Value = rmp_serde::from_slice(payload).expect("is MessagePack");
        assert_eq!(packet["nsp"], namespace);
        let kind = packet["type"].as_u64().expect("a type");
        return (kind as u8, packet["id"].as_i64(), packet["data"].clone());
    }
    let text = std::str::from_utf8(payload).expect("text is UTF-8");
    let text = text.strip_prefix('4').expect("a message of Engine.IO");
    let kind = text.as_bytes()[0] - b'0';
    let rest = match namespace {
        "/" => &text[1..],
        other => {
            let rest = text[1..].strip_prefix(other).expect("its namespace");
            rest.strip_prefix(',').expect("a comma")
        }
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (ack, data) = rest.split_at(digits);
    let data = if data.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(data).expect("is JSON")
    };
    (kind, ack.parse().ok(), data)
}
