//! `/health`, `/ready`, `/metrics`: for those who run the server.

use super::openapi::{Routes, at, one, op};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use bedside_protocol::{CommandError, Timestamp};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

use super::{
    parts::{HttpParts, Parts},
    problem::Problem,
};

/// How long the store may take to say that it can be written to.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn routes(routes: &mut Routes<'_>) {
    let alive = || op("Whether the process answers").ok(one::<Health>);
    routes
        .under("The server itself")
        .add(at("/health").get(health, alive()))
        .add(at("/api/health").get(health, alive()))
        .add(
            at("/ready").get(
                ready,
                op("Whether the store can be written to")
                    .about(
                        "503 while it cannot, and when the server is about to stop: send no \
                         traffic then.",
                    )
                    .ok(one::<Health>)
                    .also(503, one::<Health>),
            ),
        )
        .add(
            at("/metrics").get(
                metrics,
                op("Metrics in Prometheus text format")
                    .about("For scrapers on this machine, or with the METRICS_TOKEN as bearer.")
                    .text("text/plain; version=0.0.4; charset=utf-8")
                    .or(403),
            ),
        );
}

#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
    timestamp: Timestamp,
    services: Services,
    version: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Services {
    store: &'static str,
}

impl Health {
    async fn of(parts: &HttpParts) -> Self {
        let (status, store) = match store_is_ready(parts).await {
            true if parts.node.is_leaving() => ("stopping", "ok"),
            true => ("ok", "ok"),
            false => ("degraded", "unavailable"),
        };
        Self {
            status,
            timestamp: parts.node.clock().now(),
            services: Services { store },
            version: parts.version,
        }
    }
}

async fn store_is_ready(parts: &HttpParts) -> bool {
    let ready = parts.node.store().ready();
    matches!(tokio::time::timeout(READY_TIMEOUT, ready).await, Ok(Ok(())))
}

/// 200 as long as the process answers: `{status: "ok"|"degraded"|"stopping", timestamp,
/// services: {store: "ok"|"unavailable"}, version}`.
async fn health(parts: Parts) -> HttpResponse {
    HttpResponse::Ok().json(Health::of(&parts).await)
}

/// The same with 503 while the store cannot be written to, or the server is about to stop: send
/// no traffic then.
async fn ready(parts: Parts) -> HttpResponse {
    let health = Health::of(&parts).await;
    if health.status == "ok" {
        HttpResponse::Ok().json(health)
    } else {
        HttpResponse::ServiceUnavailable().json(health)
    }
}

async fn metrics(parts: Parts, request: HttpRequest) -> HttpResponse {
    if !(parts.metrics_allowed)(&request) {
        let error = CommandError::forbidden("the metrics are not for everyone");
        return Problem::at(request.path(), error).error_response();
    }
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body((parts.metrics_text)())
}
