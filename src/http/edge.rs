//! What every request passes on its way in and out: CORS, security headers, the count, and
//! answers to what no route took.

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use bedside_protocol::CommandError;
use tokio::time::Instant;

use super::{cors, parts::Parts, problem::Problem};

/// The middleware: `App::new().wrap(from_fn(http::edge)).configure(..)`.
///
/// # Errors
/// What inner middleware fails with; handlers answer by themselves.
pub async fn edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let parts = request
        .app_data::<Parts>()
        .expect("the parts are there, because `configure` puts them beside the routes")
        .clone();
    let started = Instant::now();
    let method = label(request.method());
    let origin = cors::Verdict::on(&parts.cors, request.headers());
    if let Some(answer) = cors::preflight(&origin, request.head()) {
        let mut response = request.into_response(answer);
        finish(&mut response, &origin);
        parts.http_metrics.answered(
            method,
            "preflight",
            response.status().as_u16(),
            started.elapsed(),
        );
        return Ok(response);
    }
    if request.method() == Method::HEAD && takes_head(request.path()) {
        // Every GET of ours answers HEAD; the encoder of the connection leaves the body out.
        request.head_mut().method = Method::GET;
    }
    let response = next.call(request).await?.map_into_boxed_body();
    let mut response = explain_405(response);
    finish(&mut response, &origin);
    let request = response.request();
    let route = request.match_pattern();
    parts.http_metrics.answered(
        method,
        route.as_deref().unwrap_or("unmatched"),
        response.status().as_u16(),
        started.elapsed(),
    );
    Ok(response)
}

/// The method as a label: a client may invent any number of methods.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Paths whose GET only looks. Long polling does not: what it hands out is gone from the queue.
fn takes_head(path: &str) -> bool {
    [
        "/api/",
        "/health",
        "/ready",
        "/metrics",
        "/demo",
        "/chat/",
        "/users/",
        "/doctors/",
        "/notifications",
        "/consultations/",
        "/messages/",
    ]
    .iter()
    .any(|start| path.starts_with(start))
}

/// Gives the bare 405 of a resource a body. Its `Allow` stays, and names HEAD beside GET.
fn explain_405(response: ServiceResponse) -> ServiceResponse {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allow = allowed_methods(response.headers());
    let error = CommandError::invalid("this path does not take this method");
    let problem =
        Problem::at(response.request().path(), error).with_status(StatusCode::METHOD_NOT_ALLOWED);
    let mut answer = actix_web::ResponseError::error_response(&problem);
    if let Ok(allow) = HeaderValue::from_str(&allow) {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    response.into_response(answer)
}

fn allowed_methods(headers: &HeaderMap) -> String {
    let mut methods: Vec<&str> = headers
        .get_all(header::ALLOW)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    if methods.contains(&"GET") && !methods.contains(&"HEAD") {
        methods.push("HEAD");
    }
    methods.join(", ")
}

fn finish(response: &mut ServiceResponse, origin: &cors::Verdict) {
    let headers = response.headers_mut();
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Pages and scripts that may be kept say so themselves.
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in defaults {
        insert_new(headers, name, HeaderValue::from_static(value));
    }
    origin.mark(headers);
}

/// Puts a header in unless the handler had its own.
fn insert_new(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value);
    }
}
