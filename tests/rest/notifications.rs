//! `/api/v1/notifications`, and seed 003's `/notifications`: everybody's own.

use bedside_protocol::{Timestamp, limits::NOTIFICATIONS_PAGE_MAX};
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NOW_MS, PATIENT, SERVICE};

const NATIVE: &str = "/api/v1/notifications";
const SEED: &str = "/notifications";
const NOBODYS: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Publishes one for the patient and gives its id.
async fn publish(api: &Api, title: &str) -> String {
    let body = json!({"type": "system_alert", "user_ids": ["p1"], "title": title});
    let made = api.post(NATIVE).by(SERVICE).json(body).await.created();
    made["data"][0]["notification_id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

fn titles(rows: &Value) -> Vec<&str> {
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| row["title"].as_str().expect("a title"))
        .collect()
}

#[actix_web::test]
async fn the_owner_reads_them_in_both_shapes() {
    let api = Api::start().await;
    api.know(&[PATIENT, DOCTOR]).await;
    let at = Timestamp::from_millis(NOW_MS);
    let body = json!({
        "type": "lab_results", "user_ids": ["p1"], "title": "Results", "body": "New results.",
        "data": {"labId": 5}, "action": "/labs/5",
    });
    let made = api.post(NATIVE).by(SERVICE).json(body).await.created();
    let id = made["data"][0]["notification_id"].clone();
    let native = json!({
        "notification_id": id, "user_id": "p1", "type": "lab_results", "title": "Results",
        "body": "New results.", "data": {"labId": 5}, "action": "/labs/5", "created_at": at,
    });
    assert_eq!(made, json!({"data": [native]}));
    assert_eq!(
        api.get(NATIVE).by(PATIENT).await.ok(),
        json!({"notifications": [native], "unread_count": 1})
    );
    let mut row = json!({
        "id": id, "userId": "p1", "type": "lab_results", "title": "Results",
        "body": "New results.", "data": {"labId": 5}, "isRead": false, "readAt": null,
        "action": "/labs/5", "createdAt": at,
    });
    assert_eq!(api.get(SEED).by(PATIENT).await.ok(), json!([row]));
    let count = async |token: &str| {
        let path = format!("{SEED}/unread/count");
        api.get(&path).by(token).await.ok()
    };
    assert_eq!(count(PATIENT).await, json!({"count": 1}));
    assert_eq!(count(DOCTOR).await, json!({"count": 0}));
    assert_eq!(api.get(SEED).by(DOCTOR).await.ok(), json!([]));

    api.clock.advance_ms(1_500);
    let read = format!("{SEED}/{}/read", id.as_str().expect("an id"));
    let told = api.put(&read).by(PATIENT).await.ok();
    assert_eq!(told, json!({"message": "Notification marked as read"}));
    let read_at = Timestamp::from_millis(NOW_MS + 1_500);
    row["isRead"] = json!(true);
    row["readAt"] = json!(read_at);
    assert_eq!(api.get(SEED).by(PATIENT).await.ok(), json!([row]));
    assert_eq!(count(PATIENT).await, json!({"count": 0}));
    // The first time stands.
    api.clock.advance_ms(1_500);
    api.put(&read).by(PATIENT).await.ok();
    let listed = api.get(NATIVE).by(PATIENT).await.ok();
    assert_eq!(listed["notifications"][0]["read_at"], json!(read_at));
    assert_eq!(listed["unread_count"], 0);
}

#[actix_web::test]
async fn what_is_not_there_is_null_in_the_seeds_rows() {
    let api = Api::start().await;
    api.know(&[PATIENT]).await;
    publish(&api, "a").await;
    let row = api.get(SEED).by(PATIENT).await.ok()[0].clone();
    assert_eq!(row["data"], Value::Null);
    assert_eq!(row["action"], Value::Null);
    assert_eq!(row["body"], "");
    assert_eq!(row.as_object().map(serde_json::Map::len), Some(10));
}

#[actix_web::test]
async fn nobody_elses_can_be_marked() {
    let api = Api::start().await;
    api.know(&[PATIENT, DOCTOR]).await;
    let id = publish(&api, "a").await;
    for path in [
        format!("{SEED}/{id}/read"),
        format!("{SEED}/{NOBODYS}/read"),
    ] {
        api.put(&path).by(DOCTOR).await.plainly(404);
        api.put(&path).await.plainly(401);
        api.put(&path).by(SERVICE).await.plainly(403);
    }
    api.put(&format!("{NATIVE}/{id}/read"))
        .by(DOCTOR)
        .await
        .refused("not_found");
    api.put(&format!("{SEED}/7/read"))
        .by(PATIENT)
        .await
        .plainly(404);
    let listed = api.get(NATIVE).by(PATIENT).await.ok();
    assert_eq!(listed["unread_count"], 1);
    let read = api.put(&format!("{NATIVE}/{id}/read")).by(PATIENT).await;
    assert_eq!(read.ok(), json!({}));
    let listed = api.get(NATIVE).by(PATIENT).await.ok();
    assert_eq!(listed["unread_count"], 0);
    for path in [SEED.to_owned(), format!("{SEED}/unread/count")] {
        api.get(&path).await.plainly(401);
        api.get(&path).by(SERVICE).await.plainly(403);
    }
}

#[actix_web::test]
async fn lists_go_from_the_newest_within_their_bounds() {
    let api = Api::start().await;
    api.know(&[PATIENT]).await;
    let named: Vec<_> = (0..25).map(|n| format!("t{n}")).collect();
    for title in &named {
        publish(&api, title).await;
    }
    let newest_first: Vec<_> = named.iter().rev().map(String::as_str).collect();
    let rows = api.get(SEED).by(PATIENT).await.ok();
    assert_eq!(titles(&rows), newest_first[..20]);
    let rows = api.get("/notifications?limit=3").by(PATIENT).await.ok();
    assert_eq!(titles(&rows), newest_first[..3]);
    let most = format!("/notifications?limit={NOTIFICATIONS_PAGE_MAX}");
    let rows = api.get(&most).by(PATIENT).await.ok();
    assert_eq!(titles(&rows), newest_first);
    let over = format!("/notifications?limit={}", NOTIFICATIONS_PAGE_MAX + 1);
    api.get(&over).by(PATIENT).await.plainly(413);
    api.get("/notifications?limit=0")
        .by(PATIENT)
        .await
        .plainly(400);
    api.get("/notifications?limit=x")
        .by(PATIENT)
        .await
        .plainly(400);

    let mut seen = Vec::new();
    let mut path = format!("{NATIVE}?limit=10");
    loop {
        let page = api.get(&path).by(PATIENT).await.ok();
        let rows = titles(&page["notifications"]);
        assert!(rows.len() <= 10);
        seen.extend(rows.into_iter().map(str::to_owned));
        match page["cursor"].as_str() {
            Some(cursor) => path = format!("{NATIVE}?limit=10&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, newest_first);
    for query in ["limit=201", "limit=0", "cursor=nonsense"] {
        let refused = api.get(&format!("{NATIVE}?{query}")).by(PATIENT).await;
        assert!(matches!(refused.status.as_u16(), 400 | 413), "{query}");
    }
}
