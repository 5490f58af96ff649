//! Polls that do not go as they should, and requests that are spread over many connections.

use std::time::Duration;
use tokio::time::Instant;

use crate::support::{
    engine::{Engine, Transport},
    http::{Connection, ask},
    polling::Session,
    under_test::engine_io,
};

#[tokio::test]
async fn two_polls_at_once_end_the_session() {
    let session = Session::open(engine_io()).await;
    let mut first = session.send_poll().await;
    let mut second = session.send_poll().await;
    let first = first.answer().await.expect("an answer");
    let second = second.answer().await.expect("an answer");
    // The one that the server saw first is told that the session closes.
    let (told, refused) = match first.status {
        200 => (first, second),
        _ => (second, first),
    };
    assert_eq!(told.packets(), ["1"]);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(session.try_post("4hello").await.status, 400);
    session.wait_for_its_end().await;
}

#[tokio::test]
async fn a_poll_that_is_given_up_ends_the_session() {
    const TRIES: usize = 9;
    let mut soon_enough = 0;
    for _ in 0..TRIES {
        let start = Instant::now();
        let session = Session::open(engine_io()).await;
        // The server has seen this connection before the poll comes on it.
        let mut connection = Connection::open(engine_io().address).await;
        let answer = connection.ask("POST", &session.target(), b"4hello").await;
        assert_eq!(answer.status, 200);
        assert_eq!(session.next().await, ["4hello"]);
        connection.send("GET", &session.target(), b"").await;
        drop(connection);
        session.wait_for_its_end().await;
        soon_enough += usize::from(start.elapsed() < Duration::from_millis(290));
    }
    // And not because the first ping found nobody, though on a busy machine it may come first.
    assert!(soon_enough > 0);
}

#[tokio::test]
async fn other_methods_are_refused_and_harm_nobody() {
    let server = engine_io();
    let session = Session::open(server).await;
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = ask(server.address, method, &session.target(), b"4hello").await;
        assert!(answer.status >= 400, "{method}: {answer:?}");
    }
    session.post("4still here").await;
    assert_eq!(session.next().await, ["4still here"]);
}

#[tokio::test]
async fn every_request_may_come_on_a_new_connection() {
    let session = Session::open(engine_io()).await;
    for number in 0..60 {
        let message = format!("4{number}");
        session.post(&message).await;
        assert_eq!(session.next().await, [message]);
    }
}

#[tokio::test]
async fn polls_that_wait_on_different_connections_lose_nothing() {
    let session = Session::open(engine_io()).await;
    for number in 0..40 {
        let mut poll = session.send_poll().await;
        let message = format!("4{number}");
        session.post(&message).await;
        let mut packets = session
            .past_pings(poll.answer().await.expect("an answer"))
            .await;
        if packets.is_empty() {
            packets = session.next().await;
        }
        assert_eq!(packets, [message]);
    }
}

#[tokio::test]
async fn a_session_that_ends_badly_disturbs_no_other() {
    let mut neighbour = Engine::open(engine_io(), Transport::Polling).await;
    let session = Session::open(engine_io()).await;
    let _first = session.send_poll().await;
    let _second = session.send_poll().await;
    session.wait_for_its_end().await;
    neighbour.say("hello");
    assert_eq!(neighbour.next_text().await, "hello");
    neighbour.stays_quiet().await;
}
