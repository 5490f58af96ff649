//! Whole nodes over the in-memory store.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bedside_actors::{
    node::{Node, NodeConfig},
    ports::store::{Relation, memory::MemoryStore},
    testkit::client::{Client, config, node, say},
};
use bedside_protocol::{
    Command, ConversationId, ConversationKind, ErrorCode, Event, MessageSend, RelationKind, Role,
    UserId,
    command::{ConversationCreate, ConversationUpdate, MessageHistory, Receipt, SyncResume},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

fn run<F: Future<Output = ()>>(test: F) {
    actix_rt::System::new().block_on(test);
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

async fn relate(node: &Node) {
    node.put_relation(Relation {
        patient_id: user("p"),
        user_id: user("d"),
        kind: RelationKind::Clinician,
        until: None,
    })
    .await
    .unwrap();
}

async fn pair(config: NodeConfig) -> (Arc<Node>, Client, Client, ConversationId) {
    let node = node(config, Arc::new(MemoryStore::default()));
    relate(&node).await;
    let mut patient = Client::open(&node, "p", Role::Patient).await;
    let doctor = Client::open(&node, "d", Role::Doctor).await;
    let created = patient
        .ask(Command::ConversationCreate(ConversationCreate {
            kind: ConversationKind::Direct,
            member_ids: vec![user("d")],
            title: String::new(),
            patient_id: None,
        }))
        .await
        .unwrap();
    let id = created["conversation"]["conversation_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    (node, patient, doctor, id)
}

#[test]
fn a_reply_means_stored_and_the_other_one_sees_it() {
    run(async {
        let (node, mut patient, mut doctor, id) = pair(config()).await;
        assert_eq!(patient.say(id, "good morning").await.unwrap(), 2);
        let seen = doctor.see(id, 2).await;
        assert_eq!(seen.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2]);
        assert!(matches!(&seen[1].1, Event::MessageCreated(m) if m.text == "good morning"));
        let loaded = node.store().load(id, true).await.unwrap().unwrap();
        assert_eq!(loaded.head.seq, 2);
        // The sender got the reply and no event of its own.
        assert!(patient.seen(id).iter().all(|(seq, _)| *seq < 2));
    });
}

#[test]
fn a_retry_gets_the_same_seq_and_another_body_is_a_conflict() {
    run(async {
        let (_node, mut patient, _doctor, id) = pair(config()).await;
        let send = |text: &str| {
            let Command::MessageSend(send) = say(id, text) else {
                unreachable!()
            };
            Command::MessageSend(MessageSend {
                client_msg_id: Some("m1".parse().unwrap()),
                ..send
            })
        };
        // Both at once: the second is answered with the first, whether it is stored or not yet.
        let (a, b) = (patient.post(send("hello")), patient.post(send("hello")));
        let (a, b) = (
            patient.answer(a).await.unwrap(),
            patient.answer(b).await.unwrap(),
        );
        assert_eq!(a["seq"], b["seq"]);
        assert_eq!(a["message_id"], b["message_id"]);
        assert_eq!(
            (&a["duplicate"], &b["duplicate"]),
            (&false.into(), &true.into())
        );
        let other = patient.ask(send("other")).await.unwrap_err();
        assert_eq!(other.code, ErrorCode::Conflict);
    });
}

#[test]
fn a_panic_costs_one_command_and_the_queue_is_answered() {
    run(async {
        let mut config = config();
        config.on_command = Some(Arc::new(|_, command| {
            if matches!(command, Command::MessageSend(send) if send.text == "boom") {
                panic!("a fault that a test injected");
            }
        }));
        let (_node, mut patient, mut doctor, id) = pair(config).await;
        let mut posted = Vec::new();
        for i in 0..20 {
            posted.push(patient.post(say(id, if i == 10 { "boom" } else { "fine" })));
        }
        let mut failed = Vec::new();
        let mut seqs = Vec::new();
        for (i, post) in posted.into_iter().enumerate() {
            match patient.answer(post).await {
                Ok(reply) => seqs.push(reply["seq"].as_u64().unwrap()),
                Err(error) => {
                    assert_eq!(error.code, ErrorCode::Unavailable);
                    failed.push(i);
                }
            }
        }
        assert_eq!(failed, [10]);
        assert_eq!(seqs, (2..=20).collect::<Vec<_>>());
        let seen = doctor.see(id, 20).await;
        assert_eq!(
            seen.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
            (1..=20).collect::<Vec<_>>()
        );
    });
}

#[test]
fn a_crash_loop_ends_in_unavailable_and_then_recovers() {
    run(async {
        let is_broken = Arc::new(AtomicBool::new(true));
        let panics = Arc::new(AtomicUsize::new(0));
        let mut config = config();
        let (broken, counted) = (is_broken.clone(), panics.clone());
        config.on_command = Some(Arc::new(move |_, command| {
            if broken.load(Ordering::SeqCst) && matches!(command, Command::MessageSend(_)) {
                counted.fetch_add(1, Ordering::SeqCst);
                panic!("a fault that a test injected");
            }
        }));
        let (_node, mut patient, _doctor, id) = pair(config).await;
        for _ in 0..12 {
            let error = patient.say(id, "again").await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Unavailable);
        }
        // Five restarts are forgiven; the sixth panic is the last, and nothing reaches an actor
        // for a while.
        assert_eq!(panics.load(Ordering::SeqCst), 6);
        is_broken.store(false, Ordering::SeqCst);
        let error = patient.say(id, "still resting").await.unwrap_err();
        assert!(error.retry_after_ms > 0, "it says when to come back");
        tokio::time::sleep(std::time::Duration::from_millis(error.retry_after_ms + 50)).await;
        assert_eq!(patient.say(id, "well again").await.unwrap(), 2);
    });
}

#[test]
fn resume_brings_what_was_missed_and_then_goes_on_live() {
    run(async {
        let (node, mut patient, doctor, id) = pair(config()).await;
        drop(doctor);
        for i in 0..5 {
            patient.say(id, &format!("m{i}")).await.unwrap();
        }
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        let resumed = doctor
            .ask(Command::SyncResume(SyncResume {
                positions: [(id, 2)].into(),
                ..SyncResume::default()
            }))
            .await
            .unwrap();
        assert_eq!(resumed["watermarks"][0]["head_seq"], 6);
        let seqs =
            |seen: Vec<(u64, Event)>| seen.into_iter().map(|(seq, _)| seq).collect::<Vec<_>>();
        assert_eq!(seqs(doctor.seen(id)), [3, 4, 5, 6]);
        patient.say(id, "live").await.unwrap();
        assert_eq!(seqs(doctor.see(id, 7).await), [3, 4, 5, 6, 7]);
    });
}

#[test]
fn a_relation_that_ends_makes_the_chat_read_only_for_both() {
    run(async {
        let (node, mut patient, mut doctor, id) = pair(config()).await;
        patient.say(id, "before").await.unwrap();
        node.delete_relation(user("p"), user("d")).await.unwrap();
        doctor
            .wait_for(|f| {
                matches!(&f.event, Event::ConversationChanged(c)
                    if c.state == Some(bedside_protocol::ConversationState::ReadOnly))
            })
            .await;
        let error = doctor.say(id, "after").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden);
        let error = patient.say(id, "after").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden);
        relate(&node).await;
        patient
            .wait_for(|f| {
                matches!(&f.event, Event::ConversationChanged(c)
                    if c.state == Some(bedside_protocol::ConversationState::Open))
            })
            .await;
        patient.say(id, "again").await.unwrap();
    });
}

#[test]
fn read_receipts_grow_and_unread_follows() {
    run(async {
        let (_node, mut patient, mut doctor, id) = pair(config()).await;
        for i in 0..3 {
            patient.say(id, &format!("m{i}")).await.unwrap();
        }
        doctor.see(id, 4).await;
        let read = |seq| {
            Command::ReceiptRead(Receipt {
                conversation_id: id,
                up_to_seq: seq,
            })
        };
        let taken = doctor.ask(read(3)).await.unwrap();
        assert_eq!(
            (&taken["up_to_seq"], &taken["unread_count"]),
            (&3.into(), &1.into())
        );
        let lower = doctor.ask(read(2)).await.unwrap();
        assert_eq!(lower["up_to_seq"], 3);
        doctor.say(id, "mine does not count").await.unwrap();
        let all = doctor.ask(read(99)).await.unwrap();
        assert_eq!(
            (&all["up_to_seq"], &all["unread_count"]),
            (&5.into(), &0.into())
        );
        let told = patient
            .wait_for(|f| matches!(&f.event, Event::ReceiptChanged(r) if r.read_up_to_seq == 5))
            .await;
        assert_eq!(told.seq, None);
    });
}

#[test]
fn a_position_past_the_end_is_reset_and_nothing_hangs() {
    run(async {
        let (_node, mut patient, mut doctor, id) = pair(config()).await;
        patient.say(id, "one").await.unwrap();
        for position in [3, 1_000, u64::MAX] {
            doctor
                .ask(Command::SyncResume(SyncResume {
                    positions: [(id, position)].into(),
                    ..SyncResume::default()
                }))
                .await
                .unwrap();
            let reset = doctor
                .wait_for(|frame| matches!(frame.event, Event::SyncReset(_)))
                .await;
            assert!(matches!(reset.event, Event::SyncReset(reset) if reset.head_seq == 2));
            // Whatever follows is read and shown as ever.
            let history = MessageHistory {
                conversation_id: id,
                after_seq: None,
                before_seq: None,
                limit: None,
            };
            let page = doctor.ask(Command::MessageHistory(history)).await.unwrap();
            assert_eq!(page["head_seq"], 2);
        }
        assert_eq!(patient.say(id, "two").await.unwrap(), 3);
        let seen = doctor.see(id, 3).await;
        assert_eq!(seen.last().map(|(seq, _)| *seq), Some(3));
    });
}

#[test]
fn a_clinician_who_is_only_family_changes_nothing_about_a_patients_group() {
    run(async {
        let node = node(config(), Arc::new(MemoryStore::default()));
        relate(&node).await;
        let _patient = Client::open(&node, "p", Role::Patient).await;
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        let mut sister = Client::open(&node, "n", Role::Nurse).await;
        node.put_relation(Relation {
            patient_id: user("p"),
            user_id: user("n"),
            kind: RelationKind::Family,
            until: None,
        })
        .await
        .unwrap();
        let made = doctor
            .ask(Command::ConversationCreate(ConversationCreate {
                kind: ConversationKind::CareTeam,
                member_ids: vec![user("n")],
                title: "care".to_owned(),
                patient_id: Some(user("p")),
            }))
            .await
            .unwrap();
        let id: ConversationId = made["conversation"]["conversation_id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let rename = Command::ConversationUpdate(ConversationUpdate {
            conversation_id: id,
            title: "other".to_owned(),
        });
        let refused = sister.ask(rename.clone()).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Forbidden);
        sister.say(id, "but she may write").await.unwrap();
        doctor.ask(rename).await.unwrap();
    });
}
