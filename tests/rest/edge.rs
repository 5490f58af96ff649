//! What holds for every answer.

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use crate::kit::{Api, DOCTOR, ORIGIN, Options};

#[actix_web::test]
async fn an_unknown_path_is_told_in_the_shape_of_its_place() {
    let api = Api::start().await;
    for path in [
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v1/conversations/",
    ] {
        api.get(path).by(DOCTOR).await.refused("not_found");
    }
    for path in ["/", "/nothing", "/api/v10/conversations"] {
        let answer = api.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(
            answer.body,
            json!({"success": false, "message": "no such path"})
        );
    }
}

#[actix_web::test]
async fn a_method_that_a_path_does_not_take_names_those_it_does() {
    let api = Api::start().await;
    let answer = api.delete("/api/v1/conversations").by(DOCTOR).await;
    assert_eq!(answer.header("allow"), Some("GET, POST, HEAD"));
    let problem = answer.problem(405, "invalid_argument");
    assert_eq!(problem["title"], "Method Not Allowed");
    let answer = api.post("/health").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    assert_eq!(answer.body["success"], false);
}

#[actix_web::test]
async fn security_headers_are_on_every_answer() {
    let api = Api::start().await;
    let answers = [
        api.get("/health").await,
        api.get("/nothing").await,
        api.get("/api/v1/unread").await,
        api.get("/api/v1/unread").by(DOCTOR).await,
        api.post("/health").await,
        api.request(Method::OPTIONS, "/api/v1/unread")
            .header("origin", ORIGIN)
            .header("access-control-request-method", "GET")
            .await,
    ];
    for answer in answers {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
}

#[actix_web::test]
async fn a_page_of_an_allowed_origin_may_read_answers_and_refusals() {
    let api = Api::start().await;
    for token in [DOCTOR, "old"] {
        let request = api.get("/api/v1/unread").by(token).header("origin", ORIGIN);
        let answer = request.await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        let exposed = answer.header("access-control-expose-headers");
        assert!(exposed.is_some_and(|names| names.contains("Retry-After")));
    }
}

#[actix_web::test]
async fn other_origins_get_no_cors_headers() {
    let api = Api::start().await;
    for origin in [
        "https://clinic.example.evil.example",
        "https://evil-clinic.example",
        "http://clinic.example",
        "https://clinic.example:8443",
        "null",
    ] {
        let answer = api.get("/health").header("origin", origin).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
        let preflight = api
            .request(Method::OPTIONS, "/api/v1/unread")
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .await;
        assert_eq!(preflight.status, StatusCode::FORBIDDEN, "{origin}");
        assert_eq!(preflight.header("access-control-allow-origin"), None);
    }
}

#[actix_web::test]
async fn a_preflight_is_answered_without_a_token() {
    let api = Api::start().await;
    let answer = api
        .request(Method::OPTIONS, "/api/v1/conversations/x/messages")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization, idempotency-key",
        )
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    let methods = answer
        .header("access-control-allow-methods")
        .expect("is there");
    assert!(
        ["POST", "PATCH", "DELETE"]
            .iter()
            .all(|m| methods.contains(m))
    );
    let headers = answer
        .header("access-control-allow-headers")
        .expect("is there");
    let headers = headers.to_ascii_lowercase();
    let needed = ["authorization", "content-type", "idempotency-key"];
    assert!(
        needed.iter().all(|name| headers.contains(name)),
        "{headers}"
    );
}

#[actix_web::test]
async fn credentials_are_allowed_only_where_configured() {
    let options = Options {
        credentials: false,
        ..Options::default()
    };
    let api = Api::with(options).await;
    let answer = api.get("/health").header("origin", ORIGIN).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[actix_web::test]
async fn requests_are_counted_under_labels_of_closed_sets() {
    let api = Api::start().await;
    api.get("/health").await;
    api.get("/api/v1/conversations/not-an-id/messages")
        .by(DOCTOR)
        .await;
    api.get("/somewhere/else").await;
    api.get("/api/v1/somewhere").await;
    api.request(Method::from_bytes(b"BREW").expect("is a method"), "/health")
        .await;
    api.request(Method::HEAD, "/health").await;
    let counted = api.counted.all();
    let messages = "/api/v1/conversations/{conversation_id}/messages".to_owned();
    let unmatched = || "unmatched".to_owned();
    let health = || "/health".to_owned();
    assert_eq!(
        counted,
        [
            ("GET", health(), 200),
            ("GET", messages, 404),
            ("GET", unmatched(), 404),
            ("GET", unmatched(), 404),
            ("OTHER", health(), 405),
            ("HEAD", health(), 200),
        ]
    );
}
