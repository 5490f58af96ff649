//! Whoever is named as the one who does something has to be the caller.

use bedside_protocol::{MessageId, NotificationId};
use serde_json::{Value, json};

use crate::kit::Ward;

/// Refused in any spelling, with nothing stored and an entry each time.
async fn is_refused(
    ward: &Ward,
    namespace: &'static str,
    subject: &str,
    event: &str,
    honest: Value,
) {
    let mut client = ward.connect(namespace, "patient:12").await;
    for field in ["senderId", "userId", "initiatedBy"] {
        if event == "mark_read" && field == "senderId" {
            continue;
        }
        for (claimed, said) in [
            (json!("5"), "user 5"),
            (json!(5), "user 5"),
            (json!([12]), "no user id"),
        ] {
            let before = ward.audited("12").len();
            let mut hostile = honest.clone();
            hostile[field] = claimed;
            assert_eq!(client.refused(event, hostile).await, "forbidden");
            let entries = ward.audited("12").split_off(before);
            assert_eq!(entries.len(), 2, "with an answer and without");
            let detail = format!("socketio {namespace} {event}: {field} was {said}");
            let wanted = ("identity.mismatch", subject.to_owned(), detail);
            assert_eq!(entries[0], wanted);
        }
    }
}

#[actix_web::test]
async fn in_every_event_of_every_namespace() {
    let (ward, consultation) = Ward::consulting().await;
    let chat = consultation.conversation_id;
    let (number, message) = (consultation.consultation_id, MessageId::new());
    let in_chat = format!("conversation {chat}");
    let in_consultation = format!("consultation {number}");
    let number = number.number();
    let to_doctor = json!({"receiverId": "5", "content": "hi"});
    let root: [(&str, &str, Value); 8] = [
        ("user 5", "send_message", to_doctor),
        ("user 5", "typing_start", json!({"receiverId": "5"})),
        ("user 5", "typing_stop", json!({"receiverId": "5"})),
        ("user 5", "mark_read", json!({"senderId": "5"})),
        (&in_chat, "join-chat", json!({"chatId": chat})),
        (
            &in_chat,
            "send-message",
            json!({"chatId": chat, "content": "hi"}),
        ),
        (
            &in_chat,
            "typing",
            json!({"chatId": chat, "isTyping": true}),
        ),
        (
            &in_chat,
            "message-read",
            json!({"chatId": chat, "messageId": message}),
        ),
    ];
    for (subject, event, honest) in root {
        is_refused(&ward, "/", subject, event, honest).await;
    }
    let call = json!({"chatId": chat, "callType": "video"});
    is_refused(&ward, "/", &in_chat, "call-initiated", call).await;
    for event in ["join", "leave", "start", "end"] {
        let event = format!("{event}-consultation");
        let honest = json!({"consultationId": number});
        is_refused(&ward, "/consultation", &in_consultation, &event, honest).await;
    }
    let send = json!({"consultationId": number, "message": "hi"});
    let typing = json!({"consultationId": number, "isTyping": true});
    let read = json!({"messageId": message});
    let about = format!("message {message}");
    is_refused(&ward, "/messages", &in_consultation, "send-message", send).await;
    is_refused(&ward, "/messages", &in_consultation, "typing", typing).await;
    is_refused(&ward, "/messages", &about, "message-read", read).await;
    let id = NotificationId::new();
    let (about, seen) = (format!("notification {id}"), "notification:acknowledge");
    let honest = json!({"notificationId": id});
    is_refused(&ward, "/notifications", &about, seen, honest).await;
    // It names nobody, and so nobody else either.
    let mut client = ward.root("patient:12").await;
    for field in ["senderId", "userId", "initiatedBy"] {
        let mut hostile = json!({"status": "busy"});
        hostile[field] = json!("5");
        assert_eq!(client.refused("set_status", hostile).await, "forbidden");
        let (action, _, detail) = ward.audited("12").pop().expect("an entry");
        assert_eq!(action, "identity.mismatch");
        assert_eq!(detail, format!("socketio / set_status: {field} was user 5"));
    }
    // Nothing of it was done.
    let mut doctor = ward.connect("/messages", "doctor:5").await;
    let send = json!({"consultationId": number, "message": "first", "senderId": 5});
    doctor.done("send-message", send).await;
    assert_eq!(doctor.next("new-message").await["message"], "first");
    doctor.heard_nothing_more();
    assert!(ward.audited("5").is_empty());
}

#[actix_web::test]
async fn one_client_cannot_fill_the_audit_log() {
    let ward = Ward::pair().await;
    let mut client = ward.root("patient:p1").await;
    let hostile = json!({"receiverId": "d1", "content": "secret", "senderId": "d1"});
    for _ in 0..70 {
        let answer = client.ask("send_message", hostile.clone()).await;
        assert_eq!(answer["error"]["code"], "forbidden");
    }
    let entries = ward.audited("p1");
    assert!((60..65).contains(&entries.len()), "{}", entries.len());
    assert!(entries[59].2.ends_with("more for now are not written"));
    let all = format!("{:?}", ward.audit_log());
    assert!(!all.contains("secret"), "no text of a patient");
}
