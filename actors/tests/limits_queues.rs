//! The queues in front of sessions and conversations are bounded; what does not fit is refused at once and
//! what fits is answered.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    ports::store::Store,
    testkit::{
        client::{Client, config, node, say},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    Command, CommandError, ConversationId, ErrorCode, Reply, Role, command::ConversationUpdate,
    limits,
};
use common::*;
use futures_util::future::poll_immediate;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

fn code<T: fmt::Debug>(result: Result<T, CommandError>) -> ErrorCode {
    result.expect_err("it is past a bound").code
}

#[test]
fn so_many_entries_may_wait_for_their_commit() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (patient, _doctor, id) = pair(&node).await;
        let me = bedside_actors::caller::Caller {
            user_id: user("p"),
            name: "p".into(),
            roles: patient.outbox().roles(),
            origin: None,
        };
        liar.hold();
        let names: Vec<_> = (0..limits::CONVERSATION_PENDING_MAX + 1)
            .map(|i| format!("m{i}"))
            .collect();
        let mut waiting = Vec::new();
        for (i, name) in names
            .iter()
            .enumerate()
            .take(limits::CONVERSATION_PENDING_MAX)
        {
            let (node, me, send) = (node.clone(), me.clone(), say_once(id, "waits", name));
            waiting.push(tokio::task::spawn_local(async move {
                node.execute(me, send).await
            }));
            while liar.waiting() <= i {
                tokio::task::yield_now().await;
            }
        }
        let more = say_once(id, "too many", names.last().unwrap());
        assert_eq!(
            code(node.execute(me.clone(), more).await),
            ErrorCode::Unavailable
        );
        // Changes count too, and a retry of the first one waits with it.
        let first = tokio::task::spawn_local({
            let (node, me, send) = (node.clone(), me.clone(), say_once(id, "waits", "m0"));
            async move { node.execute(me, send).await }
        });
        let update = Command::ConversationUpdate(ConversationUpdate {
            conversation_id: id,
            title: "x".to_owned(),
        });
        let refused = node.execute(me.clone(), update).await.unwrap_err();
        assert!(refused.code == ErrorCode::Unavailable, "{refused:?}");
        liar.release();
        for (i, task) in waiting.into_iter().enumerate() {
            let Ok(Reply::MessageSent(sent)) = task.await.unwrap() else {
                panic!("{i} was not stored");
            };
            assert_eq!(sent.seq, i as u64 + 2);
        }
        let retried = first.await.unwrap();
        assert!(
            !matches!(retried, Ok(Reply::MessageSent(ref sent)) if sent.seq != 2),
            "{retried:?}"
        );
    });
}

#[test]
fn a_full_conversation_mailbox_is_unavailable() {
    run(async {
        let mut config = config();
        let gate = Arc::new(AtomicBool::new(false));
        let shut = gate.clone();
        config.on_command = Some(Arc::new(move |_, _| {
            while shut.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
        }));
        let node = node(config, Liar::new(&Disk::new()));
        let (patient, _doctor, id) = pair(&node).await;
        let me = bedside_actors::caller::Caller {
            user_id: user("p"),
            name: "p".into(),
            roles: patient.outbox().roles(),
            origin: None,
        };
        gate.store(true, Ordering::SeqCst);
        // Each is on its way when it was looked at once.
        let send = || Box::pin(node.execute(me.clone(), say(id, "x")));
        let mut sends: Vec<_> = (0..=limits::CONVERSATION_MAILBOX_MAX)
            .map(|_| send())
            .collect();
        for send in &mut sends {
            assert!(poll_immediate(send).await.is_none());
        }
        // One is being handled, perhaps; a further one may be taken for it.
        let (a, b) = (send().await, send().await);
        assert!(code(a) == ErrorCode::Unavailable && code(b) == ErrorCode::Unavailable);
        gate.store(false, Ordering::SeqCst);
        for send in sends {
            send.await.unwrap();
        }
    });
}

#[test]
fn a_retry_is_known_however_many_wait_for_their_commit() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, _doctor, id) = pair(&node).await;
        liar.hold();
        let mut posts = Vec::new();
        for i in 0..400 {
            let send = say_once(id, "waits", &format!("m{i}"));
            posts.push(patient.post_when_room(send).await);
        }
        let retry = patient.post_when_room(say_once(id, "waits", "m0")).await;
        while liar.waiting() < 400 {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        liar.release();
        // The answers come faster than this client reads: what it missed it would ask again.
        let first = patient.answer_or_cut(posts[0]).await;
        let again = patient.answer_or_cut(retry).await;
        if let (Some(first), Some(again)) = (first, again) {
            assert_eq!(first.unwrap()["seq"], again.unwrap()["seq"]);
        }
        let loaded = liar.load(id, true).await.unwrap().unwrap();
        assert_eq!(loaded.head.ord, 400);
    });
}

#[test]
fn a_full_session_mailbox_stops_the_reader() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let command = || unsubscribe(ConversationId::new());
        let mut posts = Vec::new();
        while let Some(post) = nurse.try_post(command()) {
            posts.push(post);
        }
        assert_eq!(posts.len(), limits::SESSION_MAILBOX_MAX);
        posts.push(nurse.post_when_room(command()).await);
        for post in posts {
            nurse.answer(post).await.unwrap();
        }
    });
}
