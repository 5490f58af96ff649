//! Who is let in.

use bedside_actors::ports::store::{AuditRange, Denial, DenialRecord};
use bedside_protocol::{Timestamp, limits};
use serde_json::json;

use crate::kit::{Ward, user};

const NAMESPACES: [&str; 4] = ["/", "/notifications", "/consultation", "/messages"];

#[actix_web::test]
async fn without_a_good_token_nobody_is_let_in_and_the_audit_log_says_so() {
    let ward = Ward::open();
    let bad = [
        (json!(null), "unauthorized"),
        (json!({}), "unauthorized"),
        (json!({"token": "x"}), "unauthorized"),
        (json!({"token": null}), "unauthorized"),
        (json!({"token": 7}), "unauthorized"),
        (json!({"userId": "p1"}), "unauthorized"),
        (json!({"token": "old"}), "token_expired"),
    ];
    for namespace in NAMESPACES {
        for (auth, code) in &bad {
            let auth = if auth.is_null() {
                json!({})
            } else {
                auth.clone()
            };
            let refused = ward.dial(namespace, auth).await.err();
            let wanted = json!({"message": "unauthorized", "data": {"code": code}});
            assert_eq!(refused, Some(wanted), "{namespace}");
        }
    }
    // Ten a minute and address.
    ward.until("it is written down", || ward.audit_log().len() == 10)
        .await;
    let log = ward.audit_log();
    assert_eq!(log[0].action, "connect.refused");
    assert_eq!(log[0].subject, "socketio /");
    assert_eq!(log[0].detail, "unauthorized");
    assert_eq!(log[0].actor, None);
}

#[actix_web::test]
async fn the_token_may_come_in_the_headers_and_the_packets_counts_first() {
    let ward = Ward::open();
    for namespace in NAMESPACES {
        let bearer = Some("patient:p1");
        assert!(ward.knock(namespace, json!({}), bearer).await.is_ok());
        let auth = json!({"token": "x"});
        assert!(ward.knock(namespace, auth, bearer).await.is_err());
    }
}

#[actix_web::test]
async fn systems_and_people_without_a_role_are_not_let_in() {
    let ward = Ward::open();
    for (token, id) in [("service:s1", "s1"), ("chef:c1", "c1")] {
        let refused = ward.dial("/messages", json!({"token": token})).await.err();
        let wanted = json!({"message": "unauthorized", "data": {"code": "forbidden"}});
        assert_eq!(refused, Some(wanted));
        ward.until("it is written down", || ward.audited(id).len() == 1)
            .await;
    }
}

#[actix_web::test]
async fn whoever_says_to_be_somebody_else_is_not_let_in() {
    let ward = Ward::open();
    for claimed in [json!("p1"), json!(7), json!({"id": "p2"})] {
        let auth = json!({"token": "patient:p2", "userId": claimed});
        let refused = ward.dial("/notifications", auth).await.err();
        assert_eq!(refused.expect("is refused")["message"], "unauthorized");
    }
    ward.until("it is written down", || ward.audited("p2").len() == 3)
        .await;
    let detail = "auth.userId was somebody else".to_owned();
    let subject = "socketio /notifications".to_owned();
    assert_eq!(ward.audited("p2")[0], ("connect.refused", subject, detail));
    let own = json!({"token": "patient:12", "userId": 12});
    assert!(ward.dial("/notifications", own).await.is_ok());
}

#[actix_web::test]
async fn there_are_no_other_namespaces() {
    let ward = Ward::open();
    for namespace in ["/admin", "/chat", "/Messages"] {
        let refused = ward.dial(namespace, json!({"token": "patient:p1"})).await;
        assert_eq!(refused.err(), Some(json!({"message": "Invalid namespace"})));
    }
}

#[actix_web::test]
async fn the_answer_to_connect_is_a_sid_and_nothing_else() {
    let ward = Ward::open();
    for namespace in NAMESPACES {
        let client = ward.connect(namespace, "patient:p1").await;
        let greeting = client.greeting.as_object().expect("an object");
        assert_eq!(greeting.keys().collect::<Vec<_>>(), ["sid"]);
    }
}

#[actix_web::test]
async fn whoever_is_let_in_misses_nothing_from_then_on() {
    // Again and again, because it would be a matter of luck.
    let ward = Ward::pair().await;
    let mut doctor = ward.root("doctor:d1").await;
    for n in 0..20 {
        let mut patient = ward.root("patient:p1").await;
        let content = format!("hello {n}");
        let send = json!({"receiverId": "p1", "content": content});
        doctor.emit("send_message", send).await;
        let shown = patient.next("new_message").await;
        assert_eq!(shown["message"]["content"], json!(content));
        doctor.next("message_sent").await;
    }
}

#[actix_web::test]
async fn a_session_ends_with_its_token() {
    let ward = Ward::open();
    let mut client = ward.connect("/notifications", "patient:p1@50").await;
    ward.clock.advance_ms(100);
    client.end().await;
    // One that has run out by the time it is looked at.
    let mut client = ward.root("patient:p1@50").await;
    client.end().await;
}

#[actix_web::test]
async fn a_session_that_is_ended_elsewhere_leaves_its_namespace() {
    let ward = Ward::open();
    let mut client = ward.root("patient:p1").await;
    let revoked = bedside_protocol::CloseCode::Revoked;
    ward.node.end_sessions(&crate::kit::user("p1"), revoked);
    client.end().await;
}

#[actix_web::test]
async fn who_is_kept_out_leaves_every_namespace_and_is_not_let_in_again() {
    let ward = Ward::open();
    for (denial, id, code) in [
        (issued("p1"), "patient:p1", "unauthorized"),
        (block("p2"), "patient:p2", "forbidden"),
    ] {
        let mut root = ward.root(id).await;
        let mut other = ward.connect("/notifications", id).await;
        ward.node.deny(denial).await.expect("stored");
        root.end().await;
        other.end().await;
        for namespace in NAMESPACES {
            let refused = ward.dial(namespace, json!({"token": id})).await.err();
            let wanted = json!({"message": "unauthorized", "data": {"code": code}});
            assert_eq!(refused, Some(wanted), "{namespace}");
        }
    }
}

fn issued(id: &str) -> DenialRecord {
    denied(Denial::Issued {
        user_id: user(id),
        before: Timestamp::now(),
    })
}

fn block(id: &str) -> DenialRecord {
    denied(Denial::Block {
        user_id: user(id),
        reason: "r".to_owned(),
    })
}

fn denied(denial: Denial) -> DenialRecord {
    DenialRecord {
        denial,
        at: Timestamp::now(),
        by: user("a1"),
    }
}

#[actix_web::test]
async fn bad_tokens_of_one_address_are_told_to_wait_and_good_ones_are_not() {
    let ward = Ward::open();
    let dial = async |token: &str| ward.dial("/messages", json!({"token": token})).await;
    for _ in 0..limits::FAILURES_PER_ADDRESS_A_MINUTE {
        let refused = dial("forged").await.err().expect("is refused");
        assert_eq!(refused["message"], "unauthorized");
    }
    let refused = loop {
        let refused = dial("forged").await.err().expect("is refused");
        if refused["message"] != "unauthorized" {
            break refused;
        }
    };
    assert_eq!(refused["message"], "rate_limited");
    assert_eq!(refused["data"]["code"], "rate_limited");
    let wait = refused["data"]["retry_after_ms"].as_u64().expect("a wait");
    assert!((1..=500).contains(&wait), "{refused}");
    assert!(dial("patient:p1").await.is_ok());
    // It has only run out, so it is not one of them.
    let refused = dial("old").await.err().expect("is refused");
    assert_eq!(refused["message"], "unauthorized");
}

#[actix_web::test]
async fn a_session_is_written_down_with_where_it_came_from() {
    let ward = Ward::open();
    let _client = ward.connect("/messages", "patient:p1").await;
    let range = AuditRange {
        from_seq: 1,
        to_seq: u64::MAX,
        newest_first: false,
        limit: 10,
    };
    let opened = loop {
        let entries = ward.store.audit_entries("alone".to_owned(), range).await;
        let mut entries = entries.expect("reads").into_iter();
        if let Some(entry) = entries.find(|e| e.record.action == "session.open") {
            break entry;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(opened.ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(opened.agent.as_deref(), Some("a test"));
}
