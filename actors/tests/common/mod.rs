//! What these tests share.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test binary uses some of it")]

pub(crate) mod clinic;
pub(crate) mod receiver;

use bedside_actors::{
    node::Node,
    ports::store::{PersonRecord, Relation},
    testkit::client::Client,
};
use bedside_protocol::{
    Command, ConversationId, ConversationKind, Event, MemberRole, MessageSend, RelationKind, Role,
    Roles, UserId,
    command::{
        ConversationCreate, ConversationRef, MemberAdd, MemberRemove, MessageEdit, MessageHistory,
        MessageReact, MessageRef, PresenceWatch, Receipt, SyncResume, TypingSet,
    },
};
use serde_json::Value;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub(crate) fn run<F: Future<Output = ()>>(test: F) {
    actix_rt::System::new().block_on(test);
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn relation(patient: &str, other: &str, kind: RelationKind) -> Relation {
    Relation {
        patient_id: user(patient),
        user_id: user(other),
        kind,
        until: None,
    }
}

pub(crate) async fn relate(node: &Node, patient: &str, other: &str, kind: RelationKind) {
    let relation = relation(patient, other, kind);
    node.put_relation(relation).await.unwrap();
}

/// Puts them into the directory, as another service may.
pub(crate) async fn know(node: &Arc<Node>, people: &[(&str, Role)]) {
    for (id, role) in people {
        let person = PersonRecord {
            user_id: user(id),
            name: (*id).to_owned(),
            email: String::new(),
            roles: Roles::from(*role),
            last_seen_at: None,
        };
        node.store().put_person(person).await.unwrap();
    }
}

pub(crate) fn direct(other: &str) -> Command {
    group(ConversationKind::Direct, None, &[other])
}

pub(crate) fn group(kind: ConversationKind, patient: Option<&str>, members: &[&str]) -> Command {
    let is_direct = kind == ConversationKind::Direct;
    Command::ConversationCreate(ConversationCreate {
        kind,
        member_ids: members.iter().map(|id| user(id)).collect(),
        title: if is_direct { "" } else { "a title" }.to_owned(),
        patient_id: patient.map(user),
    })
}

pub(crate) async fn make(maker: &mut Client, create: Command) -> ConversationId {
    let created = maker.ask(create).await.expect("the conversation is made");
    let id = &created["conversation"]["conversation_id"];
    id.as_str().unwrap().parse().unwrap()
}

/// A patient and their doctor in a direct conversation of one entry.
pub(crate) async fn pair(node: &Arc<Node>) -> (Client, Client, ConversationId) {
    relate(node, "p", "d", RelationKind::Clinician).await;
    let mut patient = Client::open(node, "p", Role::Patient).await;
    let mut doctor = Client::open(node, "d", Role::Doctor).await;
    let id = make(&mut patient, direct("d")).await;
    doctor.see(id, 1).await;
    (patient, doctor, id)
}

pub(crate) fn say_once(to: ConversationId, text: &str, name: &str) -> Command {
    Command::MessageSend(MessageSend {
        conversation_id: Some(to),
        text: text.to_owned(),
        client_msg_id: Some(name.parse().unwrap()),
        ..MessageSend::default()
    })
}

pub(crate) fn edit(conversation_id: ConversationId, seq: u64, text: &str) -> Command {
    Command::MessageEdit(MessageEdit {
        conversation_id,
        seq,
        text: text.to_owned(),
    })
}

pub(crate) fn delete(conversation_id: ConversationId, seq: u64) -> Command {
    Command::MessageDelete(MessageRef {
        conversation_id,
        seq,
    })
}

pub(crate) fn react(conversation_id: ConversationId, seq: u64, emoji: &str, on: bool) -> Command {
    Command::MessageReact(MessageReact {
        conversation_id,
        seq,
        emoji: emoji.to_owned(),
        on,
    })
}

pub(crate) fn read(conversation_id: ConversationId, up_to_seq: u64) -> Command {
    Command::ReceiptRead(Receipt {
        conversation_id,
        up_to_seq,
    })
}

pub(crate) fn add(conversation_id: ConversationId, who: &str) -> MemberAdd {
    MemberAdd {
        conversation_id,
        user_id: user(who),
        member_role: MemberRole::Member,
        share_history: false,
    }
}

pub(crate) fn remove(conversation_id: ConversationId, who: &str) -> Command {
    Command::MemberRemove(MemberRemove {
        conversation_id,
        user_id: user(who),
    })
}

pub(crate) fn typing(conversation_id: ConversationId, typing: bool) -> Command {
    Command::TypingSet(TypingSet {
        conversation_id,
        typing,
    })
}

pub(crate) fn subscribe(conversation_id: ConversationId) -> Command {
    Command::ConversationSubscribe(ConversationRef { conversation_id })
}

pub(crate) fn unsubscribe(conversation_id: ConversationId) -> Command {
    Command::ConversationUnsubscribe(ConversationRef { conversation_id })
}

pub(crate) fn history(conversation_id: ConversationId) -> MessageHistory {
    MessageHistory {
        conversation_id,
        after_seq: None,
        before_seq: None,
        limit: Some(200),
    }
}

pub(crate) fn resume(positions: &[(ConversationId, u64)]) -> Command {
    Command::SyncResume(SyncResume {
        positions: positions.iter().copied().collect(),
        ..SyncResume::default()
    })
}

pub(crate) fn seqs(seen: &[(u64, Event)]) -> Vec<u64> {
    seen.iter().map(|(seq, _)| *seq).collect()
}

/// The seqs of a history reply.
pub(crate) fn page(reply: &Value) -> Vec<u64> {
    let events = reply["events"].as_array().expect("events");
    events.iter().map(|e| e["seq"].as_u64().unwrap()).collect()
}

pub(crate) fn watch(who: &[&str]) -> Command {
    Command::PresenceWatch(PresenceWatch {
        user_ids: who.iter().map(|id| user(id)).collect(),
    })
}

/// A small generator that needs no crate; shared, so that doubles on other threads draw too.
#[derive(Clone)]
pub(crate) struct Dice(Arc<AtomicU64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    pub(crate) fn roll(&self, below: u64) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    pub(crate) fn one_in(&self, n: u64) -> bool {
        self.roll(n) == 0
    }
}
