//! `/health`, `/ready`, `/metrics`.

use actix_web::http::StatusCode;
use bedside_actors::ports::store::Store as _;
use bedside_protocol::Timestamp;
use serde_json::json;

use crate::kit::{Api, NOW_MS, Options};

#[actix_web::test]
async fn a_healthy_server_says_so_without_a_token() {
    let api = Api::start().await;
    let wanted = json!({
        "status": "ok",
        "timestamp": Timestamp::from_millis(NOW_MS),
        "services": {"store": "ok"},
        "version": "1.2.3",
    });
    for path in ["/health", "/api/health", "/ready"] {
        assert_eq!(api.get(path).await.ok(), wanted, "{path}");
    }
}

#[actix_web::test]
async fn without_its_store_it_lives_but_is_not_ready() {
    let api = Api::start().await;
    api.store.close().await;
    let health = api.get("/health").await.ok();
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["services"]["store"], "unavailable");
    assert_eq!(
        api.get("/ready").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[actix_web::test]
async fn metrics_are_for_those_who_may() {
    let api = Api::start().await;
    let metrics = api.get("/metrics").await;
    assert_eq!(
        (metrics.status, metrics.text.as_str()),
        (StatusCode::OK, "up 1\n")
    );
    assert!(
        metrics
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain"))
    );
    let options = Options {
        metrics_allowed: false,
        ..Options::default()
    };
    let refused = Api::with(options).await.get("/metrics").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!refused.text.contains("up 1"));
}
