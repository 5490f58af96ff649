//! `/demo`.

use actix_web::http::StatusCode;
use bedside_protocol::Timestamp;
use serde_json::json;

use crate::kit::{Api, NOW_MS, Options};

#[actix_web::test]
async fn a_demo_lists_its_users_and_signs_them_in() {
    let api = Api::start().await;
    let user = json!({"user_id": "d1", "name": "Dr Demo", "roles": ["doctor"]});
    assert_eq!(
        api.get("/demo").await.ok(),
        json!({"enabled": true, "users": [user]})
    );
    let login = api
        .post("/demo/login")
        .json(json!({"user_id": "d1"}))
        .await
        .ok();
    let expires_at = Timestamp::from_millis(NOW_MS + 60_000);
    assert_eq!(
        login,
        json!({"token": "doctor:d1", "token_expires_at": expires_at, "user": user})
    );
    let token = login["token"].as_str().expect("a token");
    api.get("/api/v1/unread").by(token).await.ok();
    let nobody = api.post("/demo/login").json(json!({"user_id": "d2"})).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_demo_answers_only_by_its_own_name() {
    let api = Api::start().await;
    let evil = |path: &str| api.post(path).header("host", "evil.example");
    let login = evil("/demo/login").json(json!({"user_id": "d1"})).await;
    assert_eq!(login.status, StatusCode::FORBIDDEN);
    assert!(!login.text.contains("doctor:d1"));
    let demo = api.get("/demo").header("host", "evil.example").await.ok();
    assert_eq!(demo, json!({"enabled": false, "users": []}));
}

#[actix_web::test]
async fn without_a_demo_there_is_no_sign_in() {
    let options = Options {
        demo: false,
        ..Options::default()
    };
    let api = Api::with(options).await;
    let demo = api.get("/demo").await.ok();
    assert_eq!(demo, json!({"enabled": false, "users": []}));
    let login = api.post("/demo/login").json(json!({"user_id": "d1"})).await;
    assert_eq!(login.status, StatusCode::NOT_FOUND);
}
