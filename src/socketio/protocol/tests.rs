//! A connection without sockets: messages in, frames out.

mod fuzz;
mod kit;

use super::*;
use kit::{Client, Wish, limits};
use serde_json::json;

#[tokio::test]
async fn connecting_is_answered_with_an_id_and_then_the_peers_packets_come() {
    let mut client = Client::new();
    client.say(r#"0{"token":"t"}"#);
    let frames = client.frames();
    assert!(frames[0].starts_with(r#"40{"sid":""#), "{frames:?}");
    assert_eq!(frames[1..], [r#"42["hello",{"token":"t"}]"#]);
}

#[tokio::test]
async fn a_greeting_stands_beside_the_id() {
    let mut client = Client::new();
    client.say("0/greeting");
    let frames = client.frames();
    let json = frames[0].strip_prefix("40/greeting,").expect("CONNECT");
    let json: Json = serde_json::from_str(json).expect("is JSON");
    assert_eq!(json["pid"], "p");
    assert!(json["sid"].is_string());
}

#[tokio::test]
async fn connecting_is_not_answered_before_the_peer_is_ready_for_it() {
    let mut client = Client::connected();
    client.wish("/other", Wish::Waiting(true));
    client.say("0/other");
    client.say(r#"2["echo",1]"#);
    assert_eq!(client.frames(), [r#"42["back",1]"#]);
    client.wish("/other", Wish::Waiting(false));
    let frames = client.frames();
    assert!(frames[0].starts_with(r#"40/other,{"sid":""#), "{frames:?}");
    assert_eq!(frames[1..], [r#"42/other,["hello",null]"#]);
}

#[tokio::test]
async fn a_refusal_says_why_and_leaves_the_others_alone() {
    let mut client = Client::connected();
    client.say("0/nowhere");
    assert_eq!(client.frames(), [r#"44/nowhere,{"message":"no"}"#]);
    client.say(r#"0/closed,{"a":1}"#);
    let refused = [r#"44/closed,{"message":"no","data":{"why":"closed"}}"#];
    assert_eq!(client.frames(), refused);
    client.say(r#"2["echo",1]"#);
    assert_eq!(client.frames(), [r#"42["back",1]"#]);
}

#[tokio::test]
async fn a_client_that_is_refused_too_often_is_closed() {
    let mut client = Client::new();
    for _ in 1..limits().refusals_max {
        client.say("0/nowhere");
        client.frames();
    }
    assert_eq!(client.try_say("0/nowhere"), Err(CloseCode::Unauthorized));
}

#[tokio::test]
async fn namespaces_are_bounded_and_joined_once() {
    let mut client = Client::connected();
    for n in 1..limits().namespaces_max {
        client.say(&format!("0/{n}"));
    }
    assert_eq!(client.try_say("0/more"), Err(CloseCode::ProtocolError));
    assert_eq!(
        Client::connected().try_say("0"),
        Err(CloseCode::ProtocolError)
    );
}

#[tokio::test]
async fn events_and_acks_in_any_namespace() {
    let mut client = Client::connected();
    client.say("0/other");
    client.frames();
    client.say(r#"2/other,7["echo",{"a":"é"}]"#);
    client.say(r#"212["echo",1,2]"#);
    assert_eq!(
        client.frames(),
        [
            r#"42["back",1]"#,
            r#"4312["done"]"#,
            r#"42/other,["back",{"a":"é"}]"#,
            r#"43/other,7["done"]"#,
        ]
    );
}

#[tokio::test]
async fn attachments_come_behind_their_packet() {
    let mut client = Client::connected();
    let packet = r#"2-["raw",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    client.say(&format!("5{packet}"));
    client.send(&[1, 2]);
    assert_eq!(client.frames(), Vec::<String>::new());
    client.send(&[3]);
    let raw = packet.replace("raw", "back");
    assert_eq!(
        client.frames(),
        [format!("45{raw}"), "[1, 2]".into(), "[3]".into()]
    );
}

#[tokio::test]
async fn attachments_are_bounded() {
    let too_many = limits().attachments_max + 1;
    let mut client = Client::connected();
    let packet = format!(r#"5{too_many}-["raw"]"#);
    assert_eq!(client.try_say(&packet), Err(CloseCode::ProtocolError));

    let mut client = Client::connected();
    client.say(r#"52-["raw"]"#);
    let half = vec![0; limits().message_bytes_max / 2 + 1];
    client.send(&half);
    assert_eq!(client.try_send(&half), Err(CloseCode::ProtocolError));
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_session() {
    for packet in [
        "",
        "x",
        "7",
        "4{}",
        "2",
        "2{}",
        r#"2[{}]"#,
        r#"2["a""#,
        r#"2["disconnect"]"#,
        r#"2/other,["a"]"#,
        "1/other",
        r#"3["a"]"#,
        r#"2abc["a"]"#,
        "5",
        r#"5["a"]"#,
        r#"5-["a"]"#,
        r#"5x-["a"]"#,
        "0/a,[]",
        "0/a,null",
        "0/a,{",
        r#"6["a"]"#,
    ] {
        let ended = Client::connected().try_say(packet);
        assert_eq!(ended, Err(CloseCode::ProtocolError), "{packet}");
    }
    let mut client = Client::connected();
    assert_eq!(client.try_send(&[1]), Err(CloseCode::ProtocolError));
    // A packet may not come before the last one's attachments.
    client.say(r#"51-["raw"]"#);
    assert_eq!(client.try_say(r#"2["a"]"#), Err(CloseCode::ProtocolError));
    // Nor in no namespace, whole or in parts.
    for packet in [r#"2["a"]"#, r#"51-["a"]"#, "1"] {
        assert_eq!(Client::new().try_say(packet), Err(CloseCode::ProtocolError));
    }
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_ignored() {
    let mut client = Client::connected();
    client.say(r#"31["a"]"#);
    client.say(r#"61-1[{"_placeholder":true,"num":0}]"#);
    client.send(&[1]);
    assert_eq!(client.frames(), Vec::<String>::new());
}

#[tokio::test]
async fn leaving_a_namespace_drops_its_peer_only() {
    let mut client = Client::connected();
    client.say("0/other");
    client.frames();
    assert_eq!(client.peers(), 2);
    client.say("1/other");
    assert_eq!(client.peers(), 1);
    client.say(r#"2["echo",1]"#);
    assert_eq!(client.frames(), [r#"42["back",1]"#]);
    assert_eq!(
        client.try_say(r#"2/other,["echo",1]"#),
        Err(CloseCode::ProtocolError)
    );
}

#[tokio::test]
async fn a_peer_may_send_its_client_away() {
    let mut client = Client::connected();
    client.say("0/other");
    client.frames();
    client.wish("/other", Wish::End(End::Disconnect));
    assert_eq!(client.frames(), ["41/other,"]);
    client.wish("/", Wish::End(End::Disconnect));
    assert_eq!(client.frames(), ["41"]);
    assert_eq!(client.peers(), 0);
    client.say("0");
    assert_eq!(client.frames().len(), 2);
}

#[tokio::test]
async fn a_peer_may_close_all() {
    let mut client = Client::connected();
    client.say("0/other");
    client.frames();
    client.say(r#"2["echo",1]"#);
    client.wish("/other", Wish::End(End::Close(CloseCode::GoingAway)));
    assert_eq!(client.frames(), [r#"42["back",1]"#]);
    assert_eq!(client.closed(), Some(CloseCode::GoingAway));
    assert_eq!(client.peers(), 0);
    // And stays closed.
    assert_eq!(client.closed(), Some(CloseCode::GoingAway));
}

#[tokio::test]
async fn a_slow_client_is_closed_without_taking_what_waits() {
    let mut client = Client::connected();
    assert!(client.poll_closed().is_pending());
    client.wish("/", Wish::Closed(End::Disconnect));
    assert!(client.poll_closed().is_pending(), "that can wait");
    client.wish("/", Wish::Closed(End::Close(CloseCode::SlowConsumer)));
    assert_eq!(client.poll_closed(), Poll::Ready(CloseCode::SlowConsumer));
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_not_read() {
    let mut client = Client::connected();
    for n in 0..QUEUE_MAX {
        assert!(client.is_ready(), "after {n}");
        let refused = client.connection.queue.len() < usize::from(limits().refusals_max) - 1;
        client.say(if refused { "0/nowhere" } else { "0/other" });
    }
    assert!(!client.is_ready());
    client.woken();
    client.frames();
    assert!(client.woken(), "there is room again");
    assert!(client.is_ready());
}

#[tokio::test]
async fn a_busy_peer_keeps_its_client_from_being_read() {
    let mut client = Client::connected();
    client.wish("/", Wish::Busy(true));
    assert!(!client.is_ready());
    client.wish("/", Wish::Busy(false));
    assert!(client.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_client_has_so_long_to_join_a_namespace() {
    let mut client = Client::new();
    assert_eq!(client.lives(), limits().connect_timeout);
    let mut client = Client::connected();
    assert_eq!(client.connection.deadline(), None);
    // After the last one it is as in the beginning.
    client.say("1");
    assert_eq!(client.lives(), limits().connect_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_client_in_no_namespace_does_not_hold_up_the_end() {
    let mut client = Client::new();
    client.admission.drain();
    assert_eq!(client.lives(), LOOK_INTERVAL);
    assert_eq!(client.try_say("0"), Err(CloseCode::GoingAway));
}

#[tokio::test]
async fn the_first_message_is_small_and_counted_by_address() {
    let mut client = Client::new();
    let connection = &client.connection;
    assert_eq!(connection.message_bytes_max(), limits().connect_bytes_max);
    assert!(client.connection.waiting.is_some());
    client.say("0/nowhere");
    assert!(client.connection.waiting.is_some());
    client.say("0");
    assert!(client.connection.waiting.is_none());
    assert_eq!(
        client.connection.message_bytes_max(),
        limits().message_bytes_max
    );
}

#[tokio::test]
async fn peers_hear_of_what_arrives() {
    let mut client = Client::connected();
    client.connection.written();
    client.connection.heard();
    client.connection.heard();
    assert_eq!(client.told("/"), (1, 2));
}

#[tokio::test]
async fn messagepack_all_the_way() {
    let mut client = Client::new();
    let packet = |json: Json| rmp_serde::to_vec_named(&json).expect("is JSON");
    client.send(&packet(json!({"type": 0, "nsp": "/", "data": {"a": 1}})));
    let frames = client.messages();
    assert_eq!(frames[0]["type"], 0);
    assert!(frames[0]["data"]["sid"].is_string());
    assert_eq!(
        frames[1],
        json!({"type": 2, "nsp": "/", "data": ["hello", {"a": 1}]})
    );
    client.send(&packet(
        json!({"type": 2, "nsp": "/", "data": ["echo", 1], "id": 5}),
    ));
    assert_eq!(
        client.messages(),
        [
            json!({"type": 2, "nsp": "/", "data": ["back", 1]}),
            json!({"type": 3, "nsp": "/", "data": ["done"], "id": 5}),
        ]
    );
    client.send(&packet(json!({"type": 0, "nsp": "/closed"})));
    let why = json!({"message": "no", "data": {"why": "closed"}});
    assert_eq!(
        client.messages(),
        [json!({"type": 4, "nsp": "/closed", "data": why})]
    );
    client.wish("/", Wish::End(End::Disconnect));
    assert_eq!(client.messages(), [json!({"type": 1, "nsp": "/"})]);
}

#[tokio::test]
async fn formats_do_not_mix() {
    let mut client = Client::new();
    let connect = rmp_serde::to_vec_named(&json!({"type": 0, "nsp": "/"})).expect("is JSON");
    client.send(&connect);
    assert_eq!(client.try_say(r#"2["a"]"#), Err(CloseCode::ProtocolError));
    assert_eq!(
        Client::connected().try_send(&connect),
        Err(CloseCode::ProtocolError)
    );
}

#[tokio::test]
async fn an_idle_client_is_small() {
    assert!(
        size_of::<Connection>() <= 256,
        "{}",
        size_of::<Connection>()
    );
    let client = Client::connected();
    assert_eq!(client.connection.members.capacity(), 1);
    assert_eq!(client.connection.queue.capacity(), 0);
}
