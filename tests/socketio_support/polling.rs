//! A session of long polling, request by request. Every request has a connection of its own, so
//! that the workers of the server take turns.

use serde_json::Value;

use super::{
    http::{Connection, Response, get, post},
    soon,
    under_test::Server,
    websocket::WebSocket,
};

/// A session.
pub(crate) struct Session {
    server: Server,
    /// What the server said at the start.
    pub(crate) opening: Value,
    /// Its id. Secret, but for the tests.
    pub(crate) sid: String,
}

impl Session {
    /// A new session.
    pub(crate) async fn open(server: Server) -> Self {
        let answer = get(server.address, &server.target("polling")).await;
        let opening = opening(&answer);
        let sid = opening["sid"].as_str().expect("an id").to_owned();
        Self {
            server,
            opening,
            sid,
        }
    }

    /// The path and query of its requests.
    pub(crate) fn target(&self) -> String {
        format!("{}&sid={}", self.server.target("polling"), self.sid)
    }

    /// The answer to a poll.
    pub(crate) async fn poll(&self) -> Response {
        get(self.server.address, &self.target()).await
    }

    /// A poll that was sent.
    pub(crate) async fn send_poll(&self) -> Connection {
        let mut connection = Connection::open(self.server.address).await;
        connection.send("GET", &self.target(), b"").await;
        connection
    }

    /// Polls and answers pings until something else comes, whole payloads at a time.
    pub(crate) async fn next(&self) -> Vec<String> {
        let next = async {
            loop {
                let packets = self.past_pings(self.poll().await).await;
                if !packets.is_empty() {
                    return packets;
                }
            }
        };
        soon("a packet", next).await
    }

    /// The same for a session that upgrades or stops to, whose polls may be released with noops.
    pub(crate) async fn next_past_noops(&self) -> Vec<String> {
        let next = async {
            loop {
                let mut packets = self.next().await;
                packets.retain(|packet| packet != "6");
                if !packets.is_empty() {
                    return packets;
                }
            }
        };
        soon("a packet that says something", next).await
    }

    /// As many packets as there have to be, in as many payloads as they come in.
    pub(crate) async fn take(&self, count: usize) -> Vec<String> {
        let mut packets = Vec::new();
        while packets.len() < count {
            packets.extend(self.next().await);
        }
        packets
    }

    /// What this answer brought besides pings, which are answered.
    pub(crate) async fn past_pings(&self, answer: Response) -> Vec<String> {
        let mut packets = Vec::new();
        for packet in answer.packets() {
            match packet {
                "2" => self.post("3").await,
                other => packets.push(other.to_owned()),
            }
        }
        packets
    }

    /// Posts a payload that is taken.
    pub(crate) async fn post(&self, payload: &str) {
        let answer = self.try_post(payload).await;
        assert_eq!((answer.status, answer.text()), (200, "ok"));
    }

    /// Posts a payload.
    pub(crate) async fn try_post(&self, payload: &str) -> Response {
        post(self.server.address, &self.target(), payload).await
    }

    /// A WebSocket to go on with.
    pub(crate) async fn websocket(&self) -> WebSocket {
        let target = format!("{}&sid={}", self.server.target("websocket"), self.sid);
        WebSocket::open(self.server.address, &target).await
    }

    /// Waits until the server does not know the session any more. The answers of pings keep it
    /// alive for as long as the server has no other reason to end it.
    pub(crate) async fn wait_for_its_end(&self) {
        let end = async {
            loop {
                let answer = self.try_post("3").await;
                if answer.status != 200 {
                    return answer;
                }
            }
        };
        assert_unknown(&soon("the end of the session", end).await);
    }
}

/// What a server says at the start of a session of long polling.
pub(crate) fn opening(answer: &Response) -> Value {
    let packets = answer.packets();
    let [packet] = packets[..] else {
        panic!("one packet: {packets:?}");
    };
    let open = packet.strip_prefix('0').expect("an open packet");
    serde_json::from_str(open).expect("JSON in an open packet")
}

/// The answer for a session that there is not.
pub(crate) fn assert_unknown(answer: &Response) {
    assert_refused(answer, 1, "Session ID unknown");
}

/// The answer to a bad request.
pub(crate) fn assert_refused(answer: &Response, code: u8, message: &str) {
    assert_eq!(answer.status, 400, "{answer:?}");
    let expected = serde_json::json!({"code": code, "message": message});
    assert_eq!(answer.json(), expected);
}
