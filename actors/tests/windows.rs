//! Each member reads its own window of the log, by every way there is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    testkit::{
        client::{Client, config, node, say},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    Command, ConversationId, ConversationKind, Event, MemberRole, RelationKind, Role,
    command::{ConversationRef, ConversationSet, MemberAdd, MessageHistory},
    event::Change,
};
use common::*;
use serde_json::Value;
use std::sync::Arc;

/// A care team of doctor, patient and nurse with four messages: seqs 1 to 5.
async fn team(node: &Arc<Node>) -> (Client, ConversationId) {
    for (who, kind) in [
        ("d", RelationKind::Clinician),
        ("n", RelationKind::Clinician),
        ("late", RelationKind::Clinician),
        ("f", RelationKind::Family),
        ("i", RelationKind::Interpreter),
    ] {
        relate(node, "p", who, kind).await;
    }
    know(
        node,
        &[
            ("p", Role::Patient),
            ("n", Role::Nurse),
            ("late", Role::Doctor),
            ("f", Role::Family),
            ("i", Role::Family),
        ],
    )
    .await;
    let mut doctor = Client::open(node, "d", Role::Doctor).await;
    let id = make(
        &mut doctor,
        group(ConversationKind::CareTeam, Some("p"), &["n"]),
    )
    .await;
    for i in 2..=5 {
        assert_eq!(doctor.say(id, &format!("m{i}")).await.unwrap(), i);
    }
    (doctor, id)
}

/// What somebody can read, by history in both directions and by resume; all the same.
async fn readable(client: &mut Client, id: ConversationId) -> Vec<u64> {
    let newest = client
        .ask(Command::MessageHistory(history(id)))
        .await
        .unwrap();
    let forward = Command::MessageHistory(MessageHistory {
        after_seq: Some(0),
        ..history(id)
    });
    let oldest = client.ask(forward).await.unwrap();
    assert_eq!(page(&newest), page(&oldest));
    client.events.clear();
    client.ask(resume(&[(id, 0)])).await.unwrap();
    assert_eq!(seqs(&client.seen(id)), page(&newest));
    page(&newest)
}

async fn mine(client: &mut Client, id: ConversationId) -> Value {
    let resumed = client.ask(resume(&[])).await.unwrap();
    let rows = resumed["conversations"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["conversation_id"] == id.to_string());
    row.expect("it is listed")["me"].clone()
}

#[test]
fn a_newcomer_begins_at_their_joining_and_a_clinician_at_the_start() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let (mut doctor, id) = team(&node).await;
        for (who, role, first, unread) in [("f", Role::Family, 6, 0), ("late", Role::Doctor, 1, 4)]
        {
            let mut newcomer = Client::open(&node, who, role).await;
            let seq = doctor.ask(Command::MemberAdd(add(id, who))).await.unwrap()["seq"]
                .as_u64()
                .unwrap();
            let seen = newcomer.see(id, seq).await;
            assert!(
                seen.iter().all(|(s, _)| *s >= first),
                "{who}: {:?}",
                seqs(&seen)
            );
            assert_eq!(
                readable(&mut newcomer, id).await,
                (first..=seq).collect::<Vec<_>>()
            );
            let me = mine(&mut newcomer, id).await;
            assert_eq!(
                (&me["first_seq"], &me["unread_count"]),
                (&first.into(), &unread.into())
            );
            assert!(newcomer.ask(react(id, 5, "👍", true)).await.is_ok() == (first <= 5));
        }
    });
}

#[test]
fn shared_history_is_a_clinicians_to_give_and_is_audited() {
    run(async {
        let disk = Disk::new();
        let node = node(config(), Liar::new(&disk));
        let (mut doctor, id) = team(&node).await;
        let share = |who| {
            Command::MemberAdd(MemberAdd {
                share_history: true,
                ..add(id, who)
            })
        };
        let mut patient = Client::open(&node, "p", Role::Patient).await;
        assert!(patient.ask(share("i")).await.is_err());
        assert!(disk.memory().audit_log().is_empty());
        doctor.ask(share("f")).await.unwrap();
        let mut family = Client::open(&node, "f", Role::Family).await;
        assert_eq!(readable(&mut family, id).await, [1, 2, 3, 4, 5, 6]);
        let audit = disk.memory().audit_log();
        assert_eq!(audit.len(), 1);
        assert_eq!(audit[0].action, "member.share_history");
        assert_eq!(audit[0].actor, Some(user("d")));
    });
}

#[test]
fn the_last_thing_that_a_removed_member_sees_is_their_removal() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let (mut doctor, id) = team(&node).await;
        let mut nurse = Client::open(&node, "n", Role::Nurse).await;
        nurse.ask(resume(&[(id, 5)])).await.unwrap();
        doctor.ask(remove(id, "n")).await.unwrap();
        let mut seqs_after = Vec::new();
        for _ in 0..3 {
            seqs_after.push(doctor.say(id, "among us").await.unwrap());
        }
        assert_eq!(seqs_after, [7, 8, 9]);
        let seen = nurse.see(id, 6).await;
        assert!(
            matches!(&seen.last().unwrap().1, Event::ConversationChanged(c)
            if c.change == Change::MemberRemoved && c.user_id == Some(user("n")))
        );
        nurse.ask(resume(&[])).await.unwrap();
        assert_eq!(seqs(&nurse.seen(id)).last(), Some(&6));
        assert_eq!(readable(&mut nurse, id).await, [1, 2, 3, 4, 5, 6]);
        let me = mine(&mut nurse, id).await;
        assert_eq!(
            (&me["last_seq"], &me["unread_count"]),
            (&6.into(), &4.into())
        );
        // The same, told by the conversation's own actor.
        let archive = Command::ConversationSet(ConversationSet {
            conversation_id: id,
            pinned: None,
            muted_until: None,
            archived: Some(true),
        });
        let set = nurse.ask(archive).await.unwrap();
        assert_eq!(
            (&set["last_seq"], &set["unread_count"]),
            (&6.into(), &4.into())
        );
        for refused in [
            say(id, "still here"),
            edit(id, 2, "x"),
            read(id, 9),
            subscribe(id),
        ] {
            let result = nurse.ask(refused).await;
            assert!(
                result.is_err() || result.as_ref().unwrap()["presence"] == Value::Array(vec![]),
                "{result:?}"
            );
        }
    });
}

#[test]
fn who_comes_back_reads_from_their_return_or_all_that_is_shared() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let (mut doctor, id) = team(&node).await;
        let mut family = Client::open(&node, "f", Role::Family).await;
        doctor.ask(Command::MemberAdd(add(id, "f"))).await.unwrap();
        doctor.say(id, "seen").await.unwrap();
        family.see(id, 7).await;
        doctor.ask(remove(id, "f")).await.unwrap();
        doctor.say(id, "unseen").await.unwrap();
        doctor.ask(Command::MemberAdd(add(id, "f"))).await.unwrap();
        doctor.say(id, "seen again").await.unwrap();
        let live = seqs(&family.see(id, 11).await);
        assert_eq!(live, [6, 7, 8, 10, 11]);
        assert_eq!(readable(&mut family, id).await, [10, 11]);
        assert_eq!(mine(&mut family, id).await["unread_count"], 1);
        let leave = ConversationRef {
            conversation_id: id,
        };
        family.ask(Command::MemberLeave(leave)).await.unwrap();
        doctor
            .ask(Command::MemberAdd(MemberAdd {
                share_history: true,
                ..add(id, "f")
            }))
            .await
            .unwrap();
        assert_eq!(
            readable(&mut family, id).await,
            (1..=13).collect::<Vec<_>>()
        );
    });
}

#[test]
fn a_broadcast_shows_its_readers_nobody_else() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let mut head = Client::open(&node, "h", Role::Nurse).await;
        know(&node, &[("other", Role::Patient), ("more", Role::Patient)]).await;
        let mut reader = Client::open(&node, "r", Role::Patient).await;
        let create = group(ConversationKind::Broadcast, None, &["r", "other"]);
        let id = make(&mut head, create).await;
        // From here on it is told live; before, it was filled from the store.
        reader.see(id, 1).await;
        head.say(id, "news").await.unwrap();
        head.ask(Command::MemberAdd(add(id, "more"))).await.unwrap();
        head.ask(remove(id, "more")).await.unwrap();
        head.say(id, "more news").await.unwrap();
        let mut other = Client::open(&node, "other", Role::Patient).await;
        other.ask(read(id, 5)).await.unwrap();
        other.ask(typing(id, true)).await.unwrap_err();
        let live = reader.see(id, 5).await;
        assert_eq!(seqs(&live), [1, 2, 3, 4, 5]);
        for (seq, event) in &live {
            if let Event::ConversationChanged(c) = event {
                let tells = c.user_id.is_some() || !c.member_ids.is_empty();
                assert!(
                    !tells && c.first_seq.is_none() && c.member_role.is_none(),
                    "{seq}"
                );
            }
        }
        let page = Command::MessageHistory(history(id));
        let from_history = reader.ask(page.clone()).await.unwrap();
        let resumed = reader.ask(resume(&[(id, 0)])).await.unwrap();
        let listed = reader.ask(resume(&[])).await.unwrap();
        let everything = format!(
            "{live:?} {from_history} {resumed} {listed} {:?}",
            reader.events
        );
        for name in ["other", "more\""] {
            assert!(
                !everything.contains(&format!("\"{name}")),
                "{name}: {everything}"
            );
            assert!(
                !everything.contains(&format!("({name}")),
                "{name}: {everything}"
            );
        }
        assert_eq!(
            resumed["watermarks"][0]["receipts"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        // The admin sees them all.
        let full = format!("{}", head.ask(page).await.unwrap());
        assert!(full.contains("\"more\""));
        let by_role = head.ask(Command::MemberAdd(MemberAdd {
            member_role: MemberRole::Member,
            ..add(id, "h")
        }));
        assert!(by_role.await.is_err(), "a broadcast keeps an admin");
        assert!(head.ask(remove(id, "h")).await.is_err());
    });
}
