//! The native protocol on one socket, with a real node in memory: who may say what, and when.

mod ws_support;

use actix_rt::time::sleep;
use bedside::strangers::Strangers;
use bedside::ws::{
    admission::{Admission, Waiting},
    driver::{Driver, Opening},
    frame::Opcode,
    metrics::NoMetrics,
    native::{Native, Stranger},
};
use bedside_actors::{audit::Whence, node::Node};
use bedside_protocol::{WireFormat, codec, limits};
use bytes::Bytes;
use serde_json::json;
use std::{net::Ipv4Addr, sync::Arc, time::Duration};
use tokio::{
    io::{DuplexStream, duplex},
    time::Instant,
};
use ws_support::{
    Client,
    node::{identity, node},
};

fn opening() -> Opening {
    Opening {
        answer: Bytes::new(),
        read_ahead: Bytes::new(),
        metrics: Arc::new(NoMetrics),
    }
}

fn stranger(node: &Arc<Node>, admission: &Arc<Admission>, waiting: Waiting) -> Stranger {
    Stranger {
        strangers: Strangers::new(node, admission, 0),
        whence: Whence::new(Ipv4Addr::LOCALHOST.into(), None),
        waiting,
    }
}

/// A socket that has yet to say hello.
fn connect(node: &Arc<Node>, format: WireFormat) -> Client<DuplexStream> {
    let (near, far) = duplex(1 << 20);
    let admission = Admission::new(1);
    let seat = admission.enter().expect("there is room");
    let waiting = admission
        .wait_for_hello(Ipv4Addr::LOCALHOST.into())
        .expect("there is room");
    let stranger = stranger(node, &admission, waiting);
    let native = Native::expecting_hello(node.clone(), format, Arc::new(NoMetrics), stranger);
    actix_rt::spawn(Driver::new(far, opening(), native, seat));
    Client::new(near)
}

async fn signed_in(node: &Arc<Node>, name: &str) -> Client<DuplexStream> {
    let mut client = connect(node, WireFormat::Json);
    client.say(&hello(name)).await;
    let welcome = client.expect().await.json();
    assert_eq!(welcome["type"], "session.welcome");
    assert_eq!(welcome["data"]["user"]["user_id"], name);
    assert_eq!(
        client.expect().await.json(),
        json!({"reply_to": 1, "data": {}})
    );
    client
}

fn hello(name: &str) -> String {
    json!({"id": 1, "type": "session.hello", "data": {"token": name}}).to_string()
}

#[actix_web::test]
async fn hello_is_answered_behind_the_welcome() {
    signed_in(&node(), "amal").await;
}

#[actix_web::test]
async fn commands_may_follow_hello_without_waiting() {
    let mut client = connect(&node(), WireFormat::Json);
    client
        .say(r#"{"type":"session.hello","data":{"token":"amal"}}"#)
        .await;
    client
        .say(r#"{"id":2,"type":"sync.resume","data":{}}"#)
        .await;
    assert_eq!(client.expect().await.json()["type"], "session.welcome");
    // Hello had no id, so nothing answers it.
    assert_eq!(client.expect().await.json()["reply_to"], 2);
}

#[actix_web::test]
async fn nothing_but_a_good_hello_opens_a_session() {
    let node = node();
    for (first, code, reply_to) in [
        (hello("nobody"), "unauthorized", json!(1)),
        (hello("late"), "token_expired", json!(1)),
        (
            r#"{"id":3,"type":"sync.resume","data":{}}"#.into(),
            "unauthorized",
            json!(3),
        ),
        (
            r#"{"id":4,"type":"session.hello"}"#.into(),
            "invalid_argument",
            json!(4),
        ),
        ("not json".into(), "invalid_argument", json!(null)),
        (String::new(), "invalid_argument", json!(null)),
    ] {
        let mut client = connect(&node, WireFormat::Json);
        client.say(&first).await;
        client.say(&hello("amal")).await;
        let error = client.expect().await.json();
        assert_eq!(error["error"]["code"], code, "{first}");
        assert_eq!(error["reply_to"], reply_to, "{first}");
        assert_eq!(client.expect().await.close_code(), Some(4401), "{first}");
        assert_eq!(client.frame().await, None, "{first}");
    }
}

#[actix_web::test]
async fn whoever_others_are_asked_about_is_let_in_when_they_have_answered() {
    let mut client = connect(&node(), WireFormat::Json);
    client.say(&hello("slow-amal")).await;
    client
        .say(r#"{"id":2,"type":"sync.resume","data":{}}"#)
        .await;
    assert_eq!(client.expect().await.json()["type"], "session.welcome");
    assert_eq!(client.expect().await.json()["reply_to"], 1);
    assert_eq!(client.expect().await.json()["reply_to"], 2);
    for (token, code, close) in [
        ("slow-nobody", "unauthorized", 4401),
        ("slow-late", "token_expired", 4401),
        // With the same token it may go better another time.
        ("slow-down", "unavailable", 4503),
        ("down", "unavailable", 4503),
    ] {
        let mut client = connect(&node(), WireFormat::Json);
        client.say(&hello(token)).await;
        let error = client.expect().await.json();
        assert_eq!(error["error"]["code"], code, "{token}");
        assert_eq!(error["reply_to"], 1, "{token}");
        assert_eq!(client.expect().await.close_code(), Some(close), "{token}");
        assert_eq!(client.frame().await, None, "{token}");
    }
}

#[actix_web::test]
async fn who_says_nothing_is_closed() {
    let mut client = connect(&node(), WireFormat::Json);
    tokio::time::pause();
    let start = Instant::now();
    // A ping is no hello.
    client.send(Opcode::Ping, b"").await;
    assert_eq!(client.expect().await.first, 0x8a);
    let close = client.expect().await;
    assert_eq!(
        (close.close_code(), close.close_reason()),
        (Some(4401), "unauthorized")
    );
    let waited = start.elapsed().as_millis() - u128::from(limits::HELLO_TIMEOUT_MS);
    assert!(waited <= 1, "timers count in whole milliseconds");
}

#[actix_web::test]
async fn frames_may_be_larger_after_hello() {
    let node = node();
    let padded = |len: usize| {
        let frame = hello("amal");
        format!("{frame}{}", " ".repeat(len - frame.len()))
    };
    let mut client = connect(&node, WireFormat::Json);
    client.say(&padded(limits::HELLO_FRAME_BYTES_MAX + 1)).await;
    assert_eq!(client.expect().await.close_code(), Some(1009));

    let mut client = connect(&node, WireFormat::Json);
    client.say(&padded(limits::HELLO_FRAME_BYTES_MAX)).await;
    // In the same write as hello, so that the limit has to change in between.
    client.say(&padded(limits::MESSAGE_FRAME_BYTES_MAX)).await;
    assert_eq!(client.expect().await.json()["type"], "session.welcome");
    assert_eq!(client.expect().await.json()["reply_to"], 1);
    assert_eq!(client.expect().await.json()["reply_to"], 1);
    client
        .say(&padded(limits::MESSAGE_FRAME_BYTES_MAX + 1))
        .await;
    assert_eq!(client.expect().await.close_code(), Some(1009));
}

#[actix_web::test]
async fn each_format_has_its_kind_of_frame() {
    let node = node();
    let mut client = connect(&node, WireFormat::Json);
    client.send(Opcode::Binary, hello("amal").as_bytes()).await;
    let close = client.expect().await;
    assert_eq!(
        (close.close_code(), close.close_reason()),
        (Some(1003), "unsupported_data")
    );

    let mut client = connect(&node, WireFormat::MsgPack);
    client.say(&hello("amal")).await;
    assert_eq!(client.expect().await.close_code(), Some(1003));

    let mut client = connect(&node, WireFormat::MsgPack);
    let Ok(frame) = codec::decode_command(WireFormat::Json, hello("amal").as_bytes()) else {
        unreachable!("it is a good frame");
    };
    let bytes = codec::encode_command(WireFormat::MsgPack, frame.id, &frame.command);
    client.send(Opcode::Binary, &bytes).await;
    for _ in 0..2 {
        let frame = client.expect().await;
        assert_eq!(frame.first, 0x82);
        codec::decode_server_frame(WireFormat::MsgPack, &frame.payload).expect("a good frame");
    }
}

#[actix_web::test]
async fn a_frame_that_is_no_command_is_answered_and_a_flood_of_them_ends_it() {
    let mut client = signed_in(&node(), "amal").await;
    client
        .say(r#"{"id":9,"type":"nothing.known","data":{}}"#)
        .await;
    let error = client.expect().await.json();
    assert_eq!(error["reply_to"], 9);
    assert_eq!(error["error"]["code"], "invalid_argument");
    // A good one forgives.
    client.say(&hello("amal")).await;
    assert_eq!(client.expect().await.json()["reply_to"], 1);
    for _ in 0..101 {
        client.say("[]").await;
    }
    for _ in 0..100 {
        assert_eq!(
            client.expect().await.json()["error"]["code"],
            "invalid_argument"
        );
    }
    assert_eq!(client.expect().await.json()["type"], "session.closing");
    assert_eq!(client.expect().await.close_code(), Some(1002));
}

#[actix_web::test]
async fn a_message_reaches_the_other_one() {
    let node = node();
    let mut amal = signed_in(&node, "amal").await;
    let mut omar = signed_in(&node, "omar").await;
    for n in 0..100 {
        let send = json!({"id": n + 10, "type": "message.send",
            "data": {"to_user_id": "omar", "client_msg_id": format!("m{n}"), "text": format!("text {n}")}});
        amal.say(&send.to_string()).await;
    }
    // More than the mailbox holds, so reading was paused in between: nothing is lost by that.
    let mut last = 0;
    for n in 0..100 {
        let reply = loop {
            let frame = amal.expect().await.json();
            if frame.get("reply_to").is_some() {
                break frame;
            }
        };
        assert_eq!(reply["reply_to"], n + 10, "{reply}");
        let seq = reply["data"]["seq"].as_u64().expect("it was stored");
        assert!(seq > last, "{reply}");
        last = seq;
    }
    let mut texts = Vec::new();
    while texts.len() < 100 {
        let frame = omar.expect().await.json();
        if frame["type"] == "message.created" {
            texts.push(
                frame["data"]["text"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }
    let sent: Vec<_> = (0..100).map(|n| format!("text {n}")).collect();
    assert_eq!(texts, sent);
}

#[actix_web::test]
async fn a_handshake_that_said_who_it_is_needs_no_hello() {
    let (near, far) = duplex(1 << 20);
    let native = Native::signed_in(
        node(),
        WireFormat::Json,
        Arc::new(NoMetrics),
        identity("amal"),
        Whence::default(),
    );
    actix_rt::spawn(Driver::new(far, opening(), native, ()));
    let mut client = Client::new(near);
    assert_eq!(client.expect().await.json()["type"], "session.welcome");
    client.say(&hello("amal")).await;
    assert_eq!(
        client.expect().await.json(),
        json!({"reply_to": 1, "data": {}})
    );
}

#[actix_web::test]
async fn a_node_that_shuts_down_says_so() {
    let node = node();
    let mut client = signed_in(&node, "amal").await;
    node.shut_down().await;
    let closing = client.expect().await.json();
    assert_eq!(closing["type"], "session.closing");
    let after = closing["data"]["reconnect_after_ms"].as_u64();
    assert!(after.is_some_and(|ms| (500..=3_500).contains(&ms)));
    assert_eq!(
        closing["data"],
        json!({"code": 1001, "reason": "going_away", "reconnect_after_ms": after})
    );
    let close = client.expect().await;
    assert_eq!(
        (close.close_code(), close.close_reason()),
        (Some(1001), "going_away")
    );
}

#[actix_web::test]
async fn no_hello_is_taken_while_the_server_stops() {
    let (near, far) = duplex(1 << 20);
    let admission = Admission::new(1);
    let waiting = admission
        .wait_for_hello(Ipv4Addr::LOCALHOST.into())
        .expect("there is room");
    let node = node();
    let stranger = stranger(&node, &admission, waiting);
    let native = Native::expecting_hello(node, WireFormat::Json, Arc::new(NoMetrics), stranger);
    actix_rt::spawn(Driver::new(far, opening(), native, ()));
    admission.drain();
    let mut client = Client::new(near);
    client.say(&hello("amal")).await;
    assert_eq!(client.expect().await.close_code(), Some(1001));
}

#[actix_web::test]
async fn the_place_of_who_waits_is_free_after_hello() {
    let admission = Admission::with(usize::MAX, 64);
    let node = node();
    let mut open = Vec::new();
    for _ in 0..64 + 10 {
        let (near, far) = duplex(4096);
        let waiting = admission
            .wait_for_hello(Ipv4Addr::LOCALHOST.into())
            .expect("those before have said hello");
        let stranger = stranger(&node, &admission, waiting);
        let metrics = Arc::new(NoMetrics);
        let native = Native::expecting_hello(node.clone(), WireFormat::Json, metrics, stranger);
        actix_rt::spawn(Driver::new(far, opening(), native, ()));
        let mut client = Client::new(near);
        client.say(&hello(&format!("user {}", open.len()))).await;
        assert_eq!(client.expect().await.json()["type"], "session.welcome");
        open.push(client);
    }
    sleep(Duration::ZERO).await;
}
