//! Audit records that find no room are counted, and the log says so.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    audit::{AuditKey, QUEUE_MAX, verify},
    counters::COUNTERS,
    node::{ALONE, Node, NodeConfig},
    ports::{clock::HurriedClock, store::AuditRecord},
    testkit::{
        client::{PlainIdentities, config},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::Timestamp;
use common::*;
use std::{sync::Arc, time::Duration};

const KEY: &[u8] = b"another test";

fn record(n: usize) -> AuditRecord {
    AuditRecord {
        at: Timestamp::from_millis(1_000),
        actor: Some(user("d1")),
        action: "relation.put".into(),
        subject: format!("p{n}"),
        detail: String::new(),
    }
}

#[test]
fn what_finds_no_room_is_counted_and_said() {
    run(async {
        let disk = Disk::new();
        let store = Liar::new(&disk);
        // From the start, so that nothing is taken off the queue.
        store.moods(|call| call == "audit_entries");
        let own = NodeConfig {
            audit_key: AuditKey::derived_from(KEY),
            ..config()
        };
        let clock = Arc::new(HurriedClock(20));
        let node = Node::start(own, store.clone(), clock, Arc::new(PlainIdentities));
        let lost = COUNTERS.audit_lost.get();
        for n in 0..QUEUE_MAX + 7 {
            node.trail().note(record(n));
        }
        assert_eq!(node.trail().waiting(), QUEUE_MAX);
        assert_eq!(COUNTERS.audit_lost.get() - lost, 7);
        // For what must not be done without its record there is room yet, and it is waited for.
        assert!(node.trail().write(record(0)).await.is_err(), "not in time");
        assert!(node.trail().waiting() > QUEUE_MAX);

        store.be_honest();
        let all = async {
            loop {
                let all = disk.memory().whole_audit_log();
                if all.iter().filter(|r| r.action == "relation.put").count() >= QUEUE_MAX {
                    return all;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let all = tokio::time::timeout(Duration::from_secs(120), all)
            .await
            .unwrap();
        let said: Vec<_> = all.iter().filter(|r| r.action == "audit.lost").collect();
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].detail, "count=7");
        assert_eq!(said[0].subject, ALONE);
        // Those that found room are there, in their order.
        let kept = all.iter().filter(|r| r.action == "relation.put");
        for (n, record) in kept.take(QUEUE_MAX).enumerate() {
            assert_eq!(record.subject, format!("p{n}"));
        }
        let whole = verify(&*store, &AuditKey::derived_from(KEY), ALONE, None).await;
        assert!(whole.is_ok(), "{whole:?}");
        node.shut_down().await;
    });
}
