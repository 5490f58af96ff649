//! A room survives the crashes of its actor: nobody is lost, and nobody is told twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    counters::COUNTERS,
    node::Node,
    ports::clock::Clock,
    supervision::current_actor,
    testkit::{
        client::{Client, PlainIdentities, config},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{Command, ConsultationId, ErrorCode, Role, Timestamp};
use common::{clinic::*, *};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Panics so many times in the actors of rooms. 5 s take 50 ms.
struct Treacherous(AtomicUsize);

impl Treacherous {
    fn panics(&self, times: usize) {
        self.0.store(times, Ordering::SeqCst);
    }
}

impl Clock for Treacherous {
    fn now(&self) -> Timestamp {
        let less = |left: usize| left.checked_sub(1);
        if current_actor() == Some("consultation") {
            let armed = self
                .0
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
            assert!(armed.is_err(), "a fault that a test injected");
        }
        Timestamp::now()
    }

    fn wait(&self, nominal: Duration) -> Duration {
        nominal / 100
    }
}

/// A doctor and a patient in the room, and a nurse at its door.
async fn ward() -> (Arc<Treacherous>, Arc<Node>, [Client; 3], ConsultationId) {
    let clock = Arc::new(Treacherous(AtomicUsize::new(0)));
    let liar = Liar::new(&Disk::new());
    let node = Node::start(config(), liar, clock.clone(), Arc::new(PlainIdentities));
    let (mut patient, mut doctor, made) = clinic(&node).await;
    let id = made.consultation_id;
    let nurse = Client::open(&node, "n", Role::Nurse).await;
    let add = Command::MemberAdd(add(made.conversation_id, "n"));
    doctor.ask(add).await.unwrap();
    doctor.ask(join(id)).await.unwrap();
    patient.ask(join(id)).await.unwrap();
    assert_eq!(next_move(&mut doctor).await, "+p");
    (clock, node, [patient, doctor, nurse], id)
}

async fn told(client: &mut Client) -> Vec<String> {
    client.ask(resume(&[])).await.unwrap();
    moves(client)
}

#[test]
fn a_panic_while_somebody_comes_costs_the_answer_alone() {
    run(async {
        let (clock, node, [mut patient, mut doctor, mut nurse], id) = ward().await;
        clock.panics(1);
        let error = nurse.ask(join(id)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        for client in [&mut patient, &mut doctor] {
            assert_eq!(next_move(client).await, "+n");
        }
        let joined = nurse.ask(join(id)).await.unwrap();
        assert_eq!(joined["participants"], serde_json::json!(["d", "p", "n"]));
        assert_eq!(node.room_of(id).len(), 3);
        for client in [&mut patient, &mut doctor, &mut nurse] {
            assert_eq!(told(client).await, [""; 0]);
        }
        nurse.ask(leave(id)).await.unwrap();
        assert_eq!(next_move(&mut doctor).await, "-n");
    });
}

#[test]
fn a_panic_while_somebody_goes_leaves_nobody_there_for_ever() {
    run(async {
        let (clock, node, [patient, mut doctor, _nurse], id) = ward().await;
        clock.panics(1);
        drop(patient);
        assert_eq!(next_move(&mut doctor).await, "-p");
        assert_eq!(node.room_of(id), [user("d")]);
        assert_eq!(told(&mut doctor).await, [""; 0]);
        // The last one goes, and with them the room.
        clock.panics(1);
        doctor.ask(leave(id)).await.unwrap();
        assert_eq!(node.room_of(id), []);
        let joined = doctor.ask(join(id)).await.unwrap();
        assert_eq!(joined["participants"], serde_json::json!(["d"]));
    });
}

#[test]
fn a_room_that_is_given_up_on_comes_back_by_itself_with_all_who_were_in_it() {
    run(async {
        let (clock, node, [patient, mut doctor, mut nurse], id) = ward().await;
        let given_up = COUNTERS.actor_crash_loops.get();
        clock.panics(usize::MAX);
        let error = nurse.ask(join(id)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        until(|| COUNTERS.actor_crash_loops.get() > given_up).await;
        assert_eq!(node.room_of(id), [user("d"), user("p"), user("n")]);
        let mut desk = Client::open(&node, "n", Role::Nurse).await;
        let error = desk.ask(join(id)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(error.retry_after_ms > 0);
        // Who goes meanwhile, or is taken out, is gone.
        drop(patient);
        desk.ask(leave(id)).await.unwrap();
        assert_eq!(node.room_of(id), [user("d"), user("n")]);
        let chat = node.store().consultation(id).await.unwrap().unwrap();
        doctor.ask(remove(chat.conversation_id, "n")).await.unwrap();
        until(|| node.room_of(id).len() == 1).await;
        clock.panics(0);
        // Told by the one who comes after, without another join.
        while next_move(&mut doctor).await != "-p" {}
        assert_eq!(node.room_of(id), [user("d")]);
        let back = Command::MemberAdd(add(chat.conversation_id, "n"));
        doctor.ask(back).await.unwrap();
        let joined = nurse.ask(join(id)).await.unwrap();
        assert_eq!(joined["participants"], serde_json::json!(["d", "n"]));
    });
}
