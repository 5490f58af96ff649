//! Notifications go by themselves, and a key that was left alone is finished.

use bedside::adapters::scylla::CqlStore;
use bedside_actors::{
    ports::store::{NewNotification, NotificationMark, NotificationStore as _},
    testkit::store_contract::fixture::user,
};
use bedside_protocol::{Notification, NotificationId, NotificationType, Timestamp};
use std::{future::Future, sync::Arc, time::Duration};

use crate::{ring::Keyspace, wait};

fn reminder(key: &str) -> NewNotification {
    NewNotification {
        notification: Notification {
            notification_id: NotificationId::new(),
            user_id: user("p1"),
            notification_type: NotificationType::AppointmentReminder,
            title: "Tomorrow".to_owned(),
            body: "At ten".to_owned(),
            data: None,
            action: None,
            created_at: Timestamp::now(),
        },
        dedupe_key: Some(key.to_owned()),
    }
}

async fn ids(store: &CqlStore) -> Vec<NotificationId> {
    let listed = store.notifications(user("p1"), None, 10).await;
    let listed = listed.expect("a list").into_iter();
    listed
        .map(|record| record.notification.notification_id)
        .collect()
}

async fn within(all: impl Future<Output = ()>) {
    let done = tokio::time::timeout(Duration::from_secs(60), all).await;
    done.expect("in a minute");
}

#[test]
fn notifications_and_their_keys_expire() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    let mut options = keyspace.options();
    options.notification_retention = Duration::from_secs(15);
    let store = CqlStore::open(&options).expect("a store");
    wait(async {
        let first = reminder("k1");
        let id = first.notification.notification_id;
        assert_eq!(store.put_notifications(vec![first]).await, Ok(vec![true]));
        let again = store.put_notifications(vec![reminder("k1")]).await;
        assert_eq!(again, Ok(vec![false]));
        assert_eq!(ids(&store).await, [id]);
        let mark = |kind| store.mark_notification(id, user("p1"), kind, Timestamp::now());
        assert_eq!(mark(NotificationMark::Acked).await, Ok(true));
        let gone = async {
            while !ids(&store).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        within(gone).await;
        // Nothing is left that could be counted or marked, not even what was marked late.
        assert_eq!(store.unread_notifications(user("p1")).await, Ok(0));
        assert_eq!(mark(NotificationMark::Read).await, Ok(false));
        let free = async {
            while keyspace.count("notification_keys") > 0 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        within(free).await;
        let after = store.put_notifications(vec![reminder("k1")]).await;
        assert_eq!(after, Ok(vec![true]));
        assert_eq!(ids(&store).await.len(), 1);
    });
}

#[test]
fn a_key_without_its_notification_gets_one() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    let store: Arc<CqlStore> = keyspace.open();
    let left = NotificationId::new();
    let id = uuid::Uuid::from_bytes(left.to_bytes());
    // As a server leaves it that dies between the two writes.
    keyspace.ask(async move |session| {
        let text = "INSERT INTO notification_keys (user_id, dedupe_key, notification_id)
            VALUES ('p1', 'k1', ?) IF NOT EXISTS";
        let done = session.query_unpaged(text, (id,)).await;
        done.expect("a key");
    });
    wait(async {
        assert_eq!(ids(&store).await, []);
        for _ in 0..2 {
            let again = store.put_notifications(vec![reminder("k1")]).await;
            assert_eq!(again, Ok(vec![false]));
            assert_eq!(ids(&store).await, [left]);
        }
    });
}
