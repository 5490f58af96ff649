//! Several nodes of one process over one store: they are as one server, and stay so when the
//! bridge between them loses things, is cut, or a node dies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    cluster::{CallError, Calls, Cluster},
    node::Node,
    ports::{
        bus::{Bus as _, Inbox, Peer, Received, To},
        clock::HurriedClock,
        store::PersonRecord,
    },
    testkit::{
        client::{Client, PlainIdentities, config},
        hub::{Hub, HubBus},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    Availability, CloseCode, Command, ConversationId, Event, EventFrame, NodeId, RelationKind,
    Role, Roles, Timestamp,
    command::PresenceSet,
    consultation::ConsultationRef,
    event::ReceiptChanged,
    limits,
    node::{Audience, Delivery, NodeMessage, WireEvent},
};
use bytes::Bytes;
use common::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// So much faster than the clock on the wall goes what a node does by itself.
const HURRY: u32 = 4;

struct Bed {
    hub: Arc<Hub>,
    disk: Arc<Disk>,
    nodes: Vec<Arc<Node>>,
}

impl Bed {
    async fn new(count: usize) -> Self {
        let mut bed = Self {
            hub: Hub::new(),
            disk: Disk::new(),
            nodes: Vec::new(),
        };
        for n in 1..=count {
            let node = bed.start(&format!("n{n}"));
            bed.nodes.push(node);
        }
        bed.all_know(count - 1).await;
        bed
    }

    fn start(&self, name: &str) -> Arc<Node> {
        Node::start_in(
            config(),
            Liar::new(&self.disk),
            Arc::new(HurriedClock(HURRY)),
            Arc::new(PlainIdentities),
            Some(Cluster::new(self.hub.bus(name))),
        )
    }

    /// Waits until every node knows so many others.
    async fn all_know(&self, others: usize) {
        for node in &self.nodes {
            let cluster = node.cluster().unwrap();
            until(|| cluster.peers().len() == others).await;
        }
    }
}

/// Waits for a condition that nobody announces.
async fn until(mut is_so: impl FnMut() -> bool) {
    let patience = Duration::from_secs(30);
    let waited = tokio::time::timeout(patience, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("it became so within 30 s");
}

/// A patient on one node and their doctor on another, in a direct conversation of one entry.
async fn pair_across(a: &Arc<Node>, b: &Arc<Node>) -> (Client, Client, ConversationId) {
    relate(a, "p", "d", RelationKind::Clinician).await;
    let mut patient = Client::open(a, "p", Role::Patient).await;
    let mut doctor = Client::open(b, "d", Role::Doctor).await;
    let id = make(&mut patient, direct("d")).await;
    doctor.see(id, 1).await;
    (patient, doctor, id)
}

/// Direct conversations of p and d on two nodes: as many as it takes to have one placed on each
/// of the nodes cannot be had for one pair, so of several patients.
async fn pairs_across(bed: &Bed, count: usize) -> Vec<(Client, Client, ConversationId)> {
    let (a, b) = (&bed.nodes[0], &bed.nodes[1]);
    let mut pairs = Vec::new();
    for n in 0..count {
        let (p, d) = (format!("p{n}"), format!("d{n}"));
        relate(a, &p, &d, RelationKind::Clinician).await;
        let mut patient = Client::open(a, &p, Role::Patient).await;
        let mut doctor = Client::open(b, &d, Role::Doctor).await;
        let id = make(&mut patient, direct(&d)).await;
        doctor.see(id, 1).await;
        pairs.push((patient, doctor, id));
    }
    pairs
}

#[test]
fn two_on_two_nodes_talk_wherever_their_conversation_is() {
    run(async {
        let bed = Bed::new(3).await;
        // Eight: the odds that none is placed on a third node are 1 to 25.
        for (mut patient, mut doctor, id) in pairs_across(&bed, 8).await {
            assert_eq!(patient.say(id, "hello").await.unwrap(), 2);
            assert_eq!(doctor.say(id, "good day").await.unwrap(), 3);
            assert_eq!(patient.say(id, "how are you").await.unwrap(), 4);
            assert_eq!(seqs(&doctor.see(id, 4).await), [1, 2, 4]);
            // Of its own entries a socket hears by their answers.
            let seen = patient.see(id, 3).await;
            assert!(seqs(&seen).ends_with(&[3]));
        }
    });
}

/// Somebody on the hub who is no node, and says what a test wants said.
struct Stranger {
    bus: Arc<HubBus>,
    said: AtomicU64,
}

struct Deaf;

impl Inbox for Deaf {
    fn received(&self, _: Received) {}
    fn undelivered(&self, _: &Peer) {}
    fn up(&self) {}
    fn down(&self) {}
}

impl Stranger {
    fn new(hub: &Arc<Hub>, name: &str) -> Self {
        let bus = hub.bus(name);
        bus.start(Arc::new(Deaf));
        Self {
            bus,
            said: AtomicU64::new(0),
        }
    }

    fn tell(&self, message: &NodeMessage) {
        let mut batch = Vec::new();
        message.write(&mut batch);
        let link_seq = self.said.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(self.bus.publish(&To::All, link_seq, batch.into()));
    }

    fn tell_of_receipt(&self, id: ConversationId, reader: &str, up_to_seq: u64) {
        let receipt = ReceiptChanged {
            user_id: user(reader),
            delivered_up_to_seq: up_to_seq,
            read_up_to_seq: up_to_seq,
            at: Timestamp::from_millis(0),
        };
        let frame = EventFrame::about(id, Event::ReceiptChanged(receipt));
        self.tell(&NodeMessage::Deliver(Box::new(Delivery {
            frame: WireEvent(frame),
            to: vec![user("p")],
            audience: Audience::All,
            origin: None,
        })));
    }
}

/// Two nodes tell of the same marks when a conversation has just moved.
#[test]
fn a_socket_is_never_told_of_an_earlier_receipt_by_another_node() {
    run(async {
        let bed = Bed::new(1).await;
        let node = &bed.nodes[0];
        relate(node, "p", "d", RelationKind::Clinician).await;
        know(node, &[("d", Role::Doctor)]).await;
        let mut patient = Client::open(node, "p", Role::Patient).await;
        let id = make(&mut patient, direct("d")).await;
        let one = Stranger::new(&bed.hub, "n8");
        let other = Stranger::new(&bed.hub, "n9");
        one.tell_of_receipt(id, "d", 3);
        other.tell_of_receipt(id, "d", 2);
        other.tell_of_receipt(id, "d", 4);
        let mut marks = Vec::new();
        while marks.last() != Some(&4) {
            let is_receipt = |frame: &EventFrame| matches!(frame.event, Event::ReceiptChanged(_));
            if let Event::ReceiptChanged(change) = patient.wait_for(is_receipt).await.event {
                marks.push(change.read_up_to_seq);
            }
        }
        assert_eq!(marks, [3, 4]);
    });
}

#[test]
fn a_users_rate_is_shared_by_the_nodes_they_are_on() {
    run(async {
        let bed = Bed::new(2).await;
        let (a, b) = (&bed.nodes[0], &bed.nodes[1]);
        let _here = Client::open(a, "p", Role::Patient).await;
        let _there = Client::open(b, "p", Role::Patient).await;
        for node in [a, b] {
            let cluster = node.cluster().unwrap();
            until(|| cluster.is_elsewhere(&user("p"))).await;
        }
        let burst = limits::USER_COMMANDS_BURST as usize;
        let taken = |node: &Arc<Node>| {
            let taken = (0..2 * burst).take_while(|_| node.allow(&user("p")).is_ok());
            taken.count()
        };
        let both = taken(a) + taken(b);
        // What comes in while it is counted is less than half as much again.
        assert!((burst..burst + burst / 2).contains(&both), "{both}");
    });
}

#[test]
fn a_retry_through_another_node_is_the_same_message() {
    run(async {
        let bed = Bed::new(3).await;
        let (mut patient, mut doctor, id) = pair_across(&bed.nodes[0], &bed.nodes[1]).await;
        let first = patient.ask(say_once(id, "once", "m1")).await.unwrap();
        let mut again = Client::open(&bed.nodes[2], "p", Role::Patient).await;
        let second = again.ask(say_once(id, "once", "m1")).await.unwrap();
        assert_eq!(second["seq"], first["seq"]);
        assert_eq!(second["message_id"], first["message_id"]);
        assert_eq!(second["duplicate"], true);
        patient.say(id, "end").await.unwrap();
        assert_eq!(seqs(&doctor.see(id, 3).await), [1, 2, 3]);
    });
}

#[test]
fn what_the_server_itself_tries_again_is_no_repetition_of_the_clients() {
    run(async {
        let bed = Bed::new(2).await;
        // Six: the odds that all are placed on the first node are 1 to 64.
        let mut pairs = pairs_across(&bed, 6).await;
        // The second node does what it is asked to, and nobody hears that it did.
        bed.hub.lose(|from, _, _| from.as_str() != "n2");
        for (patient, _, id) in &mut pairs {
            let sent = patient.ask(say_once(*id, "once", "m1")).await.unwrap();
            assert_eq!(sent["duplicate"], false);
            let again = patient.ask(say_once(*id, "once", "m1")).await.unwrap();
            assert_eq!(again["seq"], sent["seq"]);
            assert_eq!(again["duplicate"], true);
        }
    });
}

#[test]
fn receipts_and_typing_cross_nodes() {
    run(async {
        let bed = Bed::new(3).await;
        for (mut patient, mut doctor, id) in pairs_across(&bed, 6).await {
            patient.say(id, "read this").await.unwrap();
            doctor.see(id, 2).await;
            doctor.ask(read(id, 2)).await.unwrap();
            let told = |frame: &bedside_protocol::EventFrame| matches!(&frame.event, Event::ReceiptChanged(r) if r.read_up_to_seq == 2);
            patient.wait_for(told).await;
            patient.ask(subscribe(id)).await.unwrap();
            doctor.ask(typing(id, true)).await.unwrap();
            let told = |frame: &bedside_protocol::EventFrame| matches!(&frame.event, Event::TypingChanged(t) if t.typing);
            patient.wait_for(told).await;
            let told = |frame: &bedside_protocol::EventFrame| matches!(&frame.event, Event::TypingChanged(t) if !t.typing);
            patient.wait_for(told).await;
        }
    });
}

#[test]
fn who_subscribes_learns_who_is_writing_and_who_is_there() {
    run(async {
        let bed = Bed::new(3).await;
        for (mut patient, mut doctor, id) in pairs_across(&bed, 4).await {
            doctor.ask(typing(id, true)).await.unwrap();
            let subscribed = patient.ask(subscribe(id)).await.unwrap();
            assert_eq!(subscribed["presence"][0]["online"], true);
            assert_eq!(subscribed["typing"].as_array().unwrap().len(), 1);
            patient.ask(unsubscribe(id)).await.unwrap();
        }
    });
}

#[test]
fn presence_is_of_all_nodes() {
    run(async {
        let bed = Bed::new(2).await;
        let (a, b) = (&bed.nodes[0], &bed.nodes[1]);
        relate(a, "p", "d", RelationKind::Clinician).await;
        know(a, &[("d", Role::Doctor)]).await;
        let mut patient = Client::open(a, "p", Role::Patient).await;
        let before = patient.ask(watch(&["d"])).await.unwrap();
        assert_eq!(before["presence"][0]["online"], false);
        let mut doctor = Client::open(b, "d", Role::Doctor).await;
        let is = |online: bool| move |frame: &bedside_protocol::EventFrame| matches!(&frame.event, Event::PresenceChanged(p) if p.online == online);
        patient.wait_for(is(true)).await;
        let status = Availability::Busy;
        doctor
            .ask(Command::PresenceSet(PresenceSet { status }))
            .await
            .unwrap();
        patient
            .wait_for(|frame| matches!(&frame.event, Event::PresenceChanged(p) if p.status == Availability::Busy))
            .await;
        // Somebody who asks later is told the same.
        let mut nurse = Client::open(a, "p", Role::Patient).await;
        let seen = nurse.ask(watch(&["d"])).await.unwrap();
        assert_eq!(seen["presence"][0]["online"], true);
        assert_eq!(seen["presence"][0]["status"], "busy");
        drop(doctor);
        patient.wait_for(is(false)).await;
    });
}

#[test]
fn those_on_a_dead_node_are_gone_with_it() {
    run(async {
        let bed = Bed::new(3).await;
        let (mut patient, _doctor, id) = pair_across(&bed.nodes[0], &bed.nodes[1]).await;
        let seen = patient.ask(watch(&["d"])).await.unwrap();
        assert_eq!(seen["presence"][0]["online"], true);
        bed.hub.kill("n2");
        patient
            .wait_for(|frame| matches!(&frame.event, Event::PresenceChanged(p) if !p.online))
            .await;
        assert_eq!(patient.say(id, "anybody there").await.unwrap(), 2);
    });
}

#[test]
fn what_the_bridge_loses_is_read_from_the_store() {
    run(async {
        let bed = Bed::new(3).await;
        let pairs = pairs_across(&bed, 6).await;
        // One message in three is lost from here on, until all was said.
        let dice = Dice::new(7);
        bed.hub.lose(move |_, _, _| !dice.one_in(3));
        let mut talks = Vec::new();
        for (mut patient, mut doctor, id) in pairs {
            talks.push(actix_rt::spawn(async move {
                for n in 0..10 {
                    let name = format!("m{n}");
                    while patient.ask(say_once(id, "hello", &name)).await.is_err() {}
                }
                (patient, doctor.see(id, 11).await, id)
            }));
        }
        for talk in talks {
            let (_patient, seen, _) = talk.await.unwrap();
            assert_eq!(seqs(&seen), (1..=11).collect::<Vec<_>>());
        }
        bed.hub.lose_nothing();
    });
}

#[test]
fn a_cut_bridge_stops_nobody() {
    run(async {
        let bed = Bed::new(2).await;
        let mut pairs = pairs_across(&bed, 3).await;
        bed.hub.cut("n1");
        bed.hub.cut("n2");
        for (patient, doctor, id) in &mut pairs {
            for n in 0..4 {
                let (from, name) = (format!("p says {n}"), format!("p{n}"));
                while patient.ask(say_once(*id, &from, &name)).await.is_err() {}
                let (from, name) = (format!("d says {n}"), format!("d{n}"));
                while doctor.ask(say_once(*id, &from, &name)).await.is_err() {}
            }
        }
        // Each hears the other while it is cut, and both the same order afterwards.
        for (patient, doctor, id) in &mut pairs {
            let heard = seqs(&doctor.see(*id, 8).await);
            assert!(heard.is_sorted(), "{heard:?}");
            patient.see(*id, 9).await;
        }
        bed.hub.mend("n1");
        bed.hub.mend("n2");
        bed.all_know(1).await;
        for (patient, doctor, id) in &mut pairs {
            assert_eq!(patient.say(*id, "whole again").await.unwrap(), 10);
            doctor.see(*id, 10).await;
            let history = doctor.ask(Command::MessageHistory(history(*id))).await;
            assert_eq!(page(&history.unwrap()), (1..=10).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_node_that_dies_leaves_its_conversations_to_the_others() {
    run(async {
        let mut bed = Bed::new(3).await;
        let mut pairs = pairs_across(&bed, 8).await;
        bed.hub.kill("n3");
        for (patient, doctor, id) in &mut pairs {
            while patient.ask(say_once(*id, "after", "m1")).await.is_err() {}
            assert_eq!(seqs(&doctor.see(*id, 2).await), [1, 2]);
        }
        // It comes back as another life.
        bed.nodes[2] = bed.start("n3");
        bed.all_know(2).await;
        for (patient, doctor, id) in &mut pairs {
            assert_eq!(patient.say(*id, "again").await.unwrap(), 3);
            assert_eq!(seqs(&doctor.see(*id, 3).await), [1, 2, 3]);
        }
    });
}

#[test]
fn a_node_that_was_not_heard_for_a_while_is_told_again() {
    run(async {
        let bed = Bed::new(3).await;
        let mut pairs = pairs_across(&bed, 4).await;
        // As of a process that was stopped and goes on: nothing is lost, only late.
        bed.hub.hold("n2");
        for node in [0, 2] {
            let cluster = bed.nodes[node].cluster().unwrap();
            until(|| cluster.peers().len() == 1).await;
        }
        for (patient, _, id) in &mut pairs {
            while patient
                .ask(say_once(*id, "while away", "m1"))
                .await
                .is_err()
            {}
        }
        bed.hub.let_go("n2");
        bed.all_know(2).await;
        for (patient, doctor, id) in &mut pairs {
            assert_eq!(seqs(&doctor.see(*id, 2).await), [1, 2]);
            // And what comes from now on comes by itself.
            assert_eq!(patient.say(*id, "back").await.unwrap(), 3);
            assert_eq!(seqs(&doctor.see(*id, 3).await), [1, 2, 3]);
        }
    });
}

#[test]
fn a_node_that_leaves_is_not_asked_again() {
    run(async {
        let bed = Bed::new(3).await;
        let mut pairs = pairs_across(&bed, 6).await;
        bed.nodes[2].shut_down().await;
        for node in [0, 1] {
            let cluster = bed.nodes[node].cluster().unwrap();
            until(|| cluster.peers().len() == 1).await;
        }
        for (patient, doctor, id) in &mut pairs {
            assert_eq!(patient.say(*id, "hello").await.unwrap(), 2);
            assert_eq!(seqs(&doctor.see(*id, 2).await), [1, 2]);
        }
        let cluster = bed.nodes[0].cluster().unwrap();
        assert_eq!(cluster.peers().len(), 1);
    });
}

#[test]
fn who_lost_all_roles_while_the_bridge_was_cut_is_sent_away() {
    run(async {
        let bed = Bed::new(2).await;
        let mut there = Client::open(&bed.nodes[1], "p", Role::Patient).await;
        bed.hub.cut("n1");
        bed.hub.cut("n2");
        let nobody = PersonRecord {
            user_id: user("p"),
            name: String::new(),
            email: String::new(),
            roles: Roles::NONE,
            last_seen_at: None,
        };
        bed.nodes[0].store().put_person(nobody).await.unwrap();
        bed.nodes[0].end_sessions(&user("p"), CloseCode::Revoked);
        bed.hub.mend("n1");
        bed.hub.mend("n2");
        assert_eq!(there.close_code().await, CloseCode::Revoked);
    });
}

#[test]
fn a_relation_that_ends_ends_on_all_nodes() {
    run(async {
        let bed = Bed::new(3).await;
        for (mut patient, mut doctor, id) in pairs_across(&bed, 1).await {
            patient.say(id, "before").await.unwrap();
            let node = &bed.nodes[2];
            node.delete_relation(user("p0"), user("d0")).await.unwrap();
            let told = |frame: &bedside_protocol::EventFrame| matches!(&frame.event, Event::ConversationChanged(c) if c.state.is_some());
            patient.wait_for(told).await;
            doctor.wait_for(told).await;
            patient.say(id, "after").await.unwrap_err();
            doctor.say(id, "after").await.unwrap_err();
        }
    });
}

#[test]
fn sessions_end_on_all_nodes() {
    run(async {
        let bed = Bed::new(2).await;
        let mut there = Client::open(&bed.nodes[1], "p", Role::Patient).await;
        bed.nodes[0].end_sessions(&user("p"), CloseCode::Revoked);
        assert_eq!(there.close_code().await, CloseCode::Revoked);
    });
}

#[test]
fn a_room_has_people_of_all_nodes() {
    run(async {
        let mut bed = Bed::new(3).await;
        know(&bed.nodes[0], &[("p", Role::Patient), ("d", Role::Doctor)]).await;
        let booked = common::clinic::book(&bed.nodes[0], "a1").await;
        let id = booked.consultation_id;
        let join = || {
            Command::ConsultationJoin(ConsultationRef {
                consultation_id: id,
            })
        };
        let mut patient = Client::open(&bed.nodes[0], "p", Role::Patient).await;
        let mut doctor = Client::open(&bed.nodes[1], "d", Role::Doctor).await;
        let alone = patient.ask(join()).await.unwrap();
        assert_eq!(alone["participants"].as_array().unwrap().len(), 1);
        until(|| bed.nodes[1].room_of(id).len() == 1).await;
        let both = doctor.ask(join()).await.unwrap();
        assert_eq!(both["participants"].as_array().unwrap().len(), 2);
        let came = |frame: &bedside_protocol::EventFrame| matches!(&frame.event, Event::ParticipantJoined(m) if m.user_id.as_str() == "d");
        patient.wait_for(came).await;
        // A node that comes later knows of it, too.
        let late = bed.start("n4");
        bed.nodes.push(late);
        bed.all_know(3).await;
        until(|| bed.nodes[3].room_of(id).len() == 2).await;
        doctor
            .ask(Command::ConsultationLeave(ConsultationRef {
                consultation_id: id,
            }))
            .await
            .unwrap();
        let went = |frame: &bedside_protocol::EventFrame| matches!(&frame.event, Event::ParticipantLeft(m) if m.user_id.as_str() == "d");
        patient.wait_for(went).await;
        until(|| bed.nodes[3].room_of(id).len() == 1).await;
    });
}

struct Echo;

#[async_trait::async_trait]
impl Calls for Echo {
    async fn call(&self, body: Bytes) -> Bytes {
        let mut answer = body.to_vec();
        answer.reverse();
        answer.into()
    }
}

#[test]
fn nodes_call_each_other() {
    run(async {
        let bed = Bed::new(2).await;
        let callee = bed.nodes[1].cluster().unwrap();
        let caller = bed.nodes[0].cluster().unwrap();
        let deadline = Duration::from_secs(20);
        let body = Bytes::from_static(b"abc");
        callee.serve(Arc::new(Echo));
        let answer = caller.call(callee.me(), body.clone(), deadline).await;
        assert_eq!(answer.unwrap(), Bytes::from_static(b"cba"));
        let nobody = NodeId::new("n9").unwrap();
        let answer = caller.call(&nobody, body.clone(), deadline).await;
        assert_eq!(answer, Err(CallError::Unreachable));
        bed.hub.lose(|_, _, _| false);
        let short = Duration::from_millis(50);
        let answer = caller.call(callee.me(), body, short).await;
        assert_eq!(answer, Err(CallError::TimedOut));
    });
}

#[test]
fn a_chat_of_two_costs_the_same_on_ten_nodes() {
    run(async {
        for count in [2, 10] {
            let bed = Bed::new(count).await;
            let pairs = pairs_across(&bed, 4).await;
            // How often the texts of each pair go from one node to another.
            let said: Arc<[AtomicU64; 4]> = Arc::default();
            let counted = said.clone();
            bed.hub.lose(move |_, _, body| {
                for (n, said) in counted.iter().enumerate() {
                    let text = format!("text of {n}");
                    let found = body.windows(text.len());
                    let found = found.filter(|some| *some == text.as_bytes()).count();
                    said.fetch_add(found as u64, Ordering::SeqCst);
                }
                true
            });
            for (pair, (mut patient, mut doctor, id)) in pairs.into_iter().enumerate() {
                let text = format!("text of {pair}");
                for n in 0..20 {
                    assert_eq!(patient.say(id, &text).await.unwrap(), n + 2);
                }
                doctor.see(id, 21).await;
                let cost = said[pair].load(Ordering::SeqCst);
                // To where the conversation is placed, and from there to the nodes of both.
                assert!((20..=60).contains(&cost), "{cost} of {count} nodes");
            }
        }
    });
}
