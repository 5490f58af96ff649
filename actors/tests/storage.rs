//! The store fails in every way that it may: what is then said is true, and it heals by itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    ports::clock::HurriedClock,
    testkit::{
        client::{Client, PlainIdentities, config, node, say},
        liar::{Disk, Fate, Liar},
    },
};
use bedside_protocol::{Command, ConversationState, ErrorCode, Event, RelationKind, Role};
use common::*;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

fn is_text(command: &Command, wanted: &str) -> bool {
    matches!(command, Command::MessageSend(send) if send.text == wanted)
}

#[test]
fn what_was_stored_in_a_crash_loop_is_shown_without_another_command() {
    run(async {
        let mut config = config();
        config.on_command = Some(Arc::new(|_, command| {
            assert!(!is_text(command, "boom"), "a fault that a test injected");
        }));
        let liar = Liar::new(&Disk::new());
        let clock = Arc::new(HurriedClock(50));
        let node = Node::start(config, liar.clone(), clock, Arc::new(PlainIdentities));
        let (mut patient, mut doctor, id) = pair(&node).await;
        for _ in 0..5 {
            patient.ask(say(id, "boom")).await.unwrap_err();
        }
        // The load after the last restart must not be what is held.
        patient.say(id, "loaded").await.unwrap();
        // Stored, but the last panic comes before its commit.
        liar.hold();
        let stored = patient.post(say(id, "stored"));
        patient.ask(say(id, "boom")).await.unwrap_err();
        assert!(patient.answer(stored).await.is_err());
        liar.release();
        assert_eq!(seqs(&doctor.see(id, 3).await), [1, 2, 3]);
    });
}

#[test]
fn what_was_stored_before_a_failed_load_is_shown_without_another_command() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, id) = pair(&node).await;
        liar.fates(|_| Fate::StoreAndDeny);
        let loads = Arc::new(AtomicUsize::new(0));
        let counted = loads.clone();
        liar.moods(move |name| name == "load" && counted.fetch_add(1, Ordering::SeqCst) < 3);
        let error = patient.say(id, "stored").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert_eq!(seqs(&doctor.see(id, 2).await), [1, 2]);
        assert!(loads.load(Ordering::SeqCst) > 3);
    });
}

#[test]
fn a_full_disk_refuses_and_is_not_hammered() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, id) = pair(&node).await;
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = tries.clone();
        liar.fates(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Fate::Full
        });
        // The conversation wants to turn read-only and cannot note it.
        node.delete_relation(user("p"), user("d")).await.unwrap();
        for _ in 0..50 {
            let error = patient.say(id, "no").await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Forbidden);
        }
        assert!(tries.load(Ordering::SeqCst) <= 3);
        liar.be_honest();
        doctor
            .wait_for(|f| {
                matches!(&f.event, Event::ConversationChanged(c)
                    if c.state == Some(ConversationState::ReadOnly))
            })
            .await;
    });
}

#[test]
fn a_relation_that_ends_while_the_store_cannot_be_read_still_ends() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, _doctor, id) = pair(&node).await;
        patient.say(id, "before").await.unwrap();
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = reads.clone();
        // The conversation's own look fails, once.
        liar.moods(move |name| name == "load" && counted.fetch_add(1, Ordering::SeqCst) == 0);
        node.delete_relation(user("p"), user("d")).await.unwrap();
        let error = patient.say(id, "after").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden);
        // The look is for the caller to repeat when it failed before it reached anybody.
        relate(&node, "p", "d", RelationKind::Clinician).await;
        patient.say(id, "again").await.unwrap();
        liar.moods(|name| name == "direct_of");
        assert!(node.delete_relation(user("p"), user("d")).await.is_err());
        liar.be_honest();
        node.delete_relation(user("p"), user("d")).await.unwrap();
        let error = patient.say(id, "after").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden);
    });
}

#[test]
fn failures_cost_what_they_hit_and_no_more() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, id) = pair(&node).await;
        for round in 0..50_u64 {
            let head = 1 + round;
            liar.hold();
            liar.fates(move |append| match append.seq == head + 1 {
                true => Fate::Lose,
                false => Fate::Store,
            });
            let lost: Vec<_> = (0..5).map(|_| patient.post(say(id, "lost"))).collect();
            while liar.waiting() < 5 {
                tokio::task::yield_now().await;
            }
            liar.release();
            for post in lost {
                assert!(patient.answer(post).await.is_err());
            }
            liar.be_honest();
            // The failures of the other four may still be on their way.
            assert_eq!(patient.say(id, "stored").await.unwrap(), head + 1);
        }
        assert_eq!(
            seqs(&doctor.see(id, 51).await),
            (1..=51).collect::<Vec<_>>()
        );
    });
}

#[test]
fn a_receipt_that_was_taken_is_durable_though_the_state_was_rebuilt() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, id) = pair(&node).await;
        for _ in 0..4 {
            patient.say(id, "hello").await.unwrap();
        }
        doctor.see(id, 5).await;
        liar.stall("put_receipts");
        let first = doctor.post(read(id, 2));
        let second = doctor.post(read(id, 5));
        doctor.ask(subscribe(id)).await.unwrap();
        liar.fates(|_| Fate::Lose);
        assert!(patient.say(id, "lost").await.is_err());
        liar.be_honest();
        let first = doctor.answer(first).await.unwrap();
        let second = doctor.answer(second).await.unwrap();
        assert!(first["up_to_seq"].as_u64() >= Some(2), "{first}");
        assert_eq!(
            (&second["up_to_seq"], &second["unread_count"]),
            (&5.into(), &0.into())
        );
        let mut tablet = Client::open(&node, "d", Role::Doctor).await;
        let resumed = tablet.ask(resume(&[(id, 5)])).await.unwrap();
        assert_eq!(resumed["watermarks"][0]["me"]["read_up_to_seq"], 5);
    });
}
