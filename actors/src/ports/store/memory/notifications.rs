//! Notifications and settings in memory.

use async_trait::async_trait;
use bedside_protocol::{NotificationId, Timestamp, UserId};
use std::collections::{BTreeMap, HashMap, HashSet};

use super::MemoryStore;
use crate::ports::store::{
    NewNotification, NotificationMark, NotificationRecord, NotificationStore, StoreError,
    StoreResult,
};

/// Ids are unique per user.
type Place = (UserId, NotificationId);

#[derive(Default)]
pub(super) struct Notifications {
    rows: BTreeMap<Place, NotificationRecord>,
    /// Which notification has a user's dedupe key.
    keys: HashMap<(UserId, String), NotificationId>,
}

impl Notifications {
    /// Whether it is new.
    fn put(&mut self, new: NewNotification) -> bool {
        let id = new.notification.notification_id;
        let user_id = new.notification.user_id.clone();
        if let Some(key) = new.dedupe_key {
            let key = (user_id.clone(), key);
            if self.keys.contains_key(&key) {
                return false;
            }
            self.keys.insert(key, id);
        }
        let record = NotificationRecord {
            notification: new.notification,
            read_at: None,
            acked_at: None,
        };
        self.rows.insert((user_id, id), record);
        true
    }

    /// One user's, the newest first.
    fn of<'a>(&'a self, user_id: &'a UserId) -> impl Iterator<Item = &'a NotificationRecord> {
        let newest_first = self.rows.iter().rev();
        newest_first
            .filter(move |((of, _), _)| of == user_id)
            .map(|(_, record)| record)
    }

    fn prune(&mut self, before: Timestamp, limit: usize) -> usize {
        let made_at = |record: &NotificationRecord| record.notification.created_at;
        let rows = self.rows.iter();
        let mut old: Vec<(Timestamp, Place)> = rows
            .filter(|(_, record)| made_at(record) < before)
            .map(|(place, record)| (made_at(record), place.clone()))
            .collect();
        old.sort();
        old.truncate(limit);
        let old: HashSet<Place> = old.into_iter().map(|(_, place)| place).collect();
        self.rows.retain(|place, _| !old.contains(place));
        self.keys
            .retain(|(user_id, _), id| !old.contains(&(user_id.clone(), *id)));
        old.len()
    }
}

#[async_trait]
impl NotificationStore for MemoryStore {
    async fn put_notifications(&self, new: Vec<NewNotification>) -> StoreResult<Vec<bool>> {
        let mut state = self.state.lock();
        let all = &mut state.writable()?.notifications;
        let mut places = HashSet::new();
        for NewNotification { notification, .. } in &new {
            let place = (notification.user_id.clone(), notification.notification_id);
            if all.rows.contains_key(&place) || !places.insert(place) {
                return Err(StoreError::Conflict);
            }
        }
        Ok(new.into_iter().map(|new| all.put(new)).collect())
    }

    async fn notifications(
        &self,
        user_id: UserId,
        before: Option<NotificationId>,
        limit: usize,
    ) -> StoreResult<Vec<NotificationRecord>> {
        let state = self.state.lock();
        let found = state.notifications.of(&user_id).filter(|record| {
            before.is_none_or(|before| record.notification.notification_id < before)
        });
        Ok(found.take(limit).cloned().collect())
    }

    async fn unread_notifications(&self, user_id: UserId) -> StoreResult<u64> {
        let state = self.state.lock();
        let unread = state.notifications.of(&user_id);
        Ok(unread.filter(|record| record.read_at.is_none()).count() as u64)
    }

    async fn mark_notification(
        &self,
        id: NotificationId,
        user_id: UserId,
        mark: NotificationMark,
        at: Timestamp,
    ) -> StoreResult<bool> {
        let mut state = self.state.lock();
        let rows = &mut state.writable()?.notifications.rows;
        let Some(record) = rows.get_mut(&(user_id, id)) else {
            return Ok(false);
        };
        let marked = match mark {
            NotificationMark::Acked => &mut record.acked_at,
            NotificationMark::Read => &mut record.read_at,
        };
        marked.get_or_insert(at);
        Ok(true)
    }

    async fn prune_notifications(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        let mut state = self.state.lock();
        Ok(state.writable()?.notifications.prune(before, limit))
    }

    async fn settings(&self, user_id: UserId) -> StoreResult<Option<String>> {
        Ok(self.state.lock().settings.get(&user_id).cloned())
    }

    async fn put_settings(
        &self,
        user_id: UserId,
        settings: String,
        _: Timestamp,
    ) -> StoreResult<()> {
        let mut state = self.state.lock();
        state.writable()?.settings.insert(user_id, settings);
        Ok(())
    }
}
