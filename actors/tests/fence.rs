//! Two servers over one store, each of which believes that a conversation is its own, and no
//! bridge between them: what clients are told is true, and nothing is lost.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::{Node, NodeConfig},
    ports::store::{NewConversation, NewMember, Store},
    testkit::{
        client::{Client, config, node, say},
        liar::{Disk, Fate, Liar},
        owner,
    },
};
use bedside_protocol::{
    Command, ConversationId, ConversationKind, ErrorCode, Event, MemberRole, MessageSend,
    RelationKind, Role, Timestamp,
    event::{Change, ConversationChanged},
};
use common::{clinic::until, *};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// One of them.
struct Server {
    liar: Arc<Liar>,
    node: Arc<Node>,
}

fn server(disk: &Arc<Disk>, config: NodeConfig) -> Server {
    let liar = Liar::new(disk);
    let node = node(config, liar.clone());
    Server { liar, node }
}

/// A patient on one server and their doctor on the other, and one entry that both actors know.
async fn two() -> (Server, Server, Client, Client, ConversationId) {
    two_with(config()).await
}

async fn two_with(first: NodeConfig) -> (Server, Server, Client, Client, ConversationId) {
    let disk = Disk::new();
    let (a, b) = (server(&disk, first), server(&disk, config()));
    relate(&a.node, "p", "d", RelationKind::Clinician).await;
    let mut patient = Client::open(&a.node, "p", Role::Patient).await;
    let mut doctor = Client::open(&b.node, "d", Role::Doctor).await;
    let id = make(&mut patient, direct("d")).await;
    for client in [&mut patient, &mut doctor] {
        // It is loaded now, and knows its head.
        client.ask(typing(id, false)).await.unwrap();
    }
    (a, b, patient, doctor, id)
}

fn is_text(command: &Command, wanted: &str) -> bool {
    matches!(command, Command::MessageSend(send) if send.text == wanted)
}

fn texts(seen: &[(u64, Event)]) -> Vec<&str> {
    let texts = seen.iter().map(|(_, event)| match event {
        Event::MessageCreated(message) => message.text.as_str(),
        other => other.name(),
    });
    texts.collect()
}

async fn held(server: &Server, count: usize) {
    while server.liar.waiting() < count {
        tokio::task::yield_now().await;
    }
}

fn count(server: &Server, name: &'static str) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    server.liar.moods(move |of| {
        counted.fetch_add(usize::from(of == name), Ordering::SeqCst);
        false
    });
    count
}

#[test]
fn who_comes_second_goes_behind() {
    run(async {
        let (_a, b, mut patient, mut doctor, id) = two().await;
        for n in 0..10 {
            assert_eq!(doctor.say(id, "from b").await.unwrap(), 2 + 2 * n);
            assert_eq!(patient.say(id, "from a").await.unwrap(), 3 + 2 * n);
        }
        // The origin hears of its own by the answer.
        let seen = seqs(&patient.see(id, 20).await);
        assert!((2..=20).step_by(2).all(|seq| seen.contains(&seq)));
        owner::refresh(&b.node, id);
        let seen = seqs(&doctor.see(id, 21).await);
        assert!((3..=21).step_by(2).all(|seq| seen.contains(&seq)));
    });
}

#[test]
fn the_paused_owner_is_refused_and_its_clients_are_served() {
    run(async {
        let (a, b, mut patient, mut doctor, id) = two().await;
        let mut phone = Client::open(&a.node, "d", Role::Doctor).await;
        a.liar.hold();
        let late: Vec<_> = (0..5)
            .map(|n| patient.post(say_once(id, &format!("late {n}"), &format!("l{n}"))))
            .collect();
        held(&a, 5).await;
        // The other one takes over; the patient's second device insists there on one of them.
        for n in 0..3 {
            assert_eq!(doctor.say(id, "meanwhile").await.unwrap(), 2 + n);
        }
        let mut tablet = Client::open(&b.node, "p", Role::Patient).await;
        let insisted = tablet.ask(say_once(id, "late 2", "l2")).await.unwrap();
        assert_eq!(insisted["seq"], 5);
        assert_eq!(insisted["duplicate"], false);
        let later = patient.post(say(id, "later"));
        a.liar.release();
        let mut seqs_of = Vec::new();
        for post in late {
            let answer = patient.answer(post).await.unwrap();
            seqs_of.push(answer["seq"].as_u64().unwrap());
            if seqs_of.len() == 3 {
                assert_eq!(answer["duplicate"], true);
                for field in ["message_id", "created_at"] {
                    assert_eq!(answer[field], insisted[field]);
                }
            }
        }
        assert_eq!(seqs_of, [6, 7, 5, 8, 9]);
        assert_eq!(patient.answer(later).await.unwrap()["seq"], 10);
        let seen = phone.see(id, 10).await;
        assert_eq!(seqs(&seen), (2..=10).collect::<Vec<_>>());
        let wanted = [
            "meanwhile",
            "meanwhile",
            "meanwhile",
            "late 2",
            "late 0",
            "late 1",
            "late 3",
            "late 4",
            "later",
        ];
        assert_eq!(texts(&seen), wanted);
        owner::refresh(&b.node, id);
        let seen = doctor.see(id, 10).await;
        assert_eq!(texts(&seen)[seen.len() - 6..], wanted[3..]);
    });
}

#[test]
fn a_name_that_was_used_elsewhere_is_found_however_long_ago() {
    run(async {
        for later in [0, 100] {
            let (a, b, mut patient, mut doctor, id) = two().await;
            a.liar.hold();
            let same = patient.post(say_once(id, "same", "m1"));
            let other = patient.post(say_once(id, "other", "m2"));
            held(&a, 2).await;
            let mut tablet = Client::open(&b.node, "p", Role::Patient).await;
            let first = tablet.ask(say_once(id, "same", "m1")).await.unwrap();
            tablet.ask(say_once(id, "not that", "m2")).await.unwrap();
            for _ in 0..later {
                doctor.say(id, "on and on").await.unwrap();
            }
            a.liar.release();
            let same = patient.answer(same).await.unwrap();
            assert_eq!(
                (&same["seq"], &same["duplicate"]),
                (&2.into(), &true.into())
            );
            assert_eq!(same["message_id"], first["message_id"]);
            let error = patient.answer(other).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Conflict);
            assert_eq!(patient.say(id, "next").await.unwrap(), 4 + later);
        }
    });
}

#[test]
fn who_was_removed_elsewhere_is_refused() {
    run(async {
        let disk = Disk::new();
        let (a, b) = (server(&disk, config()), server(&disk, config()));
        know(&a.node, &[("s", Role::Nurse), ("head", Role::Doctor)]).await;
        let mut head = Client::open(&b.node, "head", Role::Doctor).await;
        let mut nurse = Client::open(&a.node, "s", Role::Nurse).await;
        let create = group(ConversationKind::InternalStaff, None, &["s"]);
        let id = make(&mut head, create).await;
        assert_eq!(nurse.say(id, "here").await.unwrap(), 2);
        a.liar.hold();
        let late = nurse.post(say(id, "too late"));
        held(&a, 1).await;
        let removed = head.ask(remove(id, "s")).await.unwrap();
        assert_eq!(removed["seq"], 3);
        a.liar.release();
        let error = nurse.answer(late).await.unwrap_err();
        assert!(!error.code.retryable(), "{error:?}");
        assert_eq!(
            disk.memory()
                .load(id, true)
                .await
                .unwrap()
                .unwrap()
                .head
                .seq,
            3
        );
        assert_eq!(seqs(&nurse.see(id, 3).await).last(), Some(&3));
    });
}

#[test]
fn every_kind_of_change_is_decided_again() {
    run(async {
        let disk = Disk::new();
        let (a, b) = (server(&disk, config()), server(&disk, config()));
        know(&a.node, &[("s", Role::Nurse), ("t", Role::Nurse)]).await;
        let mut head = Client::open(&a.node, "head", Role::Doctor).await;
        let mut nurse = Client::open(&b.node, "s", Role::Nurse).await;
        let create = group(ConversationKind::InternalStaff, None, &["s"]);
        let id = make(&mut head, create).await;
        head.say(id, "first").await.unwrap();
        head.say(id, "second").await.unwrap();
        let reply = Command::MessageSend(MessageSend {
            conversation_id: Some(id),
            text: "an answer".to_owned(),
            reply_to_seq: Some(2),
            ..MessageSend::default()
        });
        let changes = [
            edit(id, 2, "first, better"),
            reply,
            react(id, 3, "👍", true),
            delete(id, 3),
            Command::MemberAdd(add(id, "t")),
            remove(id, "t"),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            assert_eq!(nurse.say(id, "quicker").await.unwrap(), 4 + 2 * n as u64);
            let done = head.ask(change).await.unwrap();
            assert_eq!(done["seq"], 5 + 2 * n as u64);
        }
        let seen = head.see(id, 14).await;
        owner::refresh(&b.node, id);
        let seen_there = nurse.see(id, 15).await;
        // Its own it knows by the answers.
        let there = seqs(&seen_there);
        assert!((5..=15).step_by(2).all(|seq| there.contains(&seq)));
        assert!(seqs(&seen).is_sorted() && there.is_sorted());
    });
}

#[test]
fn nobody_tries_for_ever() {
    run(async {
        let (a, _b, mut patient, _doctor, id) = two().await;
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = tries.clone();
        a.liar.fates(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Fate::Fence
        });
        let error = patient.say(id, "no luck").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(error.retry_after_ms > 0);
        assert!((2..=9).contains(&tries.load(Ordering::SeqCst)), "{tries:?}");
        a.liar.be_honest();
        assert_eq!(patient.say(id, "again").await.unwrap(), 2);
    });
}

#[test]
fn what_was_stored_and_denied_is_shown_with_what_others_wrote() {
    run(async {
        let (a, b, mut patient, mut doctor, id) = two().await;
        let mut tablet = Client::open(&a.node, "p", Role::Patient).await;
        a.liar.fates(|_| Fate::StoreAndDeny);
        a.liar.stall("load");
        let denied = patient.post(say_once(id, "denied", "m1"));
        let error = patient.answer(denied).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable);
        owner::refresh(&b.node, id);
        assert_eq!(doctor.say(id, "from b").await.unwrap(), 3);
        a.liar.be_honest();
        let seen = tablet.see(id, 3).await;
        assert_eq!(texts(&seen), ["denied", "from b"]);
        let again = patient.ask(say_once(id, "denied", "m1")).await.unwrap();
        assert_eq!(
            (&again["seq"], &again["duplicate"]),
            (&2.into(), &true.into())
        );
    });
}

fn fragile() -> NodeConfig {
    let mut config = config();
    config.on_command = Some(Arc::new(|_, command| {
        assert!(!is_text(command, "boom"), "a fault that a test injected");
    }));
    config
}

#[test]
fn after_a_panic_what_met_anothers_entry_is_decided_again() {
    run(async {
        let (a, _b, mut patient, mut doctor, id) = two_with(fragile()).await;
        a.liar.hold();
        let posts: Vec<_> = (0..3).map(|_| patient.post(say(id, "waits"))).collect();
        held(&a, 3).await;
        patient.ask(say(id, "boom")).await.unwrap_err();
        assert_eq!(doctor.say(id, "quicker").await.unwrap(), 2);
        a.liar.release();
        for (n, post) in posts.into_iter().enumerate() {
            assert_eq!(patient.answer(post).await.unwrap()["seq"], 3 + n as u64);
        }
    });
}

#[test]
fn after_a_panic_more_than_a_load_looks_back_on_is_settled() {
    run(async {
        let (a, _b, mut patient, _doctor, id) = two_with(fragile()).await;
        a.liar.hold();
        let mut posts = Vec::new();
        for n in 0..200 {
            posts.push(patient.post_when_room(say(id, "waits")).await);
            held(&a, n + 1).await;
        }
        patient.ask(say(id, "boom")).await.unwrap_err();
        a.liar.release();
        for (n, post) in posts.into_iter().enumerate() {
            assert_eq!(patient.answer(post).await.unwrap()["seq"], 2 + n as u64);
        }
    });
}

#[test]
fn after_a_panic_what_is_not_in_the_log_waits_for_the_stores_word() {
    run(async {
        for fate in [Fate::Lose, Fate::Fence, Fate::StoreAndDeny] {
            let (a, _b, mut patient, _doctor, id) = two_with(fragile()).await;
            let mut tablet = Client::open(&a.node, "p", Role::Patient).await;
            a.liar.hold();
            let mut is_first = true;
            a.liar.fates(move |append| {
                let is_it = append.seq == 3 && std::mem::take(&mut is_first);
                if is_it { fate } else { Fate::Store }
            });
            let posts: Vec<_> = (0..3).map(|_| patient.post(say(id, "waits"))).collect();
            held(&a, 3).await;
            patient.ask(say(id, "boom")).await.unwrap_err();
            let later = patient.post(say(id, "later"));
            a.liar.release();
            let mut answers = Vec::new();
            for post in posts {
                let answer = patient.answer(post).await;
                answers.push(answer.map(|answer| answer["seq"].as_u64().unwrap()));
            }
            assert_eq!(answers[0], Ok(2), "{fate:?}");
            let last = patient.answer(later).await.unwrap()["seq"]
                .as_u64()
                .unwrap();
            match fate {
                // Refused for sure: done again, in order.
                Fate::Fence => assert_eq!((&answers[1], &answers[2], last), (&Ok(3), &Ok(4), 5)),
                Fate::Lose => {
                    assert!(answers[1].is_err() && answers[2].is_err());
                    assert_eq!(last, 3);
                }
                // In the log: known to be stored, whatever was said. What is behind it was not.
                _ => {
                    assert_eq!(answers[1], Ok(3));
                    assert_eq!((&answers[2], last), (&Ok(4), 5));
                }
            }
            tablet.see(id, last).await;
        }
    });
}

#[test]
fn what_another_server_wrote_is_shown_when_it_is_known() {
    run(async {
        let (a, _b, mut patient, mut doctor, id) = two().await;
        for seq in 2..5 {
            assert_eq!(doctor.say(id, "from b").await.unwrap(), seq);
        }
        owner::refresh(&a.node, id);
        assert_eq!(seqs(&patient.see(id, 4).await).last(), Some(&4));
        // With an entry on its way it is looked at afterwards.
        a.liar.hold();
        let post = patient.post(say(id, "from a"));
        held(&a, 1).await;
        owner::refresh(&a.node, id);
        a.liar.release();
        assert_eq!(patient.answer(post).await.unwrap()["seq"], 5);
        assert_eq!(doctor.say(id, "from b").await.unwrap(), 6);
        owner::refresh(&a.node, id);
        assert_eq!(seqs(&patient.see(id, 6).await).last(), Some(&6));
    });
}

#[test]
fn a_receipt_for_what_another_server_wrote_is_taken() {
    run(async {
        let (a, _b, mut patient, mut doctor, id) = two().await;
        for _ in 0..4 {
            doctor.say(id, "from b").await.unwrap();
        }
        let loads = count(&a, "load");
        let taken = patient.ask(read(id, 3)).await.unwrap();
        assert_eq!(
            (&taken["up_to_seq"], &taken["unread_count"]),
            (&3.into(), &2.into())
        );
        let taken = patient.ask(read(id, 5)).await.unwrap();
        assert_eq!(
            (&taken["up_to_seq"], &taken["unread_count"]),
            (&5.into(), &0.into())
        );
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        // Nobody makes this server load again and again by naming what is not there.
        for _ in 0..20 {
            let taken = patient.ask(read(id, 1_000)).await.unwrap();
            assert_eq!(taken["up_to_seq"], 5);
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn what_another_server_wrote_can_be_changed_and_answered() {
    run(async {
        let (a, b, mut patient, mut doctor, id) = two().await;
        let mut tablet = Client::open(&b.node, "p", Role::Patient).await;
        let reply_to = |seq| {
            Command::MessageSend(MessageSend {
                conversation_id: Some(id),
                text: "an answer".to_owned(),
                reply_to_seq: Some(seq),
                ..MessageSend::default()
            })
        };
        let mut head = 1;
        let appends = Arc::new(AtomicUsize::new(0));
        let counted = appends.clone();
        a.liar.fates(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Fate::Store
        });
        for change in [
            &(|seq| edit(id, seq, "better")) as &dyn Fn(u64) -> Command,
            &|seq| react(id, seq, "👍", true),
            &reply_to,
            &|seq| delete(id, seq),
        ] {
            doctor.say(id, "between").await.unwrap();
            let own = tablet.say(id, "mine").await.unwrap();
            assert_eq!(own, head + 2);
            let done = patient.ask(change(own)).await.unwrap();
            head = own + 1;
            assert_eq!(done["seq"], head);
        }
        // It looked first, and was never refused by the store.
        assert_eq!(appends.load(Ordering::SeqCst), 4);
        for change in [edit(id, 900, "no"), delete(id, 900), reply_to(900)] {
            let error = patient.ask(change).await.unwrap_err();
            assert!(!error.code.retryable(), "{error:?}");
        }
    });
}

#[test]
fn who_hands_over_finishes_first_and_passes_on_the_rest() {
    run(async {
        let (a, _b, mut patient, mut doctor, id) = two().await;
        let loads = count(&a, "load");
        a.liar.hold();
        let posts: Vec<_> = (0..3).map(|_| patient.post(say(id, "waits"))).collect();
        held(&a, 3).await;
        owner::hand_over(&a.node, id);
        a.liar.release();
        for (n, post) in posts.into_iter().enumerate() {
            assert_eq!(patient.answer(post).await.unwrap()["seq"], 2 + n as u64);
        }
        assert_eq!(loads.load(Ordering::SeqCst), 0);
        // Its successor starts from the store.
        let mut said = 4;
        while loads.load(Ordering::SeqCst) == 0 {
            said += 1;
            assert_eq!(patient.say(id, "next").await.unwrap(), said);
        }
        // What is written while it has gone is shown as well, once it is known.
        owner::hand_over(&a.node, id);
        assert_eq!(doctor.say(id, "from b").await.unwrap(), said + 1);
        owner::refresh(&a.node, id);
        patient.see(id, said + 1).await;
    });
}

#[test]
fn who_is_asked_all_the_time_hands_over_all_the_same() {
    run(async {
        let (a, _b, mut patient, _doctor, id) = two().await;
        let loads = count(&a, "load");
        let mut seq = 1;
        owner::hand_over(&a.node, id);
        while loads.load(Ordering::SeqCst) == 0 {
            let posts: Vec<_> = (0..8).map(|_| patient.post(say(id, "busy"))).collect();
            for post in posts {
                seq += 1;
                assert_eq!(patient.answer(post).await.unwrap()["seq"], seq);
            }
        }
    });
}

#[test]
fn what_is_made_elsewhere_is_there_though_it_was_asked_for_too_early() {
    run(async {
        let disk = Disk::new();
        let (a, b) = (server(&disk, config()), server(&disk, config()));
        know(&a.node, &[("s", Role::Nurse), ("t", Role::Nurse)]).await;
        let mut nurse = Client::open(&a.node, "s", Role::Nurse).await;
        let id = ConversationId::new();
        let error = nurse.say(id, "too early").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        let at = Timestamp::now();
        let members = ["s", "t"].map(|who| NewMember {
            user_id: user(who),
            member_role: MemberRole::Admin,
            first_seq: 1,
            joined_at: at,
        });
        let made = b.liar.create_conversation(NewConversation {
            conversation_id: id,
            kind: ConversationKind::InternalStaff,
            title: "a title".to_owned(),
            patient_id: None,
            created_by: user("t"),
            created_at: at,
            members: members.into(),
            event: ConversationChanged::new(Change::Created, Some(user("t")), at),
        });
        assert!(made.await.unwrap().created);
        assert_eq!(nurse.say(id, "in time").await.unwrap(), 2);
    });
}

#[test]
fn what_was_written_while_an_entry_was_on_its_way_is_looked_for_afterwards() {
    run(async {
        let (a, _b, mut patient, _doctor, id) = two().await;
        a.liar.hold();
        let post = patient.post(say(id, "from a"));
        held(&a, 1).await;
        let loads = count(&a, "load");
        owner::refresh(&a.node, id);
        a.liar.release();
        assert_eq!(patient.answer(post).await.unwrap()["seq"], 2);
        until(|| loads.load(Ordering::SeqCst) == 1).await;
    });
}

#[test]
fn a_look_at_the_relations_decides_nothing_on_a_state_that_is_behind() {
    run(async {
        let (a, _b, mut patient, mut doctor, id) = two().await;
        assert_eq!(doctor.say(id, "first").await.unwrap(), 2);
        patient.ask(read(id, 2)).await.unwrap();
        a.liar.hold();
        let late = patient.post(say(id, "late"));
        held(&a, 1).await;
        let reacted = doctor.ask(react(id, 2, "👍", true)).await.unwrap();
        assert_eq!(reacted["seq"], 3);
        // The look waits for the entry on its way, and comes before the answer to it.
        a.node.delete_relation(user("p"), user("d")).await.unwrap();
        held(&a, 2).await;
        a.liar.release();
        let error = patient.answer(late).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden);
        let mut tablet = Client::open(&a.node, "p", Role::Patient).await;
        tablet.ask(resume(&[(id, 1)])).await.unwrap();
        tablet.see(id, 4).await;
        let head = a.liar.load(id, true).await.unwrap().unwrap().head;
        assert_eq!((head.seq, head.ord), (4, 1));
    });
}
