//! Seed 003: chats that a socket has joined, on `/`.

use bedside_protocol::{Command, ConversationId, ConversationKind, command::MemberRemove};
use serde_json::{Value, json};

use crate::kit::{Client, NOW, Ward, id_of, user};

async fn joined(ward: &Ward, token: &str, chat: ConversationId) -> Client {
    let mut client = ward.root(token).await;
    client.done("join-chat", json!({"chatId": chat})).await;
    client.next("user-joined").await;
    client
}

/// What was said in this chat before has come to all of them, or never does.
async fn settled(chat: ConversationId, from: &mut Client, others: &mut [&mut Client]) {
    let send = json!({"chatId": chat, "content": "the last one"});
    from.done("send-message", send).await;
    let last = |message: &Value| message["content"] == "the last one";
    while !last(&from.next("message-received").await) {}
    for other in others {
        while !last(&other.next("message-received").await) {}
    }
}

#[actix_web::test]
async fn user_joined_goes_to_the_room_the_joiner_too_with_everybody_once() {
    let (ward, chat) = Ward::team().await;
    let (mut doctor, mut patient) = (ward.root("doctor:d1").await, ward.root("patient:p1").await);
    let join = |id: &str| json!({"chatId": chat, "userId": id});
    doctor.emit("join-chat", join("d1")).await;
    let first = doctor.next("user-joined").await;
    let mine = first["connectedUsers"][0]["socketId"].clone();
    let there = json!({"socketId": mine, "userId": "d1", "chatId": chat});
    assert_eq!(first, json!({"userId": "d1", "connectedUsers": [there]}));
    patient.emit("join-chat", join("p1")).await;
    let seen = doctor.next("user-joined").await;
    assert_eq!(patient.next("user-joined").await, seen);
    let theirs = seen["connectedUsers"][1]["socketId"].clone();
    let both = json!([there, {"socketId": theirs, "userId": "p1", "chatId": chat}]);
    assert_eq!(seen, json!({"userId": "p1", "connectedUsers": both}));
    // Opaque, and of no use to anybody.
    assert_ne!(mine, doctor.greeting["sid"]);
    assert_ne!(theirs, patient.greeting["sid"]);
    // Again: told again, and once in the list.
    assert_eq!(
        doctor.done("join-chat", join("d1")).await,
        json!({"ok": true})
    );
    let again = json!({"userId": "d1", "connectedUsers": both});
    assert_eq!(doctor.next("user-joined").await, again);
    assert_eq!(patient.next("user-joined").await, again);
    // Who is gone is not there.
    drop(patient);
    let mut colleague = ward.root("doctor:d2").await;
    colleague.emit("join-chat", join("d2")).await;
    let list = colleague.next("user-joined").await["connectedUsers"].clone();
    let ids: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["userId"])
        .collect();
    assert_eq!(ids, ["d1", "d2"]);
}

#[actix_web::test]
async fn only_members_join() {
    let (ward, chat) = Ward::team().await;
    let mut doctor = joined(&ward, "doctor:d1", chat).await;
    let mut stranger = ward.root("doctor:d9").await;
    let join = json!({"chatId": chat});
    assert_eq!(stranger.refused("join-chat", join).await, "not_a_member");
    let detail = "socketio / join-chat: not_a_member".to_owned();
    let entry = ("access.refused", format!("conversation {chat}"), detail);
    assert_eq!(ward.audited("d9"), [entry.clone(), entry]);
    let none = json!({"chatId": ConversationId::new()});
    assert_eq!(stranger.refused("join-chat", none).await, "not_a_member");
    for odd in [json!({}), json!({"chatId": "x"}), json!({"chatId": 7})] {
        assert_eq!(stranger.refused("join-chat", odd).await, "invalid_argument");
    }
    settled(chat, &mut doctor, &mut []).await;
    doctor.heard_nothing_more();
    stranger.glance().await;
    stranger.heard_nothing_more();
}

#[actix_web::test]
async fn a_message_goes_to_all_who_joined_the_sender_too() {
    let (ward, chat) = Ward::team().await;
    let (mut doctor, mut patient) = (
        joined(&ward, "doctor:d1", chat).await,
        joined(&ward, "patient:p1", chat).await,
    );
    doctor.next("user-joined").await;
    let mut idle = ward.root("doctor:d2").await;
    let send = json!({"chatId": chat, "content": "hello", "type": "text", "senderId": "d1"});
    let answer = doctor.done("send-message", send).await;
    let wanted = json!({
        "id": answer["messageId"], "chatId": chat, "senderId": "d1", "content": "hello",
        "messageType": "text", "fileUrl": null, "fileName": null, "fileSize": null,
        "mimeType": null, "isRead": false, "voiceDuration": null, "isTranscribing": false,
        "transcription": null, "transcriptionSummary": null, "callId": null, "callType": null,
        "createdAt": NOW, "updatedAt": NOW, "deletedAt": null,
    });
    assert_eq!(doctor.next("message-received").await, wanted);
    assert_eq!(patient.next("message-received").await, wanted);
    let file = json!({"chatId": chat, "content": "look", "type": "image", "fileUrl": "https://files.example/a.png", "fileName": "a.png"});
    patient.done("send-message", file).await;
    let shown = doctor.next("message-received").await;
    assert_eq!(
        (&shown["messageType"], &shown["fileName"]),
        (&json!("image"), &json!("a.png"))
    );
    settled(chat, &mut doctor, &mut [&mut patient]).await;
    doctor.heard_nothing_more();
    patient.heard_nothing_more();
    idle.glance().await;
    assert!(idle.left("message-received").is_empty(), "has not joined");
}

#[actix_web::test]
async fn a_direct_chat_is_both_seeds_at_once() {
    let ward = Ward::pair().await;
    let chat = ward
        .chat("doctor:d1", ConversationKind::Direct, &["patient:p1"], None)
        .await;
    let mut doctor = joined(&ward, "doctor:d1", chat).await;
    let mut patient = ward.root("patient:p1").await;
    let send = json!({"chatId": chat, "content": "hello"});
    doctor.done("send-message", send).await;
    let id = doctor.next("message-received").await["id"].clone();
    assert_eq!(doctor.next("message_sent").await["message"]["_id"], id);
    assert_eq!(patient.next("new_message").await["message"]["_id"], id);
    let typing = json!({"chatId": chat, "isTyping": true});
    patient.done("typing", typing).await;
    assert_eq!(doctor.next("typing_start").await, json!({"userId": "p1"}));
    let wanted = json!({"userId": "p1", "isTyping": true});
    assert_eq!(doctor.next("user-typing").await, wanted);
    patient
        .done("message-read", json!({"chatId": chat, "messageId": id}))
        .await;
    assert_eq!(doctor.next("messages_read").await, json!({"userId": "p1"}));
    assert_eq!(doctor.next("message-read").await["messageId"], id);
    assert!(patient.left("message-received").is_empty() && patient.left("message-read").is_empty());
}

#[actix_web::test]
async fn from_outside_nothing_is_sent_typed_read_or_called() {
    let (ward, chat) = Ward::team().await;
    let mut doctor = joined(&ward, "doctor:d1", chat).await;
    let answer = doctor
        .done("send-message", json!({"chatId": chat, "content": "one"}))
        .await;
    doctor.next("message-received").await;
    let mut stranger = ward.root("doctor:d9").await;
    let hostile = [
        ("send-message", json!({"chatId": chat, "content": "hi"})),
        ("typing", json!({"chatId": chat, "isTyping": true})),
        (
            "message-read",
            json!({"chatId": chat, "messageId": answer["messageId"]}),
        ),
        (
            "call-initiated",
            json!({"chatId": chat, "callType": "video", "callId": "c", "roomId": "r"}),
        ),
    ];
    for (event, argument) in hostile {
        let before = ward.audited("d9").len();
        assert_eq!(
            stranger.refused(event, argument).await,
            "not_a_member",
            "{event}"
        );
        let entries = ward.audited("d9").split_off(before);
        let detail = format!("socketio / {event}: not_a_member");
        assert_eq!(entries.len(), 2);
        assert_eq!(
            entries[0],
            ("access.refused", format!("conversation {chat}"), detail)
        );
    }
    // Files of others, and kinds that are the server's own.
    let file = json!({"chatId": chat, "type": "file", "fileUrl": "https://evil.example/x"});
    assert_eq!(
        doctor.refused("send-message", file).await,
        "invalid_argument"
    );
    assert_eq!(ward.audited("d1").len(), 2);
    for odd in ["system", "call_log", "nonsense"] {
        let send = json!({"chatId": chat, "content": "x", "type": odd});
        assert_eq!(
            doctor.refused("send-message", send).await,
            "invalid_argument"
        );
    }
    assert_eq!(ward.audited("d1").len(), 2);
    settled(chat, &mut doctor, &mut []).await;
    doctor.heard_nothing_more();
}

#[actix_web::test]
async fn typing_goes_to_the_others_in_the_room() {
    let (ward, chat) = Ward::team().await;
    let (mut doctor, mut patient) = (
        joined(&ward, "doctor:d1", chat).await,
        joined(&ward, "patient:p1", chat).await,
    );
    let mut idle = ward.root("doctor:d2").await;
    for is_typing in [true, false] {
        let typing = json!({"chatId": chat, "userId": "d1", "isTyping": is_typing});
        doctor.emit("typing", typing).await;
        let wanted = json!({"userId": "d1", "isTyping": is_typing});
        assert_eq!(patient.next("user-typing").await, wanted);
    }
    settled(chat, &mut doctor, &mut [&mut patient]).await;
    idle.glance().await;
    for client in [&doctor, &idle] {
        assert!(client.left("user-typing").is_empty());
        assert!(client.left("typing_start").is_empty());
    }
    let odd = json!({"chatId": chat, "isTyping": "yes"});
    assert_eq!(doctor.refused("typing", odd).await, "invalid_argument");
}

#[actix_web::test]
async fn reading_is_kept_and_told_to_the_room() {
    let (ward, chat) = Ward::team().await;
    let (mut doctor, mut patient) = (
        joined(&ward, "doctor:d1", chat).await,
        joined(&ward, "patient:p1", chat).await,
    );
    let mut ids = Vec::new();
    for content in ["one", "two", "three"] {
        let send = json!({"chatId": chat, "content": content});
        doctor.done("send-message", send).await;
        ids.push(patient.next("message-received").await["id"].clone());
    }
    let read = |id: &Value| json!({"chatId": chat, "messageId": id, "userId": "p1"});
    let answer = patient.done("message-read", read(&ids[1])).await;
    assert_eq!(answer, json!({"ok": true, "unreadCount": 1}));
    let wanted = json!({"messageId": ids[1], "readBy": "p1", "readAt": NOW});
    assert_eq!(doctor.next("message-read").await, wanted);
    assert_eq!(patient.next("message-read").await, wanted);
    // Going back changes nothing.
    patient.done("message-read", read(&ids[0])).await;
    patient.done("message-read", read(&ids[2])).await;
    assert_eq!(doctor.next("message-read").await["messageId"], ids[2]);
    // Of another chat.
    let other = ward
        .chat("doctor:d1", ConversationKind::Direct, &["patient:p1"], None)
        .await;
    let elsewhere = json!({"chatId": other, "messageId": ids[0]});
    assert_eq!(
        patient.refused("message-read", elsewhere).await,
        "not_found"
    );
}

#[actix_web::test]
async fn a_watermark_between_messages_is_told_as_the_message_below_it() {
    use bedside_protocol::command::{MessageReact, Receipt};
    let (ward, chat) = Ward::team().await;
    let mut doctor = joined(&ward, "doctor:d1", chat).await;
    let answer = doctor
        .done("send-message", json!({"chatId": chat, "content": "one"}))
        .await;
    let seq = answer["seq"].as_u64().expect("a seq");
    let react = MessageReact {
        conversation_id: chat,
        seq,
        emoji: "👍".to_owned(),
        on: true,
    };
    ward.run("patient:p1", Command::MessageReact(react)).await;
    let read = Receipt {
        conversation_id: chat,
        up_to_seq: seq + 1,
    };
    ward.run("patient:p1", Command::ReceiptRead(read)).await;
    let shown = doctor.next("message-read").await;
    assert_eq!(
        (&shown["messageId"], &shown["readBy"]),
        (&answer["messageId"], &json!("p1"))
    );
}

#[actix_web::test]
async fn a_call_is_announced_under_ids_of_the_servers() {
    let (ward, chat) = Ward::team().await;
    let (mut doctor, mut patient) = (
        joined(&ward, "doctor:d1", chat).await,
        joined(&ward, "patient:p1", chat).await,
    );
    let mut idle = ward.root("doctor:d2").await;
    for call_type in ["voice", "video"] {
        let call = json!({"chatId": chat, "callId": "mine", "callType": call_type, "initiatedBy": "d1", "roomId": "mine"});
        let answer = doctor.done("call-initiated", call).await;
        let (call_id, room_id) = (&answer["callId"], &answer["roomId"]);
        assert!(*call_id != "mine" && *room_id != "mine" && call_id != room_id);
        let wanted = json!({"callId": call_id, "callType": call_type, "initiatedBy": "d1", "roomId": room_id});
        assert_eq!(doctor.next("call-initiated").await, wanted);
        assert_eq!(patient.next("call-initiated").await, wanted);
    }
    let odd = json!({"chatId": chat, "callType": "telepathy"});
    assert_eq!(
        doctor.refused("call-initiated", odd).await,
        "invalid_argument"
    );
    idle.glance().await;
    assert!(idle.left("call-initiated").is_empty());
}

#[actix_web::test]
async fn whoever_is_removed_hears_nothing_more() {
    let (ward, chat) = Ward::team().await;
    let (mut doctor, mut gone) = (
        joined(&ward, "doctor:d1", chat).await,
        joined(&ward, "doctor:d2", chat).await,
    );
    settled(chat, &mut doctor, &mut [&mut gone]).await;
    gone.glance().await;
    gone.heard.clear();
    let remove = MemberRemove {
        conversation_id: chat,
        user_id: user("d2"),
    };
    ward.run("doctor:d1", Command::MemberRemove(remove)).await;
    doctor
        .done("typing", json!({"chatId": chat, "isTyping": true}))
        .await;
    doctor
        .done(
            "call-initiated",
            json!({"chatId": chat, "callType": "voice"}),
        )
        .await;
    settled(chat, &mut doctor, &mut []).await;
    let join = json!({"chatId": chat});
    assert_eq!(gone.refused("join-chat", join).await, "not_a_member");
    let send = json!({"chatId": chat, "content": "hi"});
    assert_eq!(gone.refused("send-message", send).await, "not_a_member");
    gone.heard_nothing_more();
    // Nor are they listed.
    let mut patient = ward.root("patient:p1").await;
    patient.emit("join-chat", json!({"chatId": chat})).await;
    let list = patient.next("user-joined").await["connectedUsers"].clone();
    assert_eq!(list.as_array().map(Vec::len), Some(2));
}

#[actix_web::test]
async fn in_a_broadcast_nobody_sees_anybody() {
    let ward = Ward::open();
    for token in ["admin:a1", "nurse:n1", "nurse:n2"] {
        ward.know(token).await;
    }
    let others = ["nurse:n1", "nurse:n2"];
    let chat = ward
        .chat("admin:a1", ConversationKind::Broadcast, &others, None)
        .await;
    let mut author = joined(&ward, "admin:a1", chat).await;
    let mut first = joined(&ward, "nurse:n1", chat).await;
    let mut second = ward.root("nurse:n2").await;
    second.emit("join-chat", json!({"chatId": chat})).await;
    let own = second.next("user-joined").await;
    assert_eq!(own["connectedUsers"].as_array().map(Vec::len), Some(1));
    let send = json!({"chatId": chat, "content": "hi"});
    assert_eq!(
        second.refused("send-message", send.clone()).await,
        "forbidden"
    );
    let call = json!({"chatId": chat, "callType": "voice"});
    assert_eq!(second.refused("call-initiated", call).await, "forbidden");
    settled(chat, &mut author, &mut [&mut first, &mut second]).await;
    author.heard_nothing_more();
    first.heard_nothing_more();
    assert_eq!(ward.audited(id_of("nurse:n2").as_str()).len(), 4);
}
