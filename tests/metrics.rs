//! What Prometheus reads, and who may.

use bedside::{
    config::{MetricsConfig, Secret},
    metrics::{Metrics, allowed},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The value of one series.
fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let text = metrics.text();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().expect("a number"))
}

#[test]
fn requests_are_counted_by_route_and_never_by_path() {
    let metrics = Metrics::new();
    let took = Duration::from_millis(3);
    metrics
        .http
        .answered("GET", Some("/api/v1/users/{id}"), 200, took);
    metrics
        .http
        .answered("GET", Some("/api/v1/users/{id}"), 200, took);
    metrics
        .http
        .answered("GET", Some("/api/v1/users/{id}"), 404, took);
    metrics.http.answered("BREW", None, 405, took);
    for (series, want) in [
        (
            r#"http_requests_total{method="GET",route="/api/v1/users/{id}",status="200"}"#,
            2.0,
        ),
        (
            r#"http_requests_total{method="GET",route="/api/v1/users/{id}",status="404"}"#,
            1.0,
        ),
        (
            r#"http_requests_total{method="other",route="unmatched",status="405"}"#,
            1.0,
        ),
        (
            r#"http_request_duration_seconds_bucket{method="GET",route="/api/v1/users/{id}",le="0.002"}"#,
            0.0,
        ),
        (
            r#"http_request_duration_seconds_bucket{method="GET",route="/api/v1/users/{id}",le="0.005"}"#,
            3.0,
        ),
        (
            r#"http_request_duration_seconds_count{method="other",route="unmatched"}"#,
            1.0,
        ),
    ] {
        assert_eq!(value(&metrics, series), Some(want), "{series}");
    }
    assert!(!metrics.text().contains("BREW"));
}

#[test]
fn sockets_are_counted_and_no_client_makes_a_series() {
    let metrics = Metrics::new();
    for _ in 0..5 {
        metrics.sockets.opened();
    }
    for code in [1000, 1006, 4501, 3123, 4999] {
        metrics.sockets.closed(code);
    }
    metrics.sockets.opened();
    metrics.sockets.refused("origin");
    metrics.sockets.frames_in.inc();
    metrics.sockets.frames_out.inc_by(2);
    metrics.sockets.bytes_in.inc_by(3);
    metrics.sockets.bytes_out.inc_by(4);
    for (series, want) in [
        ("bedside_sockets_open", 1.0),
        ("bedside_sockets_opened_total", 6.0),
        (r#"bedside_sockets_closed_total{code="1000"}"#, 1.0),
        (r#"bedside_sockets_closed_total{code="1006"}"#, 1.0),
        (r#"bedside_sockets_closed_total{code="4501"}"#, 1.0),
        (r#"bedside_sockets_closed_total{code="other"}"#, 2.0),
        (r#"bedside_handshakes_refused_total{reason="origin"}"#, 1.0),
        ("bedside_frames_in_total", 1.0),
        ("bedside_frames_out_total", 2.0),
        ("bedside_bytes_in_total", 3.0),
        ("bedside_bytes_out_total", 4.0),
    ] {
        assert_eq!(value(&metrics, series), Some(want), "{series}");
    }
    assert_eq!(
        value(&metrics, r#"bedside_sockets_closed_total{code="3123"}"#),
        None
    );
}

#[test]
fn numbers_kept_elsewhere_are_read_when_somebody_looks() {
    static BOUNDS_S: [f64; 2] = [0.001, 0.5];
    let metrics = Metrics::new();
    let stored = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&stored);
    metrics.register_counter_fn("bedside_messages_stored_total", "Stored.", move || {
        read.load(Ordering::Relaxed)
    });
    metrics.register_gauge_fn("bedside_queue_depth", "Waiting.", || 2.5);
    metrics.register_histogram_fn("bedside_commit_seconds", "Commits.", &BOUNDS_S, || {
        (vec![3, 2, 1], 4.25)
    });
    assert_eq!(value(&metrics, "bedside_messages_stored_total"), Some(0.0));
    stored.store(7, Ordering::Relaxed);
    for (series, want) in [
        ("bedside_messages_stored_total", 7.0),
        ("bedside_queue_depth", 2.5),
        (r#"bedside_commit_seconds_bucket{le="0.001"}"#, 3.0),
        (r#"bedside_commit_seconds_bucket{le="0.5"}"#, 5.0),
        (r#"bedside_commit_seconds_bucket{le="+Inf"}"#, 6.0),
        ("bedside_commit_seconds_count", 6.0),
        ("bedside_commit_seconds_sum", 4.25),
    ] {
        assert_eq!(value(&metrics, series), Some(want), "{series}");
    }
    let text = metrics.text();
    for kind in [
        "# TYPE bedside_messages_stored_total counter",
        "# TYPE bedside_queue_depth gauge",
        "# TYPE bedside_commit_seconds histogram",
    ] {
        assert!(text.lines().any(|line| line == kind), "{kind}");
    }
}

#[test]
#[should_panic(expected = "each name is used once")]
fn one_name_twice_is_a_mistake_in_the_wiring() {
    let metrics = Metrics::new();
    metrics.register_gauge_fn("bedside_sockets_open", "Again.", || 0.0);
}

#[test]
fn the_process_shows_itself() {
    let metrics = Metrics::new();
    let resident = value(&metrics, "process_resident_memory_bytes");
    assert!(resident.is_some_and(|bytes| bytes > 1e6), "{resident:?}");
    assert!(value(&metrics, "process_open_fds").is_some_and(|n| n >= 3.0));
    let cpu_s = || value(&metrics, "process_cpu_seconds_total").expect("a number");
    let before = cpu_s();
    let grew = (0..100_000).any(|_| cpu_s() > before);
    assert!(grew && before < 3_600.0, "{before}");
}

#[test]
fn metrics_are_for_this_machine_and_for_bearers_of_the_token() {
    let open = MetricsConfig::default();
    let guarded = MetricsConfig {
        token: Some(Secret::new("0123456789abcdef")),
        bind: None,
    };
    let near = Some("127.0.0.1:5000");
    let far = Some("10.0.0.7:5000");
    let token = Some("0123456789abcdef");
    for (peer, proxied, bearer, config, want) in [
        (near, false, None, &open, true),
        (Some("[::1]:5000"), false, None, &open, true),
        (Some("[::ffff:127.0.0.1]:5000"), false, None, &open, true),
        (near, true, None, &open, false),
        (far, false, None, &open, false),
        (None, false, None, &open, false),
        (far, false, Some(""), &open, false),
        (far, false, token, &open, false),
        (near, false, None, &guarded, true),
        (far, false, token, &guarded, true),
        (near, true, token, &guarded, true),
        (None, true, token, &guarded, true),
        (far, false, None, &guarded, false),
        (far, false, Some(""), &guarded, false),
        (far, false, Some("0123456789abcde"), &guarded, false),
        (far, false, Some("0123456789abcdef0"), &guarded, false),
        (far, false, Some("0123456789ABCDEF"), &guarded, false),
    ] {
        let peer = peer.map(|text| text.parse().expect("an address"));
        let got = allowed(peer, proxied, bearer, config);
        assert_eq!(got, want, "{peer:?} {proxied} {bearer:?} {config:?}");
    }
}

#[test]
fn sessions_are_counted_by_what_carries_them() {
    let metrics = Metrics::new();
    metrics.sessions.opened("polling");
    metrics.sessions.opened("polling");
    metrics.sessions.opened("websocket");
    metrics.sessions.upgraded();
    metrics.sessions.closed("polling");
    for (series, want) in [
        (
            r#"bedside_socketio_sessions_open{transport="polling"}"#,
            0.0,
        ),
        (
            r#"bedside_socketio_sessions_open{transport="websocket"}"#,
            2.0,
        ),
        (
            r#"bedside_socketio_sessions_opened_total{transport="polling"}"#,
            2.0,
        ),
        ("bedside_socketio_upgrades_total", 1.0),
    ] {
        assert_eq!(value(&metrics, series), Some(want), "{series}");
    }
}
