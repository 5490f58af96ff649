//! When a message counts as delivered: it was written, and something came from the client after.

use bedside_actors::ports::store::Select;
use bedside_protocol::{Command, MessageSend};
use serde_json::json;
use std::time::Duration;

use crate::kit::{Client, Ward, user};

async fn delivered(ward: &Ward, id: &str) -> u64 {
    let select = Select::Page {
        after: None,
        limit: 1,
        without: Vec::new(),
    };
    let rows = ward.store.conversations(user(id), select).await;
    rows.expect("reads").rows[0].me.delivered_up_to_seq
}

/// Waits until it is so many.
async fn until_delivered(ward: &Ward, client: &mut Client, id: &str, seq: u64) {
    for _ in 0..10_000 {
        if delivered(ward, id).await == seq {
            return;
        }
        client.glance().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never delivered up to {seq}");
}

#[actix_web::test]
async fn a_message_counts_once_it_is_written_and_the_client_was_heard_since() {
    let ward = Ward::pair().await;
    let mut mine = ward.root("patient:p1").await;
    let mut theirs = ward.root("doctor:d1").await;
    theirs.writes = false;
    let send = |content: &str| json!({"receiverId": "d1", "content": content});
    mine.done("send_message", send("one")).await;
    theirs.next("new_message").await;
    theirs.done("set_status", json!({"status": "busy"})).await;
    assert_eq!(delivered(&ward, "d1").await, 0, "heard, but not written");
    theirs.connection_written();
    theirs.glance().await;
    assert_eq!(
        delivered(&ward, "d1").await,
        0,
        "written, but not heard since"
    );
    theirs.done("set_status", json!({"status": "away"})).await;
    until_delivered(&ward, &mut theirs, "d1", 2).await;
    // The next one within a second, without another word from the client.
    theirs.writes = true;
    mine.done("send_message", send("two")).await;
    theirs.next("new_message").await;
    theirs.done("set_status", json!({"status": "busy"})).await;
    until_delivered(&ward, &mut theirs, "d1", 3).await;
    // What one wrote oneself needs no receipt.
    mine.done("set_status", json!({"status": "busy"})).await;
    mine.glance().await;
    assert_eq!(delivered(&ward, "p1").await, 0);
}

#[actix_web::test]
async fn the_answer_to_a_ping_will_do_and_so_it_is_in_consultations() {
    let (ward, consultation) = Ward::consulting().await;
    let mut patient = ward.connect("/messages", "patient:12").await;
    let send = MessageSend {
        conversation_id: Some(consultation.conversation_id),
        text: "hello".to_owned(),
        ..MessageSend::default()
    };
    ward.run("doctor:5", Command::MessageSend(send)).await;
    patient.next("new-message").await;
    patient.connection_heard();
    until_delivered(&ward, &mut patient, "12", 2).await;
}

#[actix_web::test]
async fn what_a_client_is_not_shown_is_not_delivered_to_it() {
    let (ward, team) = Ward::team().await;
    let mut patient = ward.root("patient:p1").await;
    let mut doctor = ward.root("doctor:d1").await;
    let send = json!({"chatId": team, "content": "to all"});
    let seq = doctor.done("send-message", send.clone()).await["seq"].clone();
    patient.done("set_status", json!({"status": "busy"})).await;
    patient.glance().await;
    assert_eq!(delivered(&ward, "p1").await, 0, "has not joined");
    patient.done("join-chat", json!({"chatId": team})).await;
    doctor.done("send-message", send).await;
    patient.next("message-received").await;
    patient.done("set_status", json!({"status": "away"})).await;
    let seq = seq.as_u64().expect("a seq") + 1;
    until_delivered(&ward, &mut patient, "p1", seq).await;
}
