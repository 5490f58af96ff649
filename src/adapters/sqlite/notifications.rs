//! Notifications and settings: the port, and what the writer writes of them.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    NewNotification, NotificationMark, NotificationRecord, NotificationStore, StoreResult,
};
use bedside_protocol::{NotificationId, Timestamp, UserId};
use rusqlite::params;

use super::{
    SqliteStore,
    fault::Fault,
    pen::{Pen, find_user},
    reads::notifications,
    values::{int, json},
};

#[async_trait]
impl NotificationStore for SqliteStore {
    async fn put_notifications(&self, new: Vec<NewNotification>) -> StoreResult<Vec<bool>> {
        self.write(move |pen| new.iter().map(|new| pen.put_notification(new)).collect())
            .await
    }

    async fn notifications(
        &self,
        user_id: UserId,
        before: Option<NotificationId>,
        limit: usize,
    ) -> StoreResult<Vec<NotificationRecord>> {
        self.readers
            .read(move |conn| notifications::list(conn, &user_id, before, limit))
            .await
    }

    async fn unread_notifications(&self, user_id: UserId) -> StoreResult<u64> {
        self.readers
            .read(move |conn| notifications::unread(conn, &user_id))
            .await
    }

    async fn mark_notification(
        &self,
        id: NotificationId,
        user_id: UserId,
        mark: NotificationMark,
        at: Timestamp,
    ) -> StoreResult<bool> {
        self.write(move |pen| pen.mark_notification(id, &user_id, mark, at))
            .await
    }

    async fn prune_notifications(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.write(move |pen| pen.prune_notifications(before, limit))
            .await
    }

    async fn settings(&self, user_id: UserId) -> StoreResult<Option<String>> {
        self.readers
            .read(move |conn| notifications::settings(conn, &user_id))
            .await
    }

    async fn put_settings(
        &self,
        user_id: UserId,
        settings: String,
        at: Timestamp,
    ) -> StoreResult<()> {
        self.write(move |pen| pen.put_settings(&user_id, &settings, at))
            .await
    }
}

impl Pen<'_> {
    /// Whether it is new.
    fn put_notification(&mut self, new: &NewNotification) -> Result<bool, Fault> {
        let NewNotification {
            notification: new,
            dedupe_key,
        } = new;
        let user = self.user_key(&new.user_id)?;
        let sql = "INSERT INTO notifications (user, notification_id, type, title, body, data,
                action, dedupe_key, created_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
            ON CONFLICT (user, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING";
        let added = self.conn.prepare_cached(sql)?.execute(params![
            user,
            new.notification_id.to_bytes(),
            new.notification_type.name(),
            new.title,
            new.body,
            new.data.as_ref().map(json).transpose()?,
            new.action,
            dedupe_key,
            new.created_at.as_millis(),
        ])?;
        Ok(added > 0)
    }

    fn mark_notification(
        &mut self,
        id: NotificationId,
        user_id: &UserId,
        mark: NotificationMark,
        at: Timestamp,
    ) -> Result<bool, Fault> {
        let Some(user) = find_user(self.conn, user_id)? else {
            return Ok(false);
        };
        let sql = match mark {
            NotificationMark::Acked => {
                "UPDATE notifications SET acked_at = COALESCE(acked_at, ?3)
                 WHERE user = ?1 AND notification_id = ?2"
            }
            NotificationMark::Read => {
                "UPDATE notifications SET read_at = COALESCE(read_at, ?3)
                 WHERE user = ?1 AND notification_id = ?2"
            }
        };
        let values = params![user, id.to_bytes(), at.as_millis()];
        Ok(self.conn.prepare_cached(sql)?.execute(values)? > 0)
    }

    fn prune_notifications(&mut self, before: Timestamp, limit: usize) -> Result<usize, Fault> {
        let sql = "DELETE FROM notifications WHERE pos IN (
                SELECT pos FROM notifications WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)";
        let values = [before.as_millis(), int(limit as u64)];
        Ok(self.conn.prepare_cached(sql)?.execute(values)?)
    }

    fn put_settings(
        &mut self,
        user_id: &UserId,
        settings: &str,
        at: Timestamp,
    ) -> Result<(), Fault> {
        let user = self.user_key(user_id)?;
        let sql = "INSERT OR REPLACE INTO settings (user, settings, updated_at)
            VALUES (?1, ?2, ?3)";
        let values = params![user, settings, at.as_millis()];
        self.conn.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
}
