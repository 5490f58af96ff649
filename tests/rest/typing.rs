//! `/api/v1/conversations/{id}/typing`.

use serde_json::json;

use crate::kit::{Api, DOCTOR, STRANGER};

#[actix_web::test]
async fn a_member_shows_that_they_are_writing() {
    let api = Api::start().await;
    let path = format!("{}/typing", api.direct().await);
    let set = |token, body| api.post(&path).by(token).json(body);
    assert_eq!(set(DOCTOR, json!({"typing": true})).await.ok(), json!({}));
    assert_eq!(set(DOCTOR, json!({"typing": false})).await.ok(), json!({}));
    set(STRANGER, json!({"typing": true}))
        .await
        .refused("not_a_member");
    set(DOCTOR, json!({})).await.refused("invalid_argument");
}
