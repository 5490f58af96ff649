//! The room of a consultation: who is in it, who is told of it, and when no longer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    testkit::{
        client::{Client, config, node},
        liar::{Disk, Fate, Liar},
    },
};
use bedside_protocol::{
    Command, CommandError, Consultation, ConsultationId, ErrorCode, Event, MemberRole, Role,
    command::MemberAdd, limits,
};
use common::{clinic::*, *};
use futures_util::future::join_all;
use std::sync::Arc;

fn code<T: std::fmt::Debug>(result: Result<T, CommandError>) -> ErrorCode {
    result.expect_err("it is refused").code
}

fn honest() -> Arc<Node> {
    node(config(), Liar::new(&Disk::new()))
}

/// Comes in; who is there.
async fn enter(client: &mut Client, id: ConsultationId) -> Vec<String> {
    let joined = client.ask(join(id)).await.unwrap();
    let there = joined["participants"].as_array().unwrap().iter();
    there.map(|id| id.as_str().unwrap().to_owned()).collect()
}

async fn bring_in(doctor: &mut Client, made: &Consultation, who: &str, member_role: MemberRole) {
    let add = MemberAdd {
        member_role,
        ..add(made.conversation_id, who)
    };
    doctor.ask(Command::MemberAdd(add)).await.unwrap();
}

async fn empty(node: &Arc<Node>, id: ConsultationId) {
    until(|| node.room_of(id).is_empty()).await;
}

/// Waits until everything that this client was to hear has come.
async fn caught_up(client: &mut Client) {
    client.ask(resume(&[])).await.unwrap();
}

#[test]
fn those_in_it_hear_of_others_and_not_of_themselves() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let id = made.consultation_id;
        let joined = doctor.ask(join(id)).await.unwrap();
        assert_eq!(joined["participants"], serde_json::json!(["d"]));
        let as_it_stands = serde_json::to_value(&made).unwrap();
        assert_eq!(joined["consultation"], as_it_stands);
        assert_eq!(enter(&mut patient, id).await, ["d", "p"]);
        let frame = doctor.wait_for(is_moved).await;
        assert_eq!(moved(&frame), "+p");
        assert_eq!(frame.conversation_id, Some(made.conversation_id));
        assert_eq!(frame.seq, None);
        assert_eq!(node.room_of(id), [user("d"), user("p")]);
        patient.ask(leave(id)).await.unwrap();
        assert_eq!(next_move(&mut doctor).await, "-p");
        // Once more, to go twice.
        patient.ask(leave(id)).await.unwrap();
        doctor.ask(leave(id)).await.unwrap();
        for client in [&mut patient, &mut doctor] {
            caught_up(client).await;
            assert_eq!(moves(client), [""; 0]);
        }
        assert!(node.room_of(id).is_empty());
    });
}

#[test]
fn a_person_comes_with_the_first_socket_and_goes_with_the_last() {
    run(async {
        let node = honest();
        let (mut phone, mut doctor, made) = clinic(&node).await;
        let id = made.consultation_id;
        enter(&mut doctor, id).await;
        enter(&mut phone, id).await;
        let mut desk = Client::open(&node, "p", Role::Patient).await;
        assert_eq!(enter(&mut desk, id).await, ["d", "p"]);
        // Twice with one socket is once.
        assert_eq!(enter(&mut desk, id).await, ["d", "p"]);
        phone.ask(leave(id)).await.unwrap();
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        bring_in(&mut doctor, &made, "n", MemberRole::Member).await;
        assert_eq!(enter(&mut nurse, id).await, ["d", "p", "n"]);
        // The connection ends without a word.
        drop(desk);
        for expected in ["+p", "+n", "-p"] {
            assert_eq!(next_move(&mut doctor).await, expected);
        }
        assert_eq!(next_move(&mut nurse).await, "-p");
        caught_up(&mut phone).await;
        assert_eq!(
            moves(&phone),
            [""; 0],
            "a socket that has left hears nothing"
        );
    });
}

#[test]
fn only_its_members_come_in_whatever_they_are_there() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let id = made.consultation_id;
        let mut stranger = Client::open(&node, "x", Role::Doctor).await;
        let mut admin = Client::open(&node, "y", Role::Admin).await;
        for outsider in [&mut stranger, &mut admin] {
            assert_eq!(code(outsider.ask(join(id)).await), ErrorCode::NotAMember);
        }
        let mut observer = Client::open(&node, "o", Role::Nurse).await;
        let mut interpreter = Client::open(&node, "i", Role::Family).await;
        for (who, member_role) in [("o", MemberRole::Observer), ("i", MemberRole::Interpreter)] {
            bring_in(&mut doctor, &made, who, member_role).await;
        }
        for member in [&mut observer, &mut interpreter, &mut patient] {
            enter(member, id).await;
        }
        assert_eq!(node.room_of(id).len(), 3);
        for command in [join(id), leave(id)] {
            let without_socket = node.execute(caller("d", Role::Doctor), command).await;
            assert_eq!(code(without_socket), ErrorCode::InvalidArgument);
        }
        // To leave what one was never in is no harm.
        stranger.ask(leave(id)).await.unwrap();
        assert_eq!(node.room_of(id).len(), 3);
    });
}

#[test]
fn nobody_comes_into_one_that_is_over_and_nobody_is_thrown_out_by_its_end() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let id = made.consultation_id;
        enter(&mut doctor, id).await;
        doctor.ask(start(id)).await.unwrap();
        let joined = patient.ask(join(id)).await.unwrap();
        assert_eq!(joined["consultation"]["status"], "in_progress");
        let mut desk = Client::open(&node, "p", Role::Patient).await;
        doctor.ask(end(id, None)).await.unwrap();
        assert_eq!(code(desk.ask(join(id)).await), ErrorCode::Conflict);
        assert_eq!(node.room_of(id), [user("d"), user("p")]);
        patient.ask(leave(id)).await.unwrap();
        assert_eq!(next_move(&mut doctor).await, "+p");
        assert_eq!(next_move(&mut doctor).await, "-p");
        let cancelled = book(&node, "a2").await.consultation_id;
        node.cancel_consultation(&service(), cancelled)
            .await
            .unwrap();
        assert_eq!(code(doctor.ask(join(cancelled)).await), ErrorCode::Conflict);
    });
}

#[test]
fn who_is_taken_out_of_the_conversation_is_out_of_the_room() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let (id, chat) = (made.consultation_id, made.conversation_id);
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let mut desk = Client::open(&node, "n", Role::Nurse).await;
        bring_in(&mut doctor, &made, "n", MemberRole::Member).await;
        for client in [&mut doctor, &mut nurse, &mut desk] {
            enter(client, id).await;
        }
        doctor.ask(remove(chat, "n")).await.unwrap();
        assert_eq!(next_move(&mut doctor).await, "+n");
        assert_eq!(next_move(&mut doctor).await, "-n");
        assert_eq!(node.room_of(id), [user("d")]);
        enter(&mut patient, id).await;
        assert_eq!(code(nurse.ask(join(id)).await), ErrorCode::NotAMember);
        for gone in [&mut nurse, &mut desk] {
            caught_up(gone).await;
            assert_eq!(moves(gone), [""; 0]);
        }
        // Who goes by themselves, too.
        let leaving = bedside_protocol::command::ConversationRef {
            conversation_id: chat,
        };
        patient.ask(Command::MemberLeave(leaving)).await.unwrap();
        assert_eq!(next_move(&mut doctor).await, "+p");
        assert_eq!(next_move(&mut doctor).await, "-p");
    });
}

#[test]
fn a_leave_does_not_overtake_its_join() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, _doctor, made) = clinic(&node).await;
        let id = made.consultation_id;
        liar.stall("consultation");
        let joined = patient.post(join(id));
        let left = patient.post(leave(id));
        liar.unstall();
        patient.answer(joined).await.unwrap();
        patient.answer(left).await.unwrap();
        empty(&node, id).await;
        // The same when it is the conversation that waits for the store.
        liar.fates(|_| Fate::Lose);
        liar.stall("load");
        patient.say(made.conversation_id, "lost").await.unwrap_err();
        let joined = patient.post(join(id));
        let left = patient.post(leave(id));
        liar.be_honest();
        patient.answer(joined).await.unwrap();
        patient.answer(left).await.unwrap();
        empty(&node, id).await;
    });
}

#[test]
fn who_goes_is_gone_also_while_the_conversation_cannot_answer() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let id = made.consultation_id;
        enter(&mut doctor, id).await;
        enter(&mut patient, id).await;
        liar.fates(|_| Fate::Lose);
        liar.stall("load");
        patient.say(made.conversation_id, "lost").await.unwrap_err();
        let left = patient.post(leave(id));
        assert_eq!(next_move(&mut doctor).await, "+p");
        assert_eq!(next_move(&mut doctor).await, "-p");
        liar.be_honest();
        patient.answer(left).await.unwrap();
    });
}

#[test]
fn a_socket_that_is_cut_while_it_joins_does_not_stay() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let id = made.consultation_id;
        liar.fates(|_| Fate::Lose);
        liar.stall("load");
        doctor.say(made.conversation_id, "lost").await.unwrap_err();
        patient.post(join(id));
        // The session has passed it on when it answers what came after it.
        patient.ask(resume(&[])).await.unwrap();
        drop(patient);
        liar.be_honest();
        // The conversation has passed it on when it answers this.
        assert_eq!(enter(&mut doctor, id).await, ["d"]);
        assert_eq!(moves(&doctor), [""; 0]);
    });
}

#[test]
fn a_removal_whose_conversation_crashes_still_empties_the_room() {
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
        for client in [&mut doctor, &mut patient] {
            enter(client, id).await;
        }
        liar.hold();
        let removed = doctor.post(remove(chat, "p"));
        patient.say(chat, "boom").await.unwrap_err();
        liar.release();
        doctor.answer(removed).await.unwrap();
        assert_eq!(next_move(&mut doctor).await, "+p");
        assert_eq!(next_move(&mut doctor).await, "-p");
        assert_eq!(node.room_of(id), [user("d")]);
    });
}

#[test]
fn a_removal_that_was_stored_and_denied_empties_the_room() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let (id, chat) = (made.consultation_id, made.conversation_id);
        for client in [&mut doctor, &mut patient] {
            enter(client, id).await;
        }
        liar.fates(|_| Fate::StoreAndDeny);
        let removed = doctor.ask(remove(chat, "p")).await;
        assert_eq!(code(removed), ErrorCode::Unavailable);
        assert_eq!(next_move(&mut doctor).await, "+p");
        assert_eq!(next_move(&mut doctor).await, "-p");
        assert_eq!(node.room_of(id), [user("d")]);
    });
}

#[test]
fn a_room_holds_so_many_sockets() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let id = made.consultation_id;
        let per_user = limits::SESSIONS_PER_USER_MAX;
        let mut crowd = Vec::new();
        for n in 0..limits::ROOM_SOCKETS_MAX / per_user {
            let name = format!("n{n}");
            know(&node, &[(&name, Role::Nurse)]).await;
            bring_in(&mut doctor, &made, &name, MemberRole::Member).await;
            for _ in 0..per_user {
                let mut client = Client::open(&node, &name, Role::Nurse).await;
                enter(&mut client, id).await;
                crowd.push(client);
            }
        }
        assert_eq!(crowd.len(), limits::ROOM_SOCKETS_MAX);
        assert_eq!(code(patient.ask(join(id)).await), ErrorCode::TooLarge);
        crowd.pop().unwrap().ask(leave(id)).await.unwrap();
        assert_eq!(enter(&mut patient, id).await.last().unwrap(), "p");
        // Nobody was disturbed: each heard of each person after them, once.
        let heard = moves(&crowd[0]).len();
        caught_up(&mut crowd[0]).await;
        assert!(heard <= moves(&crowd[0]).len());
        assert_eq!(moves(&crowd[0]).len(), crowd.len() / per_user + 1);
    });
}

#[test]
fn a_socket_is_in_so_many_rooms() {
    run(async {
        let node = honest();
        let (mut patient, _doctor, made) = clinic(&node).await;
        let mut ids = vec![made.consultation_id];
        for i in 0..limits::ROOMS_PER_SOCKET_MAX {
            ids.push(book(&node, &format!("more {i}")).await.consultation_id);
        }
        let (last, most) = ids.split_last().unwrap();
        for id in most {
            enter(&mut patient, *id).await;
        }
        assert_eq!(code(patient.ask(join(*last)).await), ErrorCode::TooLarge);
        enter(&mut patient, most[0]).await;
        assert!(node.room_of(*last).is_empty());
        patient.ask(leave(most[3])).await.unwrap();
        enter(&mut patient, *last).await;
        // Its end empties them all.
        drop(patient);
        assert!(ids.iter().all(|id| node.room_of(*id).is_empty()));
    });
}

#[test]
fn coming_and_going_all_the_time_loses_nobody() {
    run(async {
        let mut config = config();
        config.arbiters = 2;
        let node = node(config, Liar::new(&Disk::new()));
        let (_patient, mut doctor, made) = clinic(&node).await;
        let id = made.consultation_id;
        let names: Vec<_> = (0..6).map(|n| format!("n{n}")).collect();
        for name in &names {
            know(&node, &[(name, Role::Nurse)]).await;
            bring_in(&mut doctor, &made, name, MemberRole::Member).await;
        }
        // The room empties now and then, so its actor ends and starts.
        let rounds = names.iter().enumerate().map(|(n, name)| {
            let node = node.clone();
            async move {
                let dice = Dice::new(n as u64);
                let mut client = Client::open(&node, name, Role::Nurse).await;
                for _ in 0..60 {
                    let mut there = enter(&mut client, id).await;
                    assert!(there.contains(name), "one is always among them");
                    if dice.one_in(3) {
                        tokio::task::yield_now().await;
                    }
                    if dice.one_in(4) {
                        drop(client);
                        client = Client::open(&node, name, Role::Nurse).await;
                        continue;
                    }
                    client.ask(leave(id)).await.unwrap();
                    // What was told on top of who was there: nobody twice, nobody from nowhere.
                    for frame in client.events.drain(..) {
                        match frame.event {
                            Event::ParticipantJoined(m) => {
                                let who = m.user_id.to_string();
                                assert!(!there.contains(&who), "{who} came twice");
                                there.push(who);
                            }
                            Event::ParticipantLeft(m) => {
                                let who = m.user_id.to_string();
                                assert!(there.contains(&who), "{who} was not there");
                                there.retain(|other| *other != who);
                            }
                            _ => {}
                        }
                    }
                }
            }
        });
        join_all(rounds).await;
        empty(&node, id).await;
        assert_eq!(enter(&mut doctor, id).await, ["d"]);
    });
}
