//! `/api/v1/conversations/{id}/me`.

use actix_web::http::Method;
use bedside_protocol::Timestamp;
use serde_json::json;

use crate::kit::{Api, DOCTOR, NOW_MS, PATIENT, STRANGER};

#[actix_web::test]
async fn marks_are_the_callers_own_and_absent_ones_stay() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let path = format!("{direct}/me");
    let until = json!(Timestamp::from_millis(NOW_MS + 3_600_000));
    let body = json!({"pinned": true, "muted_until": until});
    let mine = api.put(&path).by(DOCTOR).json(body).await.ok();
    assert_eq!(
        (&mine["pinned"], &mine["muted_until"]),
        (&json!(true), &until)
    );
    let mine = api
        .patch(&path)
        .by(DOCTOR)
        .json(json!({"archived": true}))
        .await
        .ok();
    assert_eq!(mine["pinned"], true);
    assert_eq!(mine["muted_until"], until);
    assert_eq!(mine["archived"], true);
    let mine = api
        .patch(&path)
        .by(DOCTOR)
        .json(json!({"muted_until": null}))
        .await
        .ok();
    assert_eq!(mine.get("muted_until"), None);
    assert_eq!(mine["pinned"], true);
    assert_eq!(api.get(&path).by(DOCTOR).await.ok(), mine);
    let other = api.get(&path).by(PATIENT).await.ok();
    assert_eq!(
        (&other["pinned"], &other["archived"]),
        (&json!(false), &json!(false))
    );
}

#[actix_web::test]
async fn others_have_no_marks_here() {
    let api = Api::start().await;
    let path = format!("{}/me", api.direct().await);
    api.get(&path).by(STRANGER).await.refused("not_a_member");
    for method in [Method::PUT, Method::PATCH] {
        let request = api.request(method, &path).by(STRANGER);
        request
            .json(json!({"pinned": true}))
            .await
            .refused("not_a_member");
    }
}

#[actix_web::test]
async fn a_time_is_a_time() {
    let api = Api::start().await;
    let path = format!("{}/me", api.direct().await);
    let set = |body| api.patch(&path).by(DOCTOR).json(body);
    set(json!({"muted_until": "tomorrow"}))
        .await
        .refused("invalid_argument");
    set(json!({"pinned": "yes"}))
        .await
        .refused("invalid_argument");
    assert_eq!(api.get(&path).by(DOCTOR).await.ok()["pinned"], false);
}
