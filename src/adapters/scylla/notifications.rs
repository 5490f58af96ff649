//! Notifications and settings.
//!
//! What is stored expires by itself when it has been kept for long enough: a partition never
//! fills with tombstones, and nobody has to go round and delete.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    NewNotification, NotificationMark, NotificationRecord, NotificationStore, StoreError,
    StoreResult,
};
use bedside_protocol::{Notification, NotificationId, Timestamp, UserId};
use scylla::{DeserializeRow, value::CqlTimestamp};
use std::{collections::HashSet, time::Duration};
use uuid::Uuid;

use super::{
    Core, CqlStore,
    cql::{Cql, Query, all},
    values::{Sparse, at, from_json, json, named, notification_id, time, uuid_of_notification},
};

const MAKE_KEY: Query = Query::conditional(
    "INSERT INTO notification_keys (user_id, dedupe_key, notification_id) VALUES (?, ?, ?)
     IF NOT EXISTS USING TTL ?",
);
const KEY: Query = Query::read(
    "SELECT notification_id FROM notification_keys WHERE user_id = ? AND dedupe_key = ?",
);
const PUT: Query = Query::write(
    "INSERT INTO notifications
         (user_id, notification_id, type, title, body, data, action, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TTL ?",
);
const LIST: Query = Query::read(
    "SELECT notification_id, type, title, body, data, action, created_at, acked_at, read_at
     FROM notifications WHERE user_id = ? AND notification_id < ? LIMIT ?",
);
const SEEN: Query = Query::read("SELECT created_at, read_at FROM notifications WHERE user_id = ?");
const MARKS: Query = Query::read(
    "SELECT created_at, acked_at, read_at, TTL(created_at) FROM notifications
     WHERE user_id = ? AND notification_id = ?",
);
const MARK_ACKED: Query = Query::write(
    "UPDATE notifications USING TTL ? AND TIMESTAMP ? SET acked_at = ?
     WHERE user_id = ? AND notification_id = ?",
);
const MARK_READ: Query = Query::write(
    "UPDATE notifications USING TTL ? AND TIMESTAMP ? SET read_at = ?
     WHERE user_id = ? AND notification_id = ?",
);
const SETTINGS: Query = Query::read("SELECT settings FROM settings WHERE user_id = ?");
const PUT_SETTINGS: Query =
    Query::write("INSERT INTO settings (user_id, settings, updated_at) VALUES (?, ?, ?)");

/// Above every id: those begin with the time. Of version 7 like these, because Cassandra compares
/// the versions first.
const ABOVE_ALL: Uuid = Uuid::from_u128(0xffff_ffff_ffff_7fff_ffff_ffff_ffff_ffff);

/// The longest life that CQL knows, 20 years, in seconds.
const TTL_MAX_S: i64 = 20 * 365 * 24 * 60 * 60;

/// The year 2100, in milliseconds.
const YEAR_2100_MS: i64 = 4_102_444_800_000;

#[async_trait]
impl NotificationStore for CqlStore {
    async fn put_notifications(&self, new: Vec<NewNotification>) -> StoreResult<Vec<bool>> {
        self.run(async move |core| put_all(&core, &new).await).await
    }

    async fn notifications(
        &self,
        user_id: UserId,
        before: Option<NotificationId>,
        limit: usize,
    ) -> StoreResult<Vec<NotificationRecord>> {
        self.run(async move |core| list(&core.cql, &user_id, before, limit).await)
            .await
    }

    async fn unread_notifications(&self, user_id: UserId) -> StoreResult<u64> {
        self.run(async move |core| {
            let rows: Vec<(Option<CqlTimestamp>, Option<CqlTimestamp>)> =
                core.cql.rows(SEEN, (user_id.as_str(),)).await?;
            let unread = rows
                .iter()
                .filter(|(created_at, read_at)| created_at.is_some() && read_at.is_none());
            Ok(unread.count() as u64)
        })
        .await
    }

    async fn mark_notification(
        &self,
        id: NotificationId,
        user_id: UserId,
        mark: NotificationMark,
        at: Timestamp,
    ) -> StoreResult<bool> {
        self.run(async move |core| put_mark(&core.cql, id, &user_id, mark, at).await)
            .await
    }

    fn notifications_expire(&self) -> bool {
        true
    }

    async fn prune_notifications(&self, _before: Timestamp, _limit: usize) -> StoreResult<usize> {
        Ok(0)
    }

    async fn settings(&self, user_id: UserId) -> StoreResult<Option<String>> {
        self.run(async move |core| {
            let found = core.cql.first::<(String,)>(SETTINGS, (user_id.as_str(),));
            Ok(found.await?.map(|(settings,)| settings))
        })
        .await
    }

    async fn put_settings(
        &self,
        user_id: UserId,
        settings: String,
        when: Timestamp,
    ) -> StoreResult<()> {
        self.run(async move |core| {
            let values = (user_id.as_str(), settings, at(when));
            core.cql.write(PUT_SETTINGS, values).await
        })
        .await
    }
}

/// Looks at all ids first, so that nothing is written when one of them is taken. After that each
/// is a write of its own: a fault leaves some stored, and who tries again under the same keys
/// stores the others.
async fn put_all(core: &Core, new: &[NewNotification]) -> StoreResult<Vec<bool>> {
    let mut ids = HashSet::new();
    let all_differ = new.iter().all(|new| {
        let one = &new.notification;
        ids.insert((&one.user_id, one.notification_id))
    });
    let taken = new.iter().map(|new| {
        let one = &new.notification;
        is_there(&core.cql, &one.user_id, one.notification_id)
    });
    if !all_differ || all(taken.collect()).await?.contains(&true) {
        return Err(StoreError::Conflict);
    }
    let mut keys = HashSet::new();
    let mut stored = Vec::new();
    for new in new {
        let user_id = &new.notification.user_id;
        let key = new.dedupe_key.as_deref();
        // Of two with one key the first is stored, and they are all written at once.
        let is_first = key.is_none_or(|key| keys.insert((user_id, key)));
        stored.push(async move {
            match (is_first, key) {
                (false, _) => Ok(false),
                (true, Some(key)) => put_keyed(core, &new.notification, key).await,
                (true, None) => {
                    let id = new.notification.notification_id;
                    put_one(core, &new.notification, id).await.map(|()| true)
                }
            }
        });
    }
    all(stored).await
}

async fn is_there(cql: &Cql, user_id: &UserId, id: NotificationId) -> StoreResult<bool> {
    Ok(marks(cql, user_id, id).await?.is_some())
}

/// Whether it is new: the first under its key, for as long as that one is kept.
async fn put_keyed(core: &Core, one: &Notification, key: &str) -> StoreResult<bool> {
    let (cql, user_id) = (&core.cql, one.user_id.as_str());
    let own = uuid_of_notification(one.notification_id);
    let values = (user_id, key, own, ttl_s(one.created_at, core.retention));
    let standing = if cql.apply_surely(MAKE_KEY, values).await? {
        own
    } else {
        let found = cql.first::<(Uuid,)>(KEY, (user_id, key)).await?;
        found.map_or(own, |(id,)| id)
    };
    let id = notification_id(standing);
    if standing == own || !is_there(cql, &one.user_id, id).await? {
        // Also where somebody made the key and came no further: under the id that stands there,
        // so that there is one, whatever becomes of that somebody.
        put_one(core, one, id).await?;
    }
    Ok(standing == own)
}

async fn put_one(core: &Core, one: &Notification, id: NotificationId) -> StoreResult<()> {
    let values = (
        one.user_id.as_str(),
        uuid_of_notification(id),
        one.notification_type.name(),
        one.title.as_str(),
        one.body.as_str(),
        Sparse(one.data.as_ref().map(json).transpose()?),
        Sparse(one.action.as_deref()),
        at(one.created_at),
        ttl_s(one.created_at, core.retention),
    );
    core.cql.write(PUT, values).await
}

/// What is left of its time, in seconds.
fn ttl_s(created_at: Timestamp, retention: Duration) -> i32 {
    let kept_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    let age_ms = Timestamp::now().millis_since(created_at);
    let left_s = kept_ms.saturating_sub(age_ms) / 1_000;
    i32::try_from(left_s.clamp(1, TTL_MAX_S)).unwrap_or(1)
}

#[derive(DeserializeRow)]
struct Row {
    notification_id: Uuid,
    #[scylla(rename = "type")]
    notification_type: Option<String>,
    title: Option<String>,
    body: Option<String>,
    data: Option<String>,
    action: Option<String>,
    created_at: Option<CqlTimestamp>,
    acked_at: Option<CqlTimestamp>,
    read_at: Option<CqlTimestamp>,
}

async fn list(
    cql: &Cql,
    user_id: &UserId,
    before: Option<NotificationId>,
    limit: usize,
) -> StoreResult<Vec<NotificationRecord>> {
    let mut before = before.map_or(ABOVE_ALL, uuid_of_notification);
    let mut found = Vec::new();
    while found.len() < limit {
        let wanted = limit - found.len();
        let bound = i32::try_from(wanted).unwrap_or(i32::MAX);
        let rows: Vec<Row> = cql.rows(LIST, (user_id.as_str(), before, bound)).await?;
        let is_end = rows.len() < wanted;
        before = rows.last().map_or(before, |row| row.notification_id);
        for row in rows {
            found.extend(record(row, user_id)?);
        }
        if is_end {
            break;
        }
    }
    Ok(found)
}

/// None for marks that outlived their notification.
fn record(row: Row, user_id: &UserId) -> StoreResult<Option<NotificationRecord>> {
    let (Some(notification_type), Some(created_at)) = (row.notification_type, row.created_at)
    else {
        return Ok(None);
    };
    Ok(Some(NotificationRecord {
        notification: Notification {
            notification_id: notification_id(row.notification_id),
            user_id: user_id.clone(),
            notification_type: named(&notification_type)?,
            title: row.title.unwrap_or_default(),
            body: row.body.unwrap_or_default(),
            data: row.data.as_deref().map(from_json).transpose()?,
            action: row.action,
            created_at: time(created_at),
        },
        read_at: row.read_at.map(time),
        acked_at: row.acked_at.map(time),
    }))
}

/// The marks of a notification, and the seconds that it has left.
struct Marks {
    is_acked: bool,
    is_read: bool,
    left_s: Option<i32>,
}

type MarksRow = (
    Option<CqlTimestamp>,
    Option<CqlTimestamp>,
    Option<CqlTimestamp>,
    Option<i32>,
);

async fn marks(cql: &Cql, user_id: &UserId, id: NotificationId) -> StoreResult<Option<Marks>> {
    let key = (user_id.as_str(), uuid_of_notification(id));
    let found = cql.first::<MarksRow>(MARKS, key).await?;
    Ok(found.and_then(|(created_at, acked_at, read_at, left_s)| {
        created_at.map(|_| Marks {
            is_acked: acked_at.is_some(),
            is_read: read_at.is_some(),
            left_s,
        })
    }))
}

/// The clock of a mark runs backwards, so that of two at once the first stands.
async fn put_mark(
    cql: &Cql,
    id: NotificationId,
    user_id: &UserId,
    mark: NotificationMark,
    when: Timestamp,
) -> StoreResult<bool> {
    let Some(marks) = marks(cql, user_id, id).await? else {
        return Ok(false);
    };
    let (query, is_marked) = match mark {
        NotificationMark::Acked => (MARK_ACKED, marks.is_acked),
        NotificationMark::Read => (MARK_READ, marks.is_read),
    };
    if !is_marked {
        let values = (
            marks.left_s.unwrap_or(0),
            (YEAR_2100_MS - when.as_millis()).max(1),
            at(when),
            user_id.as_str(),
            uuid_of_notification(id),
        );
        cql.write(query, values).await?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_at_least_a_second_and_at_most_what_cql_knows() {
        let day = Duration::from_secs(86_400);
        let ago = |ms: i64| Timestamp::now().plus_millis(-ms);
        assert_eq!(ttl_s(ago(3_600_500), day), 82_799);
        assert_eq!(ttl_s(ago(86_400_000), day), 1);
        assert_eq!(ttl_s(ago(999_999_999), day), 1);
        let forever = ttl_s(ago(0), Duration::from_secs(u64::MAX));
        assert_eq!(i64::from(forever), TTL_MAX_S);
    }
}
