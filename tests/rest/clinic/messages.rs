//! `/api/v1/chats/{id}/messages`.

use bedside_protocol::limits::TEXT_BYTES_MAX;
use serde_json::{Value, json};

use super::{acquainted, care_team, column, direct_with, id_of, make, native, now, say};
use crate::kit::{Api, DOCTOR, NURSE, PATIENT, STRANGER, user};

async fn direct() -> (Api, String) {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, direct_with("p1")).await;
    (api, chat)
}

#[actix_web::test]
async fn a_message_has_the_columns_of_the_seed() {
    let (api, chat) = direct().await;
    let path = format!("{chat}/messages");
    let body = json!({
        "content": "see here", "messageType": "image", "fileName": "a.png",
        "fileUrl": "https://files.clinic.example/a.png", "clientMsgId": "c1",
    });
    let answer = api.post(&path).by(DOCTOR).json(body.clone()).await;
    let location = answer.header("location").expect("is there").to_owned();
    let sent = answer.created();
    let mut expected = json!({
        "id": sent["id"],
        "chatId": chat.rsplit('/').next(),
        "senderId": "d1",
        "content": "see here",
        "messageType": "image",
        "fileUrl": "https://files.clinic.example/a.png",
        "fileName": "a.png",
        "fileSize": null,
        "mimeType": null,
        "isRead": false,
        "voiceDuration": null,
        "isTranscribing": false,
        "transcription": null,
        "transcriptionSummary": null,
        "callId": null,
        "callType": null,
        "createdAt": now(),
        "updatedAt": now(),
        "deletedAt": null,
    });
    assert_eq!(sent, expected);
    assert_eq!(location, format!("/api/v1/messages/{}", id_of(&sent)));
    for token in [DOCTOR, PATIENT] {
        assert_eq!(api.get(&location).by(token).await.ok(), expected);
        let list = api.get(&path).by(token).await.ok();
        assert_eq!(list["data"], json!([expected]));
    }
    // The same again is the one that is there, as it stands now.
    let edit = api
        .put(&location)
        .by(DOCTOR)
        .json(json!({"content": "and here"}));
    api.clock.advance_ms(1_000);
    edit.await.ok();
    expected["content"] = json!("and here");
    expected["updatedAt"] = json!(now().plus_millis(1_000));
    assert_eq!(api.post(&path).by(DOCTOR).json(body).await.ok(), expected);
    let other = json!({"content": "else", "clientMsgId": "c1"});
    api.post(&path)
        .by(DOCTOR)
        .json(other)
        .await
        .refused("conflict");
    assert_eq!(
        api.get(&path).by(PATIENT).await.ok()["pagination"]["total"],
        1
    );
}

#[actix_web::test]
async fn a_key_in_the_header_makes_a_retry_safe_too() {
    let (api, chat) = direct().await;
    let path = format!("{chat}/messages");
    let send = || {
        let post = api.post(&path).by(DOCTOR).header("idempotency-key", "k1");
        post.json(json!({"content": "hello", "type": "text"}))
    };
    let sent = send().await.created();
    assert_eq!(send().await.ok(), sent);
}

#[actix_web::test]
async fn a_message_that_cannot_be_is_refused() {
    let (api, chat) = direct().await;
    let path = format!("{chat}/messages");
    let send = |token, body| api.post(&path).by(token).json(body);
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    for (body, code) in [
        (json!({}), "invalid_argument"),
        (json!({"content": " "}), "invalid_argument"),
        (json!({"content": 7}), "invalid_argument"),
        (
            json!({"content": "a", "messageType": "system"}),
            "invalid_argument",
        ),
        (
            json!({"content": "a", "messageType": "call_log"}),
            "invalid_argument",
        ),
        (
            json!({"content": "a", "messageType": "poem"}),
            "invalid_argument",
        ),
        (
            json!({"content": "a", "messageType": "image"}),
            "invalid_argument",
        ),
        (
            json!({"content": "a", "fileName": "a.png"}),
            "invalid_argument",
        ),
        (
            json!({"messageType": "file", "fileUrl": "https://elsewhere.example/a"}),
            "invalid_argument",
        ),
        (
            json!({"messageType": "file", "fileUrl": "http://files.clinic.example/a"}),
            "invalid_argument",
        ),
        (
            json!({"content": "a", "clientMsgId": "x".repeat(65)}),
            "invalid_argument",
        ),
        (json!({"content": long}), "too_large"),
    ] {
        send(DOCTOR, body).await.refused(code);
    }
    send(STRANGER, json!({"content": "a"}))
        .await
        .refused("not_a_member");
    let list = api.get(&path).by(DOCTOR).await.ok();
    assert_eq!(list["pagination"]["total"], 0);
    // An empty file's name and url, as forms send them, are none.
    let bare = json!({"content": "a", "fileUrl": "", "fileName": ""});
    assert_eq!(send(DOCTOR, bare).await.created()["fileUrl"], Value::Null);
}

#[actix_web::test]
async fn all_up_to_now_is_read() {
    let (api, chat) = direct().await;
    for text in ["one", "two"] {
        say(&api, &chat, DOCTOR, text).await;
    }
    let unread = || async {
        let row = api.get(&chat).by(PATIENT).await.ok();
        row["unreadCount"].clone()
    };
    let read = |token| {
        let list = api.get(&format!("{chat}/messages")).by(token);
        async move { json!(column(&list.await.ok(), "isRead")) }
    };
    assert_eq!(unread().await, 2);
    assert_eq!(read(PATIENT).await, json!([false, false]));
    let path = format!("{chat}/messages/read-all");
    let done = api.post(&path).by(PATIENT).await.ok();
    assert_eq!(
        done,
        json!({"message": "All messages marked as read", "unreadCount": 0})
    );
    assert_eq!(unread().await, 0);
    assert_eq!(read(PATIENT).await, json!([true, true]));
    assert_eq!(read(DOCTOR).await, json!([true, true]));
    say(&api, &chat, DOCTOR, "three").await;
    assert_eq!(unread().await, 1);
    assert_eq!(read(DOCTOR).await, json!([true, true, false]));
    let receipts = api
        .get(&format!("{}/receipts", native(&chat)))
        .by(DOCTOR)
        .await
        .ok();
    assert_eq!(receipts["receipts"][1]["read_up_to_seq"], 3);
    api.post(&path).by(STRANGER).await.refused("not_a_member");
}

#[actix_web::test]
async fn an_own_message_in_a_group_is_read_once_all_have() {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, care_team()).await;
    say(&api, &chat, DOCTOR, "one").await;
    let is_read = || async {
        let list = api.get(&format!("{chat}/messages")).by(DOCTOR).await.ok();
        list["data"][0]["isRead"].clone()
    };
    let read_all = format!("{chat}/messages/read-all");
    api.post(&read_all).by(PATIENT).await.ok();
    assert_eq!(is_read().await, false);
    api.post(&read_all).by(NURSE).await.ok();
    assert_eq!(is_read().await, true);
}

#[actix_web::test]
async fn a_page_that_was_read_counts_as_shown() {
    let (api, chat) = direct().await;
    say(&api, &chat, DOCTOR, "one").await;
    let id = chat
        .rsplit('/')
        .next()
        .expect("an id")
        .parse()
        .expect("an id");
    assert_eq!(api.shown.highest(&user("p1"), id), None);
    api.get(&format!("{chat}/messages")).by(PATIENT).await.ok();
    assert_eq!(api.shown.highest(&user("p1"), id), Some(2));
}
