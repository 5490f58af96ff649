//! An enumeration has the same names in code, on the wire, and when it is read.

use bedside_protocol::{
    ConsultationStatus, ConsultationType, ConversationKind, ErrorCode, NotificationType,
};
use serde::Serialize;

fn check<T: Copy + PartialEq + std::fmt::Debug + Serialize>(
    all: &[T],
    name: fn(T) -> &'static str,
    parse: fn(&str) -> Option<T>,
) {
    for one in all {
        let wire = serde_json::to_value(one).expect("writes");
        assert_eq!(wire, name(*one));
        assert_eq!(parse(name(*one)), Some(*one));
    }
    for wrong in ["", " ", "unheard_of"] {
        assert_eq!(parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn names_are_those_of_the_wire() {
    check(
        ConsultationType::ALL,
        ConsultationType::name,
        ConsultationType::parse,
    );
    check(
        ConsultationStatus::ALL,
        ConsultationStatus::name,
        ConsultationStatus::parse,
    );
    check(
        NotificationType::ALL,
        NotificationType::name,
        NotificationType::parse,
    );
    check(
        ConversationKind::ALL,
        ConversationKind::name,
        ConversationKind::parse,
    );
    for code in ErrorCode::ALL {
        assert_eq!(serde_json::to_value(code).expect("writes"), code.name());
    }
}

#[test]
fn clients_of_the_seed_shout() {
    for (text, wanted) in [
        ("VIDEO", Some(ConsultationType::Video)),
        ("Chat", Some(ConsultationType::Chat)),
        ("VIDEO ", None),
    ] {
        assert_eq!(ConsultationType::parse(text), wanted, "{text}");
    }
}

#[test]
fn what_is_over_stays_over() {
    let is_over = [false, false, true, true];
    for (status, is_over) in ConsultationStatus::ALL.iter().zip(is_over) {
        assert_eq!(status.is_final(), is_over, "{status:?}");
    }
}
