//! Requests over HTTP, under the names that the clinic's dashboards already use.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use std::time::Duration;

use super::add;

/// Upper bounds of the duration's buckets, seconds.
const BUCKETS_S: [f64; 12] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Methods that are counted under their own name; a client can make up any other.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Requests over HTTP.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
}

impl HttpMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let requests = IntCounterVec::new(
            Opts::new("http_requests_total", "Requests answered."),
            &["method", "route", "status"],
        )
        .expect("describes, because names and labels are written here");
        let duration = HistogramVec::new(
            HistogramOpts::new(
                "http_request_duration_seconds",
                "From a request's head to its answer's head.",
            )
            .buckets(BUCKETS_S.to_vec()),
            &["method", "route"],
        )
        .expect("describes, because names and labels are written here");
        add(registry, requests.clone());
        add(registry, duration.clone());
        Self { requests, duration }
    }

    /// Counts one request. `route` is the pattern that matched (`/api/v1/users/{id}`), never
    /// the path: paths hold ids. None for a path that matched nothing.
    pub fn answered(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        let method = METHODS.into_iter().find(|m| *m == method);
        let method = method.unwrap_or("other");
        let route = route.unwrap_or("unmatched");
        let mut digits = [0; 3];
        let status = status_text(status, &mut digits);
        self.requests
            .with_label_values(&[method, route, status])
            .inc();
        self.duration
            .with_label_values(&[method, route])
            .observe(took.as_secs_f64());
    }
}

/// The status as text without an allocation per request.
fn status_text(status: u16, digits: &mut [u8; 3]) -> &str {
    let status = status.min(999);
    for (place, divisor) in [100, 10, 1].into_iter().enumerate() {
        digits[place] = b'0' + u8::try_from(status / divisor % 10).unwrap_or(0);
    }
    std::str::from_utf8(digits).unwrap_or("000")
}
