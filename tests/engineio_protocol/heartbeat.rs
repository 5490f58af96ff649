//! Pings come in time, and who does not answer is taken for gone. What has to happen before a
//! certain time is measured; what has to happen after it only has to happen at all, because a busy
//! machine may be late.

use std::time::Duration;
use tokio::time::Instant;

use crate::support::{
    engine::{Engine, Transport, open_websocket, upgrade},
    on_each_transport,
    polling::Session,
    soon,
    under_test::{engine_io, strict_engine_io},
    websocket::{Incoming, WebSocket},
};

const PING_INTERVAL: Duration = Duration::from_millis(300);
const PING_TIMEOUT: Duration = Duration::from_millis(200);
/// Timers may count in whole milliseconds.
const TICK: Duration = Duration::from_millis(5);

on_each_transport!(who_answers_stays, pings_keep_their_distance);

async fn who_answers_stays(transport: Transport) {
    let start = Instant::now();
    let mut engine = Engine::open(engine_io(), transport).await;
    // Longer than it would without an answer.
    while start.elapsed() < Duration::from_secs(4) {
        engine.stays_quiet().await;
    }
    engine.say("still here");
    assert_eq!(engine.next_text().await, "still here");
}

async fn pings_keep_their_distance(transport: Transport) {
    let start = Instant::now();
    let mut engine = Engine::open(engine_io(), transport).await;
    engine.stays_quiet().await;
    engine.stays_quiet().await;
    // Four pings.
    assert!(start.elapsed() + TICK >= 4 * PING_INTERVAL);
}

async fn websocket(upgraded: bool) -> WebSocket {
    match upgraded {
        false => open_websocket(strict_engine_io()).await.1,
        true => upgrade(&Session::open(strict_engine_io()).await).await,
    }
}

#[tokio::test]
async fn a_ping_comes_on_websocket() {
    for upgraded in [false, true] {
        let start = Instant::now();
        let mut socket = websocket(upgraded).await;
        assert_eq!(socket.next().await, Incoming::text("2"));
        assert!(start.elapsed() + TICK >= PING_INTERVAL);
    }
}

#[tokio::test]
async fn who_does_not_answer_on_websocket_is_gone() {
    for upgraded in [false, true] {
        let start = Instant::now();
        let mut socket = websocket(upgraded).await;
        assert_eq!(socket.next().await, Incoming::text("2"));
        assert!(matches!(socket.next().await, Incoming::Closed(_)));
        assert!(start.elapsed() + TICK >= PING_INTERVAL + PING_TIMEOUT);
    }
}

#[tokio::test]
async fn a_ping_answers_a_poll() {
    let start = Instant::now();
    let session = Session::open(strict_engine_io()).await;
    assert_eq!(session.poll().await.packets(), ["2"]);
    assert!(start.elapsed() + TICK >= PING_INTERVAL);
}

#[tokio::test]
async fn who_polls_and_does_not_answer_is_gone() {
    let start = Instant::now();
    let session = Session::open(strict_engine_io()).await;
    assert_eq!(session.poll().await.packets(), ["2"]);
    // It may be told, or find out with its next request.
    let answer = session.poll().await;
    if answer.status == 200 {
        assert_eq!(answer.packets(), ["1"]);
    }
    assert!(start.elapsed() + TICK >= PING_INTERVAL + PING_TIMEOUT);
    assert_eq!(session.poll().await.status, 400);
    assert_eq!(session.try_post("4hello").await.status, 400);
}

#[tokio::test]
async fn who_never_polls_is_gone() {
    let start = Instant::now();
    let session = Session::open(strict_engine_io()).await;
    let speaks = async { while session.try_post("4hello").await.status == 200 {} };
    soon("the end of the session", speaks).await;
    assert!(start.elapsed() + TICK >= PING_INTERVAL + PING_TIMEOUT);
}

#[tokio::test]
async fn messages_do_not_stand_for_an_answer() {
    let (_, mut socket) = open_websocket(strict_engine_io()).await;
    socket.say("4and").await;
    let speaks = async {
        loop {
            match socket.next().await {
                Incoming::Closed(_) => break,
                // Each echo is the occasion to say something again.
                Incoming::Text(text) if text == "4and" => socket.say("4and").await,
                ping => assert_eq!(ping, Incoming::text("2")),
            }
        }
    };
    soon("the end of the session", speaks).await;
}

#[tokio::test]
async fn messages_do_not_put_a_ping_off() {
    let (_, mut socket) = open_websocket(engine_io()).await;
    socket.say("4and").await;
    let pings = async {
        let mut pings = 0;
        while pings < 3 {
            match socket.next().await {
                Incoming::Text(text) if text == "2" => {
                    pings += 1;
                    socket.say("3").await;
                }
                Incoming::Text(text) if text == "4and" => socket.say("4and").await,
                other => panic!("{other:?}"),
            }
        }
    };
    soon("three pings", pings).await;
}

#[tokio::test]
async fn an_answer_that_was_not_asked_for_harms_nobody() {
    let mut engine = Engine::open(engine_io(), Transport::WebSocket).await;
    engine.packet("3");
    engine.packet("3");
    engine.stays_quiet().await;
    engine.say("hello");
    assert_eq!(engine.next_text().await, "hello");
}

#[tokio::test]
async fn an_answer_holds_for_one_ping_only() {
    let start = Instant::now();
    let (_, mut socket) = open_websocket(strict_engine_io()).await;
    assert_eq!(socket.next().await, Incoming::text("2"));
    socket.say("3").await;
    assert_eq!(socket.next().await, Incoming::text("2"));
    assert!(matches!(socket.next().await, Incoming::Closed(_)));
    assert!(start.elapsed() + TICK >= 2 * PING_INTERVAL + PING_TIMEOUT);
}
