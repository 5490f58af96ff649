//! Resume where something is not as it should be: positions, rights, the store, the session.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::testkit::{
    client::{Client, PlainIdentities, config, node, say},
    liar::{Disk, Liar},
};
use bedside_actors::{
    node::Node,
    ports::{
        clock::SystemClock,
        identity::{Identities, Verification},
    },
};
use bedside_protocol::{
    Command, ConversationKind, Event, Role, Timestamp, command::SessionRefresh,
};
use common::*;
use std::sync::Arc;

/// A token that the verifier chokes on: the session's actor panics.
struct Choking;

impl Identities for Choking {
    fn verify(&self, token: &str, now: Timestamp) -> Verification {
        assert_ne!(token, "boom", "a fault that a test injected");
        PlainIdentities.verify(token, now)
    }
}

fn boom() -> Command {
    Command::SessionRefresh(SessionRefresh {
        token: "boom".to_owned(),
    })
}

#[test]
fn a_position_beyond_the_head_is_reset_and_goes_on_live() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let (mut patient, doctor, id) = pair(&node).await;
        drop(doctor);
        for position in [2, 1_000, u64::MAX] {
            let mut doctor = Client::open(&node, "d", Role::Doctor).await;
            doctor.ask(resume(&[(id, position)])).await.unwrap();
            let seq = patient.say(id, "live").await.unwrap();
            let seen = doctor.see(id, seq).await;
            assert_eq!(seqs(&seen), [seq], "position {position}");
            doctor
                .wait_for(|f| matches!(&f.event, Event::SyncReset(r) if r.head_seq == seq - 1))
                .await;
        }
    });
}

#[test]
fn a_panic_during_a_resume_leaves_nothing_held_back() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = Node::start(
            config(),
            liar.clone(),
            Arc::new(SystemClock),
            Arc::new(Choking),
        );
        let (mut patient, _doctor, id) = pair(&node).await;
        patient.say(id, "missed").await.unwrap();
        let mut tablet = Client::open(&node, "d", Role::Doctor).await;
        liar.stall("conversations");
        let resumed = tablet.post(resume(&[(id, 1)]));
        tablet.ask(unsubscribe(id)).await.unwrap();
        let failed = tablet.post(boom());
        assert!(tablet.answer(failed).await.is_err());
        assert!(tablet.answer(resumed).await.is_err());
        liar.unstall();
        patient.say(id, "live").await.unwrap();
        assert_eq!(seqs(&tablet.see(id, 3).await), [2, 3]);
    });
}

#[test]
fn one_log_that_cannot_be_read_does_not_stop_other_reads() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, _doctor, id) = pair(&node).await;
        patient.say(id, "missed").await.unwrap();
        let mut tablet = Client::open(&node, "d", Role::Doctor).await;
        liar.moods(|name| name == "read_log");
        assert!(tablet.ask(resume(&[(id, 1)])).await.is_err());
        for _ in 0..20 {
            tablet.ask(resume(&[])).await.unwrap();
        }
        liar.be_honest();
        assert_eq!(seqs(&tablet.see(id, 2).await), [2]);
    });
}

#[test]
fn who_is_staff_no_more_gets_no_internal_log() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        know(&node, &[("d", Role::Doctor)]).await;
        let id = make(
            &mut nurse,
            group(ConversationKind::InternalStaff, None, &["d"]),
        )
        .await;
        nurse.say(id, "for staff only").await.unwrap();
        let mut doctor = Client::open(&node, "d", Role::Family).await;
        let resumed = doctor.ask(resume(&[(id, 0)])).await.unwrap();
        assert_eq!(resumed["gone"][0], id.to_string());
        let listed = doctor.ask(resume(&[])).await.unwrap();
        assert_eq!(listed["conversations"].as_array().unwrap().len(), 0);
        let page = doctor.ask(Command::MessageHistory(history(id))).await;
        assert!(page.is_err());
        nurse.say(id, "live").await.unwrap();
        doctor.ask(resume(&[])).await.unwrap();
        assert!(doctor.seen(id).is_empty());
    });
}

#[test]
fn a_replay_is_stopped_by_no_slow_reader() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let (mut patient, mut doctor, id) = pair(&node).await;
        let text = "x".repeat(16 * 1024);
        let posts: Vec<_> = (0..120).map(|_| say(id, &text)).collect();
        for post in posts {
            patient.ask(post).await.unwrap();
            doctor.glance().await;
        }
        let mut tablet = Client::open(&node, "d", Role::Doctor).await;
        // Two megabytes through an outbox of half of one.
        tablet.ask(resume(&[(id, 1)])).await.unwrap();
        assert_eq!(
            seqs(&tablet.seen(id)),
            (2..=121).collect::<Vec<_>>(),
            "all before the reply"
        );
    });
}
