//! What is only there in long polling: several packets in one payload, base64, and bodies of HTTP;
//! and what is too large on either transport.

use crate::support::{
    engine::{Engine, Transport, open_websocket},
    http::Connection,
    polling::Session,
    under_test::{MAX_PAYLOAD, engine_io},
    websocket::Incoming,
};

#[tokio::test]
async fn a_payload_may_hold_several_packets() {
    let session = Session::open(engine_io()).await;
    session
        .post("4first\x1e4second\x1ebAQIDBA==\x1e4third")
        .await;
    let packets = session.take(4).await;
    assert_eq!(packets, ["4first", "4second", "bAQIDBA==", "4third"]);
}

#[tokio::test]
async fn what_waits_comes_in_one_payload() {
    let session = Session::open(engine_io()).await;
    for number in 0..5 {
        session.post(&format!("4{number}")).await;
    }
    assert_eq!(session.next().await, ["40", "41", "42", "43", "44"]);
}

#[tokio::test]
async fn what_comes_answers_a_poll_that_waits() {
    let session = Session::open(engine_io()).await;
    let mut poll = session.send_poll().await;
    session.post("4hello").await;
    let answer = poll.answer().await.expect("an answer");
    let mut packets = session.past_pings(answer).await;
    if packets.is_empty() {
        packets = session.next().await;
    }
    assert_eq!(packets, ["4hello"]);
}

#[tokio::test]
async fn a_post_is_answered_with_ok() {
    let session = Session::open(engine_io()).await;
    let answer = session.try_post("4hello").await;
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    let kind = answer.header("content-type").expect("a type");
    assert!(kind.starts_with("text/"), "{kind}");
}

#[tokio::test]
async fn lengths_are_counted_in_bytes() {
    let session = Session::open(engine_io()).await;
    session.post("4€€€\x1e4👩🏽‍⚕️").await;
    assert_eq!(session.take(2).await, ["4€€€", "4👩🏽‍⚕️"]);
}

#[tokio::test]
async fn a_body_may_come_in_chunks() {
    let server = engine_io();
    let session = Session::open(server).await;
    let mut connection = Connection::open(server.address).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        session.target()
    );
    for part in [head.as_str(), "3\r\n4he\r\n", "5\r\nllo\x1e4\r\n"] {
        connection.send_raw(part.as_bytes()).await;
        tokio::task::yield_now().await;
    }
    connection.send_raw(b"5\r\nagain\r\n0\r\n\r\n").await;
    let answer = connection.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    assert_eq!(session.take(2).await, ["4hello", "4again"]);
}

#[tokio::test]
async fn a_character_may_be_cut_between_two_parts_of_a_body() {
    let server = engine_io();
    let session = Session::open(server).await;
    let mut connection = Connection::open(server.address).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n4",
        session.target()
    );
    connection.send_raw(head.as_bytes()).await;
    for byte in "€".bytes() {
        connection.send_raw(&[byte]).await;
        tokio::task::yield_now().await;
    }
    let answer = connection.answer().await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(session.next().await, ["4€"]);
}

#[tokio::test]
async fn one_connection_may_carry_many_requests() {
    let server = engine_io();
    let session = Session::open(server).await;
    let mut connection = Connection::open(server.address).await;
    let target = session.target();
    for number in 0..20 {
        let payload = format!("4{number}");
        let answer = connection.ask("POST", &target, payload.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        loop {
            let answer = connection.ask("GET", &target, b"").await;
            let packets = session.past_pings(answer).await;
            if !packets.is_empty() {
                assert_eq!(packets, [payload]);
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_payload_that_is_too_large_is_refused() {
    let session = Session::open(engine_io()).await;
    let payload = format!("4{}", "t".repeat(MAX_PAYLOAD));
    let answer = session.try_post(&payload).await;
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[tokio::test]
async fn a_payload_that_turns_out_to_be_too_large_is_refused() {
    let server = engine_io();
    let session = Session::open(server).await;
    let mut connection = Connection::open(server.address).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        session.target()
    );
    let chunk = format!("19000\r\n{}\r\n", "4".repeat(0x19000));
    let request = head + &chunk.repeat(10);
    let answer = connection.ask_raw(request.as_bytes()).await;
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[tokio::test]
async fn a_message_that_is_too_large_closes_the_websocket() {
    for opens_with_text in [true, false] {
        let (_, mut socket) = open_websocket(engine_io()).await;
        if opens_with_text {
            socket.say(&format!("4{}", "t".repeat(MAX_PAYLOAD))).await;
        } else {
            socket.send(&vec![7; MAX_PAYLOAD + 1]).await;
        }
        let (before, _code) = socket.until_closed().await;
        let is_ping = |packet: &Incoming| *packet == Incoming::text("2");
        assert!(before.iter().all(is_ping), "{before:?}");
    }
}

#[tokio::test]
async fn what_is_too_large_for_one_disturbs_no_other() {
    let server = engine_io();
    let mut neighbour = Engine::open(server, Transport::Polling).await;
    let session = Session::open(server).await;
    session.try_post(&"4".repeat(MAX_PAYLOAD + 1)).await;
    neighbour.say("hello");
    assert_eq!(neighbour.next_text().await, "hello");
    neighbour.stays_quiet().await;
}
