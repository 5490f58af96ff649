//! What a slow or failing store does to clients: they wait, and lose nothing.

use bedside_protocol::ConversationKind;
use serde_json::{Value, json};

use crate::kit::{Client, Ward};

fn hello(content: &str) -> Value {
    json!({"receiverId": "p1", "content": content})
}

/// The texts that came, in order.
fn texts(client: &Client) -> Vec<&str> {
    let messages = client.left("new_message").into_iter();
    messages
        .map(|args| args[0]["message"]["content"].as_str().expect("a text"))
        .collect()
}

#[actix_web::test]
async fn connecting_is_answered_once_nothing_passes_the_client_by() {
    let (ward, liar) = Ward::with_liar(false);
    for stalled in ["put_person", "listed"] {
        let id = format!("p-{stalled}");
        liar.stall(stalled);
        let mut visitor = ward.visitor("/");
        visitor.knock(&json!({"token": format!("patient:{id}")}));
        visitor.glance().await;
        assert!(visitor.greeting.is_null(), "{stalled}");
        liar.unstall();
        while visitor.greeting.is_null() {
            visitor.pump().await;
        }
    }
}

#[actix_web::test]
async fn whose_conversations_cannot_be_read_is_let_in_all_the_same() {
    let (ward, liar) = Ward::with_liar(false);
    ward.relate("doctor:d1", "patient:p1").await;
    liar.moods(|name| name == "listed");
    let mut patient = ward.root("patient:p1").await;
    let mut doctor = ward.root("doctor:d1").await;
    doctor.done("send_message", hello("one")).await;
    patient.next("new_message").await;
}

#[actix_web::test]
async fn what_comes_while_what_was_missed_is_looked_up_comes_once() {
    let (ward, liar) = Ward::with_liar(true);
    ward.relate("doctor:d1", "patient:p1").await;
    let mut doctor = ward.root("doctor:d1").await;
    for content in ["one", "two"] {
        doctor.done("send_message", hello(content)).await;
    }
    for stalled in ["listed", "conversations"] {
        liar.stall(stalled);
        let mut patient = ward.visitor("/");
        patient.knock(&json!({"token": "patient:p1"}));
        patient.glance().await;
        doctor.done("send_message", hello(stalled)).await;
        doctor.next_all("message_sent").await;
        patient.glance().await;
        assert!(texts(&patient).is_empty());
        liar.unstall();
        while !texts(&patient).contains(&stalled) {
            patient.pump().await;
        }
        let last = format!("after {stalled}");
        doctor.done("send_message", hello(&last)).await;
        while !texts(&patient).contains(&last.as_str()) {
            patient.pump().await;
        }
        let all = [
            "one",
            "two",
            "listed",
            "after listed",
            "conversations",
            "after conversations",
        ];
        let count = if stalled == "listed" { 4 } else { 6 };
        assert_eq!(texts(&patient), all[..count]);
    }
}

#[actix_web::test]
async fn a_message_waits_for_the_names_in_it_and_what_comes_after_waits_behind_it() {
    let (ward, liar) = Ward::with_liar(false);
    ward.relate("doctor:d1", "patient:p1").await;
    let mut doctor = ward.root("doctor:d1").await;
    let mut patient = ward.root("patient:p1").await;
    // Not two, because the doctor is waiting as well.
    for (stalled, content) in [("people", "one"), ("load", "two")] {
        liar.stall(stalled);
        doctor.post("send_message", hello(content)).await;
        for _ in 0..50 {
            patient.glance().await;
            tokio::task::yield_now().await;
        }
        liar.unstall();
        let shown = patient.next("new_message").await;
        assert_eq!(shown["message"]["content"], content);
        assert_eq!(shown["message"]["sender"]["fullname"], "Name of d1");
    }
}

#[actix_web::test]
async fn what_could_not_be_read_for_a_message_is_read_again() {
    let (ward, liar) = Ward::with_liar(false);
    ward.relate("doctor:d1", "patient:p1").await;
    let others = ["patient:p1"];
    ward.chat("doctor:d1", ConversationKind::Direct, &others, None)
        .await;
    let mut doctor = ward.root("doctor:d1").await;
    let mut patient = ward.root("patient:p1").await;
    let mut left = 3;
    liar.moods(move |name| {
        left -= i32::from(name == "people");
        name == "people" && left >= 0
    });
    doctor.done("send_message", hello("one")).await;
    let shown = patient.next("new_message").await;
    assert_eq!(shown["message"]["sender"]["fullname"], "Name of d1");
}

#[actix_web::test]
async fn a_refusal_is_told_once_it_is_in_the_audit_log() {
    let (ward, liar) = Ward::with_liar(false);
    ward.relate("doctor:d1", "patient:p1").await;
    let mut patient = ward.root("patient:p1").await;
    liar.stall("append_audit");
    let hostile = json!({"receiverId": "d1", "content": "x", "senderId": "d1"});
    let ack = patient.post("send_message", hostile).await;
    for _ in 0..50 {
        patient.glance().await;
        tokio::task::yield_now().await;
    }
    patient.heard_nothing_more();
    assert!(ward.audit_log().is_empty());
    liar.unstall();
    assert_eq!(patient.answer(ack).await["error"]["code"], "forbidden");
    assert_eq!(ward.audited("p1").len(), 1);
}

#[actix_web::test]
async fn what_cannot_be_looked_up_is_unavailable_and_the_client_goes_on() {
    let (ward, liar) = Ward::with_liar(false);
    ward.relate("doctor:d1", "patient:p1").await;
    let mut patient = ward.root("patient:p1").await;
    let mut messages = ward.connect("/messages", "patient:p1").await;
    liar.moods(|name| !matches!(name, "append_audit" | "audit_entries"));
    let id = bedside_protocol::MessageId::new();
    let chat = bedside_protocol::ConversationId::new();
    for (event, argument) in [
        ("typing_start", json!({"receiverId": "d1"})),
        ("mark_read", json!({"senderId": "d1"})),
        ("join-chat", json!({"chatId": chat})),
        ("message-read", json!({"chatId": chat, "messageId": id})),
    ] {
        assert_eq!(
            patient.refused(event, argument).await,
            "unavailable",
            "{event}"
        );
    }
    for (event, argument) in [
        ("typing", json!({"consultationId": 1, "isTyping": true})),
        ("message-read", json!({"messageId": id})),
    ] {
        assert_eq!(
            messages.refused(event, argument).await,
            "unavailable",
            "{event}"
        );
    }
    liar.be_honest();
    let send = json!({"receiverId": "d1", "content": "x"});
    patient.done("send_message", send).await;
}
