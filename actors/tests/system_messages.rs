//! What the clinic's systems say in conversations.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    ports::{
        clock::{Clock, ManualClock},
        store::Relation,
    },
    testkit::{
        client::{Client, PlainIdentities, config, node, say},
        liar::{Disk, Fate, Liar},
    },
};
use bedside_protocol::{
    Command, CommandError, ConversationId, ConversationKind, ErrorCode, Event, MessageType,
    RelationKind, Role, Timestamp, limits,
};
use common::{clinic::*, *};
use futures_util::future::poll_immediate;
use std::sync::Arc;

fn code<T: std::fmt::Debug>(result: Result<T, CommandError>) -> ErrorCode {
    result.expect_err("it is refused").code
}

#[test]
fn everybody_sees_it_and_nobody_has_to_read_it() {
    run(async {
        let disk = Disk::new();
        let node = node(config(), Liar::new(&disk));
        let (mut patient, mut doctor, id) = pair(&node).await;
        let text = "Dr. D is late by ten minutes".to_owned();
        let sent = node.post_system_message(&service(), id, text.clone()).await;
        let sent = sent.unwrap();
        assert_eq!((sent.seq, sent.duplicate), (2, false));
        for client in [&mut patient, &mut doctor] {
            let Event::MessageCreated(message) = client.see(id, 2).await.pop().unwrap().1 else {
                panic!("a message");
            };
            assert_eq!(message.message_type, MessageType::System);
            assert_eq!((message.sender_id.as_ref(), &message.text), (None, &text));
            assert_eq!(message.message_id, sent.message_id);
        }
        let resumed = patient.ask(resume(&[(id, 2)])).await.unwrap();
        assert_eq!(resumed["watermarks"][0]["me"]["unread_count"], 0);
        // It is nobody's own.
        for command in [edit(id, 2, "early"), delete(id, 2)] {
            assert_eq!(code(doctor.ask(command).await), ErrorCode::Forbidden);
        }
        doctor.say(id, "I am here").await.unwrap();
        let resumed = patient.ask(resume(&[(id, 3)])).await.unwrap();
        assert_eq!(resumed["watermarks"][0]["me"]["unread_count"], 1);
        let audit = disk.memory().audit_log();
        let [record] = &audit[..] else {
            panic!("one record: {audit:?}");
        };
        assert_eq!(
            (&*record.action, &record.subject),
            ("message.system", &id.to_string())
        );
        assert_eq!(record.actor, Some(user("calendar")));
        assert!(!format!("{record:?}").contains("late"), "no text");
    });
}

#[test]
fn it_goes_into_every_kind_of_conversation() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let (_patient, mut doctor, made) = clinic(&node).await;
        know(&node, &[("n", Role::Nurse)]).await;
        let mut ids = vec![made.conversation_id];
        for (kind, about) in [
            (ConversationKind::Direct, None),
            (ConversationKind::CareTeam, Some("p")),
            (ConversationKind::FamilyUpdate, Some("p")),
            (ConversationKind::InternalStaff, None),
            (ConversationKind::Broadcast, None),
        ] {
            let others: &[&str] = if about.is_some() { &[] } else { &["n"] };
            ids.push(make(&mut doctor, group(kind, about, others)).await);
        }
        for id in ids {
            let sent = node
                .post_system_message(&service(), id, "news".to_owned())
                .await;
            assert_eq!(sent.unwrap().seq, 2);
            doctor.see(id, 2).await;
        }
    });
}

#[test]
fn it_does_not_go_where_nothing_can_be_added() {
    run(async {
        let disk = Disk::new();
        let node = node(config(), Liar::new(&disk));
        let (mut patient, _doctor, id) = pair(&node).await;
        let service = service();
        let post = |id, text: &str| node.post_system_message(&service, id, text.to_owned());
        node.delete_relation(user("p"), user("d")).await.unwrap();
        patient.see(id, 2).await;
        assert_eq!(code(post(id, "x").await), ErrorCode::Forbidden);
        assert_eq!(
            code(post(ConversationId::new(), "x").await),
            ErrorCode::NotFound
        );
        for blank in ["", " \n"] {
            assert_eq!(code(post(id, blank).await), ErrorCode::InvalidArgument);
        }
        relate(&node, "p", "d", RelationKind::Clinician).await;
        let longest = "x".repeat(limits::TEXT_BYTES_MAX);
        let over = post(id, &format!("{longest}x")).await;
        assert_eq!(code(over), ErrorCode::TooLarge);
        assert!(disk.memory().audit_log().is_empty(), "nothing was done");
        assert_eq!(post(id, &longest).await.unwrap().seq, 4);
    });
}

#[test]
fn a_relation_that_runs_out_shuts_it_at_once() {
    run(async {
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let liar = Liar::new(&Disk::new());
        let node = Node::start(config(), liar, clock.clone(), Arc::new(PlainIdentities));
        let for_a_minute = Relation {
            until: Some(clock.now().plus_millis(60_000)),
            ..relation("p", "d", RelationKind::Clinician)
        };
        node.put_relation(for_a_minute).await.unwrap();
        know(&node, &[("d", Role::Doctor)]).await;
        let mut patient = Client::open(&node, "p", Role::Patient).await;
        let id = make(&mut patient, direct("d")).await;
        let service = service();
        let post = || node.post_system_message(&service, id, "x".to_owned());
        post().await.unwrap();
        clock.advance_ms(60_000);
        assert_eq!(code(post().await), ErrorCode::Forbidden);
    });
}

#[test]
fn without_its_record_it_is_not_written() {
    run(async {
        let disk = Disk::new();
        let liar = Liar::new(&disk);
        let node = node(config(), liar.clone());
        let (mut patient, _doctor, id) = pair(&node).await;
        let service = service();
        let post = || node.post_system_message(&service, id, "x".to_owned());
        liar.moods(|name| name == "append_audit");
        assert_eq!(code(post().await), ErrorCode::Unavailable);
        liar.be_honest();
        liar.fates(|_| Fate::Full);
        assert_eq!(code(post().await), ErrorCode::Unavailable);
        liar.be_honest();
        assert_eq!(post().await.unwrap().seq, 2);
        assert_eq!(seqs(&patient.see(id, 2).await), [2]);
        // The one that could not be stored was meant, and is on record as such.
        assert_eq!(disk.memory().audit_log().len(), 2);
    });
}

#[test]
fn what_comes_while_the_record_is_written_keeps_its_order() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, id) = pair(&node).await;
        liar.stall("append_audit");
        let service = service();
        let mut posting = Box::pin(node.post_system_message(&service, id, "first".to_owned()));
        // It is on its way when it was looked at once.
        assert!(poll_immediate(&mut posting).await.is_none());
        let said = patient.post(say(id, "second"));
        liar.unstall();
        assert_eq!(posting.await.unwrap().seq, 2);
        assert_eq!(patient.answer(said).await.unwrap()["seq"], 3);
        let log = doctor
            .ask(Command::MessageHistory(history(id)))
            .await
            .unwrap();
        assert_eq!(page(&log), [1, 2, 3]);
    });
}
