//! `/api/v1/conversations/{id}/messages/{seq}/reactions/{emoji}`.

use serde_json::json;

use crate::kit::{Api, DOCTOR, PATIENT, STRANGER};

/// A thumb of one skin tone: two code points, eight bytes.
const THUMB: &str = "%F0%9F%91%8D%F0%9F%8F%BD";

#[actix_web::test]
async fn an_emoji_is_put_on_and_taken_off() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let seq = api.say(&direct, DOCTOR, "all well").await;
    let message = format!("{direct}/messages/{seq}");
    let path = format!("{message}/reactions/{THUMB}");
    let put = api.put(&path).by(PATIENT).await.ok();
    assert_eq!(put["seq"], seq + 1);
    let reactions = &api.get(&message).by(DOCTOR).await.ok()["reactions"];
    assert_eq!(*reactions, json!([{"emoji": "👍🏽", "user_ids": ["p1"]}]));
    // It stands there already: nothing is logged.
    assert_eq!(api.put(&path).by(PATIENT).await.ok()["seq"], seq);
    // Nobody takes off what somebody else put on.
    assert_eq!(api.delete(&path).by(DOCTOR).await.ok()["seq"], seq);
    assert_eq!(api.delete(&path).by(PATIENT).await.ok()["seq"], seq + 2);
    assert_eq!(
        api.get(&message).by(DOCTOR).await.ok().get("reactions"),
        None
    );
}

#[actix_web::test]
async fn what_is_no_emoji_or_no_message_is_refused() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let seq = api.say(&direct, DOCTOR, "all well").await;
    let put = |seq: u64, emoji: &str, token| {
        let path = format!("{direct}/messages/{seq}/reactions/{emoji}");
        api.put(&path).by(token)
    };
    put(seq, "a%20b", PATIENT).await.refused("invalid_argument");
    put(seq, "%0A", PATIENT).await.refused("invalid_argument");
    put(99, THUMB, PATIENT).await.refused("not_found");
    put(seq, THUMB, STRANGER).await.refused("not_a_member");
}
