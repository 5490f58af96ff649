//! Seed 004: `/chat`, `/users` and `/doctors`.

use actix_web::http::{Method, StatusCode};
use bedside_protocol::{RelationKind, Role, Timestamp, limits::PRESENCE_WATCH_MAX};
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NOW_MS, NURSE, PATIENT, SERVICE, STRANGER};

fn person(id: &str, role: &str) -> Value {
    json!({
        "_id": id,
        "fullname": format!("Name of {id}"),
        "email": format!("{id}@clinic.example"),
        "role": role,
    })
}

/// A doctor and their patient who have not said anything yet.
async fn acquainted() -> Api {
    let api = Api::start().await;
    api.know(&[DOCTOR, PATIENT]).await;
    api.relate("p1", "d1", RelationKind::Clinician).await;
    api
}

async fn write(api: &Api, text: &str) -> Value {
    let body = json!({"doctorId": "d1", "content": text});
    let sent = api.post("/users/send-message").by(PATIENT).json(body).await;
    sent.data(201)
}

#[actix_web::test]
async fn a_patients_message_is_shown_to_both_in_the_seeds_shape() {
    let api = acquainted().await;
    let body = json!({
        "doctorId": "d1", "content": "hello", "messageType": "text",
        "fileUrl": null, "fileName": null,
    });
    let sent = api.post("/users/send-message").by(PATIENT).json(body).await;
    let sent = sent.data(201);
    let at = Timestamp::from_millis(NOW_MS);
    let mut wanted = json!({
        "_id": sent["_id"],
        "sender": person("p1", "patient"),
        "receiver": person("d1", "doctor"),
        "content": "hello",
        "messageType": "text",
        "fileUrl": null,
        "fileName": null,
        "isRead": false,
        "createdAt": at,
    });
    assert_eq!(sent, wanted);
    assert!(sent["_id"].is_string());
    for (path, token) in [
        ("/chat/conversations/d1", PATIENT),
        ("/users/conversations/d1", PATIENT),
        ("/chat/conversations/p1", DOCTOR),
        ("/doctors/patients/p1/messages", DOCTOR),
    ] {
        assert_eq!(api.get(path).by(token).await.data(200), json!([wanted]));
    }
    let row = |other: Value, unread: u64| {
        json!([{
            "conversationId": "d1_p1",
            "otherUser": other,
            "lastMessage": {"content": "hello", "messageType": "text", "createdAt": at, "sender": "p1"},
            "unreadCount": unread,
        }])
    };
    let list = api.get("/chat/conversations").by(DOCTOR).await.data(200);
    assert_eq!(list, row(person("p1", "patient"), 1));
    let read = api.put("/chat/conversations/p1/read").by(DOCTOR).await;
    assert_eq!(read.data(200), json!({"unreadCount": 0}));
    for path in ["/chat/conversations", "/users/conversations"] {
        let list = api.get(path).by(PATIENT).await.data(200);
        assert_eq!(list, row(person("d1", "doctor"), 0));
    }
    wanted["isRead"] = json!(true);
    let page = api.get("/users/conversations/d1").by(PATIENT).await;
    assert_eq!(page.data(200), json!([wanted]));
}

#[actix_web::test]
async fn a_doctor_answers() {
    let api = acquainted().await;
    let path = "/doctors/patients/p1/messages";
    let body = json!({"message": "come at nine", "clientMsgId": "m1"});
    let sent = api.post(path).by(DOCTOR).json(body.clone()).await.data(201);
    assert_eq!(sent["content"], "come at nine");
    assert_eq!(sent["sender"], person("d1", "doctor"));
    assert_eq!(sent["receiver"], person("p1", "patient"));
    // The same try again is the same message.
    let again = api.post(path).by(DOCTOR).json(body).await.data(200);
    assert_eq!(again, sent);
    let other = json!({"message": "come at ten", "clientMsgId": "m1"});
    api.post(path).by(DOCTOR).json(other).await.plainly(409);
    let page = api.get("/users/conversations/d1").by(PATIENT).await;
    assert_eq!(page.data(200), json!([sent]));
}

#[actix_web::test]
async fn a_file_goes_along_if_it_is_one_of_ours() {
    let api = acquainted().await;
    let send = |kind: &str, url: &str| {
        let body = json!({
            "doctorId": "d1", "content": "", "messageType": kind, "fileUrl": url,
            "fileName": "x.pdf",
        });
        api.post("/users/send-message").by(PATIENT).json(body)
    };
    let sent = send("file", "https://files.clinic.example/x").await;
    let sent = sent.data(201);
    assert_eq!(sent["messageType"], "file");
    assert_eq!(sent["fileUrl"], "https://files.clinic.example/x");
    assert_eq!(sent["fileName"], "x.pdf");
    send("image", "https://evil.example/x").await.plainly(400);
    send("file", "http://files.clinic.example/x")
        .await
        .plainly(400);
    send("file", "").await.plainly(400);
    let long = format!("https://files.clinic.example/{}", "x".repeat(2048));
    send("file", &long).await.plainly(413);
    // A voice recording of another client is a file to this one.
    let direct = json!({"kind": "direct", "member_ids": ["d1"]});
    let conversation = api.post("/api/v1/conversations").by(PATIENT).json(direct);
    let id = conversation.await.ok()["conversation"]["conversation_id"].clone();
    let path = format!(
        "/api/v1/conversations/{}/messages",
        id.as_str().expect("id")
    );
    let voice =
        json!({"type": "voice", "attachments": [{"url": "https://files.clinic.example/v"}]});
    api.post(&path).by(DOCTOR).json(voice).await.created();
    let page = api.get("/users/conversations/d1").by(PATIENT).await;
    let page = page.data(200);
    assert_eq!(page.as_array().map(Vec::len), Some(2));
    assert_eq!(page[1]["messageType"], "file");
    assert_eq!(page[1]["fileName"], Value::Null);
}

#[actix_web::test]
async fn everybody_has_their_own_paths() {
    let api = acquainted().await;
    let hello = json!({"doctorId": "d1", "content": "a"});
    for token in [DOCTOR, NURSE, SERVICE, "family:f1"] {
        let send = api.post("/users/send-message").by(token);
        send.json(hello.clone()).await.plainly(403);
        for path in [
            "/users/conversations",
            "/users/conversations/d1",
            "/users/unread-count",
        ] {
            api.get(path).by(token).await.plainly(403);
        }
        let read = api.put("/users/conversations/d1/read").by(token);
        read.await.plainly(403);
    }
    let path = "/doctors/patients/p1/messages";
    for token in [PATIENT, NURSE, SERVICE, "admin:a1"] {
        api.get(path).by(token).await.plainly(403);
        let send = api.post(path).by(token).json(json!({"message": "a"}));
        send.await.plainly(403);
    }
    for path in [
        "/chat/conversations",
        "/chat/conversations/p1",
        "/chat/unread-count",
        "/chat/search?query=a",
    ] {
        api.get(path).await.plainly(401);
        api.get(path).by("nonsense").await.plainly(401);
        api.get(path).by("old").await.plainly(401);
        api.get(path).by(SERVICE).await.plainly(403);
        api.get(path).by("nobody:x").await.plainly(403);
    }
    let ask = api.post("/chat/online-status").json(json!({"userIds": []}));
    ask.await.plainly(401);
}

#[actix_web::test]
async fn strangers_read_and_write_nothing() {
    let api = acquainted().await;
    write(&api, "hello").await;
    let stranger = "patient:p9";
    api.know(&[stranger, STRANGER]).await;
    // Another's conversation cannot even be named: only one's own with somebody.
    api.get("/chat/conversations/d1")
        .by(stranger)
        .await
        .plainly(403);
    api.get("/chat/conversations/p1")
        .by(STRANGER)
        .await
        .plainly(403);
    api.put("/chat/conversations/p1/read")
        .by(STRANGER)
        .await
        .plainly(403);
    api.get("/chat/conversations/d1_p1")
        .by(STRANGER)
        .await
        .plainly(404);
    let list = api.get("/chat/conversations").by(STRANGER).await;
    assert_eq!(list.data(200), json!([]));
    let body = json!({"doctorId": "d1", "content": "a"});
    let send = api.post("/users/send-message").by(stranger).json(body);
    send.await.plainly(403);
    let send = api.post("/doctors/patients/p1/messages").by(STRANGER);
    send.json(json!({"message": "a"})).await.plainly(403);
    let body = json!({"doctorId": "nobody", "content": "a"});
    let send = api.post("/users/send-message").by(PATIENT).json(body);
    send.await.plainly(404);
    let body = json!({"doctorId": "p1", "content": "a"});
    let send = api.post("/users/send-message").by(PATIENT).json(body);
    send.await.plainly(403);
    let page = api.get("/chat/conversations/p1").by(DOCTOR).await.data(200);
    assert_eq!(page.as_array().map(Vec::len), Some(1));
}

#[actix_web::test]
async fn who_could_write_and_has_not_sees_an_empty_conversation() {
    let api = acquainted().await;
    let page = api.get("/chat/conversations/d1").by(PATIENT).await;
    assert_eq!(page.data(200), json!([]));
    let read = api.put("/chat/conversations/d1/read").by(PATIENT).await;
    assert_eq!(read.data(200), json!({"unreadCount": 0}));
    // Looking makes nothing, and neither does a conversation in which nothing was said show.
    let all = api.get("/api/v1/conversations").by(PATIENT).await.ok();
    assert_eq!(all["conversations"], json!([]));
    api.conversation(DOCTOR, json!({"kind": "direct", "member_ids": ["p1"]}))
        .await;
    let list = api.get("/chat/conversations").by(PATIENT).await;
    assert_eq!(list.data(200), json!([]));
}

#[actix_web::test]
async fn when_the_relation_ends_history_stays_and_writing_ends() {
    let api = acquainted().await;
    write(&api, "hello").await;
    api.delete("/api/v1/relations?patient_id=p1&user_id=d1")
        .by(SERVICE)
        .await
        .ok();
    let body = json!({"doctorId": "d1", "content": "a"});
    let send = api.post("/users/send-message").by(PATIENT).json(body);
    send.await.plainly(403);
    let page = api.get("/users/conversations/d1").by(PATIENT).await;
    assert_eq!(page.data(200)[0]["content"], "hello");
}

#[actix_web::test]
async fn what_may_not_be_sent_is_refused() {
    let api = acquainted().await;
    let send = |body: Value| api.post("/users/send-message").by(PATIENT).json(body);
    for body in [
        json!({}),
        json!({"content": "a"}),
        json!({"doctorId": "d1"}),
        json!({"doctorId": "d1", "content": "  "}),
        json!({"doctorId": "d1", "content": 7}),
        json!({"doctorId": 7, "content": "a"}),
        json!({"doctorId": "d1", "content": "a", "messageType": "video"}),
        json!({"doctorId": "d1", "content": "a", "clientMsgId": ""}),
        json!(["d1", "a"]),
    ] {
        send(body).await.plainly(400);
    }
    let secret = send(json!({"doctorId": "d1", "content": "a", "messageType": "has a rash"}));
    assert!(!secret.await.plainly(400).contains("rash"));
    let long = "x".repeat(bedside_protocol::limits::TEXT_BYTES_MAX);
    let fits = json!({"doctorId": "d1", "content": long});
    send(fits).await.data(201);
    let over = json!({"doctorId": "d1", "content": format!("{long}x")});
    send(over).await.plainly(413);
    let broken = api.post("/users/send-message").by(PATIENT).bytes("{");
    broken.await.plainly(400);
    let page = api.get("/users/conversations/d1").by(PATIENT).await;
    assert_eq!(page.data(200).as_array().map(Vec::len), Some(1));
}

#[actix_web::test]
async fn the_unread_count_is_of_direct_conversations_alone() {
    let api = Api::start().await;
    let team = api.care_team().await;
    api.say(&team, DOCTOR, "to the team").await;
    let body = json!({"message": "to you"});
    let path = "/doctors/patients/p1/messages";
    api.post(path).by(DOCTOR).json(body).await.data(201);
    for path in ["/chat/unread-count", "/users/unread-count"] {
        let count = api.get(path).by(PATIENT).await.data(200);
        assert_eq!(count, json!({"unreadCount": 1}));
    }
    let own = api.get("/chat/unread-count").by(DOCTOR).await.data(200);
    assert_eq!(own, json!({"unreadCount": 0}));
    // Groups are not in the list either.
    let list = api.get("/chat/conversations").by(PATIENT).await.data(200);
    assert_eq!(list.as_array().map(Vec::len), Some(1));
}

#[actix_web::test]
async fn what_is_archived_is_out_of_list_and_count() {
    let api = acquainted().await;
    write(&api, "hello").await;
    let direct = json!({"kind": "direct", "member_ids": ["p1"]});
    let made = api.post("/api/v1/conversations").by(DOCTOR).json(direct);
    let id = made.await.ok()["conversation"]["conversation_id"].clone();
    let path = format!("/api/v1/conversations/{}/me", id.as_str().expect("an id"));
    let archive = api.put(&path).by(DOCTOR).json(json!({"archived": true}));
    archive.await.ok();
    let list = api.get("/chat/conversations").by(DOCTOR).await.data(200);
    assert_eq!(list, json!([]));
    let count = api.get("/chat/unread-count").by(DOCTOR).await.data(200);
    assert_eq!(count, json!({"unreadCount": 0}));
    let found = api.get("/chat/search?query=hell").by(DOCTOR).await;
    assert_eq!(found.data(200).as_array().map(Vec::len), Some(1));
}

#[actix_web::test]
async fn the_newest_message_comes_first() {
    let api = acquainted().await;
    api.know(&[NURSE]).await;
    let send = |to: &str, text: &str| {
        let body = json!({"doctorId": to, "content": text});
        api.post("/users/send-message").by(PATIENT).json(body)
    };
    api.relate("p1", "n1", RelationKind::Clinician).await;
    send("d1", "one").await.data(201);
    api.clock.advance_ms(1_000);
    send("n1", "two").await.data(201);
    let order = async || {
        let list = api.get("/users/conversations").by(PATIENT).await;
        let list = list.data(200);
        let rows = list.as_array().expect("a list").iter();
        rows.map(|row| row["otherUser"]["_id"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(order().await, ["n1", "d1"]);
    api.clock.advance_ms(1_000);
    send("d1", "three").await.data(201);
    assert_eq!(order().await, ["d1", "n1"]);
}

#[actix_web::test]
async fn presence_is_for_contacts_and_everyone_else_is_offline() {
    let api = acquainted().await;
    let ask = |ids: Value| {
        let body = json!({"userIds": ids});
        api.post("/chat/online-status").by(PATIENT).json(body)
    };
    let answer = ask(json!(["d1", "d9", "nobody", "d1"])).await.data(200);
    let offline = |id: &str| json!({"userId": id, "isOnline": false});
    let wanted = ["d1", "d9", "nobody", "d1"].map(offline);
    assert_eq!(answer, json!(wanted));
    assert_eq!(ask(json!([])).await.data(200), json!([]));
    ask(json!([""])).await.plainly(400);
    ask(json!([7])).await.plainly(400);
    ask(json!("d1")).await.plainly(400);
    let many: Vec<_> = (0..PRESENCE_WATCH_MAX).map(|n| format!("u{n}")).collect();
    ask(json!(many)).await.data(200);
    let more: Vec<_> = (0..=PRESENCE_WATCH_MAX).map(|n| format!("u{n}")).collect();
    ask(json!(more)).await.plainly(413);
}

#[actix_web::test]
async fn a_contact_with_an_open_socket_is_online_to_contacts_alone() {
    let api = acquainted().await;
    let stranger = "patient:p9";
    api.know(&[stranger]).await;
    let _socket = api.connect("d1", Role::Doctor).await;
    let is_online = async |token: &str| {
        let body = json!({"userIds": ["d1"]});
        let asked = api.post("/chat/online-status").by(token).json(body).await;
        asked.data(200) == json!([{"userId": "d1", "isOnline": true}])
    };
    // It is noted behind the socket's welcome.
    while !is_online(PATIENT).await {
        tokio::task::yield_now().await;
    }
    assert!(!is_online(stranger).await);
}

#[actix_web::test]
async fn paths_that_are_none_say_so_in_the_seeds_shape() {
    let api = Api::start().await;
    api.get("/chat/nothing").by(PATIENT).await.plainly(404);
    let wrong = api.delete("/chat/conversations").by(PATIENT).await;
    assert_eq!(wrong.header("allow"), Some("GET, HEAD"));
    wrong.plainly(405);
    // Every GET answers HEAD.
    for path in ["/chat/conversations", "/notifications", "/messages/unread"] {
        let head = api.request(Method::HEAD, path).by(PATIENT).await;
        assert_eq!(head.status, StatusCode::OK, "{path}");
    }
    let long = "x".repeat(129);
    let path = format!("/chat/conversations/{long}");
    api.get(&path).by(PATIENT).await.plainly(404);
}
