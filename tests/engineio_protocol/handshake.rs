//! How sessions begin, and how they do not.

use serde_json::json;
use std::collections::HashSet;

use crate::support::{
    engine::{Engine, Transport, open_websocket},
    http::{ask, get, post},
    polling::{Session, assert_refused, assert_unknown, opening},
    under_test::{Server, engine_io, strict_engine_io},
    websocket::{Incoming, WebSocket},
};

async fn get_at(query: &str) -> crate::support::http::Response {
    let Server { address, path } = engine_io();
    get(address, &format!("{path}{query}")).await
}

async fn websocket_status(query: &str) -> u16 {
    let Server { address, path } = engine_io();
    match WebSocket::try_open(address, &format!("{path}{query}")).await {
        Ok(_) => 101,
        Err(answer) => answer.status,
    }
}

#[tokio::test]
async fn long_polling_opens_a_session() {
    let server = strict_engine_io();
    let answer = get(server.address, &server.target("polling")).await;
    let mut opening = opening(&answer);
    let sid = opening["sid"].take();
    assert!(sid.is_string(), "{sid}");
    let expected = json!({"sid": null, "upgrades": ["websocket"],
        "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000});
    assert_eq!(opening, expected);
}

#[tokio::test]
async fn websocket_opens_a_session_that_has_nothing_to_upgrade_to() {
    let (mut opening, _socket) = open_websocket(strict_engine_io()).await;
    let sid = opening["sid"].take();
    assert!(sid.is_string(), "{sid}");
    let expected = json!({"sid": null, "upgrades": [],
        "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000});
    assert_eq!(opening, expected);
}

#[tokio::test]
async fn payloads_are_text_that_nobody_may_keep() {
    let answer = get_at("?EIO=4&transport=polling").await;
    let kind = answer.header("content-type").expect("a type");
    assert_eq!(kind.to_ascii_lowercase(), "text/plain; charset=utf-8");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn other_members_of_the_query_harm_nobody() {
    for query in [
        "?EIO=4&transport=polling&t=Pq3.1",
        "?t=Pq3.1&transport=polling&EIO=4",
        "?EIO=4&transport=polling&token=a%20b%26sid%3Dx&flag",
        "?EIO=%34&transport=poll%69ng",
    ] {
        opening(&get_at(query).await);
    }
}

#[tokio::test]
async fn another_version_of_the_protocol_is_refused() {
    for version in ["", "EIO=3&", "EIO=5&", "EIO=abc&", "EIO=&"] {
        let answer = get_at(&format!("?{version}transport=polling")).await;
        assert_refused(&answer, 5, "Unsupported protocol version");
    }
}

#[tokio::test]
async fn another_version_of_the_protocol_is_refused_on_websocket() {
    for version in ["", "EIO=3&", "EIO=5&", "EIO=abc&", "EIO=&"] {
        let status = websocket_status(&format!("?{version}transport=websocket")).await;
        assert_eq!(status, 400, "{version}");
    }
}

#[tokio::test]
async fn an_unknown_transport_is_refused() {
    for transport in ["", "&transport=", "&transport=abc", "&transport=POLLING"] {
        let answer = get_at(&format!("?EIO=4{transport}")).await;
        assert_refused(&answer, 0, "Transport unknown");
        let status = websocket_status(&format!("?EIO=4{transport}")).await;
        assert_eq!(status, 400, "{transport}");
    }
}

#[tokio::test]
async fn a_session_begins_with_get() {
    let server = engine_io();
    let target = server.target("polling");
    for method in ["POST", "PUT", "DELETE"] {
        let answer = ask(server.address, method, &target, b"").await;
        assert_refused(&answer, 2, "Bad handshake method");
    }
    let answer = post(server.address, &target, "4hello").await;
    assert_refused(&answer, 2, "Bad handshake method");
}

#[tokio::test]
async fn websocket_without_an_upgrade_is_refused() {
    let answer = get_at("?EIO=4&transport=websocket").await;
    assert_refused(&answer, 3, "Bad request");
}

#[tokio::test]
async fn an_upgrade_of_the_polling_transport_opens_nothing() {
    let Server { address, path } = engine_io();
    let target = format!("{path}?EIO=4&transport=polling");
    // Refused outright, or closed at once.
    match WebSocket::try_open(address, &target).await {
        Err(answer) => assert_eq!(answer.status, 400),
        Ok(mut socket) => assert!(matches!(socket.next().await, Incoming::Closed(_))),
    }
}

#[tokio::test]
async fn an_unknown_session_is_refused() {
    let server = engine_io();
    for sid in ["abc", "..%2F..", "%00", "constructor", &"a".repeat(2000)] {
        let target = format!("{}&sid={sid}", server.target("polling"));
        assert_unknown(&get(server.address, &target).await);
        assert_unknown(&post(server.address, &target, "4hello").await);
        let target = format!("?EIO=4&transport=websocket&sid={sid}");
        assert_eq!(websocket_status(&target).await, 400, "{sid}");
    }
}

#[tokio::test]
async fn a_session_of_websocket_is_not_polled() {
    let server = engine_io();
    let mut engine = Engine::open(server, Transport::WebSocket).await;
    let sid = engine.opening["sid"].as_str().expect("an id");
    let target = format!("{}&sid={sid}", server.target("polling"));
    // As a bad request, or as if there was no such session.
    assert_eq!(get(server.address, &target).await.status, 400);
    let answer = post(server.address, &target, "4forged").await;
    assert_eq!(answer.status, 400);
    engine.say("mine");
    assert_eq!(engine.next_text().await, "mine");
}

#[tokio::test]
async fn a_session_of_long_polling_is_not_taken_over_without_an_upgrade() {
    let server = engine_io();
    let session = Session::open(server).await;
    let target = format!("{}&sid={}", server.target("websocket"), session.sid);
    assert_refused(&get(server.address, &target).await, 3, "Bad request");
    session.post("4still here").await;
    assert_eq!(session.next().await, ["4still here"]);
}

#[tokio::test]
async fn ids_are_long_and_never_the_same() {
    let mut ids = HashSet::new();
    for _ in 0..50 {
        let polling = opening(&get_at("?EIO=4&transport=polling").await);
        let (websocket, _) = open_websocket(engine_io()).await;
        for opening in [polling, websocket] {
            let id = opening["sid"].as_str().expect("an id").to_owned();
            // 128 random bits or more, in characters that need no escape in a query.
            let random = id.split('.').next().unwrap_or_default();
            assert!(random.len() >= 20, "{id}");
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(id.chars().all(is_plain), "{id}");
            assert!(ids.insert(id));
        }
    }
    // No counter either: no two ids share more than chance allows.
    let mut heads: Vec<_> = ids.iter().map(|id| &id[..8]).collect();
    heads.sort_unstable();
    heads.dedup();
    assert_eq!(heads.len(), ids.len());
}
