//! How sessions end in order.

use crate::support::{
    engine::{Engine, Event, Transport, assert_no_session, open_websocket, upgrade},
    http::get,
    on_each_transport,
    polling::{Session, assert_unknown},
    soon,
    under_test::engine_io,
    websocket::Incoming,
};

on_each_transport!(what_was_said_before_the_end_is_heard);

async fn what_was_said_before_the_end_is_heard(transport: Transport) {
    let mut engine = Engine::open(engine_io(), transport).await;
    engine.say("last words");
    assert_eq!(engine.next_text().await, "last words");
    engine.packet("1");
    assert_eq!(engine.next().await, Event::Closed);
}

/// The server forgets the id.
async fn assert_forgotten(sid: &str) {
    let server = engine_io();
    let target = format!("{}&sid={sid}", server.target("polling"));
    let forgotten = async {
        loop {
            let answer = get(server.address, &target).await;
            // It may still be on its way out.
            if answer.status != 400 || answer.json()["code"] != 3 {
                return answer;
            }
        }
    };
    assert_unknown(&soon("the end of the session", forgotten).await);
}

#[tokio::test]
async fn a_poll_that_waits_is_answered_when_the_client_closes() {
    let session = Session::open(engine_io()).await;
    let mut poll = session.send_poll().await;
    // The server has the poll when it has answered it, so the next one waits for the same worker.
    session.post("4ready").await;
    let mut answer = poll.answer().await.expect("an answer");
    while session.past_pings(answer).await != ["4ready"] {
        answer = session.poll().await;
    }
    let mut poll = session.send_poll().await;
    session.post("1").await;
    assert_eq!(noop_past_pings(&mut poll, &session).await, Some(()));
    assert_eq!(session.poll().await.status, 400);
    assert_unknown(&session.try_post("4hello").await);
}

/// The poll is answered with a noop; none when it came too late for that.
async fn noop_past_pings(
    poll: &mut crate::support::http::Connection,
    session: &Session,
) -> Option<()> {
    let mut answer = poll.answer().await.expect("an answer");
    if answer.status == 200 && answer.packets() == ["2"] {
        answer = session.poll().await;
    }
    if answer.status != 200 {
        return None;
    }
    assert_eq!(answer.packets(), ["6"]);
    Some(())
}

#[tokio::test]
async fn without_a_poll_that_waits_the_next_one_learns_that_the_client_closed() {
    let session = Session::open(engine_io()).await;
    session.post("1").await;
    // A client's poll may have been overtaken by its close packet: it is answered like one that
    // waited, or refused.
    let answer = session.poll().await;
    if answer.status == 200 {
        assert_eq!(answer.packets(), ["6"]);
    } else {
        assert_unknown(&answer);
    }
    session.wait_for_its_end().await;
}

#[tokio::test]
async fn what_stands_before_a_close_packet_counts_and_what_stands_behind_does_not() {
    let session = Session::open(engine_io()).await;
    let mut poll = session.send_poll().await;
    let answer = session.try_post("1\x1e4too late").await;
    assert_eq!(answer.status, 200);
    let answer = poll.answer().await.expect("an answer");
    assert!(!answer.text().contains("too late"));
    session.wait_for_its_end().await;
}

#[tokio::test]
async fn a_close_packet_closes_the_websocket() {
    for upgraded in [false, true] {
        let session = Session::open(engine_io()).await;
        let (sid, mut socket) = match upgraded {
            true => (session.sid.clone(), upgrade(&session).await),
            false => {
                let (opening, socket) = open_websocket(engine_io()).await;
                (opening["sid"].as_str().expect("an id").to_owned(), socket)
            }
        };
        socket.say("1").await;
        let end = socket.next_past_pings().await;
        assert!(matches!(end, Incoming::Closed(_)), "{end:?}");
        assert_forgotten(&sid).await;
    }
}

#[tokio::test]
async fn a_close_frame_is_answered_and_ends_the_session() {
    let (opening, mut socket) = open_websocket(engine_io()).await;
    socket.writer.close().await;
    let end = socket.next_past_pings().await;
    assert_eq!(end, Incoming::Closed(Some(1000)));
    assert_forgotten(opening["sid"].as_str().expect("an id")).await;
}

#[tokio::test]
async fn a_websocket_that_breaks_ends_the_session() {
    let (opening, socket) = open_websocket(engine_io()).await;
    drop(socket);
    assert_forgotten(opening["sid"].as_str().expect("an id")).await;
}

#[tokio::test]
async fn a_session_that_has_ended_is_not_upgraded() {
    let server = engine_io();
    let session = Session::open(server).await;
    session.post("1").await;
    session.wait_for_its_end().await;
    let target = format!("{}&sid={}", server.target("websocket"), session.sid);
    assert_no_session(server, &target).await;
}
