//! `/api/v1/tickets`.

use bedside_protocol::Timestamp;
use serde_json::json;

use crate::kit::{Api, DOCTOR, NOW_MS};

#[actix_web::test]
async fn a_ticket_stands_for_who_asked() {
    let api = Api::start().await;
    let expires_at = Timestamp::from_millis(NOW_MS + 30_000);
    assert_eq!(
        api.post("/api/v1/tickets").by(DOCTOR).await.created(),
        json!({"ticket": "ticket-of-d1", "expires_at": expires_at})
    );
}

#[actix_web::test]
async fn too_many_tickets_are_told_when_to_come_back() {
    let api = Api::start().await;
    let answer = api.post("/api/v1/tickets").by("doctor:greedy").await;
    // 1,500 ms in whole seconds, rounded up.
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert_eq!(answer.refused("rate_limited")["retry_after_ms"], 1_500);
}
