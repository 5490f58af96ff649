//! From long polling to WebSocket, and what comes in between.

use std::cell::Cell;

use crate::support::{
    engine::{Engine, Transport, assert_no_session, open_websocket, upgrade},
    http::Response,
    polling::{Session, assert_refused},
    soon,
    under_test::engine_io,
    websocket::{Incoming, WebSocket},
};

/// A socket whose probe was answered.
async fn probed(session: &Session) -> WebSocket {
    let mut socket = session.websocket().await;
    socket.say("2probe").await;
    assert_eq!(socket.next().await, Incoming::text("3probe"));
    socket
}

#[tokio::test]
async fn a_session_goes_on_as_a_websocket() {
    let session = Session::open(engine_io()).await;
    let mut socket = upgrade(&session).await;
    socket.say("4hello").await;
    assert_eq!(socket.next_past_pings().await, Incoming::text("4hello"));
    socket.send(&[1, 2, 3]).await;
    let bytes = Incoming::Binary(vec![1, 2, 3]);
    assert_eq!(socket.next_past_pings().await, bytes);
}

const TRIES: usize = 9;
/// In so many of them a ping may have come first, on a machine that is busy with other things.
const TRIES_WITH_PING_MAX: usize = 3;

#[tokio::test]
async fn a_poll_that_waits_is_released_for_the_upgrade() {
    let mut pings = 0;
    for _ in 0..TRIES {
        let session = Session::open(engine_io()).await;
        let mut poll = session.send_poll().await;
        let mut socket = probed(&session).await;
        pings += take_noop(poll.answer().await.expect("an answer"));
        arrives(&mut socket).await;
    }
    assert!(pings <= TRIES_WITH_PING_MAX, "{pings} pings came first");
}

#[tokio::test]
async fn a_poll_during_the_upgrade_does_not_wait() {
    let mut pings = 0;
    for _ in 0..TRIES {
        let session = Session::open(engine_io()).await;
        let mut socket = probed(&session).await;
        pings += take_noop(session.poll().await);
        arrives(&mut socket).await;
    }
    assert!(pings <= TRIES_WITH_PING_MAX, "{pings} pings came first");
}

/// Takes a noop. Says how many pings came in its place.
fn take_noop(answer: Response) -> usize {
    match answer.packets()[..] {
        ["2"] => 1,
        ["6"] => 0,
        ref other => panic!("{other:?}"),
    }
}

/// The upgrade can be completed.
async fn arrives(socket: &mut WebSocket) {
    socket.say("5").await;
    socket.say("4hello").await;
    assert_eq!(socket.next_past_pings().await, Incoming::text("4hello"));
}

#[tokio::test]
async fn what_comes_during_the_upgrade_arrives_behind_it() {
    let session = Session::open(engine_io()).await;
    let mut socket = probed(&session).await;
    session.post("4first\x1ebAQID").await;
    session.post("4second").await;
    socket.say("5").await;
    socket.say("4third").await;
    for expected in [
        Incoming::text("4first"),
        Incoming::Binary(vec![1, 2, 3]),
        Incoming::text("4second"),
        Incoming::text("4third"),
    ] {
        assert_eq!(socket.next_past_pings().await, expected);
    }
}

/// Often, because the session is on its way from one thread to another meanwhile.
#[tokio::test]
async fn what_comes_right_behind_the_upgrade_may_be_large() {
    let large = format!("4{}", "t".repeat(1_000));
    for _ in 0..200 {
        let session = Session::open(engine_io()).await;
        let mut socket = upgrade(&session).await;
        socket.say(&large).await;
        assert_eq!(socket.next_past_pings().await, Incoming::text(&large));
    }
}

#[tokio::test]
async fn what_waited_before_the_upgrade_arrives_behind_it() {
    let session = Session::open(engine_io()).await;
    session.post("4first").await;
    let mut socket = upgrade(&session).await;
    socket.say("4second").await;
    for expected in ["4first", "4second"] {
        assert_eq!(socket.next_past_pings().await, Incoming::text(expected));
    }
}

#[tokio::test]
async fn what_comes_during_the_upgrade_arrives_once_whoever_polls() {
    let session = Session::open(engine_io()).await;
    let mut socket = probed(&session).await;
    let mut arrived = Vec::new();
    for number in 0..5 {
        session.post(&format!("4{number}")).await;
        arrived.extend(session.past_pings(session.poll().await).await);
    }
    arrived.retain(|packet| packet != "6");
    socket.say("5").await;
    socket.say("4end").await;
    loop {
        match socket.next_past_pings().await {
            Incoming::Text(end) if end == "4end" => break,
            Incoming::Text(packet) => arrived.push(packet),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(arrived, ["40", "41", "42", "43", "44"]);
}

#[tokio::test]
async fn an_upgraded_session_is_not_polled() {
    let session = Session::open(engine_io()).await;
    let mut socket = upgrade(&session).await;
    socket.say("4hello").await;
    assert_eq!(socket.next_past_pings().await, Incoming::text("4hello"));
    assert_refused(&session.poll().await, 3, "Bad request");
    let answer = session.try_post("4forged").await;
    assert_refused(&answer, 3, "Bad request");
    socket.say("4mine").await;
    assert_eq!(socket.next_past_pings().await, Incoming::text("4mine"));
}

#[tokio::test]
async fn an_upgraded_session_takes_no_second_websocket() {
    let session = Session::open(engine_io()).await;
    let mut socket = upgrade(&session).await;
    socket.say("4hello").await;
    assert_eq!(socket.next_past_pings().await, Incoming::text("4hello"));
    // Accepted, so that the client sees a socket that closes and not one that cannot connect.
    let mut second = session.websocket().await;
    second.say("2probe").await;
    assert!(matches!(second.next().await, Incoming::Closed(_)));
    socket.say("4mine").await;
    assert_eq!(socket.next_past_pings().await, Incoming::text("4mine"));
}

#[tokio::test]
async fn a_session_of_websocket_takes_no_second_websocket() {
    let server = engine_io();
    let (opening, mut socket) = open_websocket(server).await;
    let sid = opening["sid"].as_str().expect("an id");
    let target = format!("{}&sid={sid}", server.target("websocket"));
    assert_no_session(server, &target).await;
    socket.say("4mine").await;
    assert_eq!(socket.next_past_pings().await, Incoming::text("4mine"));
}

#[tokio::test]
async fn a_second_upgrade_at_the_same_time_is_closed() {
    let session = Session::open(engine_io()).await;
    let mut first = probed(&session).await;
    let mut second = session.websocket().await;
    second.say("2probe").await;
    assert!(matches!(second.next().await, Incoming::Closed(_)));
    first.say("5").await;
    first.say("4hello").await;
    assert_eq!(first.next_past_pings().await, Incoming::text("4hello"));
}

/// Tries to upgrade until the server has noticed that the try before has ended.
async fn upgrade_at_last(session: &Session) -> WebSocket {
    loop {
        let mut socket = session.websocket().await;
        socket.say("2probe").await;
        if socket.next().await == Incoming::text("3probe") {
            socket.say("5").await;
            return socket;
        }
    }
}

#[tokio::test]
async fn an_upgrade_that_is_given_up_leaves_the_session_as_it_was() {
    for probes in [false, true] {
        let session = Session::open(engine_io()).await;
        let mut socket = session.websocket().await;
        if probes {
            socket.say("2probe").await;
            assert_eq!(socket.next().await, Incoming::text("3probe"));
            session.post("4kept").await;
        } else {
            session.post("4kept").await;
        }
        socket.writer.close().await;
        assert!(matches!(socket.next().await, Incoming::Closed(_)));
        assert_eq!(session.next_past_noops().await, ["4kept"]);
        drop(socket);
        let mut socket = soon("another try that succeeds", upgrade_at_last(&session)).await;
        socket.say("4hello").await;
        assert_eq!(socket.next_past_pings().await, Incoming::text("4hello"));
    }
}

#[tokio::test]
async fn an_upgrade_that_breaks_leaves_the_session_as_it_was() {
    let session = Session::open(engine_io()).await;
    let socket = probed(&session).await;
    session.post("4kept").await;
    drop(socket);
    assert_eq!(session.next_past_noops().await, ["4kept"]);
}

#[tokio::test]
async fn a_websocket_that_does_not_probe_is_closed_and_the_session_stays() {
    for packet in ["4hello", "2", "2other", "3probe", "1", "abc", ""] {
        let session = Session::open(engine_io()).await;
        let mut socket = session.websocket().await;
        socket.say(packet).await;
        let (before, _) = socket.until_closed().await;
        assert_eq!(before, [], "{packet:?}");
        session.post("4still here").await;
        assert_eq!(
            session.next_past_noops().await,
            ["4still here"],
            "{packet:?}"
        );
    }
}

#[tokio::test]
async fn an_upgrade_that_never_begins_is_given_up_and_the_session_stays() {
    let session = Session::open(engine_io()).await;
    let socket = session.websocket().await;
    outlasts(&session, socket).await;
}

#[tokio::test]
async fn an_upgrade_that_never_completes_is_given_up_and_the_session_stays() {
    let session = Session::open(engine_io()).await;
    let socket = probed(&session).await;
    outlasts(&session, socket).await;
}

/// The session outlasts the socket, kept alive by its polls and by more pings than one.
async fn outlasts(session: &Session, mut socket: WebSocket) {
    let is_closed = Cell::new(false);
    let polls = async {
        while !is_closed.get() {
            session.past_pings(session.poll().await).await;
        }
    };
    let closes = async {
        let end = socket.next().await;
        is_closed.set(true);
        end
    };
    let ((), end) = tokio::join!(polls, closes);
    assert!(matches!(end, Incoming::Closed(_)), "{end:?}");
    session.post("4still here").await;
}

#[tokio::test]
async fn many_sessions_upgrade_at_once() {
    let mut sessions = tokio::task::JoinSet::new();
    for number in 0..40 {
        sessions.spawn(async move {
            let mut engine = Engine::open(engine_io(), Transport::Upgraded).await;
            engine.say(&format!("hello {number}"));
            assert_eq!(engine.next_text().await, format!("hello {number}"));
            engine.stays_quiet().await;
        });
    }
    while let Some(done) = sessions.join_next().await {
        done.expect("each session does as it should");
    }
}
