//! Every bound is hit here.

use bedside_protocol::{ConversationKind, limits::TEXT_BYTES_MAX};
use serde_json::json;

use crate::kit::Ward;

#[actix_web::test]
async fn a_text_of_16_kib_is_taken_and_one_byte_more_is_not() {
    let ward = Ward::pair().await;
    let (mut mine, mut theirs) = (ward.root("patient:p1").await, ward.root("doctor:d1").await);
    let send = |content: &str| json!({"receiverId": "d1", "content": content});
    for letter in ["a", "é", "漢", "🙂", "\u{1}"] {
        let count = TEXT_BYTES_MAX / letter.len();
        let rest = "x".repeat(TEXT_BYTES_MAX % letter.len());
        let most = letter.repeat(count) + &rest;
        mine.done("send_message", send(&most)).await;
        let shown = theirs.next("new_message").await;
        assert_eq!(shown["message"]["content"], most.as_str());
        let code = mine.refused("send_message", send(&(most + "x"))).await;
        assert_eq!(code, "too_large");
    }
    let code = mine
        .refused("send_message", send(&"x".repeat(900_000)))
        .await;
    assert_eq!(code, "too_large");
    mine.done("send_message", send("the last one")).await;
    assert_eq!(
        theirs.next("new_message").await["message"]["content"],
        "the last one"
    );
    assert!(theirs.left("new_message").is_empty());
}

#[actix_web::test]
async fn a_client_with_too_many_commands_on_their_way_is_not_read() {
    let ward = Ward::pair().await;
    let mut mine = ward.root("patient:p1").await;
    // Nothing is taken from the client's outbox meanwhile, so no answer is noticed.
    let mut sent = 0;
    while mine.is_read().await {
        sent += 1;
        let send = json!({"receiverId": "d1", "content": format!("message {sent}")});
        mine.post("send_message", send).await;
        tokio::task::yield_now().await;
        assert!(sent <= 128, "it is read for ever");
    }
    assert!(sent >= 32, "{sent}");
    for ack in 1..=sent {
        assert_eq!(mine.answer(ack).await["ok"], true, "nothing is lost");
    }
    assert!(mine.is_read().await);
}

#[actix_web::test]
async fn a_client_is_not_read_while_something_is_looked_up_for_it_so_that_order_is_kept() {
    let ward = Ward::pair().await;
    let mut mine = ward.root("patient:p1").await;
    let mut theirs = ward.root("doctor:d1").await;
    // The first has to be looked up, the others not.
    mine.post("typing_start", json!({"receiverId": "d1"})).await;
    mine.post("typing_stop", json!({"receiverId": "d1"})).await;
    mine.post("typing_start", json!({"receiverId": "d1"})).await;
    mine.done("send_message", json!({"receiverId": "d1", "content": "hi"}))
        .await;
    theirs.next("new_message").await;
    theirs.glance().await;
    let seen: Vec<_> = theirs
        .heard
        .iter()
        .map(|(event, _)| event.as_str())
        .collect();
    let seen: Vec<_> = seen
        .into_iter()
        .filter(|event| event.starts_with("typing"))
        .collect();
    assert_eq!(
        seen,
        [
            "typing_start",
            "typing_stopped",
            "typing_start",
            "typing_stopped"
        ]
    );
}

#[actix_web::test]
async fn a_socket_announces_so_many_calls_a_minute() {
    let (ward, chat) = Ward::team().await;
    let mut doctor = ward.root("doctor:d1").await;
    let call = json!({"chatId": chat, "callType": "voice"});
    for _ in 0..20 {
        doctor.done("call-initiated", call.clone()).await;
    }
    assert_eq!(doctor.refused("call-initiated", call).await, "rate_limited");
}

#[actix_web::test]
async fn others_are_told_so_often_a_minute_that_a_socket_joins_again() {
    let (ward, chat) = Ward::team().await;
    let mut doctor = ward.root("doctor:d1").await;
    let mut patient = ward.root("patient:p1").await;
    let join = json!({"chatId": chat});
    doctor.done("join-chat", join.clone()).await;
    for _ in 0..31 {
        patient.done("join-chat", join.clone()).await;
        patient.next("user-joined").await;
    }
    doctor.glance().await;
    assert_eq!(doctor.left("user-joined").len(), 1 + 1 + 20);
}

#[actix_web::test]
async fn a_socket_is_in_so_many_chats() {
    let ward = Ward::open();
    for token in ["doctor:d1", "doctor:d2"] {
        ward.know(token).await;
    }
    let mut doctor = ward.root("doctor:d1").await;
    let kind = ConversationKind::InternalStaff;
    let mut last = None;
    for _ in 0..1_000 {
        let chat = ward.chat("doctor:d1", kind, &["doctor:d2"], None).await;
        doctor.done("join-chat", json!({"chatId": chat})).await;
        last = Some(chat);
    }
    let more = ward.chat("doctor:d1", kind, &["doctor:d2"], None).await;
    let join = json!({"chatId": more});
    assert_eq!(doctor.refused("join-chat", join).await, "too_large");
    doctor.done("join-chat", json!({"chatId": last})).await;
}

#[actix_web::test]
async fn so_many_sockets_are_listed_and_in_a_larger_room_only_to_who_joins() {
    let ward = Ward::open();
    let staff: Vec<String> = (0..9).map(|n| format!("nurse:n{n}")).collect();
    for token in &staff {
        ward.know(token).await;
    }
    let others: Vec<&str> = staff[1..].iter().map(String::as_str).collect();
    let kind = ConversationKind::InternalStaff;
    let chat = ward.chat("nurse:n0", kind, &others, None).await;
    let join = json!({"chatId": chat});
    let mut clients = Vec::new();
    for n in 0..202 {
        let mut client = ward.root(&staff[n % 9]).await;
        client.done("join-chat", join.clone()).await;
        let seen = client.next("user-joined").await;
        let listed = seen["connectedUsers"].as_array().map(Vec::len);
        assert_eq!(listed, Some((n + 1).min(200)));
        clients.push(client);
        if n > 0 {
            let seen = clients[0].next("user-joined").await;
            let listed = seen["connectedUsers"].as_array().map(Vec::len);
            assert_eq!(listed, Some(if n < 200 { n + 1 } else { 1 }));
        }
    }
}

#[actix_web::test]
async fn a_slow_client_is_closed_so_that_it_comes_back() {
    let ward = Ward::pair().await;
    let mut mine = ward.root("patient:p1").await;
    let mut theirs = ward.root("doctor:d1").await;
    let hello = json!({"receiverId": "d1", "content": "hello"});
    mine.done("send_message", hello).await;
    theirs.next("new_message").await;
    for n in 0..600 {
        let send = json!({"receiverId": "d1", "content": format!("message {n}")});
        mine.done("send_message", send).await;
    }
    theirs.end().await;
    assert!(theirs.left("new_message").is_empty());
}

#[actix_web::test]
async fn a_user_has_so_many_sockets_and_the_oldest_goes() {
    let ward = Ward::open();
    let mut first = ward.root("patient:p1").await;
    let mut others = Vec::new();
    for _ in 0..bedside_protocol::limits::SESSIONS_PER_USER_MAX {
        others.push(ward.connect("/notifications", "patient:p1").await);
    }
    first.end().await;
}
