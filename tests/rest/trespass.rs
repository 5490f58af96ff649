//! Who is not in a conversation gets nothing of it and changes nothing in it, by any way in; and
//! nothing is got by odd paths, headers and bodies.

use actix_web::http::Method;
use bedside_actors::testkit::client::Client;
use bedside_protocol::{Command, Role, command::TypingSet};
use serde_json::{Value, json};

use crate::kit::{Answer, Api, DOCTOR, NURSE, PATIENT, SERVICE, STRANGER};

const SECRET: &str = "xylophone";

fn id_of(conversation: &str) -> &str {
    conversation.rsplit('/').next().expect("an id")
}

/// Everything that can be asked of a conversation, but to be in it.
fn all_ways(conversation: &str) -> Vec<(Method, String, Value)> {
    let chat = format!("/api/v1/chats/{}", id_of(conversation));
    let own = |rest: &str| format!("{conversation}{rest}");
    let (get, post, put, patch) = (Method::GET, Method::POST, Method::PUT, Method::PATCH);
    vec![
        (get.clone(), own(""), Value::Null),
        (patch.clone(), own(""), json!({"title": "mine"})),
        (get.clone(), own("/me"), Value::Null),
        (put.clone(), own("/me"), json!({"pinned": true})),
        (get.clone(), own("/members"), Value::Null),
        (post.clone(), own("/members"), json!({"user_id": "d9"})),
        (Method::DELETE, own("/members/p1"), Value::Null),
        (get.clone(), own("/messages"), Value::Null),
        (post.clone(), own("/messages"), json!({"text": "mine"})),
        (get.clone(), own("/messages/2"), Value::Null),
        (patch, own("/messages/2"), json!({"text": "mine"})),
        (Method::DELETE, own("/messages/2"), Value::Null),
        (
            put.clone(),
            own("/messages/2/reactions/%F0%9F%91%8D"),
            Value::Null,
        ),
        (get.clone(), own("/messages/2/receipts"), Value::Null),
        (get.clone(), own("/receipts"), Value::Null),
        (put.clone(), own("/receipts/read"), json!({"up_to_seq": 2})),
        (
            put.clone(),
            own("/receipts/delivered"),
            json!({"up_to_seq": 2}),
        ),
        (post.clone(), own("/typing"), json!({"typing": true})),
        (get.clone(), chat.clone(), Value::Null),
        (put, chat.clone(), json!({"name": "mine"})),
        (get, format!("{chat}/messages"), Value::Null),
        (
            post.clone(),
            format!("{chat}/messages"),
            json!({"content": "mine"}),
        ),
        (
            post.clone(),
            format!("{chat}/messages/read-all"),
            Value::Null,
        ),
        (
            post.clone(),
            format!("{chat}/participants"),
            json!({"userId": "d9"}),
        ),
        (post, format!("{chat}/pin"), json!({"isPinned": true})),
        (Method::DELETE, chat, Value::Null),
    ]
}

async fn ask(api: &Api, by: &str, (method, path, body): &(Method, String, Value)) -> Answer {
    let request = api.request(method.clone(), path).by(by);
    match body {
        Value::Null => request.await,
        body => request.json(body.clone()).await,
    }
}

#[actix_web::test]
async fn who_is_not_in_it_gets_nothing_and_changes_nothing() {
    let api = Api::start().await;
    let team = api.care_team().await;
    api.say(&team, DOCTOR, SECRET).await;
    api.know(&[STRANGER]).await;
    let before = api.store.audit_log().len();
    for by in [STRANGER, "family:f9", "admin:a9", "patient:p9", SERVICE] {
        for way in all_ways(&team) {
            let answer = ask(&api, by, &way).await;
            let status = answer.status.as_u16();
            assert!(
                matches!(status, 403 | 404),
                "{by} {way:?}: {status} {}",
                answer.text
            );
            assert!(!answer.text.contains(SECRET), "{by} {way:?}");
        }
        if by == SERVICE {
            continue;
        }
        for path in ["/api/v1/conversations", "/api/v1/chats", "/api/v1/unread"] {
            let list = api.get(path).by(by).await.ok();
            let text = list.to_string();
            assert!(
                !text.contains(id_of(&team)) && !text.contains(SECRET),
                "{by}: {text}"
            );
        }
    }
    let found = api
        .get(&format!("/chat/search?query={SECRET}"))
        .by(STRANGER)
        .await;
    assert_eq!(found.data(200), json!([]));
    let page = api.get(&format!("{team}/messages")).by(PATIENT).await.ok();
    assert_eq!(page["head_seq"], 2, "nothing was added");
    assert_eq!(api.store.audit_log().len(), before);
}

#[actix_web::test]
async fn a_window_is_the_same_by_every_way_in() {
    let api = Api::start().await;
    let team = api.care_team().await;
    api.say(&team, DOCTOR, SECRET).await;
    api.know(&["family:f1"]).await;
    api.relate("p1", "f1", bedside_protocol::RelationKind::Family)
        .await;
    let join = json!({"user_id": "f1"});
    api.post(&format!("{team}/members"))
        .by(DOCTOR)
        .json(join)
        .await
        .created();
    let late = api.say(&team, DOCTOR, "after").await;
    // What was said before somebody joined is not theirs.
    let mut closed = vec![
        (Method::GET, format!("{team}/messages/2"), Value::Null),
        (
            Method::GET,
            format!("{team}/messages/2/receipts"),
            Value::Null,
        ),
        (
            Method::PUT,
            format!("{team}/messages/2/reactions/%F0%9F%91%8D"),
            Value::Null,
        ),
    ];
    for way in &closed {
        let answer = ask(&api, "family:f1", way).await;
        assert_eq!(answer.status, 404, "{way:?}: {}", answer.text);
    }
    let chat = format!("/api/v1/chats/{}/messages", id_of(&team));
    for path in [format!("{team}/messages?after_seq=0"), chat] {
        let page = api.get(&path).by("family:f1").await.ok().to_string();
        assert!(page.contains("after") && !page.contains(SECRET), "{page}");
    }
    // Nor is what was said after they were taken out.
    api.delete(&format!("{team}/members/n1"))
        .by(DOCTOR)
        .await
        .ok();
    let gone = api.say(&team, DOCTOR, "not for n1").await;
    closed = vec![
        (Method::GET, format!("{team}/messages/{gone}"), Value::Null),
        (
            Method::PUT,
            format!("{team}/messages/{late}/reactions/%F0%9F%91%8D"),
            Value::Null,
        ),
        (
            Method::PUT,
            format!("{team}/receipts/read"),
            json!({"up_to_seq": gone}),
        ),
        (
            Method::POST,
            format!("{team}/typing"),
            json!({"typing": true}),
        ),
        (
            Method::POST,
            format!("{team}/messages"),
            json!({"text": "mine"}),
        ),
    ];
    for way in &closed {
        let status = ask(&api, NURSE, way).await.status.as_u16();
        assert!(matches!(status, 403 | 404), "{way:?}: {status}");
    }
    let page = api.get(&format!("{team}/messages")).by(NURSE).await.ok();
    assert!(!page.to_string().contains("not for n1"));
}

#[actix_web::test]
async fn typing_reaches_no_stranger_and_comes_from_none() {
    let api = Api::start().await;
    let team = api.care_team().await;
    let id = id_of(&team).parse().expect("an id");
    let mut stranger = Client::open(&api.node, "d9", Role::Doctor).await;
    let typing = Command::TypingSet(TypingSet {
        conversation_id: id,
        typing: true,
    });
    let refused = stranger.ask(typing).await.expect_err("is refused");
    assert_eq!(refused.code.name(), "not_a_member");
}

#[actix_web::test]
async fn odd_paths_lead_nowhere() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let id = id_of(&direct);
    let long = "a".repeat(8_000);
    for path in [
        format!("/api/v1/conversations/../conversations/{id}/messages"),
        format!("/api/v1/conversations/%2e%2e/users/{id}"),
        format!("/api/v1/conversations/{id}%2fmessages"),
        format!("/api/v1/conversations/{id}%00/messages"),
        format!("/api/v1/conversations/{id}%0d%0aX-Evil:%201/messages"),
        format!("/api/v1/conversations/{long}"),
        format!("/api/v1//conversations/{id}"),
        format!("//api/v1/conversations/{id}"),
        format!("/API/V1/conversations/{id}"),
        "/api/v1/conversations/%ff%fe".to_owned(),
        "/api/v1/users/%0d%0aSet-Cookie:%20a=b".to_owned(),
        "/chat/conversations/%00".to_owned(),
        "/consultations/99999999999999999999".to_owned(),
        "/consultations/-1".to_owned(),
        "/.env".to_owned(),
        "/api/docs/../../Cargo.toml".to_owned(),
        "/api/docs/%2e%2e/%2e%2e/etc/passwd".to_owned(),
    ] {
        let answer = api.get(&path).by(DOCTOR).await;
        let status = answer.status.as_u16();
        assert!(
            (400..500).contains(&status),
            "{path}: {status} {}",
            answer.text
        );
        assert!(answer.header("set-cookie").is_none() && answer.header("x-evil").is_none());
        assert!(!answer.text.contains(&long), "no echo of what was sent");
    }
}

#[actix_web::test]
async fn odd_headers_and_bodies_change_nothing() {
    let api = Api::start().await;
    let direct = api.direct().await;
    // What only our own proxy may say, and what frameworks listen to.
    for (name, value) in [
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/api/v1/admin/audit"),
        ("x-rewrite-url", "/api/v1/admin/audit"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "localhost"),
        ("x-user-id", "a1"),
        ("x-role", "admin"),
        ("host", "evil.example"),
        ("cookie", "token=admin:a1"),
    ] {
        let list = api
            .get("/api/v1/admin/blocks")
            .by(DOCTOR)
            .header(name, value);
        list.await.refused("forbidden");
        let own = api.get(&direct).by(DOCTOR).header(name, value).await.ok();
        assert_eq!(own["conversation_id"], id_of(&direct), "{name}");
    }
    for authorization in [
        "Basic YTox",
        "Bearer",
        "Bearer ",
        "bearer\tadmin:a1",
        "admin:a1",
    ] {
        let request = api.get(&direct).header("authorization", authorization);
        request.await.refused("unauthorized");
    }
    let path = format!("{direct}/messages");
    for body in [
        r#"{"text":"a","__proto__":{"admin":true},"text":"b"}"#,
        r#"{"text":"a"}{"text":"b"}"#,
        r#"[{"text":"a"}]"#,
        "{\"text\":\"a",
        "\u{feff}{\"text\":\"a\"}",
        r#"{"text":"\ud800"}"#,
        "\0",
        "",
    ] {
        let post = api.post(&path).by(DOCTOR).bytes(body).await;
        post.refused("invalid_argument");
    }
    // Whoever writes that they are somebody else is not believed.
    let body = json!({"text": "a", "sender_id": "p1", "senderId": "p1", "role": "system"});
    let sent = api.post(&path).by(DOCTOR).json(body).await.created();
    let shown = api
        .get(&format!("{path}/{}", sent["seq"]))
        .by(DOCTOR)
        .await
        .ok();
    assert_eq!(
        (&shown["sender_id"], &shown["type"]),
        (&json!("d1"), &json!("text"))
    );
}
