//! Faults stay small: panics, passivation, big rooms, shutdown.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    counters::COUNTERS,
    outbox::{Encoder, Outbox},
    ports::store::Store,
    testkit::{
        client::{Client, config, identity, node, say},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    CloseCode, Command, CommandError, CommandFrame, ConversationKind, ErrorCode, Event, EventFrame,
    Reply, Role, limits,
};
use bytes::Bytes;
use common::*;
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

fn is_text(command: &Command, wanted: &str) -> bool {
    matches!(command, Command::MessageSend(send) if send.text == wanted)
}

#[test]
fn a_receipt_in_flight_during_a_panic_is_answered_and_the_next_one_works() {
    run(async {
        let mut config = config();
        config.on_command = Some(Arc::new(|_, command| {
            assert!(!is_text(command, "boom"), "a fault that a test injected");
        }));
        let liar = Liar::new(&Disk::new());
        let node = node(config, liar.clone());
        let (mut patient, mut doctor, id) = pair(&node).await;
        patient.say(id, "hello").await.unwrap();
        doctor.see(id, 2).await;
        liar.stall("put_receipts");
        let receipt = doctor.post(read(id, 2));
        patient.ask(say(id, "boom")).await.unwrap_err();
        let error = doctor.answer(receipt).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        liar.unstall();
        let taken = doctor.ask(read(id, 2)).await.unwrap();
        assert_eq!(taken["up_to_seq"], 2);
    });
}

#[test]
fn a_panic_between_append_and_commit_loses_nothing() {
    run(async {
        let mut config = config();
        config.on_command = Some(Arc::new(|_, command| {
            assert!(!is_text(command, "boom"), "a fault that a test injected");
        }));
        let liar = Liar::new(&Disk::new());
        let node = node(config, liar.clone());
        let (mut patient, mut doctor, id) = pair(&node).await;
        liar.hold();
        let posts: Vec<_> = (0..10).map(|_| patient.post(say(id, "waits"))).collect();
        let boom = patient.post(say(id, "boom"));
        patient.answer(boom).await.unwrap_err();
        liar.release();
        for (i, post) in posts.into_iter().enumerate() {
            assert_eq!(patient.answer(post).await.unwrap()["seq"], i as u64 + 2);
        }
        assert_eq!(
            seqs(&doctor.see(id, 11).await),
            (1..=11).collect::<Vec<_>>()
        );
    });
}

/// Notes when something is pushed to its sockets.
struct Notes(Mutex<Vec<&'static str>>);

static NOTES: Notes = Notes(Mutex::new(Vec::new()));

impl Encoder for Notes {
    fn slot(&self) -> usize {
        0
    }
    fn event(&self, frame: &EventFrame) -> Bytes {
        if let Event::MessageCreated(message) = &frame.event
            && message.text == "to all"
        {
            self.0.lock().push("the room's last member");
        }
        Bytes::from_static(b"event")
    }
    fn reply(&self, _: u64, reply: &Reply) -> Bytes {
        if matches!(reply, Reply::MessageSent(_)) {
            self.0.lock().push("the small chat's reply");
        }
        Bytes::from_static(b"reply")
    }
    fn error(&self, _: Option<u64>, _: &CommandError) -> Bytes {
        Bytes::from_static(b"error")
    }
}

#[test]
fn a_big_room_does_not_delay_a_small_chat() {
    run(async {
        // The arbiter stands still for as long.
        let stands = Arc::new(AtomicBool::new(true));
        let arrived = Arc::new(AtomicBool::new(false));
        let (stop, there) = (stands.clone(), arrived.clone());
        let mut config = config();
        config.on_command = Some(Arc::new(move |_, command| {
            while is_text(command, "stop here") && stop.load(Ordering::SeqCst) {
                there.store(true, Ordering::SeqCst);
                std::thread::yield_now();
            }
        }));
        let liar = Liar::new(&Disk::new());
        let node = node(config, liar.clone());
        let names: Vec<_> = (0..limits::MEMBERS_MAX - 1)
            .map(|i| format!("s{i:03}"))
            .collect();
        let people: Vec<_> = names.iter().map(|n| (n.as_str(), Role::Nurse)).collect();
        know(&node, &people).await;
        know(&node, &[("z", Role::Nurse)]).await;
        let ids: Vec<_> = names.iter().map(String::as_str).collect();
        let mut head = Client::open(&node, "head", Role::Doctor).await;
        let room = make(
            &mut head,
            group(ConversationKind::InternalStaff, None, &ids),
        )
        .await;
        let other = make(&mut head, direct("s000")).await;
        let chat = make(&mut head, direct("z")).await;
        let open = |who: &str| {
            let identity = identity(who, Role::Nurse);
            let outbox = Outbox::new(&NOTES, identity.roles);
            node.open_session(identity, outbox)
        };
        let _last = open(names.last().unwrap());
        let chatting = open("z");
        for id in [room, chat] {
            head.say(id, "warm").await.unwrap();
        }
        liar.hold();
        head.post(say(room, "to all"));
        let frame = |id, command| CommandFrame {
            id: Some(id),
            command,
        };
        chatting.command(frame(1, say(chat, "to one"))).unwrap();
        while liar.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        head.post(say(other, "stop here"));
        while !arrived.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        liar.release();
        // Both answers wait at the arbiter before it goes on.
        liar.load(room, true).await.unwrap();
        stands.store(false, Ordering::SeqCst);
        while NOTES.0.lock().len() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            *NOTES.0.lock(),
            ["the small chat's reply", "the room's last member"]
        );
    });
}

#[test]
fn passivation_while_messages_arrive_loses_and_reorders_nothing() {
    run(async {
        let passivated = COUNTERS.conversations_passivated.get();
        let mut config = config();
        config.arbiters = 2;
        config.passivate_after = Duration::from_millis(1);
        let alive = Arc::new(Mutex::new(HashSet::new()));
        let handling = alive.clone();
        config.on_command = Some(Arc::new(move |id, _| {
            // Two actors of one conversation would be in here together.
            assert!(handling.lock().insert(*id), "one actor at a time");
            std::thread::yield_now();
            handling.lock().remove(id);
        }));
        let disk = Disk::new();
        let node = node(config, Liar::new(&disk));
        let names: Vec<_> = (0..8).map(|i| format!("s{i}")).collect();
        let mut people = Vec::new();
        for name in &names {
            people.push(Client::open(&node, name, Role::Nurse).await);
        }
        let ids: Vec<_> = names[1..].iter().map(String::as_str).collect();
        let mut rooms = Vec::new();
        for _ in 0..4 {
            let create = group(ConversationKind::InternalStaff, None, &ids);
            rooms.push(make(&mut people[0], create).await);
        }
        let mut acked: Vec<Vec<BTreeSet<u64>>> = vec![vec![BTreeSet::new(); 8]; rooms.len()];
        for round in 0..120 {
            let mut posts = Vec::new();
            for (i, person) in people.iter_mut().enumerate() {
                let room = (round + i) % rooms.len();
                let sends = (0..3).map(|_| person.post(say(rooms[room], "x")));
                posts.push((i, room, sends.collect::<Vec<_>>()));
            }
            for (i, room, sends) in posts {
                let mut before = 0;
                for send in sends {
                    let reply = people[i].answer(send).await.unwrap();
                    let seq = reply["seq"].as_u64().unwrap();
                    assert!(before < seq, "a sender's messages keep their order");
                    before = seq;
                    acked[room][i].insert(seq);
                }
            }
            // Around the moment at which an actor finds itself idle.
            tokio::time::sleep(Duration::from_micros(900 + 40 * (round as u64 % 10))).await;
        }
        for (room, acked) in rooms.iter().zip(&acked) {
            let mut all: Vec<_> = acked.iter().flatten().copied().collect();
            all.sort_unstable();
            let head = all.len() as u64 + 1;
            assert_eq!(all, (2..=head).collect::<Vec<_>>());
            for (person, own) in people.iter_mut().zip(acked) {
                // Its own by their replies, all others live.
                let others = || (2..=head).filter(|seq| !own.contains(seq));
                let mut seen = seqs(&person.see(*room, others().next_back().unwrap()).await);
                assert!(seen.is_sorted());
                seen.retain(|seq| *seq > 1 && !own.contains(seq));
                assert!(others().eq(seen), "each of the others' once");
            }
        }
        assert!(COUNTERS.conversations_passivated.get() > passivated + 20);
    });
}

#[test]
fn shutdown_commits_what_waits() {
    run(async {
        let disk = Disk::new();
        let liar = Liar::new(&disk);
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, id) = pair(&node).await;
        liar.hold();
        for _ in 0..20 {
            patient.post(say(id, "waits"));
        }
        while liar.waiting() < 20 {
            tokio::task::yield_now().await;
        }
        let (down, ()) = futures_util::future::join(
            async {
                node.shut_down().await;
                liar.waiting()
            },
            async { liar.release() },
        )
        .await;
        assert_eq!(down, 0);
        assert_eq!(patient.close_code().await, CloseCode::GoingAway);
        assert_eq!(doctor.close_code().await, CloseCode::GoingAway);
        let loaded = disk.memory().load(id, true).await.unwrap().unwrap();
        assert_eq!(loaded.head.seq, 21);
    });
}
