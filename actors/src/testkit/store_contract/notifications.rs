//! Notifications and settings.

use bedside_protocol::{Notification, NotificationId, NotificationType, notification::Json};

use super::fixture::{Fixture, user};
use crate::ports::store::{NewNotification, NotificationMark, NotificationRecord, StoreError};

/// A notification made `at` seconds into the case.
#[must_use]
pub fn of(fx: &Fixture, user_id: &str, at: i64) -> Notification {
    Notification {
        notification_id: NotificationId::new(),
        user_id: user(user_id),
        notification_type: NotificationType::AppointmentReminder,
        title: "Tomorrow".to_owned(),
        body: "At ten".to_owned(),
        data: None,
        action: None,
        created_at: fx.at(at),
    }
}

fn new(notification: &Notification, key: Option<&str>) -> NewNotification {
    NewNotification {
        notification: notification.clone(),
        dedupe_key: key.map(str::to_owned),
    }
}

fn unmarked(notification: &Notification) -> NotificationRecord {
    NotificationRecord {
        notification: notification.clone(),
        read_at: None,
        acked_at: None,
    }
}

async fn put(fx: &Fixture, user_id: &str, at: i64) -> Notification {
    let notification = of(fx, user_id, at);
    let stored = fx
        .store
        .put_notifications(vec![new(&notification, None)])
        .await;
    assert_eq!(stored, Ok(vec![true]));
    notification
}

async fn list(fx: &Fixture, user_id: &str) -> Vec<NotificationRecord> {
    let listed = fx.store.notifications(user(user_id), None, 100).await;
    listed.expect("a listing")
}

async fn ids(fx: &Fixture, user_id: &str) -> Vec<NotificationId> {
    let listed = list(fx, user_id).await.into_iter();
    listed
        .map(|record| record.notification.notification_id)
        .collect()
}

async fn mark(
    fx: &Fixture,
    notification: &Notification,
    by: &str,
    mark: NotificationMark,
    at: i64,
) -> bool {
    let id = notification.notification_id;
    let marked = fx
        .store
        .mark_notification(id, user(by), mark, fx.at(at))
        .await;
    marked.expect("a mark")
}

pub async fn one_is_kept_as_it_was_made(fx: Fixture) {
    let mut all = Vec::new();
    for (n, notification_type) in NotificationType::ALL.iter().enumerate() {
        let data = r#"{"chatId":"c1","list":[1,-2,"x",null,true,{"deep":{}}],"text":"سلام \" \\"}"#;
        all.push(Notification {
            notification_type: *notification_type,
            title: format!("Title {n}"),
            body: "a\nb 👩🏽‍⚕️ \u{0}".to_owned(),
            data: (n % 2 == 0).then(|| data.parse().expect("JSON, because the case wrote it")),
            action: (n % 3 == 0).then(|| "/appointments/7?x=1".to_owned()),
            ..of(&fx, "p1", n as i64)
        });
    }
    // `null` is not the same as nothing.
    all[1].data = Some(Json::Null);
    let stored = all.iter().map(|one| new(one, None)).collect();
    let stored = fx.store.put_notifications(stored).await;
    assert_eq!(stored, Ok(vec![true; all.len()]));
    let expected: Vec<_> = all.iter().rev().map(unmarked).collect();
    assert_eq!(list(&fx, "p1").await, expected);
    let none = fx.store.put_notifications(Vec::new()).await;
    assert_eq!(none, Ok(Vec::new()));
}

pub async fn the_newest_come_first(fx: Fixture) {
    let mut made: Vec<_> = (0..5).map(|n| of(&fx, "p1", n)).collect();
    let ids: Vec<_> = made.iter().map(|one| one.notification_id).collect();
    // Stored in another order than made, and among those of somebody else.
    made.swap(0, 3);
    made.insert(2, of(&fx, "p2", 2));
    for one in &made {
        let stored = fx.store.put_notifications(vec![new(one, None)]).await;
        assert_eq!(stored, Ok(vec![true]));
    }
    let mut pages = Vec::new();
    let mut before = None;
    for _ in 0..4 {
        let page = fx.store.notifications(user("p1"), before, 2).await;
        let page: Vec<_> = page
            .expect("a page")
            .into_iter()
            .map(|record| record.notification.notification_id)
            .collect();
        before = page.last().copied().or(before);
        pages.push(page);
    }
    let expected = [
        vec![ids[4], ids[3]],
        vec![ids[2], ids[1]],
        vec![ids[0]],
        vec![],
    ];
    assert_eq!(pages, expected);
    assert_eq!(list(&fx, "p3").await, []);
}

pub async fn a_key_is_used_once_per_user(fx: Fixture) {
    let made: Vec<_> = (0..7).map(|n| of(&fx, "p1", n)).collect();
    let other = of(&fx, "p2", 7);
    let first = vec![
        new(&made[0], Some("k1")),
        new(&made[1], Some("k1")),
        new(&made[2], Some("k2")),
        new(&other, Some("k1")),
    ];
    let stored = fx.store.put_notifications(first).await;
    assert_eq!(stored, Ok(vec![true, false, true, true]));
    let again = vec![
        new(&made[3], Some("k2")),
        new(&made[4], None),
        new(&made[5], None),
        new(&made[6], Some("K2")),
    ];
    let stored = fx.store.put_notifications(again).await;
    assert_eq!(stored, Ok(vec![false, true, true, true]));
    let expected: Vec<_> = [6, 5, 4, 2, 0].map(|n: usize| unmarked(&made[n])).into();
    assert_eq!(list(&fx, "p1").await, expected);
    assert_eq!(list(&fx, "p2").await, [unmarked(&other)]);
}

pub async fn a_taken_id_refuses_all(fx: Fixture) {
    let first = put(&fx, "p1", 0).await;
    let fresh = of(&fx, "p1", 1);
    let again = Notification {
        title: "Another".to_owned(),
        ..first.clone()
    };
    let refused = vec![new(&fresh, Some("k1")), new(&again, Some("k2"))];
    let refused = fx.store.put_notifications(refused).await;
    assert_eq!(refused, Err(StoreError::Conflict));
    assert_eq!(list(&fx, "p1").await, [unmarked(&first)]);
    let stored = vec![new(&fresh, Some("k1")), new(&of(&fx, "p1", 2), Some("k2"))];
    let stored = fx.store.put_notifications(stored).await;
    assert_eq!(stored, Ok(vec![true, true]));
}

pub async fn only_the_owner_marks(fx: Fixture) {
    let one = put(&fx, "p1", 0).await;
    put(&fx, "p2", 1).await;
    for kind in [NotificationMark::Acked, NotificationMark::Read] {
        assert!(!mark(&fx, &one, "p2", kind, 5).await);
        assert!(!mark(&fx, &one, "never seen", kind, 5).await);
        assert!(!mark(&fx, &of(&fx, "p1", 0), "p1", kind, 5).await);
    }
    assert_eq!(list(&fx, "p1").await, [unmarked(&one)]);
}

pub async fn the_first_mark_stands(fx: Fixture) {
    let one = put(&fx, "p1", 0).await;
    let other = put(&fx, "p1", 1).await;
    assert!(mark(&fx, &one, "p1", NotificationMark::Read, 5).await);
    let mut expected = unmarked(&one);
    expected.read_at = Some(fx.at(5));
    assert_eq!(list(&fx, "p1").await, [unmarked(&other), expected.clone()]);
    assert!(mark(&fx, &one, "p1", NotificationMark::Acked, 6).await);
    assert!(mark(&fx, &one, "p1", NotificationMark::Acked, 4).await);
    assert!(mark(&fx, &one, "p1", NotificationMark::Read, 9).await);
    expected.acked_at = Some(fx.at(6));
    assert_eq!(list(&fx, "p1").await, [unmarked(&other), expected]);
}

pub async fn unread_counts_what_was_not_seen(fx: Fixture) {
    let unread = |id: &str| fx.store.unread_notifications(user(id));
    assert_eq!(unread("p1").await, Ok(0));
    let mut made = Vec::new();
    for n in 0..3 {
        made.push(put(&fx, "p1", n).await);
    }
    put(&fx, "p2", 4).await;
    assert_eq!(unread("p1").await, Ok(3));
    mark(&fx, &made[0], "p1", NotificationMark::Acked, 5).await;
    assert_eq!(unread("p1").await, Ok(3));
    mark(&fx, &made[0], "p1", NotificationMark::Read, 6).await;
    mark(&fx, &made[0], "p1", NotificationMark::Read, 7).await;
    assert_eq!(unread("p1").await, Ok(2));
    if fx.store.notifications_expire() {
        return;
    }
    assert_eq!(
        fx.store.prune_notifications(fx.at(2), 100).await,
        Ok(2),
        "the first two, of which one was seen"
    );
    assert_eq!(unread("p1").await, Ok(1));
    assert_eq!(unread("p2").await, Ok(1));
}

pub async fn the_oldest_are_pruned_first(fx: Fixture) {
    // Stored in another order than made.
    let mut made: Vec<_> = (0..6)
        .map(|n| of(&fx, if n % 2 == 0 { "p1" } else { "p2" }, n))
        .collect();
    made.reverse();
    let stored = made.iter().map(|one| new(one, None)).collect();
    assert!(fx.store.put_notifications(stored).await.is_ok());
    made.reverse();
    if fx.store.notifications_expire() {
        // Nothing that another one asks for: a test of that store waits until they are gone.
        assert_eq!(fx.store.prune_notifications(fx.at(9), 100).await, Ok(0));
        assert_eq!(ids(&fx, "p1").await.len(), 3);
        return;
    }
    let prune = |at, limit| fx.store.prune_notifications(fx.at(at), limit);
    assert_eq!(prune(0, 100).await, Ok(0));
    assert_eq!(prune(4, 0).await, Ok(0));
    assert_eq!(prune(4, 3).await, Ok(3));
    assert_eq!(ids(&fx, "p1").await, [made[4].notification_id]);
    let left = [made[5].notification_id, made[3].notification_id];
    assert_eq!(ids(&fx, "p2").await, left);
    assert_eq!(prune(4, 3).await, Ok(1));
    assert_eq!(prune(4, 3).await, Ok(0));
    assert_eq!(ids(&fx, "p2").await, [made[5].notification_id]);
    assert!(!mark(&fx, &made[3], "p2", NotificationMark::Read, 9).await);
}

pub async fn a_pruned_key_is_free_again(fx: Fixture) {
    let keyed = |at| vec![new(&of(&fx, "p1", at), Some("k1"))];
    let store = &fx.store;
    assert_eq!(store.put_notifications(keyed(0)).await, Ok(vec![true]));
    assert_eq!(store.put_notifications(keyed(5)).await, Ok(vec![false]));
    if store.notifications_expire() {
        return;
    }
    assert_eq!(store.prune_notifications(fx.at(1), 10).await, Ok(1));
    assert_eq!(store.put_notifications(keyed(6)).await, Ok(vec![true]));
    assert_eq!(list(&fx, "p1").await.len(), 1);
}

pub async fn settings_are_replaced(fx: Fixture) {
    let get = |id: &str| fx.store.settings(user(id));
    let put =
        |id: &str, text: &str, at| fx.store.put_settings(user(id), text.to_owned(), fx.at(at));
    assert_eq!(get("p1").await, Ok(None));
    assert_eq!(put("p1", r#"{"sound":true}"#, 1).await, Ok(()));
    assert_eq!(get("p1").await, Ok(Some(r#"{"sound":true}"#.to_owned())));
    assert_eq!(put("p1", "{}", 2).await, Ok(()));
    assert_eq!(put("p2", "", 3).await, Ok(()));
    assert_eq!(get("p1").await, Ok(Some("{}".to_owned())));
    assert_eq!(get("p2").await, Ok(Some(String::new())));
    // Who has settings is not in the directory for that.
    assert_eq!(fx.store.people(vec![user("p1")]).await, Ok(Vec::new()));
}
