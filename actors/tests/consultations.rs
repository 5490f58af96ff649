//! Consultations begin, end and are called off: by whom, once, and for all to see.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    ports::store::{Append, AppendBody},
    testkit::{
        client::{Client, config, node, say},
        liar::{Disk, Fate, Liar},
    },
};
use bedside_protocol::{
    Command, CommandError, ConsultationId, ConsultationStatus as Status, ErrorCode, Event,
    MemberRole, MessageSend, Reply, Role, command::MemberAdd, limits,
};
use common::{clinic::*, *};
use std::sync::Arc;

fn code<T: std::fmt::Debug>(result: Result<T, CommandError>) -> ErrorCode {
    result.expect_err("it is refused").code
}

fn honest() -> Arc<Node> {
    node(config(), Liar::new(&Disk::new()))
}

async fn status(node: &Arc<Node>, id: ConsultationId) -> Status {
    let found = node.store().consultation(id).await.unwrap();
    found.unwrap().status
}

#[test]
fn everybody_in_it_hears_of_start_and_end_and_the_log_keeps_them() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let (id, chat) = (made.consultation_id, made.conversation_id);
        let mut elsewhere = Client::open(&node, "d", Role::Doctor).await;
        let reply = doctor.ask(start(id)).await.unwrap();
        assert_eq!(reply["consultation"]["status"], "in_progress");
        doctor.say(chat, "how are you?").await.unwrap();
        let reply = doctor.ask(end(id, Some("rest, and tea"))).await.unwrap();
        let ended = &reply["consultation"];
        assert_eq!(ended["status"], "completed");
        assert_eq!(ended["notes"], "rest, and tea");
        for client in [&mut patient, &mut elsewhere] {
            let seen = client.see(chat, 4).await;
            let Event::ConsultationStarted(started) = &seen.iter().find(|e| e.0 == 2).unwrap().1
            else {
                panic!("it began");
            };
            assert_eq!(
                (started.consultation_id, &started.by_user_id),
                (id, &user("d"))
            );
            let Event::ConsultationEnded(ended) = &seen.last().unwrap().1 else {
                panic!("it ended");
            };
            assert_eq!(ended.status, Status::Completed);
            assert_eq!(ended.by_user_id, Some(user("d")));
        }
        // The socket that did it learned of both by its replies.
        doctor.ask(resume(&[])).await.unwrap();
        assert_eq!(seqs(&doctor.seen(chat)), [1]);
        let stored = node.store().consultation(id).await.unwrap().unwrap();
        assert_eq!(serde_json::to_value(&stored).unwrap(), *ended);
        assert!(stored.started_at.unwrap() <= stored.ended_at.unwrap());
        let log = patient
            .ask(Command::MessageHistory(history(chat)))
            .await
            .unwrap();
        let types: Vec<_> = (0..4).map(|i| log["events"][i]["type"].clone()).collect();
        let expected = [
            "conversation.changed",
            "consultation.started",
            "message.created",
            "consultation.ended",
        ];
        assert_eq!(types, expected);
        assert!(!log.to_string().contains("tea"), "notes are not in the log");
        // It is over, and its chat goes on.
        for command in [start(id), end(id, None)] {
            assert_eq!(code(doctor.ask(command).await), ErrorCode::Conflict);
        }
        patient.say(chat, "thank you").await.unwrap();
    });
}

#[test]
fn a_start_is_answered_as_it_stands_and_an_end_needs_one() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let (id, chat) = (made.consultation_id, made.conversation_id);
        assert_eq!(code(doctor.ask(end(id, None)).await), ErrorCode::Conflict);
        let first = doctor.ask(start(id)).await.unwrap();
        let again = doctor.ask(start(id)).await.unwrap();
        assert_eq!(first["consultation"], again["consultation"]);
        assert_eq!(
            (first["seq"].as_u64(), again["seq"].as_u64()),
            (Some(2), None)
        );
        doctor.ask(end(id, None)).await.unwrap();
        let events: Vec<_> = patient.see(chat, 3).await;
        assert_eq!(seqs(&events), [1, 2, 3]);
    });
}

#[test]
fn only_clinicians_in_it_hold_it() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let (id, chat) = (made.consultation_id, made.conversation_id);
        know(
            &node,
            &[("n", Role::Nurse), ("o", Role::Doctor), ("i", Role::Nurse)],
        )
        .await;
        for (who, member_role) in [
            ("n", MemberRole::Member),
            ("o", MemberRole::Observer),
            ("i", MemberRole::Interpreter),
        ] {
            let add = MemberAdd {
                member_role,
                ..add(chat, who)
            };
            doctor.ask(Command::MemberAdd(add)).await.unwrap();
        }
        assert_eq!(code(patient.ask(start(id)).await), ErrorCode::Forbidden);
        for (who, role, refused) in [
            ("o", Role::Doctor, ErrorCode::Forbidden),
            ("i", Role::Nurse, ErrorCode::Forbidden),
            ("x", Role::Doctor, ErrorCode::NotAMember),
            ("x", Role::Admin, ErrorCode::NotAMember),
            ("calendar", Role::Service, ErrorCode::Forbidden),
        ] {
            let started = node.execute(caller(who, role), start(id)).await;
            assert_eq!(code(started), refused, "{who}");
        }
        assert_eq!(status(&node, id).await, Status::Scheduled);
        let nurse = caller("n", Role::Nurse);
        let Reply::Consultation(reply) = node.execute(nurse.clone(), start(id)).await.unwrap()
        else {
            panic!("the consultation");
        };
        assert_eq!(reply.consultation.status, Status::InProgress);
        for (who, role) in [("o", Role::Doctor), ("p", Role::Patient)] {
            let ended = node.execute(caller(who, role), end(id, None)).await;
            assert_eq!(code(ended), ErrorCode::Forbidden, "{who}");
        }
        node.execute(nurse, end(id, None)).await.unwrap();
        // Who has gone holds nothing more.
        doctor.ask(remove(chat, "n")).await.unwrap();
        let gone = node.execute(caller("n", Role::Nurse), start(id)).await;
        assert_eq!(code(gone), ErrorCode::NotAMember);
        let unknown = ConsultationId::from_number(7).unwrap();
        for command in [
            start(unknown),
            end(unknown, None),
            join(unknown),
            leave(unknown),
        ] {
            assert_eq!(code(doctor.ask(command).await), ErrorCode::NotFound);
        }
        let unknown = node
            .execute(caller("d", Role::Doctor), start(unknown))
            .await;
        assert_eq!(code(unknown), ErrorCode::NotFound);
    });
}

#[test]
fn its_clinicians_and_the_calendar_call_it_off() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let who = [
            caller("d", Role::Doctor),
            caller("x", Role::Admin),
            service(),
        ];
        for (i, by) in who.iter().enumerate() {
            let made = book(&node, &format!("to be cancelled {i}")).await;
            let (id, chat) = (made.consultation_id, made.conversation_id);
            if i == 1 {
                // Also one that goes on.
                doctor.ask(start(id)).await.unwrap();
            }
            let cancelled = node.cancel_consultation(by, id).await.unwrap();
            assert_eq!(cancelled.status, Status::Cancelled);
            assert!(cancelled.ended_at.is_some());
            assert_eq!(
                code(node.cancel_consultation(by, id).await),
                ErrorCode::Conflict
            );
            assert_eq!(code(doctor.ask(start(id)).await), ErrorCode::Conflict);
            let last = if i == 1 { 3 } else { 2 };
            let Event::ConsultationEnded(ended) = patient.see(chat, last).await.pop().unwrap().1
            else {
                panic!("it was called off");
            };
            assert_eq!(ended.status, Status::Cancelled);
            let is_service = by.roles.has(Role::Service);
            assert_eq!(ended.by_user_id, (!is_service).then(|| by.user_id.clone()));
            assert_eq!(status(&node, id).await, Status::Cancelled);
        }
        let id = made.consultation_id;
        for (who, role, refused) in [
            ("p", Role::Patient, ErrorCode::Forbidden),
            ("x", Role::Doctor, ErrorCode::NotFound),
            ("x", Role::Family, ErrorCode::NotFound),
        ] {
            let cancelled = node.cancel_consultation(&caller(who, role), id).await;
            assert_eq!(code(cancelled), refused, "{who}");
        }
        let unknown = ConsultationId::from_number(7).unwrap();
        let cancelled = node.cancel_consultation(&service(), unknown).await;
        assert_eq!(code(cancelled), ErrorCode::NotFound);
        doctor.ask(start(id)).await.unwrap();
        doctor.ask(end(id, None)).await.unwrap();
        let cancelled = node.cancel_consultation(&service(), id).await;
        assert_eq!(code(cancelled), ErrorCode::Conflict);
        assert_eq!(status(&node, id).await, Status::Completed);
    });
}

#[test]
fn a_step_that_cannot_be_stored_was_not_taken() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let (id, chat) = (made.consultation_id, made.conversation_id);
        let lose = |fate| {
            move |append: &Append| match append.body {
                AppendBody::Consultation { .. } => fate,
                _ => Fate::Store,
            }
        };
        liar.fates(lose(Fate::Lose));
        assert_eq!(code(doctor.ask(start(id)).await), ErrorCode::Unavailable);
        assert_eq!(code(doctor.ask(end(id, None)).await), ErrorCode::Conflict);
        liar.be_honest();
        assert_eq!(status(&node, id).await, Status::Scheduled);
        // Stored, and nobody was told so: the next one finds it, and the members are shown it.
        liar.fates(lose(Fate::StoreAndDeny));
        assert_eq!(code(doctor.ask(start(id)).await), ErrorCode::Unavailable);
        liar.be_honest();
        let reply = doctor.ask(start(id)).await.unwrap();
        assert_eq!(reply["consultation"]["status"], "in_progress");
        let seen = patient.see(chat, 2).await;
        assert!(matches!(seen[1].1, Event::ConsultationStarted(_)));
        doctor.ask(end(id, None)).await.unwrap();
        assert_eq!(status(&node, id).await, Status::Completed);
        assert_eq!(seqs(&patient.see(chat, 3).await), [1, 2, 3]);
    });
}

#[test]
fn a_second_start_waits_for_the_first() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let (id, chat) = (made.consultation_id, made.conversation_id);
        let mut desk = Client::open(&node, "d", Role::Doctor).await;
        for fate in [Fate::Lose, Fate::Store] {
            liar.fates(move |_| fate);
            liar.hold();
            let first = doctor.post(start(id));
            until(|| liar.waiting() > 0).await;
            let second = desk.post(start(id));
            // It has reached the conversation when what follows it has.
            desk.ask(typing(chat, true)).await.unwrap();
            liar.release();
            let (first, second) = (doctor.answer(first).await, desk.answer(second).await);
            match fate {
                Fate::Store => {
                    let (first, second) = (first.unwrap(), second.unwrap());
                    assert_eq!(first["consultation"], second["consultation"]);
                    assert_eq!(
                        (first["seq"].as_u64(), second["seq"].as_u64()),
                        (Some(2), None)
                    );
                }
                _ => {
                    assert_eq!(code(first), ErrorCode::Unavailable);
                    assert_eq!(code(second), ErrorCode::Unavailable);
                    // The conversation is itself again when it answers.
                    doctor.ask(typing(chat, false)).await.unwrap();
                }
            }
        }
        assert_eq!(seqs(&patient.see(chat, 2).await), [1, 2]);
        let head = node.store().load(chat, true).await.unwrap().unwrap().head;
        assert_eq!(head.seq, 2);
    });
}

#[test]
fn it_survives_a_crash_of_its_conversation() {
    run(async {
        let mut config = config();
        config.on_command = Some(Arc::new(|_, command| {
            let is_boom = matches!(command, Command::MessageSend(send) if send.text == "boom");
            assert!(!is_boom, "a fault that a test injected");
        }));
        let liar = Liar::new(&Disk::new());
        let node = node(config, liar.clone());
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let (id, chat) = (made.consultation_id, made.conversation_id);
        liar.hold();
        let started = doctor.post(start(id));
        patient.ask(say(chat, "boom")).await.unwrap_err();
        liar.release();
        let reply = doctor.answer(started).await.unwrap();
        assert_eq!(reply["consultation"]["status"], "in_progress");
        doctor.ask(end(id, None)).await.unwrap();
        assert_eq!(seqs(&patient.see(chat, 3).await), [1, 2, 3]);
    });
}

#[test]
fn a_message_may_name_the_consultation() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let chat = made.conversation_id;
        let send = |consultation_id| MessageSend {
            consultation_id: Some(consultation_id),
            client_msg_id: Some("m1".parse().unwrap()),
            text: "hello".to_owned(),
            ..MessageSend::default()
        };
        let known = send(made.consultation_id);
        for _ in 0..2 {
            // Looked up, and remembered.
            let reply = patient
                .ask(Command::MessageSend(known.clone()))
                .await
                .unwrap();
            assert_eq!(reply["seq"], 2);
            assert_eq!(reply["conversation_id"], chat.to_string());
        }
        doctor.see(chat, 2).await;
        let me = caller("d", Role::Doctor);
        let reply = node
            .execute(me.clone(), Command::MessageSend(known.clone()))
            .await;
        assert!(matches!(reply, Ok(Reply::MessageSent(sent)) if sent.seq == 3));
        let unknown = Command::MessageSend(send(ConsultationId::from_number(7).unwrap()));
        assert_eq!(
            code(patient.ask(unknown.clone()).await),
            ErrorCode::NotFound
        );
        assert_eq!(
            code(node.execute(me.clone(), unknown).await),
            ErrorCode::NotFound
        );
        let stranger = caller("x", Role::Nurse);
        let refused = node
            .execute(stranger, Command::MessageSend(known.clone()))
            .await;
        assert_eq!(code(refused), ErrorCode::NotAMember);
        for both in [
            MessageSend {
                conversation_id: Some(chat),
                ..known.clone()
            },
            MessageSend {
                to_user_id: Some(user("d")),
                ..known
            },
        ] {
            let both = Command::MessageSend(both);
            assert_eq!(
                code(patient.ask(both.clone()).await),
                ErrorCode::InvalidArgument
            );
            assert_eq!(
                code(node.execute(me.clone(), both).await),
                ErrorCode::InvalidArgument
            );
        }
        let none = Command::MessageSend(MessageSend::default());
        assert_eq!(code(patient.ask(none).await), ErrorCode::InvalidArgument);
    });
}

#[test]
fn nothing_overtakes_a_message_whose_consultation_is_looked_up() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let chat = made.conversation_id;
        liar.stall("consultation");
        let slow = patient.post(Command::MessageSend(MessageSend {
            consultation_id: Some(made.consultation_id),
            text: "first".to_owned(),
            ..MessageSend::default()
        }));
        let fast = patient.post(say(chat, "second"));
        // Others are not held up.
        doctor.say(chat, "meanwhile").await.unwrap();
        liar.unstall();
        assert_eq!(patient.answer(slow).await.unwrap()["seq"], 3);
        assert_eq!(patient.answer(fast).await.unwrap()["seq"], 4);
    });
}

#[test]
fn notes_and_appointments_are_bounded() {
    run(async {
        let node = honest();
        let (_patient, mut doctor, made) = clinic(&node).await;
        let id = made.consultation_id;
        doctor.ask(start(id)).await.unwrap();
        let most = "ä".repeat(limits::NOTES_BYTES_MAX / 2);
        let over = doctor.ask(end(id, Some(&format!("{most}x")))).await;
        assert_eq!(code(over), ErrorCode::TooLarge);
        assert_eq!(status(&node, id).await, Status::InProgress);
        let reply = doctor.ask(end(id, Some(&most))).await.unwrap();
        assert_eq!(reply["consultation"]["notes"], *most);
        let longest = "x".repeat(limits::APPOINTMENT_ID_BYTES_MAX);
        for (appointment, refused) in [
            (format!("{longest}x"), ErrorCode::TooLarge),
            (String::new(), ErrorCode::InvalidArgument),
            (" ".to_owned(), ErrorCode::InvalidArgument),
            ("a\n1".to_owned(), ErrorCode::InvalidArgument),
        ] {
            let made = node
                .create_consultation(&service(), request(&appointment))
                .await;
            assert_eq!(code(made), refused);
        }
        book(&node, &longest).await;
        let filter = bedside_actors::node::ConsultationFilter {
            limit: usize::MAX,
            ..Default::default()
        };
        for i in 0..limits::CONSULTATIONS_PAGE_MAX {
            book(&node, &format!("more {i}")).await;
        }
        let page = node.consultations(&service(), filter).await.unwrap();
        assert_eq!(page.len(), limits::CONSULTATIONS_PAGE_MAX);
    });
}
