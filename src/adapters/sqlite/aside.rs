//! Consultations, notifications and settings.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    ConsultationSelect, ConsultationStore, NewConsultation, NewNotification, NotificationMark,
    NotificationRecord, NotificationStore, StoreError, StoreResult,
};
use bedside_protocol::{Consultation, ConsultationId, NotificationId, Timestamp, UserId};

use super::SqliteStore;

fn later<T>() -> StoreResult<T> {
    Err(StoreError::Unavailable("not there yet".to_owned()))
}

#[async_trait]
impl ConsultationStore for SqliteStore {
    async fn create_consultation(&self, _new: NewConsultation) -> StoreResult<()> {
        later()
    }

    async fn consultation(&self, _id: ConsultationId) -> StoreResult<Option<Consultation>> {
        later()
    }

    async fn consultations(&self, _select: ConsultationSelect) -> StoreResult<Vec<Consultation>> {
        later()
    }
}

#[async_trait]
impl NotificationStore for SqliteStore {
    async fn put_notifications(&self, _new: Vec<NewNotification>) -> StoreResult<Vec<bool>> {
        later()
    }

    async fn notifications(
        &self,
        _user_id: UserId,
        _before: Option<NotificationId>,
        _limit: usize,
    ) -> StoreResult<Vec<NotificationRecord>> {
        later()
    }

    async fn unread_notifications(&self, _user_id: UserId) -> StoreResult<u64> {
        later()
    }

    async fn mark_notification(
        &self,
        _id: NotificationId,
        _user_id: UserId,
        _mark: NotificationMark,
        _at: Timestamp,
    ) -> StoreResult<bool> {
        later()
    }

    async fn prune_notifications(&self, _before: Timestamp, _limit: usize) -> StoreResult<usize> {
        later()
    }

    async fn settings(&self, _user_id: UserId) -> StoreResult<Option<String>> {
        later()
    }

    async fn put_settings(
        &self,
        _user_id: UserId,
        _settings: String,
        _at: Timestamp,
    ) -> StoreResult<()> {
        later()
    }
}
