//! Sessions that open on a WebSocket.

use bedside::{socketio::engine::Config, ws::admission::Admission};
use bedside_protocol::CloseCode;
use std::time::Duration;
use tokio::time::Instant;

use crate::kit::{Server, assert_about, config, ms, settled};

#[actix_web::test]
async fn the_beats_come_on_time_and_are_no_pings_of_the_socket() {
    let server = Server::new();
    let start = Instant::now();
    let (mut socket, speaker) = server.connect().await;
    for beat in 1..=3 {
        assert_eq!(socket.text().await, "2");
        assert_about(start, 300 * beat);
        ms(120).await;
        socket.say("3").await;
    }
    settled().await;
    assert_eq!(speaker.0.lock().heard, 3);
}

#[actix_web::test]
async fn the_socket_itself_leaves_silence_to_the_beats() {
    let config = Config {
        ping_interval: Duration::from_secs(100),
        ..config()
    };
    let server = Server::with(config, Admission::new(1));
    let start = Instant::now();
    let (mut socket, _) = server.connect().await;
    assert_eq!(socket.text().await, "2");
    assert_about(start, 100_000);
}

#[actix_web::test]
async fn a_client_that_answers_no_ping_is_closed_on_time() {
    let server = Server::new();
    let start = Instant::now();
    let (mut socket, speaker) = server.connect().await;
    assert_eq!(socket.text().await, "2");
    // Whatever else it says.
    socket.say("4hello").await;
    let code = socket.close_code().await;
    assert_eq!(code, Some(CloseCode::IdleTimeout.number()));
    assert_about(start, 500);
    assert!(speaker.is_dropped());
    assert_eq!(server.counts.0.lock().1, 0);
}

#[actix_web::test]
async fn a_client_that_is_not_read_for_is_not_dead() {
    let server = Server::new();
    let (mut socket, speaker) = server.connect().await;
    socket.say("4busy").await;
    assert_eq!(socket.text().await, "2");
    socket.say("3").await;
    ms(1_000).await;
    speaker.change(|script| script.busy = false);
    settled().await;
    assert!(!speaker.is_dropped());
    assert_eq!(socket.text().await, "2");
}

#[actix_web::test]
async fn messages_both_ways_and_word_of_their_writing() {
    let server = Server::new();
    let (mut socket, speaker) = server.connect().await;
    settled().await;
    let before = speaker.0.lock().written;
    speaker.send("one");
    speaker.send("two");
    assert_eq!(socket.text().await, "4one");
    assert_eq!(socket.text().await, "4two");
    settled().await;
    assert_eq!(speaker.0.lock().written, before + 1);
    socket.say("4three").await;
    settled().await;
    assert_eq!(speaker.received(), ["three"]);
    assert_eq!(speaker.0.lock().heard, 1);
}

#[actix_web::test]
async fn each_end_has_its_code() {
    let server = Server::new();
    for (packet, code) in [
        ("1", CloseCode::Normal),
        ("abc", CloseCode::ProtocolError),
        ("2", CloseCode::ProtocolError),
        ("4bad", CloseCode::ProtocolError),
        (&"4".repeat(1_001), CloseCode::MessageTooBig),
    ] {
        let (mut socket, speaker) = server.connect().await;
        socket.say(packet).await;
        assert_eq!(socket.close_code().await, Some(code.number()), "{packet}");
        assert!(speaker.is_dropped());
    }
    assert_eq!(
        server.counts.0.lock().3,
        2,
        "what the speaker does not like is not counted here"
    );
    let (mut socket, speaker) = server.connect().await;
    speaker.send("last");
    speaker.end(CloseCode::GoingAway);
    assert_eq!(socket.text().await, "4last");
    assert_eq!(socket.close_code().await, Some(1001));
}

#[actix_web::test]
async fn a_page_that_offers_subprotocols_gets_the_first() {
    let server = Server::new();
    let offer = Some(("Sec-WebSocket-Protocol", "one, two"));
    let (_, head) = server.upgrade("EIO=4&transport=websocket", offer).await;
    assert!(head.contains("Sec-WebSocket-Protocol: one\r\n"), "{head}");
}

#[actix_web::test]
async fn packets_that_mean_nothing_here_are_ignored() {
    let server = Server::new();
    let (mut socket, speaker) = server.connect().await;
    for packet in ["6", "5", "3"] {
        socket.say(packet).await;
    }
    socket.say("4hello").await;
    settled().await;
    assert_eq!(speaker.received(), ["hello"]);
}
