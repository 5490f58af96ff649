//! Presence: who is told, when, and when no longer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    ports::{
        clock::{Clock, HurriedClock},
        store::Relation,
    },
    supervision::current_actor,
    testkit::{
        client::{Client, PlainIdentities, config},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    Availability, Command, ConversationKind, Event, Presence, RelationKind, Role, Timestamp,
    command::{ConversationRef, PresenceSet},
};
use common::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// 10 s take 50 ms.
const HURRY: u32 = 200;

fn hurried() -> Arc<Node> {
    let clock = Arc::new(HurriedClock(HURRY));
    let liar = Liar::new(&Disk::new());
    Node::start(config(), liar, clock, Arc::new(PlainIdentities))
}

async fn next(client: &mut Client) -> Presence {
    let frame = client
        .wait_for(|f| matches!(f.event, Event::PresenceChanged(_)))
        .await;
    match frame.event {
        Event::PresenceChanged(presence) => presence,
        _ => unreachable!(),
    }
}

/// Waits until the presence actor has done all that it was told so far.
async fn settled(node: &Arc<Node>) {
    let mut marker = Client::open(node, "marker", Role::Nurse).await;
    let mut watcher = Client::open(node, "watcher", Role::Nurse).await;
    watcher.ask(watch(&["marker"])).await.unwrap();
    for status in [Availability::Busy, Availability::Available] {
        marker
            .ask(Command::PresenceSet(PresenceSet { status }))
            .await
            .unwrap();
        while next(&mut watcher).await.status != status {}
    }
}

#[test]
fn online_with_the_first_socket_and_offline_after_the_last() {
    run(async {
        let node = hurried();
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        know(&node, &[("d", Role::Doctor)]).await;
        nurse.ask(watch(&["d"])).await.unwrap();
        let first = Client::open(&node, "d", Role::Doctor).await;
        let came = next(&mut nurse).await;
        assert_eq!((came.online, came.last_seen_at), (true, None));
        let second = Client::open(&node, "d", Role::Doctor).await;
        drop(first);
        let since = Instant::now();
        drop(second);
        let went = next(&mut nurse).await;
        assert!(!went.online && went.last_seen_at.is_some());
        assert!(since.elapsed() >= Duration::from_secs(10) / HURRY);
    });
}

#[test]
fn a_reconnect_is_not_seen() {
    run(async {
        let node = hurried();
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let doctor = Client::open(&node, "d", Role::Doctor).await;
        let other = Client::open(&node, "z", Role::Doctor).await;
        settled(&node).await;
        nurse.ask(watch(&["d", "z"])).await.unwrap();
        drop(doctor);
        let _doctor = Client::open(&node, "d", Role::Doctor).await;
        drop(other);
        // The timers of the two fire in this order.
        let told = next(&mut nurse).await;
        assert_eq!((told.user_id, told.online), (user("z"), false));
    });
}

#[test]
fn status_is_told_once_to_those_who_watch() {
    run(async {
        let node = hurried();
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        let mut stranger = Client::open(&node, "x", Role::Patient).await;
        settled(&node).await;
        nurse.ask(watch(&["d"])).await.unwrap();
        let nothing = stranger.ask(watch(&["d", "n"])).await.unwrap();
        assert_eq!(nothing["presence"].as_array().unwrap().len(), 0);
        for status in [Availability::Busy, Availability::Busy, Availability::Away] {
            doctor
                .ask(Command::PresenceSet(PresenceSet { status }))
                .await
                .unwrap();
        }
        assert_eq!(next(&mut nurse).await.status, Availability::Busy);
        assert_eq!(next(&mut nurse).await.status, Availability::Away);
        stranger.ask(resume(&[])).await.unwrap();
        let told = |f: &bedside_protocol::EventFrame| matches!(f.event, Event::PresenceChanged(_));
        assert!(!stranger.events.iter().any(told));
    });
}

#[test]
fn a_patient_sees_their_doctor_until_the_relation_ends() {
    run(async {
        let node = hurried();
        let (mut patient, mut doctor, id) = pair(&node).await;
        settled(&node).await;
        let seen = patient.ask(watch(&["d"])).await.unwrap();
        assert_eq!(seen["presence"][0]["online"], true);
        patient.ask(subscribe(id)).await.unwrap();
        let busy = |status| Command::PresenceSet(PresenceSet { status });
        doctor.ask(busy(Availability::Busy)).await.unwrap();
        assert_eq!(next(&mut patient).await.status, Availability::Busy);
        node.delete_relation(user("p"), user("d")).await.unwrap();
        doctor.ask(busy(Availability::Away)).await.unwrap();
        settled(&node).await;
        patient.ask(resume(&[])).await.unwrap();
        let told = |f: &bedside_protocol::EventFrame| matches!(f.event, Event::PresenceChanged(_));
        assert!(!patient.events.iter().any(told));
        let nothing = patient.ask(watch(&["d"])).await.unwrap();
        assert_eq!(nothing["presence"].as_array().unwrap().len(), 0);
    });
}

#[test]
fn a_subscription_shows_no_presence_past_the_relations_end() {
    run(async {
        let node = hurried();
        let soon = Timestamp::from_millis(Timestamp::now().as_millis() + 150);
        let until = |until| Relation {
            until,
            ..relation("p", "d", RelationKind::Clinician)
        };
        node.put_relation(until(Some(soon))).await.unwrap();
        let mut patient = Client::open(&node, "p", Role::Patient).await;
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        let id = make(&mut patient, direct("d")).await;
        settled(&node).await;
        patient.ask(subscribe(id)).await.unwrap();
        while Timestamp::now() <= soon {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let status = Availability::Busy;
        doctor
            .ask(Command::PresenceSet(PresenceSet { status }))
            .await
            .unwrap();
        settled(&node).await;
        patient.ask(resume(&[])).await.unwrap();
        let told = |f: &bedside_protocol::EventFrame| matches!(f.event, Event::PresenceChanged(_));
        assert!(!patient.events.iter().any(told));
    });
}

#[test]
fn who_left_the_care_team_sees_nobody_of_it_any_more() {
    run(async {
        let node = hurried();
        relate(&node, "p", "d", RelationKind::Clinician).await;
        relate(&node, "p", "a", RelationKind::Assistant).await;
        relate(&node, "p", "f", RelationKind::Family).await;
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        let mut assistant = Client::open(&node, "a", Role::Assistant).await;
        let mut family = Client::open(&node, "f", Role::Family).await;
        know(&node, &[("p", Role::Patient)]).await;
        let team = group(ConversationKind::CareTeam, Some("p"), &["a", "f"]);
        let team = make(&mut doctor, team).await;
        settled(&node).await;
        family.ask(subscribe(team)).await.unwrap();
        let seen = family.ask(watch(&["a"])).await.unwrap();
        assert_eq!(seen["presence"].as_array().unwrap().len(), 1);
        assistant.ask(subscribe(team)).await.unwrap();
        let leave = ConversationRef {
            conversation_id: team,
        };
        family.ask(Command::MemberLeave(leave)).await.unwrap();
        let status = Availability::Busy;
        for client in [&mut assistant, &mut family] {
            client
                .ask(Command::PresenceSet(PresenceSet { status }))
                .await
                .unwrap();
        }
        settled(&node).await;
        for client in [&mut assistant, &mut family] {
            client.ask(resume(&[])).await.unwrap();
            let others = client.events.iter().filter(|f| {
                matches!(&f.event, Event::PresenceChanged(p)
                    if [user("a"), user("f")].contains(&p.user_id))
            });
            assert_eq!(others.count(), 0);
        }
        // The others still see each other.
        doctor.ask(subscribe(team)).await.unwrap();
        let status = Availability::Away;
        assistant
            .ask(Command::PresenceSet(PresenceSet { status }))
            .await
            .unwrap();
        while next(&mut doctor).await.status != status {}
    });
}

#[test]
fn an_unsubscribe_right_behind_its_subscribe_ends_it() {
    run(async {
        let node = hurried();
        let (mut patient, mut doctor, id) = pair(&node).await;
        settled(&node).await;
        for _ in 0..20 {
            patient.post(subscribe(id));
            let ended = patient.post(unsubscribe(id));
            patient.answer(ended).await.unwrap();
        }
        doctor.ask(typing(id, true)).await.unwrap();
        let status = Availability::Busy;
        doctor
            .ask(Command::PresenceSet(PresenceSet { status }))
            .await
            .unwrap();
        settled(&node).await;
        patient.ask(resume(&[])).await.unwrap();
        assert!(!patient.events.iter().any(|f| f.event.is_ephemeral()));
    });
}

/// Panics once in the presence actor.
struct Treacherous(AtomicBool);

impl Clock for Treacherous {
    fn now(&self) -> Timestamp {
        if current_actor() == Some("presence") && self.0.swap(false, Ordering::SeqCst) {
            panic!("a fault that a test injected");
        }
        Timestamp::now()
    }

    fn wait(&self, nominal: Duration) -> Duration {
        nominal / HURRY
    }
}

#[test]
fn a_panic_while_somebody_is_going_leaves_nobody_online_for_ever() {
    run(async {
        let clock = Arc::new(Treacherous(AtomicBool::new(false)));
        let liar = Liar::new(&Disk::new());
        let node = Node::start(config(), liar, clock.clone(), Arc::new(PlainIdentities));
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let doctor = Client::open(&node, "d", Role::Doctor).await;
        settled(&node).await;
        nurse.ask(watch(&["d"])).await.unwrap();
        drop(doctor);
        clock.0.store(true, Ordering::SeqCst);
        let status = Availability::Busy;
        nurse
            .ask(Command::PresenceSet(PresenceSet { status }))
            .await
            .unwrap();
        assert!(!next(&mut nurse).await.online);
    });
}
