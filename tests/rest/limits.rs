//! What is over a limit, and what does not parse.

use actix_web::http::StatusCode;
use bedside_protocol::limits::{REST_BODY_BYTES_MAX, TEXT_BYTES_MAX};
use serde_json::json;

use crate::kit::{Api, DOCTOR, SERVICE};

/// A JSON object of exactly this many bytes.
fn json_of(bytes: usize) -> Vec<u8> {
    let frame = r#"{"kind":"direct","pad":""}"#.len();
    let pad = "x".repeat(bytes - frame);
    format!(r#"{{"kind":"direct","pad":"{pad}"}}"#).into_bytes()
}

#[actix_web::test]
async fn a_body_over_the_limit_is_refused_announced_or_not() {
    let api = Api::start().await;
    let path = "/api/v1/conversations";
    let fits = json_of(REST_BODY_BYTES_MAX);
    assert_eq!(fits.len(), REST_BODY_BYTES_MAX);
    // It fits, so the command itself is looked at.
    api.post(path)
        .by(DOCTOR)
        .bytes(fits)
        .await
        .refused("invalid_argument");
    let over = json_of(REST_BODY_BYTES_MAX + 1);
    api.post(path)
        .by(DOCTOR)
        .bytes(over.clone())
        .await
        .refused("too_large");
    let announced = (REST_BODY_BYTES_MAX + 1).to_string();
    let request = api.post(path).by(DOCTOR).bytes("{}");
    request
        .header("content-length", &announced)
        .await
        .refused("too_large");
    let elsewhere = api.post("/demo/login").bytes(over).await;
    assert_eq!(elsewhere.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(elsewhere.body["success"], false);
}

#[actix_web::test]
async fn a_text_over_the_limit_is_refused() {
    let api = Api::start().await;
    let conversation = api.direct().await;
    let path = format!("{conversation}/messages");
    let text = "x".repeat(TEXT_BYTES_MAX);
    api.post(&path)
        .by(DOCTOR)
        .json(json!({"text": text}))
        .await
        .created();
    let text = "x".repeat(TEXT_BYTES_MAX + 1);
    api.post(&path)
        .by(DOCTOR)
        .json(json!({"text": text}))
        .await
        .refused("too_large");
    let emoji = format!("{path}/2/reactions/{}", "x".repeat(65));
    api.put(&emoji).by(DOCTOR).await.refused("too_large");
    let title = json!({"kind": "internal_staff", "title": "x".repeat(201)});
    api.post("/api/v1/conversations")
        .by(DOCTOR)
        .json(title)
        .await
        .refused("too_large");
}

#[actix_web::test]
async fn what_does_not_parse_is_named_and_not_repeated() {
    let api = Api::start().await;
    let path = "/api/v1/conversations";
    let post = |body: &str| api.post(path).by(DOCTOR).bytes(body);
    post("").await.refused("invalid_argument");
    post("{oh").await.refused("invalid_argument");
    post("[]").await.refused("invalid_argument");
    let problem = post(r#"{"kind":"rash"}"#).await.refused("invalid_argument");
    let detail = problem["detail"].as_str().expect("a text");
    assert!(
        detail.starts_with("kind: ") && !detail.contains("rash"),
        "{detail}"
    );
    let problem = post(r#"{"kind":"direct","member_ids":["a",""]}"#).await;
    let problem = problem.refused("invalid_argument");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|d| d.contains("member_ids[1]"))
    );
}

#[actix_web::test]
async fn bodies_are_json() {
    let api = Api::start().await;
    let request = api.post("/api/v1/conversations").by(DOCTOR).json(json!({}));
    let answer = request.header("content-type", "text/plain").await;
    answer.problem(415, "invalid_argument");
}

#[actix_web::test]
async fn query_parameters_are_checked() {
    let api = Api::start().await;
    let get = |path: &'static str| api.get(path).by(DOCTOR);
    get("/api/v1/conversations?limit=0")
        .await
        .refused("invalid_argument");
    get("/api/v1/conversations?limit=201")
        .await
        .refused("too_large");
    get("/api/v1/contacts?limit=201").await.refused("too_large");
    let problem = get("/api/v1/conversations?limit=many")
        .await
        .refused("invalid_argument");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|d| d.starts_with("limit: "))
    );
    get("/api/v1/conversations?archived=maybe")
        .await
        .refused("invalid_argument");
    get("/api/v1/conversations?cursor=oh")
        .await
        .refused("invalid_argument");
    get("/api/v1/contacts?cursor=oh")
        .await
        .refused("invalid_argument");
}

#[actix_web::test]
async fn path_parts_that_cannot_be_ids_name_nothing() {
    let api = Api::start().await;
    let conversation = api.direct().await;
    for path in [
        "/api/v1/conversations/7",
        "/api/v1/conversations/7/messages",
        &format!("{conversation}/messages/first"),
        &format!("{conversation}/messages/-1"),
        &format!("{conversation}/messages/99999999999999999999999"),
    ] {
        api.get(path).by(DOCTOR).await.refused("not_found");
    }
}

#[actix_web::test]
async fn a_body_that_never_ends_is_given_up_on() {
    let api = Api::start().await;
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let post = api.post("/api/v1/conversations").by(DOCTOR).unfinished();
    let refused = post.header("content-type", "application/json").await;
    assert_eq!(refused.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[actix_web::test]
async fn deeply_nested_bodies_are_refused() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let notify = |data: &str| {
        let body = format!(
            r#"{{"type":"MESSAGE_RECEIVED","user_ids":["p1"],"title":"a","body":"b","data":{data}}}"#
        );
        api.post("/api/v1/notifications").by(SERVICE).bytes(body)
    };
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    for levels in [128, 1_000, 100_000] {
        let object = format!(r#"{{"a":{}}}"#, nested(levels));
        for data in [nested(levels), object] {
            notify(&data).await.refused("invalid_argument");
        }
        let deep = nested(levels);
        for body in [deep.clone(), format!(r#"{{"text":{deep}}}"#)] {
            let post = api.post(&format!("{direct}/messages")).by(DOCTOR);
            post.bytes(body).await.refused("invalid_argument");
        }
    }
}
