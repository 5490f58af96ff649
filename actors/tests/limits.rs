//! Every bound that actors keep is hit by a test, and what then happens is the answer that the
//! bound promises.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    ports::clock::ManualClock,
    testkit::{
        client::{Client, PlainIdentities, config, node},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    CloseCode, Command, CommandError, ConversationId, ConversationKind, ErrorCode, Event, Role,
    Timestamp, UserId,
    command::{ConversationUpdate, SyncResume},
    limits,
};
use common::*;
use std::{collections::HashSet, sync::Arc};

fn code<T: std::fmt::Debug>(result: Result<T, CommandError>) -> ErrorCode {
    result.expect_err("it is past a bound").code
}

fn honest() -> Arc<Node> {
    node(config(), Liar::new(&Disk::new()))
}

/// Says so much that the conversation is `entries` long.
async fn fill(client: &mut Client, id: ConversationId, entries: u64) {
    for _ in 2..=entries {
        client.say(id, "x").await.unwrap();
        client.events.clear();
    }
}

#[test]
fn a_resume_replays_200_of_one_conversation_and_1000_in_all() {
    run(async {
        let node = honest();
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        know(&node, &[("d", Role::Doctor)]).await;
        let mut rooms = Vec::new();
        for _ in 0..6 {
            let create = group(ConversationKind::InternalStaff, None, &["d"]);
            rooms.push(make(&mut nurse, create).await);
        }
        for room in &rooms {
            fill(&mut nurse, *room, 201).await;
        }
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        doctor.ask(resume(&[(rooms[0], 1)])).await.unwrap();
        assert_eq!(seqs(&doctor.seen(rooms[0])), (2..=201).collect::<Vec<_>>());
        doctor.events.clear();
        doctor.ask(resume(&[(rooms[0], 0)])).await.unwrap();
        let reset = doctor.events.pop_front().unwrap().event;
        assert!(matches!(reset, Event::SyncReset(r) if r.head_seq == 201 && r.first_seq == 1));
        let all: Vec<_> = rooms.iter().map(|room| (*room, 1)).collect();
        let resumed = doctor.ask(resume(&all)).await.unwrap();
        assert_eq!(resumed["watermarks"].as_array().unwrap().len(), 6);
        let shown: Vec<_> = rooms.iter().map(|r| doctor.seen(*r).len()).collect();
        // The busiest ones first, and the one that no longer fits is reset.
        assert_eq!(shown, [0, 200, 200, 200, 200, 200]);
    });
}

#[test]
fn positions_and_watches_and_pages_are_bounded() {
    run(async {
        let node = honest();
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let ids = |n| {
            (0..n)
                .map(|_| (ConversationId::new(), 1))
                .collect::<Vec<_>>()
        };
        let resumed = nurse
            .ask(resume(&ids(limits::RESUME_POSITIONS_MAX)))
            .await
            .unwrap();
        assert_eq!(
            resumed["gone"].as_array().unwrap().len(),
            limits::RESUME_POSITIONS_MAX
        );
        let over = nurse
            .ask(resume(&ids(limits::RESUME_POSITIONS_MAX + 1)))
            .await;
        assert_eq!(code(over), ErrorCode::TooLarge);
        let names: Vec<_> = (0..=limits::PRESENCE_WATCH_MAX)
            .map(|i| format!("u{i}"))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        nurse.ask(watch(&names[1..])).await.unwrap();
        assert_eq!(code(nurse.ask(watch(&names)).await), ErrorCode::TooLarge);
        know(&node, &[("d", Role::Doctor)]).await;
        let id = make(&mut nurse, direct("d")).await;
        for (limit, wanted) in [(0, ErrorCode::InvalidArgument), (201, ErrorCode::TooLarge)] {
            let mut over = history(id);
            over.limit = Some(limit);
            assert_eq!(code(nurse.ask(Command::MessageHistory(over)).await), wanted);
        }
        fill(&mut nurse, id, 250).await;
        for (limit, count) in [(None, 50), (Some(200), 200), (Some(1), 1)] {
            let mut page_of = history(id);
            page_of.limit = limit;
            let reply = nurse.ask(Command::MessageHistory(page_of)).await.unwrap();
            assert_eq!(page(&reply), (251 - count..=250).collect::<Vec<_>>());
            assert_eq!(reply["has_more"], true);
        }
        let large = "x".repeat(limits::TEXT_BYTES_MAX);
        for _ in 0..10 {
            nurse.say(id, &large).await.unwrap();
        }
        let reply = nurse
            .ask(Command::MessageHistory(history(id)))
            .await
            .unwrap();
        assert_eq!(
            page(&reply),
            (253..=260).collect::<Vec<_>>(),
            "128 KiB of text"
        );
        assert_eq!(
            code(nurse.say(id, &format!("{large}x")).await),
            ErrorCode::TooLarge
        );
    });
}

#[test]
fn conversations_come_200_at_a_time_with_a_cursor() {
    run(async {
        let node = honest();
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        for _ in 0..=limits::CONVERSATIONS_PAGE_MAX {
            make(
                &mut nurse,
                group(ConversationKind::InternalStaff, None, &[]),
            )
            .await;
        }
        let first = nurse.ask(resume(&[])).await.unwrap();
        let mut seen = Vec::new();
        let mut page = first;
        loop {
            let rows = page["conversations"].as_array().unwrap();
            assert!(!rows.is_empty() && rows.len() <= limits::CONVERSATIONS_PAGE_MAX);
            seen.extend(rows.iter().map(|row| row["conversation_id"].to_string()));
            let Some(cursor) = page["cursor"].as_str() else {
                break;
            };
            let next = SyncResume {
                cursor: Some(cursor.to_owned()),
                ..SyncResume::default()
            };
            page = nurse.ask(Command::SyncResume(next)).await.unwrap();
        }
        assert_eq!(seen.len(), limits::CONVERSATIONS_PAGE_MAX + 1);
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len());
    });
}

#[test]
fn a_socket_subscribes_to_32_conversations() {
    run(async {
        let node = honest();
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let mut ids = Vec::new();
        for _ in 0..=limits::SUBSCRIPTIONS_MAX {
            ids.push(
                make(
                    &mut nurse,
                    group(ConversationKind::InternalStaff, None, &[]),
                )
                .await,
            );
        }
        for id in &ids[1..] {
            nurse.ask(subscribe(*id)).await.unwrap();
        }
        assert_eq!(
            code(nurse.ask(subscribe(ids[0])).await),
            ErrorCode::TooLarge
        );
        nurse.ask(subscribe(ids[1])).await.unwrap();
        nurse.ask(unsubscribe(ids[1])).await.unwrap();
        nurse.ask(subscribe(ids[0])).await.unwrap();
    });
}

#[test]
fn too_many_commands_are_told_when_to_come_back() {
    run(async {
        let node = honest();
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let mut refused = None;
        for i in 0..2 * limits::COMMANDS_BURST {
            let post = nurse
                .post_when_room(unsubscribe(ConversationId::new()))
                .await;
            if let Err(error) = nurse.answer(post).await {
                refused = Some((i, error));
                break;
            }
        }
        let (after, error) = refused.expect("a rate limit");
        assert!(after >= limits::COMMANDS_BURST, "{after}");
        assert_eq!(error.code, ErrorCode::RateLimited);
        assert!((1..=5).contains(&error.retry_after_ms), "{error:?}");
        tokio::time::sleep(std::time::Duration::from_millis(error.retry_after_ms + 1)).await;
        nurse.ask(unsubscribe(ConversationId::new())).await.unwrap();
    });
}

#[test]
fn what_a_user_may_do_is_shared_by_sockets_and_requests() {
    run(async {
        let node = honest();
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let mut other = Client::open(&node, "m", Role::Nurse).await;
        let user = UserId::new("n").unwrap();
        let allowed =
            (0..4 * limits::USER_COMMANDS_BURST).take_while(|_| node.allow(&user).is_ok());
        let allowed = allowed.count();
        assert!(
            allowed >= limits::USER_COMMANDS_BURST as usize - 10,
            "{allowed}"
        );
        // Nothing is left for their socket either, as long as requests take what comes in.
        let refused = loop {
            while node.allow(&user).is_ok() {}
            if let Err(error) = nurse.ask(unsubscribe(ConversationId::new())).await {
                break error;
            }
        };
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert!((1..=1_000).contains(&refused.retry_after_ms), "{refused:?}");
        other.ask(unsubscribe(ConversationId::new())).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(refused.retry_after_ms + 1)).await;
        nurse.ask(unsubscribe(ConversationId::new())).await.unwrap();
    });
}

#[test]
fn reads_of_one_session_wait_in_a_short_line() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        liar.stall("conversations");
        let mut posts = Vec::new();
        for _ in 0..40 {
            posts.push(nurse.post_when_room(resume(&[])).await);
        }
        let refused = nurse.answer(posts.pop().unwrap()).await;
        assert_eq!(code(refused), ErrorCode::RateLimited);
        liar.unstall();
        for post in posts.into_iter().take(32) {
            nurse.answer(post).await.unwrap();
        }
    });
}

#[test]
fn the_oldest_of_too_many_sockets_is_replaced() {
    run(async {
        let node = honest();
        let mut sockets = Vec::new();
        for _ in 0..=limits::SESSIONS_PER_USER_MAX {
            sockets.push(Client::open(&node, "n", Role::Nurse).await);
        }
        assert_eq!(sockets[0].close_code().await, CloseCode::Replaced);
        assert!(sockets[1..].iter().all(|s| !s.outbox().is_closed()));
    });
}

#[test]
fn an_edit_is_for_so_long_and_a_title_and_emojis_for_so_much() {
    run(async {
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let liar = Liar::new(&Disk::new());
        let node = Node::start(
            config(),
            liar.clone(),
            clock.clone(),
            Arc::new(PlainIdentities),
        );
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let id = make(
            &mut nurse,
            group(ConversationKind::InternalStaff, None, &[]),
        )
        .await;
        nurse.say(id, "first").await.unwrap();
        clock.advance_ms(limits::EDIT_WINDOW_MS);
        nurse.ask(edit(id, 2, "just in time")).await.unwrap();
        clock.advance_ms(1);
        assert_eq!(
            code(nurse.ask(edit(id, 2, "late")).await),
            ErrorCode::Forbidden
        );
        let title = |bytes| {
            Command::ConversationUpdate(ConversationUpdate {
                conversation_id: id,
                title: "t".repeat(bytes),
            })
        };
        nurse.ask(title(limits::TITLE_BYTES_MAX)).await.unwrap();
        assert_eq!(
            code(nurse.ask(title(limits::TITLE_BYTES_MAX + 1)).await),
            ErrorCode::TooLarge
        );
        // All at once, and none stored yet: those on their way count.
        liar.hold();
        let emoji = |i: usize| format!("e{i}");
        let mut posts = Vec::new();
        for i in 0..limits::REACTIONS_PER_MESSAGE_MAX + 3 {
            posts.push(nurse.post_when_room(react(id, 2, &emoji(i), true)).await);
        }
        let off = nurse.post_when_room(react(id, 2, &emoji(0), false)).await;
        let other = nurse.post_when_room(react(id, 2, "other", true)).await;
        let last = posts.split_off(limits::REACTIONS_PER_MESSAGE_MAX);
        for post in last {
            assert_eq!(code(nurse.answer(post).await), ErrorCode::TooLarge);
        }
        liar.release();
        for post in posts {
            nurse.answer(post).await.unwrap();
        }
        nurse.answer(off).await.unwrap();
        nurse.answer(other).await.unwrap();
        let page = nurse
            .ask(Command::MessageHistory(history(id)))
            .await
            .unwrap();
        let reactions = page["events"][1]["data"]["reactions"].as_array().unwrap();
        assert_eq!(reactions.len(), limits::REACTIONS_PER_MESSAGE_MAX);
        assert!(reactions.iter().all(|r| r["emoji"] != emoji(0)));
    });
}

#[test]
fn a_conversation_has_1000_members() {
    run(async {
        let node = honest();
        let names: Vec<_> = (0..limits::MEMBERS_MAX).map(|i| format!("u{i}")).collect();
        let ids: Vec<_> = names.iter().map(String::as_str).collect();
        let people: Vec<_> = ids.iter().map(|id| (*id, Role::Nurse)).collect();
        know(&node, &people).await;
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        let kind = ConversationKind::InternalStaff;
        assert_eq!(
            code(nurse.ask(group(kind, None, &ids)).await),
            ErrorCode::TooLarge
        );
        let id = make(&mut nurse, group(kind, None, &ids[1..])).await;
        let add = |who| Command::MemberAdd(add(id, who));
        assert_eq!(code(nurse.ask(add("u0")).await), ErrorCode::TooLarge);
        nurse.ask(remove(id, "u1")).await.unwrap();
        nurse.ask(add("u0")).await.unwrap();
    });
}
