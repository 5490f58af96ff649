//! Notifications and settings.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    NewNotification, NotificationMark, NotificationRecord, NotificationStore, StoreResult,
};
use bedside_protocol::{NotificationId, Timestamp, UserId};

use super::{CqlStore, not_there_yet};

#[async_trait]
impl NotificationStore for CqlStore {
    async fn put_notifications(&self, _new: Vec<NewNotification>) -> StoreResult<Vec<bool>> {
        not_there_yet()
    }

    async fn notifications(
        &self,
        _user_id: UserId,
        _before: Option<NotificationId>,
        _limit: usize,
    ) -> StoreResult<Vec<NotificationRecord>> {
        not_there_yet()
    }

    async fn unread_notifications(&self, _user_id: UserId) -> StoreResult<u64> {
        not_there_yet()
    }

    async fn mark_notification(
        &self,
        _id: NotificationId,
        _user_id: UserId,
        _mark: NotificationMark,
        _at: Timestamp,
    ) -> StoreResult<bool> {
        not_there_yet()
    }

    async fn prune_notifications(&self, _before: Timestamp, _limit: usize) -> StoreResult<usize> {
        not_there_yet()
    }

    async fn settings(&self, _user_id: UserId) -> StoreResult<Option<String>> {
        not_there_yet()
    }

    async fn put_settings(
        &self,
        _user_id: UserId,
        _settings: String,
        _at: Timestamp,
    ) -> StoreResult<()> {
        not_there_yet()
    }
}
