//! What the actors need of durable storage for notifications and for people's settings.

use async_trait::async_trait;
use bedside_protocol::{Notification, NotificationId, Timestamp, UserId};

use super::StoreResult;

/// A notification to be stored.
#[derive(Clone, Debug)]
pub struct NewNotification {
    /// What it says.
    pub notification: Notification,
    /// The publisher's own name of it: one per user is stored, for as long as it is kept.
    pub dedupe_key: Option<String>,
}

/// A notification as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationRecord {
    /// What it says.
    pub notification: Notification,
    /// When it was seen.
    pub read_at: Option<Timestamp>,
    /// When it reached a device.
    pub acked_at: Option<Timestamp>,
}

/// What happened to a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationMark {
    /// It reached a device.
    Acked,
    /// It was seen.
    Read,
}

/// Durable storage of notifications and settings.
#[async_trait]
pub trait NotificationStore: Send + Sync {
    /// Stores these. For each whether it is new: false for one whose user and `dedupe_key` were
    /// there already, of which nothing is written. An id that the user has already is a
    /// [`StoreError::Conflict`](super::StoreError::Conflict) for all of them, of which nothing is
    /// written. After any other error none of them is stored, or, in a store of several machines,
    /// some may be: who tries again under the same keys stores the others.
    async fn put_notifications(&self, new: Vec<NewNotification>) -> StoreResult<Vec<bool>>;

    /// A user's notifications, the newest id first; only those with a smaller id than `before`.
    async fn notifications(
        &self,
        user_id: UserId,
        before: Option<NotificationId>,
        limit: usize,
    ) -> StoreResult<Vec<NotificationRecord>>;

    /// How many of a user's notifications have not been seen.
    async fn unread_notifications(&self, user_id: UserId) -> StoreResult<u64>;

    /// Marks a notification of this user; the first mark of each kind stands. False when the
    /// user has none of this id.
    async fn mark_notification(
        &self,
        id: NotificationId,
        user_id: UserId,
        mark: NotificationMark,
        at: Timestamp,
    ) -> StoreResult<bool>;

    /// Whether notifications and their dedupe keys expire by themselves, when the store has kept
    /// them for as long as it was told to when it was opened.
    fn notifications_expire(&self) -> bool {
        false
    }

    /// Deletes at most `limit` notifications that were made before `before`, the oldest first;
    /// how many. Their dedupe keys are free again. Where they expire by themselves there is
    /// nothing to do.
    async fn prune_notifications(&self, before: Timestamp, limit: usize) -> StoreResult<usize>;

    /// A user's settings: JSON that only its writer understands.
    async fn settings(&self, user_id: UserId) -> StoreResult<Option<String>>;

    /// Replaces a user's settings.
    async fn put_settings(
        &self,
        user_id: UserId,
        settings: String,
        at: Timestamp,
    ) -> StoreResult<()>;
}
