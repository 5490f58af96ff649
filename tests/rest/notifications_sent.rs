//! Publishing: `POST /api/v1/notifications`, and seed 001's `/notifications/send`.

use bedside_protocol::{
    NotificationType,
    limits::{
        DEDUPE_KEY_BYTES_MAX, NOTIFICATION_ACTION_BYTES_MAX, NOTIFICATION_BODY_BYTES_MAX,
        NOTIFICATION_DATA_BYTES_MAX, NOTIFICATION_TITLE_BYTES_MAX, NOTIFICATION_USERS_MAX,
    },
};
use serde_json::{Value, json};

use crate::kit::{Answer, Api, DOCTOR, PATIENT, SERVICE};

const NATIVE: &str = "/api/v1/notifications";
const SEND: &str = "/notifications/send";

async fn publish(api: &Api, more: Value) -> Answer {
    let mut body = json!({"type": "message", "user_ids": ["p1"], "title": "T"});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    api.post(NATIVE).by(SERVICE).json(body).await
}

async fn start() -> Api {
    let api = Api::start().await;
    api.know(&[PATIENT, DOCTOR, "patient:7"]).await;
    api
}

#[actix_web::test]
async fn systems_publish_and_nobody_else() {
    let api = start().await;
    let body = json!({"type": "message", "user_ids": ["p1"], "title": "T"});
    for token in [PATIENT, DOCTOR, "admin:a1", "admin:a1#directory:write"] {
        let request = api.post(NATIVE).by(token).json(body.clone());
        request.await.refused("forbidden");
        let request = api.post(SEND).by(token).json(json!({
            "userId": "p1", "type": "message", "title": "T",
        }));
        request.await.plainly(403);
    }
    api.post(SEND).json(json!({})).await.plainly(401);
    let listed = api.get(NATIVE).by(PATIENT).await.ok();
    assert_eq!(listed["notifications"], json!([]));
}

#[actix_web::test]
async fn every_kind_can_be_published_and_no_other() {
    let api = start().await;
    for kind in NotificationType::ALL {
        let made = publish(&api, json!({"type": kind.name()})).await.created();
        assert_eq!(made["data"][0]["type"], kind.name());
    }
    for kind in [json!("rash"), json!("MESSAGE"), json!(1), Value::Null] {
        let refused = publish(&api, json!({"type": kind})).await;
        let refused = refused.refused("invalid_argument");
        assert!(!refused.to_string().contains("rash"));
    }
}

#[actix_web::test]
async fn several_people_get_one_each_and_a_key_makes_retries_safe() {
    let api = start().await;
    let key = json!({"user_ids": ["p1", "d1", "p1"], "dedupe_key": "k"});
    let made = publish(&api, key.clone()).await.created();
    let people = made["data"].as_array().expect("a list").iter();
    let people: Vec<_> = people.map(|one| one["user_id"].clone()).collect();
    assert_eq!(people, [json!("p1"), json!("d1")]);
    assert_eq!(publish(&api, key).await.ok(), json!({"data": []}));
    let more = publish(&api, json!({"user_ids": ["p1", "7"], "dedupe_key": "k"}));
    let more = more.await.created();
    assert_eq!(more["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(more["data"][0]["user_id"], "7");
    // Nobody gets one when somebody is not known.
    publish(&api, json!({"user_ids": ["p1", "nobody"]}))
        .await
        .refused("not_found");
    let listed = api.get(NATIVE).by(PATIENT).await.ok();
    assert_eq!(listed["notifications"].as_array().map(Vec::len), Some(1));
}

#[actix_web::test]
async fn what_is_published_has_its_bounds() {
    let api = start().await;
    let x = |bytes: usize| "x".repeat(bytes);
    // The quotes of a JSON string are two bytes more.
    for (field, max) in [
        ("title", NOTIFICATION_TITLE_BYTES_MAX),
        ("body", NOTIFICATION_BODY_BYTES_MAX),
        ("action", NOTIFICATION_ACTION_BYTES_MAX),
        ("data", NOTIFICATION_DATA_BYTES_MAX - 2),
        ("dedupe_key", DEDUPE_KEY_BYTES_MAX),
    ] {
        publish(&api, json!({field: x(max)})).await.created();
        publish(&api, json!({field: x(max + 1)}))
            .await
            .refused("too_large");
    }
    let many = vec!["p1"; NOTIFICATION_USERS_MAX];
    publish(&api, json!({"user_ids": many})).await.created();
    let more = vec!["p1"; NOTIFICATION_USERS_MAX + 1];
    publish(&api, json!({"user_ids": more}))
        .await
        .refused("too_large");
    for bad in [
        json!({"user_ids": []}),
        json!({"user_ids": [""]}),
        json!({"user_ids": "p1"}),
        json!({"title": ""}),
        json!({"title": null}),
        json!({"dedupe_key": ""}),
    ] {
        publish(&api, bad).await.refused("invalid_argument");
    }
}

#[actix_web::test]
async fn seed_001_sends_to_one_or_to_many() {
    let api = start().await;
    let send = |body: Value| api.post(SEND).by(SERVICE).json(body);
    let sent = send(json!({
        "userId": "p1", "type": "appointment_reminder", "title": "Tomorrow", "body": "At nine.",
        "data": {"appointmentId": 4}, "action": "/appointments/4", "channel": "in_app",
    }));
    let sent = sent.await.data(201);
    let rows = api.get("/notifications").by(PATIENT).await.ok();
    assert_eq!(sent, rows);
    assert_eq!(sent[0]["type"], "appointment_reminder");
    assert_eq!(sent[0]["data"], json!({"appointmentId": 4}));
    // Ids may be numbers where the clinic's system has numbers.
    let sent = send(json!({"userIds": [7, "d1"], "type": "message", "title": "T"}));
    let sent = sent.await.data(201);
    assert_eq!(sent[0]["userId"], "7");
    assert_eq!(sent[1]["userId"], "d1");
    let one = json!({"userId": 7, "type": "message", "title": "T"});
    assert_eq!(send(one).await.data(201)[0]["userId"], "7");
}

#[actix_web::test]
async fn seed_001_is_refused_in_its_own_shape() {
    let api = start().await;
    let send = |body: Value| api.post(SEND).by(SERVICE).json(body);
    for body in [
        json!({"type": "message", "title": "T"}),
        json!({"userId": "p1", "userIds": ["d1"], "type": "message", "title": "T"}),
        json!({"userId": "", "type": "message", "title": "T"}),
        json!({"userId": -1, "type": "message", "title": "T"}),
        json!({"userIds": [], "type": "message", "title": "T"}),
        json!({"userId": "p1", "type": "rash", "title": "T"}),
        json!({"userId": "p1", "type": "message"}),
        json!({"userId": "p1", "type": "message", "title": "T", "channel": "sms"}),
    ] {
        send(body).await.plainly(400);
    }
    let long = "x".repeat(NOTIFICATION_TITLE_BYTES_MAX + 1);
    let over = json!({"userId": "p1", "type": "message", "title": long});
    send(over).await.plainly(413);
    let nobody = json!({"userId": "nobody", "type": "message", "title": "T"});
    send(nobody).await.plainly(404);
    assert_eq!(api.get("/notifications").by(PATIENT).await.ok(), json!([]));
}
