//! What is no packet ends the session that sent it, and nothing else.

use crate::support::{
    engine::{Engine, Transport, open_websocket, upgrade},
    polling::Session,
    under_test::engine_io,
    websocket::Incoming,
};

const NO_PACKETS: [&str; 6] = ["", "abc", "7", "9hello", "€", " 4hello"];

#[tokio::test]
async fn what_is_no_packet_closes_a_websocket() {
    for packet in NO_PACKETS {
        let (_, mut socket) = open_websocket(engine_io()).await;
        socket.say(packet).await;
        let end = socket.next_past_pings().await;
        assert!(matches!(end, Incoming::Closed(_)), "{packet:?}: {end:?}");
    }
}

#[tokio::test]
async fn what_is_no_packet_closes_an_upgraded_websocket() {
    for packet in NO_PACKETS {
        let mut socket = upgrade(&Session::open(engine_io()).await).await;
        socket.say(packet).await;
        let end = socket.next_past_pings().await;
        assert!(matches!(end, Incoming::Closed(_)), "{packet:?}: {end:?}");
    }
}

#[tokio::test]
async fn what_is_no_packet_ends_a_session_of_long_polling() {
    for packet in NO_PACKETS {
        let session = Session::open(engine_io()).await;
        let answer = session.try_post(packet).await;
        assert!(
            [200, 400].contains(&answer.status),
            "{packet:?}: {answer:?}"
        );
        session.wait_for_its_end().await;
    }
}

#[tokio::test]
async fn a_payload_with_one_bad_packet_ends_the_session() {
    for payload in [
        "4first\x1eabc",
        "\x1e",
        "4first\x1e",
        "\x1e4first",
        "4first\x1e\x1e4second",
    ] {
        let session = Session::open(engine_io()).await;
        let answer = session.try_post(payload).await;
        assert!(
            [200, 400].contains(&answer.status),
            "{payload:?}: {answer:?}"
        );
        session.wait_for_its_end().await;
    }
}

#[tokio::test]
async fn a_poll_that_waits_is_answered_when_something_bad_comes() {
    let session = Session::open(engine_io()).await;
    let mut poll = session.send_poll().await;
    session.try_post("abc").await;
    let answer = poll.answer().await.expect("an answer");
    match answer.status {
        200 => assert!(["1", "2", "6"].contains(&answer.text()), "{answer:?}"),
        status => assert_eq!(status, 400),
    }
    session.wait_for_its_end().await;
}

#[tokio::test]
async fn bad_packets_of_one_disturb_no_other() {
    let mut polling = Engine::open(engine_io(), Transport::Polling).await;
    let mut websocket = Engine::open(engine_io(), Transport::WebSocket).await;
    for packet in NO_PACKETS {
        let (_, mut socket) = open_websocket(engine_io()).await;
        socket.say(packet).await;
        Session::open(engine_io()).await.try_post(packet).await;
    }
    for neighbour in [&mut polling, &mut websocket] {
        neighbour.say("hello");
        assert_eq!(neighbour.next_text().await, "hello");
        neighbour.stays_quiet().await;
    }
}
