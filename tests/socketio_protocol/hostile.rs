//! Random clients: whatever they send, the server lives on and its other clients notice nothing.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::cell::RefCell;

use crate::support::{
    client::Client,
    engine::{Transport, open_websocket},
    pack::Pack,
    polling::Session,
    under_test::{assert_no_panic, socket_io},
    websocket::WebSocket,
};

#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
}

/// Packets, what is nearly a packet, and what is none; each as message of Engine.IO.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => any::<String>().prop_map(|text| format!("4{text}")),
        4 => "4[0-6]([0-9]{1,3}-)?(/[a-z?=]{0,6},?)?[0-9]{0,20}(\\[\"(message|message-with-ack|connect|x)\"(,[0-9]{1,3}){0,3}\\]|\\{\\}|[ -~]{0,20})",
        2 => "45[0-3]-\\[\"message\"(,\\{\"_placeholder\":true,\"num\":[-0-9]{1,2}\\}){0,3}\\]",
        1 => "4[0-6\\[\\]{}\",:/€0-9-]{0,20}",
        1 => Just("40".to_owned()),
        1 => Just("40/custom,".to_owned()),
        1 => Just("41".to_owned()),
    ]
}

fn pack() -> impl Strategy<Value = Pack> {
    let leaf = prop_oneof![
        Just(Pack::Nil),
        any::<bool>().prop_map(Pack::Bool),
        any::<i64>().prop_map(Pack::Int),
        (-1..6_i64).prop_map(Pack::Int),
        any::<f64>().prop_map(Pack::Float),
        prop_oneof!["message(-with-ack)?", "/", "/custom", ".*"].prop_map(Pack::Text),
        vec(any::<u8>(), 0..20).prop_map(Pack::Bytes),
    ];
    leaf.prop_recursive(4, 30, 6, |inner| {
        let name = prop_oneof!["type", "data", "nsp", "id", ".*"];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Pack::List),
            vec((name, inner), 0..6).prop_map(Pack::Map),
        ]
    })
}

/// A packet in MessagePack, or nearly one.
fn packed() -> impl Strategy<Value = Vec<u8>> {
    let packet = (
        prop_oneof![-1..6_i64, any::<i64>()],
        pack(),
        "/(custom)?",
        pack(),
    );
    let packet = packet.prop_map(|(kind, data, namespace, id)| {
        Pack::map([
            ("type", kind.into()),
            ("data", data),
            ("nsp", Pack::Text(namespace)),
            ("id", id),
        ])
    });
    let whole = prop_oneof![packet, pack()].prop_map(|pack| pack.encode());
    (whole, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(mut bytes, at, is_cut)| {
        if is_cut {
            bytes.truncate(at.index(bytes.len() + 1));
        }
        bytes
    })
}

/// Runs random clients beside one that behaves.
fn beside_a_neighbour<S: Strategy>(strategy: &S, client: impl AsyncFn(S::Value)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let neighbour = runtime.block_on(Client::new(Transport::Polling));
    let neighbour = RefCell::new(neighbour);
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(100)
    });
    let outcome = runner.run(strategy, |value| {
        let mut neighbour = neighbour.borrow_mut();
        runtime.block_on(async {
            client(value).await;
            neighbour.is_well().await;
        });
        Ok(())
    });
    outcome.expect("the server lives on");
    assert_no_panic();
}

async fn say_all(socket: &mut WebSocket, all: Vec<Said>) {
    for one in all {
        match one {
            Said::Text(text) => socket.say(&text).await,
            Said::Binary(bytes) => socket.send(&bytes).await,
        }
    }
    // Whatever that was, this is the end of it.
    socket.say("1").await;
    socket.until_closed().await;
}

#[test]
fn random_packets() {
    let said = prop_oneof![
        3 => text().prop_map(Said::Text),
        1 => vec(any::<u8>(), 0..50).prop_map(Said::Binary),
    ];
    beside_a_neighbour(&(any::<bool>(), vec(said, 0..10)), async |(enters, all)| {
        let (_, mut socket) = open_websocket(socket_io()).await;
        if enters {
            socket.say("40").await;
        }
        say_all(&mut socket, all).await;
    });
}

#[test]
fn random_packets_of_messagepack() {
    let strategy = (any::<bool>(), vec(packed(), 0..6));
    beside_a_neighbour(&strategy, async |(enters, all)| {
        let (_, mut socket) = open_websocket(socket_io()).await;
        if enters {
            let connect = Pack::map([("type", 0.into()), ("nsp", "/".into())]);
            socket.send(&connect.encode()).await;
        }
        say_all(&mut socket, all.into_iter().map(Said::Binary).collect()).await;
    });
}

#[test]
fn random_packets_in_long_polling() {
    let payloads = vec(vec(text(), 1..4), 0..4);
    beside_a_neighbour(&payloads, async |payloads| {
        let session = Session::open(socket_io()).await;
        for payload in payloads {
            let answer = session.try_post(&payload.join("\x1e")).await;
            assert!(answer.status < 500, "{answer:?}");
        }
        let answer = session.poll().await;
        assert!(answer.status < 500, "{answer:?}");
    });
}
