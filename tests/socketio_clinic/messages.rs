//! Seed 000: `/messages`.

use bedside_protocol::ConversationKind;
use serde_json::{Value, json};

use crate::kit::{Client, NOW, Ward};

async fn two(ward: &Ward) -> (Client, Client) {
    let doctor = ward.connect("/messages", "doctor:5").await;
    (doctor, ward.connect("/messages", "patient:12").await)
}

async fn settled(id: u64, from: &mut Client, others: &mut [&mut Client]) {
    let send = json!({"consultationId": id, "message": "the last one"});
    from.done("send-message", send).await;
    let is_last = |message: &Value| message["message"] == "the last one";
    while !is_last(&from.next("new-message").await) {}
    for other in others {
        while !is_last(&other.next("new-message").await) {}
    }
}

#[actix_web::test]
async fn a_message_reaches_the_whole_consultation_without_joining() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id.number();
    let (mut doctor, mut patient) = two(&ward).await;
    let mut stranger = ward.connect("/messages", "doctor:9").await;
    let send = json!({"consultationId": id, "message": "hello", "senderId": 5});
    let answer = doctor.done("send-message", send).await;
    assert_eq!(
        (&answer["duplicate"], &answer["createdAt"]),
        (&json!(false), &json!(NOW))
    );
    assert!(answer["messageId"].is_string());
    let wanted = json!({"consultationId": id, "message": "hello", "senderId": 5, "timestamp": NOW});
    assert_eq!(doctor.next("new-message").await, wanted);
    assert_eq!(patient.next("new-message").await, wanted);
    // One that is made later, too.
    let later = ward.consultation("32").await.consultation_id.number();
    settled(later, &mut patient, &mut [&mut doctor]).await;
    settled(id, &mut doctor, &mut [&mut patient]).await;
    doctor.heard_nothing_more();
    patient.heard_nothing_more();
    stranger.glance().await;
    stranger.heard_nothing_more();
}

#[actix_web::test]
async fn a_retry_is_one_message() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id.number();
    let (mut doctor, mut patient) = two(&ward).await;
    let send = json!({"consultationId": id, "message": "hello", "clientMsgId": "tap-1"});
    let first = doctor.done("send-message", send.clone()).await;
    let again = doctor.done("send-message", send).await;
    assert_eq!(again["messageId"], first["messageId"]);
    assert_eq!(again["duplicate"], true);
    doctor.next("new-message").await;
    patient.next("new-message").await;
    settled(id, &mut doctor, &mut [&mut patient]).await;
    doctor.heard_nothing_more();
    patient.heard_nothing_more();
}

#[actix_web::test]
async fn other_conversations_are_nothing_to_these_clients() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id.number();
    let (mut doctor, mut patient) = two(&ward).await;
    let mut root = ward.root("doctor:5").await;
    let direct = json!({"receiverId": "12", "content": "aside"});
    let sent = root.done("send_message", direct).await;
    root.done("typing_start", json!({"receiverId": "12"})).await;
    // Not even by their ids.
    let read = json!({"messageId": sent["messageId"]});
    assert_eq!(patient.refused("message-read", read).await, "not_found");
    settled(id, &mut doctor, &mut [&mut patient]).await;
    doctor.heard_nothing_more();
    patient.heard_nothing_more();
    // And the other way round.
    root.glance().await;
    assert_eq!(
        root.left("new_message").len() + root.left("message_sent").len(),
        1
    );
    let kind = ConversationKind::Direct;
    assert!(
        ward.chat("doctor:5", kind, &["patient:12"], None).await != consultation.conversation_id
    );
}

#[actix_web::test]
async fn typing_goes_to_the_others() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id.number();
    let (mut doctor, mut patient) = two(&ward).await;
    for is_typing in [true, false] {
        let typing = json!({"consultationId": id, "userId": 5, "isTyping": is_typing});
        doctor.emit("typing", typing).await;
        let wanted = json!({"userId": 5, "isTyping": is_typing, "timestamp": NOW});
        assert_eq!(patient.next("user-typing").await, wanted);
    }
    settled(id, &mut doctor, &mut [&mut patient]).await;
    doctor.heard_nothing_more();
}

#[actix_web::test]
async fn reading_is_kept_and_told_to_the_members() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id.number();
    let (mut doctor, mut patient) = two(&ward).await;
    let mut stranger = ward.connect("/messages", "doctor:9").await;
    let mut answers = Vec::new();
    for message in ["one", "two"] {
        let send = json!({"consultationId": id, "message": message});
        answers.push(doctor.done("send-message", send).await);
        patient.next("new-message").await;
        doctor.next("new-message").await;
    }
    let message_id = &answers[0]["messageId"];
    let read = json!({"messageId": message_id, "userId": 12});
    let answer = patient.done("message-read", read.clone()).await;
    assert_eq!(answer, json!({"ok": true, "unreadCount": 1}));
    let wanted = json!({"messageId": message_id, "userId": 12, "timestamp": NOW});
    assert_eq!(doctor.next("message-read-status").await, wanted);
    assert_eq!(patient.next("message-read-status").await, wanted);
    // Nobody else reads it, or hears of it.
    let hostile = json!({"messageId": message_id});
    assert_eq!(
        stranger.refused("message-read", hostile).await,
        "not_a_member"
    );
    let id_text = message_id.as_str().expect("a text");
    let detail = "socketio /messages message-read: not_a_member".to_owned();
    let entry = ("access.refused", format!("message {id_text}"), detail);
    assert_eq!(ward.audited("9"), [entry.clone(), entry]);
    settled(id, &mut doctor, &mut [&mut patient]).await;
    stranger.heard_nothing_more();
    doctor.heard_nothing_more();
    patient.heard_nothing_more();
}

#[actix_web::test]
async fn from_outside_nothing_is_sent_or_typed() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id;
    let (mut doctor, mut patient) = two(&ward).await;
    let mut stranger = ward.connect("/messages", "doctor:9").await;
    let send = json!({"consultationId": id.number(), "message": "hi"});
    let typing = json!({"consultationId": id.number(), "isTyping": true});
    for (event, argument) in [("send-message", send), ("typing", typing)] {
        let before = ward.audited("9").len();
        assert_eq!(stranger.refused(event, argument).await, "not_a_member");
        let entries = ward.audited("9").split_off(before);
        let detail = format!("socketio /messages {event}: not_a_member");
        assert_eq!(entries.len(), 2);
        assert_eq!(
            entries[0],
            ("access.refused", format!("consultation {id}"), detail)
        );
    }
    for (event, argument) in [
        (
            "send-message",
            json!({"consultationId": 1, "message": "hi"}),
        ),
        ("typing", json!({"consultationId": 1, "isTyping": true})),
        (
            "message-read",
            json!({"messageId": bedside_protocol::MessageId::new()}),
        ),
    ] {
        assert_eq!(stranger.refused(event, argument).await, "not_found");
    }
    for (event, argument) in [
        (
            "send-message",
            json!({"consultationId": id.number(), "message": ""}),
        ),
        (
            "send-message",
            json!({"consultationId": id.number(), "message": {}}),
        ),
        ("send-message", json!({"message": "hi"})),
        ("typing", json!({"consultationId": id.number()})),
        ("message-read", json!({"messageId": 7})),
        ("join-consultation", json!({"consultationId": id.number()})),
    ] {
        let code = doctor.refused(event, argument).await;
        assert_eq!(code, "invalid_argument", "{event}");
    }
    settled(id.number(), &mut doctor, &mut [&mut patient]).await;
    doctor.heard_nothing_more();
    patient.heard_nothing_more();
}

#[actix_web::test]
async fn ids_that_are_no_plain_numbers_stay_text() {
    let ward = Ward::open();
    ward.relate("doctor:5", "patient:12").await;
    let consultation = ward.consultation("a-31").await;
    let id = consultation.consultation_id.number();
    ward.relate("nurse:007", "patient:12").await;
    let add = bedside_protocol::command::MemberAdd {
        conversation_id: consultation.conversation_id,
        user_id: crate::kit::user("007"),
        member_role: bedside_protocol::MemberRole::Member,
        share_history: false,
    };
    ward.run("doctor:5", bedside_protocol::Command::MemberAdd(add))
        .await;
    let mut nurse = ward.connect("/messages", "nurse:007").await;
    let send = json!({"consultationId": id, "message": "hi", "senderId": "007"});
    nurse.done("send-message", send).await;
    assert_eq!(nurse.next("new-message").await["senderId"], "007");
}
