//! The text and the order of ids that are more than opaque.

use bedside_protocol::{ConsultationId, NotificationId, Timestamp};

const PER_MS: u64 = 4_096;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("is a time")
}

fn number(number: u64) -> ConsultationId {
    ConsultationId::from_number(number).expect("is in bounds")
}

#[test]
fn a_consultation_id_has_one_text() {
    for (text, wanted) in [
        ("0", 0),
        ("7", 7),
        ("243989606129664", 243_989_606_129_664),
        ("9007199254740991", ConsultationId::MAX),
    ] {
        let id: ConsultationId = text.parse().expect("is an id");
        assert_eq!((id, id.number()), (number(wanted), wanted));
        assert_eq!(
            (id.to_string(), format!("{id:?}")),
            (text.into(), text.into())
        );
    }
    for wrong in [
        "",
        " 7",
        "7 ",
        "+7",
        "-7",
        "-0",
        "07",
        "00",
        "7.0",
        "7e3",
        "0x7",
        "seven",
        "\u{0667}",
        "9007199254740992",
        "18446744073709551615",
        "18446744073709551623",
    ] {
        assert!(wrong.parse::<ConsultationId>().is_err(), "{wrong:?}");
    }
    assert_eq!(ConsultationId::from_number(ConsultationId::MAX + 1), None);
}

#[test]
fn on_the_wire_it_is_a_string() {
    let id = number(ConsultationId::MAX);
    let json = serde_json::to_string(&id).expect("writes");
    assert_eq!(json, "\"9007199254740991\"");
    assert_eq!(serde_json::from_str::<ConsultationId>(&json).ok(), Some(id));
    for wrong in ["7", "7.0", "null", "\"07\"", "\"\"", "[7]"] {
        let read = serde_json::from_str::<ConsultationId>(wrong);
        assert!(read.is_err(), "{wrong}");
    }
}

#[test]
fn javascript_reads_the_highest_exactly() {
    let as_double = ConsultationId::MAX as f64;
    assert_eq!(as_double as u64, ConsultationId::MAX);
    assert_eq!((as_double + 1.0) as u64, ConsultationId::MAX + 1);
}

#[test]
fn consultation_ids_grow_with_time() {
    let times = [
        at("2025-01-01T00:00:00.000Z"),
        at("2025-01-01T00:00:00.001Z"),
        at("2026-11-21T09:30:00.125Z"),
        at("2026-11-21T09:30:00.126Z"),
        at("2094-01-01T00:00:00.000Z"),
    ];
    let mut before = None;
    for time in times {
        for _ in 0..100 {
            let id = ConsultationId::new(time);
            let ms = time.as_millis().unsigned_abs() - 1_735_689_600_000;
            assert_eq!(id.number() / PER_MS, ms, "the time is in its upper bits");
            assert!(before.is_none_or(|before| before < id));
        }
        before = Some(ConsultationId::new(time));
    }
    // By number, not by text.
    assert!(number(9) < number(10));
}

#[test]
fn consultation_ids_of_one_millisecond_differ() {
    let ids = (0..100).map(|_| ConsultationId::new(at("2026-11-21T09:30:00.125Z")));
    let ids: std::collections::HashSet<_> = ids.collect();
    // 100 of 4,096: fewer than 50 different ones do not happen.
    assert!(ids.len() > 50, "{}", ids.len());
}

#[test]
fn a_clock_that_is_wrong_still_makes_ids() {
    for time in [0, 1_735_689_599_999, i64::MAX] {
        let id = ConsultationId::new(Timestamp::from_millis(time));
        assert!(id.number() <= ConsultationId::MAX);
    }
}

#[test]
fn notification_ids_grow() {
    let ids: Vec<_> = (0..1_000).map(|_| NotificationId::new()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b && a.to_bytes() < b.to_bytes()));
}
