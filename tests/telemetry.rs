//! What a panic leaves in the log. Each case runs in a process of its own, since logging and
//! the panic hook belong to the whole process.

use bedside::{
    config::{LogConfig, LogFormat},
    telemetry,
};
use std::{hint::black_box, process::Command};

const FORMAT: &str = "BEDSIDE_TEST_LOG_FORMAT";

/// The child of the tests below, in a process of its own: panics with what a user wrote, and
/// lives on. Nothing where nobody started it as one.
#[test]
fn child_that_panics() {
    let format = match std::env::var(FORMAT).as_deref() {
        Ok("json") => LogFormat::Json,
        Ok(_) => LogFormat::Text,
        Err(_) => return,
    };
    let log = LogConfig {
        filter: "info".to_owned(),
        format,
    };
    telemetry::init(&log, || Some("conversation")).expect("logging starts");
    assert!(telemetry::init(&log, || None).is_err(), "a second start");
    let result = std::panic::catch_unwind(|| {
        let phi: Result<(), &str> = black_box(Err("Zaphod has two heads"));
        phi.expect("well");
    });
    assert!(result.is_err());
    tracing::info!("still here");
    tracing::debug!("not asked for");
}

fn lines_of_child(format: &str) -> Vec<String> {
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child_that_panics", "--nocapture"])
        .env(FORMAT, format)
        .env("RUST_BACKTRACE", "full")
        .output()
        .expect("the child runs");
    assert!(child.status.success());
    let text = String::from_utf8(child.stderr).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_panic_is_one_line_of_text_without_what_a_user_wrote() {
    let lines = lines_of_child("text");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("panicked") && lines[0].contains("actor=\"conversation\""));
    assert!(lines[0].contains("tests/telemetry.rs") && !lines[0].contains("Zaphod"));
    assert!(
        !lines[0].contains('\u{1b}'),
        "no colours where nobody looks"
    );
    assert!(lines[1].contains("still here"));
}

#[test]
fn a_panic_is_one_object_of_json() {
    let lines = lines_of_child("json");
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let line: serde_json::Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["actor"], "conversation");
    assert!(line["line"].as_u64().is_some_and(|n| n > 0));
    assert!(!lines[0].contains("Zaphod"), "{}", lines[0]);
}
