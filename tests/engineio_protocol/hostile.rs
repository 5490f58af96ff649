//! Random clients: whatever they send, the server lives on and its other clients notice nothing.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::cell::RefCell;

use crate::support::{
    engine::{Engine, Transport, open_websocket},
    http::ask,
    polling::Session,
    under_test::{assert_no_panic, engine_io},
    websocket::WebSocket,
};

#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
}

/// Packets, what is nearly a packet, and what is none.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-7b][ -~]{0,40}",
        "[0-6b€\u{1e}\"\\[{,/]{0,20}",
        Just("2probe".to_owned()),
        Just("5".to_owned()),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        3 => text().prop_map(Said::Text),
        1 => prop::collection::vec(any::<u8>(), 0..100).prop_map(Said::Binary),
    ]
}

/// Runs random clients beside one that behaves.
fn beside_a_neighbour<S: Strategy>(strategy: &S, client: impl AsyncFn(S::Value)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let neighbour = runtime.block_on(Engine::open(engine_io(), Transport::Polling));
    let neighbour = RefCell::new(neighbour);
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(60)
    });
    let outcome = runner.run(strategy, |value| {
        let mut neighbour = neighbour.borrow_mut();
        runtime.block_on(async {
            client(value).await;
            neighbour.say("hello");
            assert_eq!(neighbour.next_text().await, "hello");
        });
        Ok(())
    });
    outcome.expect("the server lives on");
    assert_no_panic();
}

async fn say_all(socket: &mut WebSocket, all: &[Said]) {
    for one in all {
        match one {
            Said::Text(text) => socket.say(text).await,
            Said::Binary(bytes) => socket.send(bytes).await,
        }
    }
    // Whatever that was, this is the end of it.
    socket.say("1").await;
    socket.until_closed().await;
}

#[test]
fn random_messages_on_a_websocket() {
    let all = prop::collection::vec(said(), 0..8);
    beside_a_neighbour(&all, async |all| {
        let (_, mut socket) = open_websocket(engine_io()).await;
        say_all(&mut socket, &all).await;
    });
}

#[test]
fn random_messages_instead_of_an_upgrade() {
    let all = prop::collection::vec(said(), 0..4);
    beside_a_neighbour(&all, async |all| {
        let session = Session::open(engine_io()).await;
        let mut socket = session.websocket().await;
        say_all(&mut socket, &all).await;
    });
}

#[test]
fn random_payloads_in_long_polling() {
    let payload = prop_oneof![
        text().prop_map(String::into_bytes),
        prop::collection::vec(text(), 0..5).prop_map(|all| all.join("\x1e").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..100),
    ];
    beside_a_neighbour(&payload, async |payload| {
        let session = Session::open(engine_io()).await;
        let target = session.target();
        let answer = ask(engine_io().address, "POST", &target, &payload).await;
        assert!(answer.status < 500, "{answer:?}");
        let answer = session.poll().await;
        assert!(answer.status < 500, "{answer:?}");
    });
}

#[test]
fn random_queries() {
    let query = prop_oneof![
        "[!-\"$-~]{0,60}",
        "(EIO=[0-9a-z%]{0,3}&)?(transport=[a-z%]{0,9}&)?(sid=[!-\"$-~]{0,30})?",
        "EIO=4&transport=(polling|websocket)(&sid=[!-\"$-~]{0,30})?",
    ];
    beside_a_neighbour(&query, async |query| {
        let server = engine_io();
        let target = format!("{}?{query}", server.path);
        for method in ["GET", "POST"] {
            let answer = ask(server.address, method, &target, b"4hello").await;
            assert!(answer.status < 500, "{answer:?}");
        }
        if let Err(answer) = WebSocket::try_open(server.address, &target).await {
            assert!(answer.status < 500, "{answer:?}");
        }
    });
}
