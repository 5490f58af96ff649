//! `/api/v1/unread`.

use serde_json::json;

use crate::kit::{Api, DOCTOR, PATIENT};

#[actix_web::test]
async fn unread_is_counted_in_all_and_by_conversation() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let team = api.care_team().await;
    let unread = || api.get("/api/v1/unread").by(PATIENT);
    assert_eq!(
        unread().await.ok(),
        json!({"unread_count": 0, "conversations": []})
    );
    api.clock.advance_ms(1_000);
    api.say(&direct, DOCTOR, "one").await;
    api.say(&direct, PATIENT, "my own").await;
    api.clock.advance_ms(1_000);
    api.say(&team, DOCTOR, "two").await;
    let last = api.say(&team, DOCTOR, "three").await;
    let id = |path: &str| path.rsplit('/').next().expect("an id").to_owned();
    assert_eq!(
        unread().await.ok(),
        json!({"unread_count": 3, "conversations": [
            {"conversation_id": id(&team), "unread_count": 2},
            {"conversation_id": id(&direct), "unread_count": 1},
        ]})
    );
    let read = api.put(&format!("{team}/receipts/read")).by(PATIENT);
    read.json(json!({"up_to_seq": last})).await.ok();
    assert_eq!(unread().await.ok()["unread_count"], 1);
    let archive = api.put(&format!("{direct}/me")).by(PATIENT);
    archive.json(json!({"archived": true})).await.ok();
    assert_eq!(
        unread().await.ok(),
        json!({"unread_count": 0, "conversations": []})
    );
}
