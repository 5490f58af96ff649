//! Sessions that begin and end at bad moments.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    ports::{
        clock::{Clock, ManualClock},
        store::Store,
    },
    testkit::{
        client::{Client, PlainIdentities, config, identity, node},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{CloseCode, ErrorCode, Event, EventFrame, Role, Timestamp};
use common::*;
use std::sync::Arc;

#[test]
fn a_socket_cut_before_its_welcome_is_not_online() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        liar.stall("put_person");
        let knocking = Client::knock(&node, identity("d", Role::Doctor));
        // The session has begun to write the person.
        nurse.ask(resume(&[])).await.unwrap();
        drop(knocking);
        liar.unstall();
        while liar.people(vec![user("d")]).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        // Whatever was noted of the doctor was noted before this one came.
        know(&node, &[("z", Role::Nurse)]).await;
        nurse.ask(watch(&["z"])).await.unwrap();
        let _z = Client::open(&node, "z", Role::Nurse).await;
        while nurse.ask(watch(&["z"])).await.unwrap()["presence"][0]["online"] == false {}
        let watched = nurse.ask(watch(&["d"])).await.unwrap();
        assert_eq!(watched["presence"][0]["online"], false);
    });
}

#[test]
fn a_person_who_could_not_be_written_is_written_the_next_time() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        liar.moods(|name| name == "put_person");
        drop(Client::open(&node, "d", Role::Doctor).await);
        liar.be_honest();
        assert!(liar.people(vec![user("d")]).await.unwrap().is_empty());
        drop(Client::open(&node, "d", Role::Doctor).await);
        assert_eq!(liar.people(vec![user("d")]).await.unwrap().len(), 1);
    });
}

#[test]
fn a_token_that_ran_out_answers_before_it_closes() {
    run(async {
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let liar = Liar::new(&Disk::new());
        let node = Node::start(config(), liar, clock.clone(), Arc::new(PlainIdentities));
        let mut identity = identity("d", Role::Doctor);
        identity.expires_at = Some(Timestamp::from_millis(clock.now().as_millis() + 120_000));
        let mut doctor = Client::open_as(&node, identity).await;
        doctor.ask(resume(&[])).await.unwrap();
        clock.advance_ms(120_000);
        let error = doctor.ask(resume(&[])).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::TokenExpired);
        assert_eq!(doctor.close_code().await, CloseCode::TokenExpired);
    });
}

#[test]
fn the_welcome_is_first_also_when_the_token_is_about_to_end() {
    run(async {
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let node = Node::start(
            config(),
            Liar::new(&Disk::new()),
            clock.clone(),
            Arc::new(PlainIdentities),
        );
        // The second time the person is in the directory, so that nothing is waited for.
        for _ in 0..2 {
            let mut identity = identity("d", Role::Doctor);
            identity.expires_at = Some(Timestamp::from_millis(clock.now().as_millis() + 30_000));
            let mut doctor = Client::knock(&node, identity);
            let expiring = |frame: &EventFrame| matches!(frame.event, Event::SessionExpiring(_));
            doctor.wait_for(expiring).await;
            let before = doctor.events.front().map(|frame| &frame.event);
            assert!(matches!(before, Some(Event::SessionWelcome(_))));
        }
    });
}

#[test]
fn all_sessions_of_somebody_are_ended_and_nobody_elses() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let mut phone = Client::open(&node, "p", Role::Patient).await;
        let mut desk = Client::open(&node, "p", Role::Patient).await;
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        assert_eq!(node.end_sessions(&user("p"), CloseCode::Revoked), 2);
        for client in [&mut phone, &mut desk] {
            assert_eq!(client.close_code().await, CloseCode::Revoked);
        }
        nurse.ask(resume(&[])).await.unwrap();
        drop((phone, desk));
        assert_eq!(node.end_sessions(&user("p"), CloseCode::Revoked), 0);
        assert_eq!(node.end_sessions(&user("nobody"), CloseCode::Revoked), 0);
    });
}
