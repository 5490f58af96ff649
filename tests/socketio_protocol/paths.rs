//! Where it is served, and by whom: any worker, on any connection.

use crate::support::{
    client::assert_same,
    engine::{Engine, Transport, upgrade},
    http::get,
    on_each_transport,
    polling::Session,
    under_test::{Server, socket_io},
    websocket::Incoming,
};

on_each_transport!(the_slash_at_the_end_may_be_missing);

async fn the_slash_at_the_end_may_be_missing(transport: Transport) {
    for path in ["/socket.io/", "/socket.io"] {
        let server = Server {
            path,
            ..socket_io()
        };
        let mut engine = Engine::open(server, transport).await;
        engine.say("0");
        assert!(engine.next_text().await.starts_with("0{"));
        assert_eq!(engine.next_text().await, r#"2["auth",{}]"#);
    }
}

#[tokio::test]
async fn a_session_may_be_asked_for_with_and_without_the_slash() {
    let server = socket_io();
    let session = Session::open(server).await;
    session.post("40").await;
    let target = format!("/socket.io?EIO=4&transport=polling&sid={}", session.sid);
    let answer = get(server.address, &target).await;
    let packets = session.past_pings(answer).await;
    assert!(
        packets.is_empty() || packets[0].starts_with("40{"),
        "{packets:?}"
    );
}

#[tokio::test]
async fn packets_of_one_client_may_come_on_many_connections() {
    let session = Session::open(socket_io()).await;
    session.post("40").await;
    let packets = session.take(2).await;
    assert!(packets[0].starts_with("40{"), "{packets:?}");
    assert_same(&packets[1], r#"42["auth",{}]"#);
    for number in 0..40 {
        session
            .post(r#"451-["message",{"_placeholder":true,"num":0}]"#)
            .await;
        session.post("bAQID").await;
        session
            .post(&format!(r#"42{number}["message-with-ack"]"#))
            .await;
        let packets = session.take(3).await;
        let expected = r#"451-["message-back",{"_placeholder":true,"num":0}]"#;
        assert_same(&packets[0], expected);
        assert_eq!(packets[1], "bAQID");
        assert_eq!(packets[2], format!("43{number}[]"));
    }
}

#[tokio::test]
async fn an_event_is_not_cut_in_two_by_an_upgrade() {
    let session = Session::open(socket_io()).await;
    session.post("40").await;
    session.take(2).await;
    session
        .post(r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#)
        .await;
    session.post("bAQID").await;
    let mut socket = upgrade(&session).await;
    socket.send(&[4, 5, 6]).await;
    let Incoming::Text(packet) = socket.next_past_pings().await else {
        panic!("an event is text");
    };
    assert_same(
        &packet,
        r#"452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
    );
    for bytes in [[1, 2, 3], [4, 5, 6]] {
        let expected = Incoming::Binary(bytes.to_vec());
        assert_eq!(socket.next_past_pings().await, expected);
    }
}
