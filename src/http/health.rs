//! `/health`, `/ready`, `/metrics`: for those who run the server.

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use bedside_protocol::{CommandError, Timestamp};
use serde::Serialize;
use std::time::Duration;

use super::{
    parts::{HttpParts, Parts},
    problem::Problem,
};

/// How long the store may take to say that it can be written to.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource(["/health", "/api/health"]).route(web::get().to(health)))
        .service(web::resource("/ready").route(web::get().to(ready)))
        .service(web::resource("/metrics").route(web::get().to(metrics)));
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    timestamp: Timestamp,
    services: Services,
    version: &'static str,
}

#[derive(Serialize)]
struct Services {
    store: &'static str,
}

impl Health {
    async fn of(parts: &HttpParts) -> Self {
        let (status, store) = if store_is_ready(parts).await {
            ("ok", "ok")
        } else {
            ("degraded", "unavailable")
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

/// 200 as long as the process answers: `{status: "ok"|"degraded", timestamp,
/// services: {store: "ok"|"unavailable"}, version}`.
async fn health(parts: Parts) -> HttpResponse {
    HttpResponse::Ok().json(Health::of(&parts).await)
}

/// The same with 503 while the store cannot be written to: send no traffic then.
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
