//! `/api/v1/conversations/{id}/receipts`.

use bedside_protocol::RelationKind;
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NURSE, PATIENT, STRANGER};

async fn mark(api: &Api, conversation: &str, what: &str, token: &str, up_to_seq: u64) -> Value {
    let path = format!("{conversation}/receipts/{what}");
    let body = json!({"up_to_seq": up_to_seq});
    api.put(&path).by(token).json(body).await.ok()
}

fn of<'a>(receipts: &'a Value, user_id: &str) -> &'a Value {
    let rows = receipts["receipts"].as_array().expect("a list");
    let mut rows = rows.iter().filter(|row| row["user_id"] == user_id);
    rows.next().expect("is there")
}

#[actix_web::test]
async fn watermarks_only_grow_and_count_what_is_unread() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let first = api.say(&direct, DOCTOR, "one").await;
    let second = api.say(&direct, DOCTOR, "two").await;
    let taken = mark(&api, &direct, "delivered", PATIENT, second).await;
    assert_eq!(taken, json!({"up_to_seq": second, "unread_count": 2}));
    let taken = mark(&api, &direct, "read", PATIENT, first).await;
    assert_eq!(taken, json!({"up_to_seq": first, "unread_count": 1}));
    let taken = mark(&api, &direct, "read", PATIENT, 1).await;
    assert_eq!(taken, json!({"up_to_seq": first, "unread_count": 1}));
    // A seq past the head counts as the head.
    let taken = mark(&api, &direct, "read", PATIENT, 1_000).await;
    assert_eq!(taken, json!({"up_to_seq": second, "unread_count": 0}));
    let path = format!("{direct}/receipts");
    let receipts = api.get(&path).by(DOCTOR).await.ok();
    let patient = of(&receipts, "p1");
    assert_eq!(patient["read_up_to_seq"], second);
    assert_eq!(patient["delivered_up_to_seq"], second);
    api.get(&path).by(STRANGER).await.refused("not_a_member");
    let body = json!({"up_to_seq": 1});
    let stranger = api.put(&format!("{path}/read")).by(STRANGER).json(body);
    stranger.await.refused("not_a_member");
    let negative = api.put(&format!("{path}/read")).by(PATIENT);
    negative
        .json(json!({"up_to_seq": -1}))
        .await
        .refused("invalid_argument");
}

#[actix_web::test]
async fn a_messages_receipts_tell_who_has_it() {
    let api = Api::start().await;
    let team = api.care_team().await;
    let seq = api.say(&team, DOCTOR, "one").await;
    let later = api.say(&team, DOCTOR, "two").await;
    mark(&api, &team, "read", PATIENT, seq).await;
    mark(&api, &team, "delivered", NURSE, later).await;
    let get = |seq: u64| {
        api.get(&format!("{team}/messages/{seq}/receipts"))
            .by(DOCTOR)
    };
    let receipts = get(seq).await.ok();
    assert_eq!(receipts["seq"], seq);
    assert_eq!(receipts["read_by"], json!([{"user_id": "p1"}]));
    let delivered = receipts["delivered_to"].as_array().expect("a list");
    assert_eq!(delivered.len(), 2, "{receipts}");
    let receipts = get(later).await.ok();
    assert_eq!(receipts["read_by"], json!([]));
    assert_eq!(receipts["delivered_to"], json!([{"user_id": "n1"}]));
    get(99).await.refused("not_found");
    get(1).await.refused("not_found");
    let stranger = api
        .get(&format!("{team}/messages/{seq}/receipts"))
        .by(STRANGER);
    stranger.await.refused("not_a_member");
}

#[actix_web::test]
async fn a_newcomer_has_not_read_what_was_before_their_window() {
    let api = Api::start().await;
    let team = api.care_team().await;
    api.know(&["family:f1"]).await;
    api.relate("p1", "f1", RelationKind::Family).await;
    let before = api.say(&team, DOCTOR, "before").await;
    let add = api.post(&format!("{team}/members")).by(DOCTOR);
    add.json(json!({"user_id": "f1"})).await.created();
    let head = api.say(&team, DOCTOR, "after").await;
    mark(&api, &team, "read", "family:f1", head).await;
    let get = |seq: u64| {
        api.get(&format!("{team}/messages/{seq}/receipts"))
            .by(DOCTOR)
    };
    assert_eq!(get(before).await.ok()["read_by"], json!([]));
    assert_eq!(get(head).await.ok()["read_by"], json!([{"user_id": "f1"}]));
}

#[actix_web::test]
async fn a_past_member_sees_their_own_receipts_only() {
    let api = Api::start().await;
    let team = api.care_team().await;
    let seq = api.say(&team, DOCTOR, "one").await;
    mark(&api, &team, "read", NURSE, seq).await;
    mark(&api, &team, "read", PATIENT, seq).await;
    api.delete(&format!("{team}/members/n1"))
        .by(DOCTOR)
        .await
        .ok();
    let receipts = api.get(&format!("{team}/receipts")).by(NURSE).await.ok();
    assert_eq!(
        receipts,
        json!({"receipts": [
            {"user_id": "n1", "delivered_up_to_seq": seq, "read_up_to_seq": seq}
        ]})
    );
}
