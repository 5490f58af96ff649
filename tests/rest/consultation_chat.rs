//! Seed 000: the messages of consultations.

use bedside_protocol::{RelationKind, Timestamp, limits::TEXT_BYTES_MAX};
use serde_json::{Value, json};

use crate::{
    consultations::{DOCTOR, OTHER_DOCTOR, OTHER_PATIENT, PATIENT, clinic, scheduled},
    kit::{Api, NOW_MS, SERVICE},
};

const NOWHERE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A clinic with a consultation, its path and its id.
async fn consulting() -> (Api, String, u64) {
    let api = clinic().await;
    let path = scheduled(&api, 1).await;
    let id = path.rsplit('/').next().and_then(|id| id.parse().ok());
    (api, path, id.expect("a number"))
}

async fn say(api: &Api, path: &str, token: &str, text: &str) -> Value {
    let body = json!({"message": text});
    let sent = api.post(&format!("{path}/messages")).by(token).json(body);
    sent.await.data(201)
}

fn texts(rows: &Value) -> Vec<&str> {
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| row["message"].as_str().expect("a text"))
        .collect()
}

#[actix_web::test]
async fn messages_are_written_and_listed_on_both_paths() {
    let (api, path, id) = consulting().await;
    let sent = say(&api, &path, PATIENT, "hello").await;
    let wanted = json!({
        "id": sent["id"], "consultationId": id, "senderId": 12, "message": "hello",
        "messageType": "TEXT", "fileUrl": null, "createdAt": Timestamp::from_millis(NOW_MS),
        "sender": {"id": 12, "name": "Name of 12", "role": "patient"},
    });
    assert_eq!(sent, wanted);
    assert!(sent["id"].is_string());
    let body = json!({"consultationId": id, "message": "good morning", "messageType": "TEXT"});
    let sent = api.post("/messages").by(DOCTOR).json(body).await.data(201);
    assert_eq!(sent["sender"]["role"], "doctor");
    for path in [
        format!("{path}/messages"),
        format!("/messages/consultation/{id}"),
    ] {
        let rows = api.get(&path).by(DOCTOR).await.data(200);
        assert_eq!(rows[0], wanted);
        assert_eq!(rows[1], sent);
        assert_eq!(rows.as_array().map(Vec::len), Some(2));
    }
}

#[actix_web::test]
async fn a_file_goes_along_if_it_is_one_of_ours() {
    let (api, path, _) = consulting().await;
    let send = |kind: &str, url: &str| {
        let body = json!({"message": "", "messageType": kind, "fileUrl": url});
        api.post(&format!("{path}/messages")).by(PATIENT).json(body)
    };
    let sent = send("IMAGE", "https://files.clinic.example/x").await;
    let sent = sent.data(201);
    assert_eq!(sent["messageType"], "IMAGE");
    assert_eq!(sent["fileUrl"], "https://files.clinic.example/x");
    send("FILE", "https://evil.example/x").await.plainly(400);
    send("FILE", "").await.plainly(400);
    send("VIDEO", "https://files.clinic.example/x")
        .await
        .plainly(400);
}

#[actix_web::test]
async fn a_retry_is_the_same_message() {
    let (api, path, id) = consulting().await;
    let body = json!({"consultationId": id, "message": "a", "clientMsgId": "m1"});
    let post = || api.post("/messages").by(PATIENT).json(body.clone());
    let first = post().await.data(201);
    assert_eq!(post().await.data(200), first);
    let other = json!({"message": "b", "clientMsgId": "m1"});
    let other = api
        .post(&format!("{path}/messages"))
        .by(PATIENT)
        .json(other);
    other.await.plainly(409);
}

#[actix_web::test]
async fn nobody_writes_as_somebody_else() {
    let (api, path, id) = consulting().await;
    for sender in [json!(5), json!("5"), json!("x")] {
        let body = json!({"consultationId": id, "message": "a", "senderId": sender});
        api.post("/messages")
            .by(PATIENT)
            .json(body)
            .await
            .plainly(403);
    }
    let audited = api.store.audit_log();
    let spoofs = audited
        .iter()
        .filter(|record| record.action == "sender.spoofed");
    let spoofs: Vec<_> = spoofs.collect();
    assert_eq!(spoofs.len(), 3);
    assert_eq!(
        spoofs[0].actor.as_ref().map(ToString::to_string),
        Some("12".to_owned())
    );
    assert_eq!(spoofs[0].subject, "5");
    let rows = api.get(&format!("{path}/messages")).by(PATIENT).await;
    assert_eq!(rows.data(200), json!([]));
    for sender in [json!(12), json!("12"), Value::Null] {
        let body = json!({"consultationId": id, "message": "a", "senderId": sender});
        api.post("/messages").by(PATIENT).json(body).await.data(201);
    }
}

#[actix_web::test]
async fn others_neither_read_nor_write() {
    let (api, path, id) = consulting().await;
    let sent = say(&api, &path, PATIENT, "hello").await;
    let read = format!("/messages/{}/read", sent["id"].as_str().expect("an id"));
    for token in [OTHER_DOCTOR, OTHER_PATIENT, "admin:a1", SERVICE] {
        for path in [
            format!("{path}/messages"),
            format!("/messages/consultation/{id}"),
        ] {
            let refused = api.get(&path).by(token).await;
            assert!(matches!(refused.status.as_u16(), 403 | 404), "{token}");
            assert_eq!(refused.body["success"], false);
        }
        let body = json!({"consultationId": id, "message": "a"});
        api.post("/messages")
            .by(token)
            .json(body)
            .await
            .plainly(403);
        let refused = api.put(&read).by(token).await;
        assert!(matches!(refused.status.as_u16(), 403 | 404), "{token}");
    }
    let unread = api.get("/messages/unread").by(OTHER_DOCTOR).await;
    assert_eq!(unread.data(200), json!([]));
    api.get("/messages/unread").by(SERVICE).await.plainly(403);
    api.get("/messages/unread").await.plainly(401);
    api.put(&read).await.plainly(401);
    api.post("/messages").json(json!({})).await.plainly(401);
}

#[actix_web::test]
async fn what_cannot_be_sent_is_refused() {
    let (api, path, id) = consulting().await;
    for (status, body) in [
        (400, json!({})),
        (400, json!({"message": "a"})),
        (400, json!({"consultationId": id})),
        (400, json!({"consultationId": id, "message": " "})),
        (400, json!({"consultationId": id, "message": 7})),
        (400, json!({"consultationId": "x", "message": "a"})),
        (400, json!({"consultationId": -1, "message": "a"})),
        (404, json!({"consultationId": 1, "message": "a"})),
    ] {
        api.post("/messages")
            .by(PATIENT)
            .json(body)
            .await
            .plainly(status);
    }
    let there = format!("{path}/messages");
    let body = json!({"consultationId": id + 1, "message": "a"});
    api.post(&there).by(PATIENT).json(body).await.plainly(400);
    let fits = "x".repeat(TEXT_BYTES_MAX);
    say(&api, &path, PATIENT, &fits).await;
    let over = json!({"message": format!("{fits}x")});
    api.post(&there).by(PATIENT).json(over).await.plainly(413);
    // The same id by name of the path, as number or as text.
    for given in [json!(id), json!(id.to_string())] {
        let body = json!({"consultationId": given, "message": "a"});
        api.post(&there).by(PATIENT).json(body).await.data(201);
    }
}

#[actix_web::test]
async fn a_page_is_the_newest_and_goes_back_by_message() {
    let (api, path, _) = consulting().await;
    let mut ids = Vec::new();
    for n in 0..205 {
        let sent = say(&api, &path, DOCTOR, &format!("m{n}")).await;
        ids.push(sent["id"].as_str().expect("an id").to_owned());
    }
    let get = |query: String| api.get(&format!("{path}/messages{query}")).by(PATIENT);
    let rows = get(String::new()).await.data(200);
    assert_eq!(rows.as_array().map(Vec::len), Some(200));
    assert_eq!(texts(&rows)[0], "m5");
    assert_eq!(texts(&rows)[199], "m204");
    let rows = get(format!("?limit=3&before={}", ids[4])).await.data(200);
    assert_eq!(texts(&rows), ["m1", "m2", "m3"]);
    let rows = get(format!("?before={}", ids[0])).await.data(200);
    assert_eq!(rows, json!([]));
    get("?limit=201".to_owned()).await.plainly(413);
    get("?limit=0".to_owned()).await.plainly(400);
    get("?before=7".to_owned()).await.plainly(400);
    get(format!("?before={NOWHERE}")).await.plainly(400);
    // A message of another conversation is no place in this one.
    let other = scheduled(&api, 2).await;
    let elsewhere = say(&api, &other, DOCTOR, "a").await;
    let before = elsewhere["id"].as_str().expect("an id").to_owned();
    get(format!("?before={before}")).await.plainly(400);
}

#[actix_web::test]
async fn unread_is_what_others_wrote_above_the_watermark() {
    let (api, path, _) = consulting().await;
    let unread = async |token: &str| {
        let rows = api.get("/messages/unread").by(token).await.data(200);
        let texts = texts(&rows).into_iter();
        texts.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut ids = Vec::new();
    for n in 0..3 {
        let sent = say(&api, &path, DOCTOR, &format!("m{n}")).await;
        ids.push(sent["id"].as_str().expect("an id").to_owned());
        api.clock.advance_ms(1_000);
    }
    let other = scheduled(&api, 2).await;
    say(&api, &other, DOCTOR, "elsewhere").await;
    say(&api, &path, PATIENT, "mine").await;
    assert_eq!(unread(PATIENT).await, ["elsewhere", "m2", "m1", "m0"]);
    assert_eq!(unread(DOCTOR).await, ["mine"]);
    let read = |id: &str| api.put(&format!("/messages/{id}/read")).by(PATIENT);
    let answer = read(&ids[1]).await;
    assert_eq!(answer.ok(), json!({"success": true}));
    assert_eq!(unread(PATIENT).await, ["elsewhere", "m2"]);
    // Going back changes nothing.
    read(&ids[0]).await.ok();
    assert_eq!(unread(PATIENT).await, ["elsewhere", "m2"]);
    read(NOWHERE).await.plainly(404);
    read("7").await.plainly(404);
}

#[actix_web::test]
async fn unread_is_bounded() {
    let (api, path, _) = consulting().await;
    for n in 0..201 {
        say(&api, &path, DOCTOR, &format!("m{n}")).await;
    }
    let rows = api.get("/messages/unread").by(PATIENT).await.data(200);
    assert_eq!(rows.as_array().map(Vec::len), Some(200));
    assert!(texts(&rows).contains(&"m200"));
    assert!(!texts(&rows).contains(&"m0"));
}

#[actix_web::test]
async fn what_was_before_ones_time_can_neither_be_read_nor_marked() {
    let (api, path, _) = consulting().await;
    let before = say(&api, &path, DOCTOR, "before").await;
    let interpreter = "assistant:i1";
    api.know(&[interpreter]).await;
    api.relate("12", "i1", RelationKind::Interpreter).await;
    let list = api.get("/api/v1/conversations").by(DOCTOR).await.ok();
    let chat = list["conversations"][0]["conversation_id"].as_str();
    let members = format!("/api/v1/conversations/{}/members", chat.expect("an id"));
    let body = json!({"user_id": "i1", "member_role": "interpreter"});
    api.post(&members).by(DOCTOR).json(body).await.created();
    let after = say(&api, &path, DOCTOR, "after").await;
    let page = api.get(&format!("{path}/messages")).by(interpreter).await;
    assert_eq!(texts(&page.data(200)), ["after"]);
    let read = |message: &Value| {
        let path = format!("/messages/{}/read", message["id"].as_str().expect("an id"));
        api.put(&path).by(interpreter)
    };
    read(&before).await.plainly(404);
    read(&after).await.ok();
}

#[actix_web::test]
async fn messages_of_other_conversations_are_not_marked_here() {
    let (api, ..) = consulting().await;
    // The consultation made the two doctor and patient, so they may write to each other.
    let body = json!({"message": "directly"});
    let sent = api
        .post("/doctors/patients/12/messages")
        .by(DOCTOR)
        .json(body);
    let sent = sent.await.data(201);
    let path = format!("/messages/{}/read", sent["_id"].as_str().expect("an id"));
    api.put(&path).by(PATIENT).await.plainly(404);
    let count = api.get("/chat/unread-count").by(PATIENT).await;
    assert_eq!(count.data(200), json!({"unreadCount": 1}));
    // And what is written in a consultation is no direct message.
    let page = api.get("/chat/conversations/5").by(PATIENT).await;
    assert_eq!(texts_of_004(&page.data(200)), ["directly"]);
}

fn texts_of_004(rows: &Value) -> Vec<&str> {
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| row["content"].as_str().expect("a text"))
        .collect()
}
