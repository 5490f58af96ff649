//! Notifications: stored for each, then shown to each, and marked by their owners.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::{Node, Publication},
    ports::{
        clock::{Clock, ManualClock},
        store::NotificationRecord,
    },
    testkit::{
        client::{Client, PlainIdentities, config, node},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    Command, CommandError, ErrorCode, Event, EventFrame, Notification, NotificationId,
    NotificationType, Role, Timestamp, limits, notification::NotificationRef,
};
use common::{clinic::caller, *};
use futures_util::future::poll_immediate;
use serde_json::json;
use std::{sync::Arc, time::Duration};

fn code<T: std::fmt::Debug>(result: Result<T, CommandError>) -> ErrorCode {
    result.expect_err("it is refused").code
}

fn honest() -> Arc<Node> {
    node(config(), Liar::new(&Disk::new()))
}

fn for_these(who: &[&str]) -> Publication {
    Publication {
        notification_type: NotificationType::LabResults,
        user_ids: who.iter().map(|id| user(id)).collect(),
        title: "There is something new".to_owned(),
        body: "Have a look".to_owned(),
        data: Some(json!({"order": 17})),
        action: Some("/results/17".to_owned()),
        dedupe_key: None,
    }
}

fn is_notification(frame: &EventFrame) -> bool {
    matches!(frame.event, Event::NotificationCreated(_))
}

async fn next(client: &mut Client) -> Notification {
    match client.wait_for(is_notification).await.event {
        Event::NotificationCreated(notification) => notification,
        _ => unreachable!(),
    }
}

/// How many came that no wait has taken out.
async fn left(client: &mut Client) -> usize {
    client.ask(resume(&[])).await.unwrap();
    let left = client.events.iter().filter(|frame| is_notification(frame));
    left.count()
}

async fn stored(node: &Arc<Node>, who: &str) -> Vec<NotificationRecord> {
    let store = node.store();
    store.notifications(user(who), None, 10_000).await.unwrap()
}

fn ack(notification_id: NotificationId) -> Command {
    Command::NotificationAck(NotificationRef { notification_id })
}

fn read_it(notification_id: NotificationId) -> Command {
    Command::NotificationRead(NotificationRef { notification_id })
}

#[test]
fn each_gets_their_own_on_every_socket() {
    run(async {
        let node = honest();
        let mut phone = Client::open(&node, "p", Role::Patient).await;
        let mut desk = Client::open(&node, "p", Role::Patient).await;
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        let mut other = Client::open(&node, "x", Role::Patient).await;
        know(&node, &[("away", Role::Patient)]).await;
        // Named twice, told once.
        let made = node
            .publish(for_these(&["p", "d", "p", "away"]))
            .await
            .unwrap();
        let whose: Vec<_> = made.iter().map(|n| n.user_id.as_str()).collect();
        assert_eq!(whose, ["p", "d", "away"]);
        let on_phone = next(&mut phone).await;
        assert_eq!(on_phone, made[0]);
        assert_eq!(on_phone.data, Some(json!({"order": 17})));
        assert_eq!(next(&mut desk).await, made[0]);
        assert_eq!(next(&mut doctor).await, made[1]);
        for client in [&mut phone, &mut desk, &mut doctor, &mut other] {
            assert_eq!(left(client).await, 0);
        }
        // Who was away finds it.
        let found = stored(&node, "away").await;
        assert_eq!(found[0].notification, made[2]);
        assert_eq!((found[0].read_at, found[0].acked_at), (None, None));
        assert!(stored(&node, "x").await.is_empty());
    });
}

#[test]
fn when_somebody_is_not_known_nobody_gets_any() {
    run(async {
        let node = honest();
        let mut patient = Client::open(&node, "p", Role::Patient).await;
        let error = node.publish(for_these(&["p", "ghost"])).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(!error.message.contains("ghost"));
        assert_eq!(left(&mut patient).await, 0);
        assert!(stored(&node, "p").await.is_empty());
    });
}

#[test]
fn under_the_same_key_nobody_gets_a_second_one() {
    run(async {
        let node = honest();
        let mut patient = Client::open(&node, "p", Role::Patient).await;
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        let keyed = |who: &[&str]| Publication {
            dedupe_key: Some("order 17".to_owned()),
            ..for_these(who)
        };
        assert_eq!(node.publish(keyed(&["p"])).await.unwrap().len(), 1);
        let made = node.publish(keyed(&["p", "d"])).await.unwrap();
        assert_eq!(made.len(), 1);
        assert_eq!(made[0].user_id, user("d"));
        for client in [&mut patient, &mut doctor] {
            next(client).await;
            assert_eq!(left(client).await, 0);
        }
        assert_eq!(stored(&node, "p").await.len(), 1);
    });
}

#[test]
fn nothing_is_shown_before_it_is_stored() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let mut patient = Client::open(&node, "p", Role::Patient).await;
        for step in ["people", "put_notifications"] {
            liar.moods(move |name| name == step);
            let made = node.publish(for_these(&["p"])).await;
            assert_eq!(code(made), ErrorCode::Unavailable, "{step}");
        }
        liar.be_honest();
        liar.stall("put_notifications");
        let mut publishing = Box::pin(node.publish(for_these(&["p"])));
        assert!(poll_immediate(&mut publishing).await.is_none());
        assert_eq!(left(&mut patient).await, 0);
        liar.unstall();
        let made = publishing.await.unwrap();
        assert_eq!(next(&mut patient).await, made[0]);
    });
}

#[test]
fn the_owner_marks_it_and_nobody_else() {
    run(async {
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let liar = Liar::new(&Disk::new());
        let node = Node::start(config(), liar, clock.clone(), Arc::new(PlainIdentities));
        let mut patient = Client::open(&node, "p", Role::Patient).await;
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        node.publish(for_these(&["p"])).await.unwrap();
        let id = next(&mut patient).await.notification_id;
        for command in [ack(id), read_it(id)] {
            assert_eq!(code(doctor.ask(command.clone()).await), ErrorCode::NotFound);
            let of_others = node.execute(caller("d", Role::Doctor), command).await;
            assert_eq!(code(of_others), ErrorCode::NotFound);
        }
        let unknown = ack(NotificationId::new());
        assert_eq!(code(patient.ask(unknown).await), ErrorCode::NotFound);
        let marks = async || {
            let found = &stored(&node, "p").await[0];
            (found.acked_at, found.read_at)
        };
        assert_eq!(marks().await, (None, None));
        let first = clock.now();
        assert_eq!(patient.ask(ack(id)).await.unwrap(), json!({}));
        assert_eq!(marks().await, (Some(first), None));
        clock.advance_ms(1_000);
        let me = caller("p", Role::Patient);
        node.execute(me.clone(), read_it(id)).await.unwrap();
        let second = clock.now();
        assert_eq!(marks().await, (Some(first), Some(second)));
        clock.advance_ms(1_000);
        // The first mark of each kind stands.
        node.execute(me, ack(id)).await.unwrap();
        patient.ask(read_it(id)).await.unwrap();
        assert_eq!(marks().await, (Some(first), Some(second)));
    });
}

#[test]
fn a_mark_that_cannot_be_stored_is_unavailable() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let mut patient = Client::open(&node, "p", Role::Patient).await;
        node.publish(for_these(&["p"])).await.unwrap();
        let id = next(&mut patient).await.notification_id;
        liar.moods(|name| name == "mark_notification");
        assert_eq!(code(patient.ask(ack(id)).await), ErrorCode::Unavailable);
        liar.be_honest();
        patient.ask(ack(id)).await.unwrap();
    });
}

#[test]
fn old_ones_go_in_batches_and_new_ones_stay() {
    run(async {
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let liar = Liar::new(&Disk::new());
        let node = Node::start(
            config(),
            liar.clone(),
            clock.clone(),
            Arc::new(PlainIdentities),
        );
        know(&node, &[("p", Role::Patient)]).await;
        for _ in 0..1_200 {
            node.publish(for_these(&["p"])).await.unwrap();
        }
        clock.advance_ms(60_000);
        let kept = node.publish(for_these(&["p"])).await.unwrap();
        let minute = Duration::from_secs(60);
        assert_eq!(
            node.prune_notifications(minute).await,
            Ok(0),
            "not older than that"
        );
        clock.advance_ms(1);
        // The second batch fails; the first one is gone.
        let mut batches = 0;
        liar.moods(move |name| {
            batches += u32::from(name == "prune_notifications");
            name == "prune_notifications" && batches == 2
        });
        node.prune_notifications(minute).await.unwrap_err();
        let left = stored(&node, "p").await.len();
        assert!((1..1_200).contains(&left), "{left} are left");
        assert_eq!(node.prune_notifications(minute).await, Ok(left - 1));
        let found = stored(&node, "p").await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].notification, kept[0]);
        assert_eq!(node.prune_notifications(Duration::MAX).await, Ok(0));
    });
}

#[test]
fn every_part_is_bounded() {
    run(async {
        let node = honest();
        let names: Vec<_> = (0..=limits::NOTIFICATION_USERS_MAX)
            .map(|i| format!("u{i}"))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let people: Vec<_> = names.iter().map(|name| (*name, Role::Patient)).collect();
        know(&node, &people).await;
        let most = |bytes: usize| "ä".repeat(bytes / 2);
        // `{"a":"..."}`.
        let data = json!({"a": most(limits::NOTIFICATION_DATA_BYTES_MAX - 8)});
        assert_eq!(data.to_string().len(), limits::NOTIFICATION_DATA_BYTES_MAX);
        let largest = Publication {
            notification_type: NotificationType::SystemAlert,
            user_ids: for_these(&names[1..]).user_ids,
            title: most(limits::NOTIFICATION_TITLE_BYTES_MAX),
            body: most(limits::NOTIFICATION_BODY_BYTES_MAX),
            data: Some(data),
            action: Some(most(limits::NOTIFICATION_ACTION_BYTES_MAX)),
            dedupe_key: Some(most(limits::DEDUPE_KEY_BYTES_MAX)),
        };
        let made = node.publish(largest.clone()).await.unwrap();
        assert_eq!(made.len(), limits::NOTIFICATION_USERS_MAX);
        let small = for_these(&["u1"]);
        let mut over = vec![small.clone(); 6];
        over[0].user_ids = for_these(&names).user_ids;
        over[1].title = largest.title + "x";
        over[2].body = largest.body + "x";
        over[3].data = Some(json!({"a": most(limits::NOTIFICATION_DATA_BYTES_MAX)}));
        over[4].action = largest.action.map(|action| action + "x");
        over[5].dedupe_key = largest.dedupe_key.map(|key| key + "x");
        for (i, over) in over.into_iter().enumerate() {
            assert_eq!(code(node.publish(over).await), ErrorCode::TooLarge, "{i}");
        }
        let mut empty = vec![small; 4];
        empty[0].user_ids.clear();
        empty[1].title.clear();
        empty[2].title = " \n".to_owned();
        empty[3].dedupe_key = Some(String::new());
        for empty in empty {
            assert_eq!(code(node.publish(empty).await), ErrorCode::InvalidArgument);
        }
        assert_eq!(stored(&node, "u1").await.len(), 1);
    });
}
