//! People of one room at two nodes. Both nodes of these tests have one and the same log, so that
//! what is looked at is what each keeps in its own memory.

use bedside::{
    peer_calls::{PeerCalls, everywhere::Everywhere},
    socketio::engine::{Config, EngineEdge, Parts, metrics::NoSessionMetrics},
    ws::{admission::Admission, metrics::NoMetrics},
};
use bedside_protocol::ConversationId;
use serde_json::json;
use std::sync::{Arc, atomic::Ordering};

use crate::{
    kit::{Client, Ward},
    wires::Wires,
};

/// Makes wards nodes of one cluster.
fn wire(wards: [&Ward; 2]) -> Arc<Wires> {
    let wires: Arc<Wires> = Arc::default();
    for (ward, name) in wards.into_iter().zip(["one", "two"]) {
        let engine = EngineEdge::new(Parts {
            config: Config::default(),
            speaks: Arc::new(ward.server.clone()),
            admission: Admission::new(10),
            allowed_origins: Arc::from([]),
            proxies: 0,
            socket_metrics: Arc::new(NoMetrics),
            metrics: Arc::new(NoSessionMetrics),
        });
        ward.clinic.join(&Everywhere::new(wires.end(name)));
        let calls = PeerCalls {
            engine,
            redeem: Arc::new(|_| None),
            clinic: Some(ward.clinic.clone()),
        };
        wires.serve(name, Arc::new(calls));
    }
    wires
}

async fn joined(ward: &Ward, token: &str, chat: ConversationId) -> Client {
    let mut client = ward.root(token).await;
    client.done("join-chat", json!({"chatId": chat})).await;
    client.next("user-joined").await;
    client
}

#[actix_web::test]
async fn who_joins_a_chat_sees_and_is_seen_at_the_other_node() {
    let (one, chat) = Ward::team().await;
    let two = one.beside();
    let _wires = wire([&one, &two]);
    let mut doctor = joined(&one, "doctor:d1", chat).await;
    let mut patient = two.root("patient:p1").await;
    patient.done("join-chat", json!({"chatId": chat})).await;
    let seen = patient.next("user-joined").await;
    let users = seen["connectedUsers"].as_array().expect("a list");
    let ids: Vec<_> = users.iter().map(|row| &row["userId"]).collect();
    assert_eq!(ids, ["d1", "p1"]);
    assert_eq!(doctor.next("user-joined").await, seen);
}

#[actix_web::test]
async fn a_call_rings_at_the_other_node() {
    let (one, chat) = Ward::team().await;
    let two = one.beside();
    let _wires = wire([&one, &two]);
    let mut doctor = joined(&one, "doctor:d1", chat).await;
    let mut patient = joined(&two, "patient:p1", chat).await;
    let mut outside = two.root("doctor:d2").await;
    let call = json!({"chatId": chat, "callType": "video"});
    let answer = doctor.done("call-initiated", call).await;
    let rung = patient.next("call-initiated").await;
    assert_eq!(rung["callId"], answer["callId"]);
    assert_eq!(doctor.next("call-initiated").await, rung);
    outside.glance().await;
    assert!(outside.left("call-initiated").is_empty());
}

#[actix_web::test]
async fn a_consultations_room_is_told_at_both_nodes() {
    let (one, consultation) = Ward::consulting().await;
    let two = one.beside();
    let _wires = wire([&one, &two]);
    let id = consultation.consultation_id;
    let mut doctor = one.connect("/consultation", "doctor:5").await;
    let room = json!({"consultationId": id.number()});
    doctor.done("join-consultation", room).await;
    let note = json!({"title": "a note", "n": [1, null]});
    two.clinic.notify_room(id, &note);
    assert_eq!(doctor.next("consultation-notification").await, note);
}

#[actix_web::test]
async fn all_up_to_now_counts_what_the_other_node_has_shown() {
    let one = Ward::pair().await;
    let two = one.beside();
    let wires = wire([&one, &two]);
    let mut patient = one.root("patient:p1").await;
    let mut reads = two.root("doctor:d1").await;
    let mut marks = one.root("doctor:d1").await;
    // This socket is slow: nothing has reached it.
    marks.writes = false;
    for text in ["one", "two"] {
        let send = json!({"receiverId": "d1", "content": text});
        patient.done("send_message", send).await;
        reads.next("new_message").await;
    }
    let read = json!({"senderId": "p1"});
    wires.is_cut.store(true, Ordering::Relaxed);
    let marked = marks.done("mark_read", read.clone()).await;
    assert_ne!(marked["unreadCount"], 0, "nobody knows");
    wires.is_cut.store(false, Ordering::Relaxed);
    assert_eq!(marks.done("mark_read", read).await["unreadCount"], 0);
}

/// Nothing is worth waiting for what may not come.
#[actix_web::test]
async fn a_node_that_does_not_answer_is_left_out() {
    let (one, chat) = Ward::team().await;
    let two = one.beside();
    let wires = wire([&one, &two]);
    let _patient = joined(&two, "patient:p1", chat).await;
    wires.is_deaf.store(true, Ordering::Relaxed);
    let mut doctor = one.root("doctor:d1").await;
    doctor.done("join-chat", json!({"chatId": chat})).await;
    let seen = doctor.next("user-joined").await;
    let users = seen["connectedUsers"].as_array().expect("a list");
    assert_eq!(users.len(), 1, "{seen}");
}
