//! A client of Socket.IO. Its packets are written out in the tests, as they are on the wire.

use serde_json::Value;
use std::ops::{Deref, DerefMut};

use super::{
    engine::{Engine, Transport},
    under_test::{Server, socket_io},
};

/// A client, which is a session of Engine.IO.
pub(crate) struct Client(Engine);

impl Deref for Client {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Engine {
        &mut self.0
    }
}

impl Client {
    /// A client that is in no namespace yet.
    pub(crate) async fn outside(transport: Transport) -> Self {
        Self::of(socket_io(), transport).await
    }

    /// The same on this server.
    pub(crate) async fn of(server: Server, transport: Transport) -> Self {
        Self(Engine::open(server, transport).await)
    }

    /// A client in the main namespace.
    pub(crate) async fn new(transport: Transport) -> Self {
        let mut client = Self::outside(transport).await;
        client.join_main().await;
        client
    }

    /// Enters the main namespace. The id that it gets.
    pub(crate) async fn join_main(&mut self) -> String {
        self.say("0");
        let sid = self.welcome("").await;
        self.expect(r#"2["auth",{}]"#).await;
        sid
    }

    /// Enters the other one.
    pub(crate) async fn join_custom(&mut self) -> String {
        self.say("0/custom,");
        let sid = self.welcome("/custom,").await;
        self.expect(r#"2/custom,["auth",{}]"#).await;
        sid
    }

    /// It is let into a namespace, and told its id and nothing else.
    pub(crate) async fn welcome(&mut self, namespace: &str) -> String {
        let packet = self.next_text().await;
        let body = packet.strip_prefix(&format!("0{namespace}"));
        let body = body.unwrap_or_else(|| panic!("not let in: {packet}"));
        let body: Value = serde_json::from_str(body).expect("JSON");
        let members = body.as_object().expect("an object");
        assert_eq!(members.len(), 1, "{body}");
        body["sid"].as_str().expect("an id").to_owned()
    }

    /// Gets this packet next, but for how its JSON is written.
    pub(crate) async fn expect(&mut self, packet: &str) {
        assert_same(&self.next_text().await, packet);
    }

    /// Shows that nothing else was on its way.
    pub(crate) async fn is_well(&mut self) {
        self.say(r#"2["message","well"]"#);
        self.expect(r#"2["message-back","well"]"#).await;
    }
}

/// The same packet, but for how its JSON is written.
pub(crate) fn assert_same(packet: &str, expected: &str) {
    let (head, body) = split(packet);
    assert_eq!((head, body), split(expected), "{packet}");
}

/// What stands before the JSON, and the JSON.
fn split(packet: &str) -> (&str, Value) {
    let start = packet.find(['[', '{']).unwrap_or(packet.len());
    let (head, body) = packet.split_at(start);
    let body = match body {
        "" => Value::Null,
        body => serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {packet}")),
    };
    (head, body)
}
