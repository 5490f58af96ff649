//! What clients see when the node that has their session, or the bridge to it, is not well. Each
//! test has two nodes of its own; sessions are opened at the first and used at the second.

use bedside::peer_calls::wire::{Answer, Call, Refused};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use crate::support::{
    http::{Connection, Response, get, post},
    polling::{assert_refused, assert_unknown, opening},
    soon,
    under_test::{
        CALM, MAX_PAYLOAD, assert_no_panic,
        server::Mode,
        two_nodes::nodes,
        wires::{Wires, name},
    },
    websocket::{Incoming, WebSocket},
};

struct Two {
    wires: Arc<Wires>,
    home: SocketAddr,
    other: SocketAddr,
    sid: String,
}

impl Two {
    async fn start() -> Self {
        let wires = Arc::default();
        let [home, other] = nodes(Mode::EngineOnly, CALM, &wires).expect("free ports");
        let answer = get(home, "/engine.io/?EIO=4&transport=polling").await;
        let sid = opening(&answer)["sid"].as_str().expect("an id").to_owned();
        Self {
            wires,
            home,
            other,
            sid,
        }
    }

    fn target(&self) -> String {
        target(&self.sid)
    }

    async fn poll(&self) -> Response {
        get(self.other, &self.target()).await
    }

    async fn post(&self, payload: &str) -> Response {
        post(self.other, &self.target(), payload).await
    }

    /// The next message, polled at the other node. Pings are answered.
    async fn next(&self) -> Vec<String> {
        let next = async {
            loop {
                let answer = self.poll().await;
                let packets = answer.packets();
                if packets.contains(&"2") {
                    self.post("3").await;
                }
                let messages = packets.iter().filter(|packet| packet.starts_with('4'));
                let messages: Vec<_> = messages.map(|packet| (*packet).to_owned()).collect();
                if !messages.is_empty() {
                    return messages;
                }
            }
        };
        soon("a message", next).await
    }

    async fn upgraded(&self) -> WebSocket {
        let target = self.target().replace("=polling", "=websocket");
        let mut socket = WebSocket::open(self.other, &target).await;
        socket.say("2probe").await;
        assert_eq!(socket.next().await, Incoming::text("3probe"));
        socket.say("5").await;
        socket
    }

    fn cut(&self, is_cut: bool) {
        self.wires.is_cut.store(is_cut, Ordering::Relaxed);
    }
}

fn target(sid: &str) -> String {
    format!("/engine.io/?EIO=4&transport=polling&sid={sid}")
}

fn assert_retryable(answer: &Response) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}

#[tokio::test]
async fn a_session_of_a_node_that_there_is_not_is_unknown() {
    let two = Two::start().await;
    for sid in [
        "a.three",
        "a.one",
        "a.two",
        "a",
        ".one",
        "a.THREE",
        "a.one.two.three",
    ] {
        assert_unknown(&get(two.other, &target(sid)).await);
        assert_unknown(&post(two.other, &target(sid), "4hello").await);
        let websocket = target(sid).replace("=polling", "=websocket");
        let refused = WebSocket::try_open(two.other, &websocket).await;
        assert_unknown(refused.err().as_ref().expect("no session"));
    }
    two.wires.forget("one");
    assert_unknown(&two.poll().await);
    assert_unknown(&two.post("4hello").await);
}

#[tokio::test]
async fn what_is_too_large_is_refused_where_it_lands() {
    let two = Two::start().await;
    let before = two.wires.calls.load(Ordering::Relaxed);
    let answer = two.post(&"4".repeat(MAX_PAYLOAD + 1)).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(two.wires.calls.load(Ordering::Relaxed), before);
    let largest = format!("4{}", "x".repeat(MAX_PAYLOAD - 1));
    assert_eq!(two.post(&largest).await.status, 200);
    assert!(two.next().await == [largest]);
}

#[tokio::test]
async fn what_is_malformed_is_refused_as_at_home() {
    let two = Two::start().await;
    assert_refused(&two.post("no packet").await, 3, "Bad request");
    assert_unknown(&two.post("4hello").await);
}

#[tokio::test]
async fn a_bridge_that_is_down_is_a_retryable_fault() {
    let two = Two::start().await;
    two.cut(true);
    assert_retryable(&two.post("4hello").await);
    two.cut(false);
    assert_eq!(two.post("4again").await.status, 200);
    assert_eq!(two.next().await, ["4again"]);
    two.wires.is_deaf.store(true, Ordering::Relaxed);
    assert_retryable(&two.post("4taken, and nobody knows").await);
}

#[tokio::test]
async fn an_upgrade_while_the_bridge_is_down_is_refused_and_the_session_stays() {
    let two = Two::start().await;
    two.cut(true);
    let websocket = two.target().replace("=polling", "=websocket");
    let refused = WebSocket::try_open(two.other, &websocket).await;
    assert_retryable(refused.err().as_ref().expect("no session"));
    two.cut(false);
    assert_eq!(two.post("4again").await.status, 200);
    assert_eq!(two.next().await, ["4again"]);
}

/// The client has to take that for the end of its session, because what it was to get may be lost.
#[tokio::test]
async fn a_poll_that_cannot_be_answered_ends_the_session() {
    let two = Two::start().await;
    two.cut(true);
    assert_retryable(&two.poll().await);
    two.cut(false);
    let mut poll = Connection::open(two.other).await;
    poll.send("GET", &two.target(), b"").await;
    two.wires.is_deaf.store(true, Ordering::Relaxed);
    assert_retryable(&poll.answer().await.expect("an answer"));
    two.wires.is_deaf.store(false, Ordering::Relaxed);
    let end = async {
        while post(two.home, &two.target(), "3").await.status == 200 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the session", end).await;
}

#[tokio::test]
async fn a_bridge_that_is_down_for_a_moment_is_not_noticed() {
    let two = Two::start().await;
    let mut socket = two.upgraded().await;
    socket.say("4before").await;
    assert_eq!(socket.next_past_pings().await, Incoming::text("4before"));
    two.cut(true);
    socket.say("4during").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    two.cut(false);
    assert_eq!(socket.next_past_pings().await, Incoming::text("4during"));
}

#[tokio::test]
async fn nothing_comes_twice_or_not_at_all_though_answers_get_lost() {
    let two = Two::start().await;
    two.wires.loses_one_in.store(3, Ordering::Relaxed);
    let mut arrived = Vec::new();
    for number in 0..30 {
        assert_eq!(two.post(&format!("4{number}")).await.status, 200);
        if number % 3 == 0 {
            arrived.extend(two.next().await);
        }
    }
    while arrived.len() < 30 {
        arrived.extend(two.next().await);
    }
    let expected: Vec<_> = (0..30).map(|number| format!("4{number}")).collect();
    assert_eq!(arrived, expected);
    let mut socket = two.upgraded().await;
    for number in 0..100 {
        socket.say(&format!("4{number}")).await;
    }
    for number in 0..100 {
        let expected = Incoming::text(format!("4{number}"));
        assert_eq!(socket.next_past_pings().await, expected);
    }
}

#[tokio::test]
async fn a_large_message_crosses_in_both_directions() {
    let two = Two::start().await;
    let mut socket = two.upgraded().await;
    let large = format!("4{}", "x".repeat(900_000));
    for _ in 0..3 {
        socket.say(&large).await;
        assert!(socket.next_past_pings().await == Incoming::text(&large));
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_at_one_node_is_gone_at_the_other() {
    let two = Two::start().await;
    let mut socket = two.upgraded().await;
    socket.say("4hello").await;
    assert_eq!(socket.next_past_pings().await, Incoming::text("4hello"));
    let answer = post(two.home, &two.target(), "4hello").await;
    assert_refused(&answer, 3, "Bad request");
    drop(socket);
    let end = async {
        while post(two.home, &two.target(), "4hello").await.json()["code"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of the session", end).await;
}

/// Whatever a call is, it is answered.
#[tokio::test]
async fn calls_that_make_no_sense_harm_nobody() {
    let two = Two::start().await;
    let end = two.wires.end("two");
    let call = async |body: Vec<u8>| {
        let patience = std::time::Duration::from_secs(10);
        let answer = end.call(&name("one"), body.into(), patience).await;
        Answer::decode(answer.expect("an answer")).expect("an answer that is one")
    };
    for body in [
        vec![],
        vec![1],
        vec![1, 0, 0],
        vec![255; 100],
        vec![5, 0, 1, 0xc0],
    ] {
        let answer = call(body).await;
        assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
    }
    let long = vec![1; 3_000_000];
    assert_eq!(call(long).await, Answer::Refused(Refused::TooLarge));
    let unknown = Call::Close(7).encode().expect("it is small");
    assert_eq!(call(unknown.into()).await, Answer::Done);
    assert_eq!(two.post("4still here").await.status, 200);
    assert_eq!(two.next().await, ["4still here"]);
    assert_no_panic();
}
