//! From polling to a WebSocket.

use bedside_protocol::CloseCode;
use futures_util::future::join;

use crate::kit::{Answer, Server, assert_about, ms, settled};

#[actix_web::test]
async fn what_waits_moves_along_in_order() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    // Two fit in a poll, so one was taken out and stays behind.
    for text in ["a", "b", "c"] {
        speaker.send(&text.repeat(400));
    }
    assert_eq!(server.poll(&sid).await.body.len(), 803);
    let mut socket = server.carry_on(&sid).await;
    socket.say("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    speaker.send("d");
    // Polls are ended, not answered.
    assert_eq!(server.poll(&sid).await, Answer::ok("6"));
    socket.say("5").await;
    assert_eq!(socket.text().await, format!("4{}", "c".repeat(400)));
    assert_eq!(socket.text().await, "4d");
    socket.say("4hello").await;
    settled().await;
    assert_eq!(speaker.received(), ["hello"]);
    assert_eq!(*server.counts.0.lock(), (0, 1, 1, 0));
}

#[actix_web::test]
async fn a_poll_that_waits_is_ended_by_the_probe() {
    let server = Server::new();
    let (sid, _) = server.open().await;
    let probe = async {
        settled().await;
        let mut socket = server.carry_on(&sid).await;
        socket.say("2probe").await;
        socket
    };
    let (polled, mut socket) = join(server.poll(&sid), probe).await;
    assert_eq!(polled, Answer::ok("6"));
    assert_eq!(socket.text().await, "3probe");
}

#[actix_web::test]
async fn the_beats_go_on_as_they_were() {
    let server = Server::new();
    let (sid, _) = server.open().await;
    ms(200).await;
    let mut socket = server.carry_on(&sid).await;
    socket.say("2probe").await;
    socket.say("5").await;
    assert_eq!(socket.text().await, "3probe");
    // Long before the socket would have been given up as a probe.
    let start = tokio::time::Instant::now();
    assert_eq!(socket.text().await, "2");
    assert_about(start, 100);
    let code = socket.close_code().await;
    assert_eq!(code, Some(CloseCode::IdleTimeout.number()));
    assert_about(start, 300);
}

#[actix_web::test]
async fn once_upgraded_requests_and_further_sockets_are_turned_away() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    let mut socket = server.carry_on(&sid).await;
    // One at a time.
    assert_eq!(server.carry_on(&sid).await.close_code().await, Some(1000));
    socket.say("2probe").await;
    socket.say("5").await;
    assert_eq!(socket.text().await, "3probe");
    settled().await;
    assert_eq!(server.carry_on(&sid).await.close_code().await, Some(1000));
    let refused = Answer::fault(3, "Bad request");
    assert_eq!(server.poll(&sid).await, refused);
    assert_eq!(server.post(&sid, "4a").await, refused);
    speaker.send("still here");
    assert_eq!(socket.text().await, "4still here");
    socket.say("1").await;
    assert_eq!(socket.close_code().await, Some(1000));
    assert_eq!(server.poll(&sid).await, Answer::unknown());
    let query = format!("EIO=4&transport=websocket&sid={sid}");
    let (_, head) = server.upgrade(&query, None).await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[actix_web::test]
async fn a_socket_that_fails_leaves_the_session_polling() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    for last in ["2probe", "4hello", "1"] {
        let mut socket = server.carry_on(&sid).await;
        socket.say("2probe").await;
        assert_eq!(socket.text().await, "3probe");
        if last == "2probe" {
            drop(socket);
        } else {
            socket.say(last).await;
            assert_eq!(socket.close_code().await, Some(1002));
        }
        settled().await;
        speaker.send("polled");
        assert_eq!(server.poll(&sid).await, Answer::ok("4polled"));
    }
}

#[actix_web::test]
async fn a_probe_that_goes_no_further_is_closed() {
    let server = Server::new();
    let (sid, _) = server.open().await;
    let mut socket = server.carry_on(&sid).await;
    for _ in 0..40 {
        let (polled, ()) = join(server.poll(&sid), async {
            ms(300).await;
            server.post(&sid, "3").await;
        })
        .await;
        assert_eq!(polled, Answer::ok("2"));
    }
    assert_eq!(
        socket.close_code().await,
        Some(CloseCode::IdleTimeout.number())
    );
}

#[actix_web::test]
async fn a_session_that_ends_takes_its_probe_along() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    let mut socket = server.carry_on(&sid).await;
    socket.say("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    speaker.end(CloseCode::GoingAway);
    assert_eq!(socket.close_code().await, Some(1000));
    assert_eq!(server.poll(&sid).await, Answer::ok("1"));
    settled().await;
    assert_eq!(server.admission.open(), 0);
}

#[actix_web::test]
async fn what_was_posted_before_the_change_comes_before_it() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    let change = async {
        settled().await;
        let mut socket = server.carry_on(&sid).await;
        socket.say("2probe").await;
        assert_eq!(socket.text().await, "3probe");
        socket.say("5").await;
        socket.say("43").await;
        settled().await;
        assert_eq!(speaker.received(), ["1", "busy"]);
        speaker.change(|script| script.busy = false);
        socket
    };
    let (posted, _socket) = join(server.post(&sid, "41\u{1e}4busy\u{1e}42"), change).await;
    assert_eq!(posted, Answer::ok("ok"));
    settled().await;
    assert_eq!(speaker.received(), ["1", "busy", "2", "3"]);
}
