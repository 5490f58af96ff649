//! `/api/v1/presence`.

use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, PATIENT, STRANGER};

const PATH: &str = "/api/v1/presence";

#[actix_web::test]
async fn contacts_see_what_one_says_of_oneself() {
    let api = Api::start().await;
    api.direct().await;
    let busy = api
        .put(PATH)
        .by(DOCTOR)
        .json(json!({"status": "busy"}))
        .await
        .ok();
    assert_eq!(busy, json!({}));
    let wanted = json!({"presence": [{"user_id": "d1", "online": false, "status": "busy"}]});
    // The status is set behind the answer's back.
    for attempt in 0.. {
        let seen = api
            .get(&format!("{PATH}?user_ids=d1"))
            .by(PATIENT)
            .await
            .ok();
        if seen == wanted {
            break;
        }
        assert!(attempt < 1_000, "{seen}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // Without ids: the contacts.
    assert_eq!(api.get(PATH).by(PATIENT).await.ok(), wanted);
}

#[actix_web::test]
async fn strangers_are_left_out() {
    let api = Api::start().await;
    api.direct().await;
    api.know(&[STRANGER, "patient:p2"]).await;
    let seen = |token| {
        api.get(&format!("{PATH}?user_ids=d9,p2&user_ids=nobody"))
            .by(token)
    };
    assert_eq!(seen(PATIENT).await.ok(), json!({"presence": []}));
    let doctors: Value = seen(DOCTOR).await.ok();
    assert_eq!(doctors["presence"].as_array().map(Vec::len), Some(1));
    assert_eq!(doctors["presence"][0]["user_id"], "d9");
}

#[actix_web::test]
async fn what_is_asked_for_is_bounded() {
    let api = Api::start().await;
    let ids = |n: usize| {
        (0..n)
            .map(|i| format!("u{i}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let get = |ids: String| api.get(&format!("{PATH}?user_ids={ids}")).by(DOCTOR);
    get(ids(200)).await.ok();
    get(ids(201)).await.refused("too_large");
    get("x".repeat(129)).await.refused("invalid_argument");
    let set = |body| api.put(PATH).by(DOCTOR).json(body);
    set(json!({"status": "invisible"}))
        .await
        .refused("invalid_argument");
    set(json!({})).await.refused("invalid_argument");
}
