//! Who is writing: to subscribers, for a while, and never beyond a right.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    ports::clock::HurriedClock,
    testkit::{
        client::{Client, PlainIdentities, config},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{Event, EventFrame, RelationKind, Role};
use common::*;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// 5 s take 100 ms.
fn hurried() -> Arc<Node> {
    let clock = Arc::new(HurriedClock(50));
    let liar = Liar::new(&Disk::new());
    Node::start(config(), liar, clock, Arc::new(PlainIdentities))
}

fn is_typing(frame: &EventFrame) -> bool {
    matches!(frame.event, Event::TypingChanged(_))
}

async fn next(client: &mut Client) -> (String, bool) {
    match client.wait_for(is_typing).await.event {
        Event::TypingChanged(t) => (t.user_id.to_string(), t.typing),
        _ => unreachable!(),
    }
}

fn d(on: bool) -> (String, bool) {
    ("d".to_owned(), on)
}

#[test]
fn it_goes_to_subscribers_and_not_back_to_the_typist() {
    run(async {
        let node = hurried();
        let (mut patient, mut doctor, id) = pair(&node).await;
        let mut elsewhere = Client::open(&node, "p", Role::Patient).await;
        patient.ask(subscribe(id)).await.unwrap();
        doctor.ask(subscribe(id)).await.unwrap();
        doctor.ask(typing(id, true)).await.unwrap();
        // Renewed, and told once.
        doctor.ask(typing(id, true)).await.unwrap();
        doctor.ask(typing(id, false)).await.unwrap();
        assert_eq!(next(&mut patient).await, d(true));
        assert_eq!(next(&mut patient).await, d(false));
        for client in [&mut patient, &mut doctor, &mut elsewhere] {
            client.ask(resume(&[])).await.unwrap();
            assert!(!client.events.iter().any(is_typing));
        }
    });
}

#[test]
fn who_subscribes_later_hears_who_is_writing() {
    run(async {
        let node = hurried();
        let (mut patient, mut doctor, id) = pair(&node).await;
        doctor.ask(typing(id, true)).await.unwrap();
        let reply = patient.ask(subscribe(id)).await.unwrap();
        assert_eq!(reply["typing"][0], "d");
        let reply = doctor.ask(subscribe(id)).await.unwrap();
        assert_eq!(reply["typing"].as_array().unwrap().len(), 0);
    });
}

#[test]
fn it_ends_by_itself_and_not_while_it_is_renewed() {
    run(async {
        let node = hurried();
        let (mut patient, mut doctor, id) = pair(&node).await;
        patient.ask(subscribe(id)).await.unwrap();
        let since = Instant::now();
        doctor.ask(typing(id, true)).await.unwrap();
        assert_eq!(next(&mut patient).await, d(true));
        tokio::time::sleep(Duration::from_millis(60)).await;
        doctor.ask(typing(id, true)).await.unwrap();
        let renewed = Instant::now();
        assert_eq!(next(&mut patient).await, d(false));
        assert!(since.elapsed() >= Duration::from_millis(150));
        assert!(renewed.elapsed() >= Duration::from_millis(90));
    });
}

#[test]
fn a_send_ends_it() {
    run(async {
        let node = hurried();
        let (mut patient, mut doctor, id) = pair(&node).await;
        patient.ask(subscribe(id)).await.unwrap();
        doctor.ask(typing(id, true)).await.unwrap();
        doctor.say(id, "said").await.unwrap();
        patient.see(id, 2).await;
        assert_eq!(next(&mut patient).await, d(true));
        assert_eq!(next(&mut patient).await, d(false));
    });
}

#[test]
fn it_stops_with_the_relation() {
    run(async {
        let node = hurried();
        let (mut patient, mut doctor, id) = pair(&node).await;
        patient.ask(subscribe(id)).await.unwrap();
        node.delete_relation(user("p"), user("d")).await.unwrap();
        assert!(doctor.ask(typing(id, true)).await.is_err());
        let reply = patient.ask(subscribe(id)).await.unwrap();
        assert_eq!(reply["presence"].as_array().unwrap().len(), 0);
        assert!(!patient.events.iter().any(is_typing));
        // Back again, without another subscription.
        relate(&node, "p", "d", RelationKind::Clinician).await;
        patient.ask(subscribe(id)).await.unwrap();
        doctor.ask(typing(id, true)).await.unwrap();
        assert_eq!(next(&mut patient).await, d(true));
    });
}

#[test]
fn it_outlives_neither_the_typists_membership_nor_the_readers() {
    run(async {
        let node = hurried();
        let mut head = Client::open(&node, "h", Role::Nurse).await;
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        let mut reader = Client::open(&node, "r", Role::Nurse).await;
        let kind = bedside_protocol::ConversationKind::InternalStaff;
        let id = make(&mut head, group(kind, None, &["d", "r"])).await;
        for client in [&mut head, &mut reader] {
            client.ask(subscribe(id)).await.unwrap();
        }
        head.ask(remove(id, "r")).await.unwrap();
        doctor.ask(typing(id, true)).await.unwrap();
        assert_eq!(next(&mut head).await, d(true));
        head.ask(remove(id, "d")).await.unwrap();
        assert!(doctor.ask(typing(id, true)).await.is_err());
        let reply = head.ask(subscribe(id)).await.unwrap();
        assert_eq!(reply["typing"].as_array().unwrap().len(), 0);
        reader.ask(resume(&[])).await.unwrap();
        assert!(!reader.events.iter().any(is_typing));
    });
}
