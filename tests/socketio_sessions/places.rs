//! Who is let in: places, strangers, origins.

use actix_web::{http::Method, test::TestRequest};
use bedside::{socketio::engine::Config, ws::admission::Admission};

use crate::kit::{Answer, Server, config, settled};

const POLLING: &str = "EIO=4&transport=polling";
const WEBSOCKET: &str = "EIO=4&transport=websocket";

#[actix_web::test]
async fn each_session_takes_one_place_whatever_carries_it() {
    let server = Server::with(config(), Admission::with(2, 2));
    let (sid, _) = server.open().await;
    let (socket, _) = server.connect().await;
    assert_eq!(server.admission.open(), 2);
    assert_eq!(server.request(Method::GET, POLLING, "").await.status, 503);
    let (_, head) = server.upgrade(WEBSOCKET, None).await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    // To carry one on takes no other place, and keeps it for as long as the socket is open.
    let mut carries = server.carry_on(&sid).await;
    carries.say("2probe").await;
    carries.say("5").await;
    settled().await;
    assert_eq!(server.admission.open(), 2);
    drop(carries);
    settled().await;
    assert_eq!(server.admission.open(), 1);
    drop(socket);
    settled().await;
    assert_eq!(server.admission.open(), 0);
}

#[actix_web::test]
async fn strangers_are_counted_by_address_until_they_say_who_they_are() {
    let server = Server::new();
    let mut sockets = Vec::new();
    // Half of the server's hundred.
    for n in 0..50 {
        if n % 2 == 0 {
            server.open().await;
        } else {
            sockets.push(server.connect().await);
        }
    }
    let refused = server.request(Method::GET, POLLING, "").await;
    assert_eq!(refused.status, 429);
    let (_, head) = server.upgrade(WEBSOCKET, None).await;
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    server.speaker().is_known();
    server.open().await;
}

#[actix_web::test]
async fn sessions_that_poll_are_bounded() {
    let config = Config {
        polling_sessions_max: 1,
        ..config()
    };
    let server = Server::with(config, Admission::new(100));
    let (sid, _) = server.open().await;
    let refused = server.request(Method::GET, POLLING, "").await;
    assert_eq!(refused.status, 503);
    assert_eq!(server.admission.open(), 1);
    let mut socket = server.carry_on(&sid).await;
    socket.say("2probe").await;
    socket.say("5").await;
    settled().await;
    server.open().await;
}

#[actix_web::test]
async fn a_server_that_is_about_to_stop_lets_nobody_in() {
    let server = Server::new();
    server.admission.drain();
    assert_eq!(server.request(Method::GET, POLLING, "").await.status, 503);
    let (_, head) = server.upgrade(WEBSOCKET, None).await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
}

#[actix_web::test]
async fn pages_of_other_sites_stay_out() {
    let server = Server::new();
    for (origin, allowed) in [
        ("https://app.example.org", true),
        ("https://chat.example.org", true),
        ("https://evil.example.org", false),
        ("null", false),
    ] {
        let (_, head) = server.upgrade(WEBSOCKET, Some(("Origin", origin))).await;
        let status = if allowed { " 101 " } else { " 403 " };
        assert!(head.contains(status), "{origin}: {head}");
        let request = TestRequest::with_uri(&format!("/socket.io/?{POLLING}"))
            .insert_header(("Host", "chat.example.org"))
            .insert_header(("Origin", origin));
        let response = server.respond(request).await;
        assert_eq!(response.status().is_success(), allowed, "{origin}");
    }
    let forbidden = Answer::fault(4, "Forbidden");
    assert_eq!(forbidden.status, 403);
}

#[actix_web::test]
async fn an_id_begins_with_its_nodes_name() {
    let config = Config {
        sid_prefix: "node1.".to_owned(),
        ..config()
    };
    let server = Server::with(config, Admission::new(100));
    let (sid, speaker) = server.open().await;
    assert!(sid.starts_with("node1."), "{sid}");
    speaker.send("found");
    assert_eq!(server.poll(&sid).await, Answer::ok("4found"));
}
