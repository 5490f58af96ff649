//! Clients that speak MessagePack, and frames that are shared.

use serde_json::json;

use crate::kit::{NOW, Ward, person};

#[actix_web::test]
async fn clients_of_both_formats_are_shown_the_same() {
    let ward = Ward::pair().await;
    let mut mine = ward.msgpack("/", "patient:p1").await;
    let (mut theirs, mut also) = (
        ward.msgpack("/", "doctor:d1").await,
        ward.root("doctor:d1").await,
    );
    let answer = mine
        .done(
            "send_message",
            json!({"receiverId": "d1", "content": "hello"}),
        )
        .await;
    let wanted = json!({"message": {
        "_id": answer["messageId"], "sender": person("patient:p1"), "receiver": person("doctor:d1"),
        "content": "hello", "messageType": "text", "fileUrl": null, "fileName": null,
        "isRead": false, "createdAt": NOW,
    }});
    assert_eq!(mine.next("message_sent").await, wanted);
    assert_eq!(theirs.next("new_message").await, wanted);
    assert_eq!(also.next("new_message").await, wanted);
    mine.done("typing_start", json!({"receiverId": "d1"})).await;
    for client in [&mut theirs, &mut also] {
        assert_eq!(client.next("typing_start").await, json!({"userId": "p1"}));
    }
    theirs.done("mark_read", json!({"senderId": "p1"})).await;
    assert_eq!(mine.next("messages_read").await, json!({"userId": "d1"}));
    let code = theirs.refused("mark_read", json!({"senderId": {}})).await;
    assert_eq!(code, "invalid_argument");
}

#[actix_web::test]
async fn in_rooms_too() {
    let (ward, chat) = Ward::team().await;
    let mut doctor = ward.msgpack("/", "doctor:d1").await;
    let mut patient = ward.root("patient:p1").await;
    for client in [&mut doctor, &mut patient] {
        client.done("join-chat", json!({"chatId": chat})).await;
    }
    doctor.next("user-joined").await;
    assert_eq!(
        doctor.next("user-joined").await,
        patient.next("user-joined").await
    );
    patient
        .done(
            "call-initiated",
            json!({"chatId": chat, "callType": "voice"}),
        )
        .await;
    assert_eq!(
        doctor.next("call-initiated").await,
        patient.next("call-initiated").await
    );
    patient
        .done("send-message", json!({"chatId": chat, "content": "hi"}))
        .await;
    let shown = patient.next("message-received").await;
    assert_eq!(doctor.next("message-received").await, shown);
    doctor
        .done(
            "message-read",
            json!({"chatId": chat, "messageId": shown["id"]}),
        )
        .await;
    assert_eq!(
        doctor.next("message-read").await,
        patient.next("message-read").await
    );
}

#[actix_web::test]
async fn numbers_are_numbers_in_both() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id.number();
    let mut doctor = ward.msgpack("/messages", "doctor:5").await;
    let mut patient = ward.connect("/messages", "patient:12").await;
    let send = json!({"consultationId": id, "message": "hi", "senderId": 5});
    let sent = doctor.done("send-message", send).await;
    let wanted = json!({"consultationId": id, "message": "hi", "senderId": 5, "timestamp": NOW});
    assert_eq!(doctor.next("new-message").await, wanted);
    assert_eq!(patient.next("new-message").await, wanted);
    patient
        .done("message-read", json!({"messageId": sent["messageId"]}))
        .await;
    let status = doctor.next("message-read-status").await;
    assert_eq!(status["userId"], 12);
    assert_eq!(patient.next("message-read-status").await, status);
    let mut room = ward.msgpack("/consultation", "patient:12").await;
    room.done("join-consultation", json!({"consultationId": id}))
        .await;
    ward.clinic
        .notify_room(consultation.consultation_id, &json!({"a": [1, 2]}));
    assert_eq!(
        room.next("consultation-notification").await,
        json!({"a": [1, 2]})
    );
    let mut bell = ward.msgpack("/notifications", "patient:12").await;
    bell.next("connected").await;
}
