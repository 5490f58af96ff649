//! Notifications, and what the clinic's systems write into conversations.

use bedside_protocol::{
    CommandError, ConversationId, Event, EventFrame, Notification, NotificationId,
    NotificationType, Reply, UserId, limits, message,
    node::Audience,
    notification::{Json, NotificationRef},
    reply::{Empty, MessageSent},
};
use std::{collections::HashSet, sync::Arc, time::Duration};

use super::Node;
use crate::{
    caller::Caller,
    cluster::Spread,
    conversation::Act,
    outbox::SharedEvent,
    ports::store::{NewNotification, NotificationMark, StoreError, StoreResult},
    resume::storage_error,
};

/// Old notifications that are deleted in one transaction: everybody's writes wait for it.
const PRUNE_BATCH: usize = 500;

/// Between two of those, so that what waited has its turn.
const PRUNE_PAUSE: Duration = Duration::from_millis(20);

/// A notification for several people.
#[derive(Clone)]
pub struct Publication {
    /// What it is about.
    pub notification_type: NotificationType,
    /// For whom; at most 1,000.
    pub user_ids: Vec<UserId>,
    /// See [`Notification`], for these too.
    pub title: String,
    /// See there.
    pub body: String,
    /// See there.
    pub data: Option<Json>,
    /// See there.
    pub action: Option<String>,
    /// Under the same key nobody gets a second one, for as long as the first is kept.
    pub dedupe_key: Option<String>,
}

impl Publication {
    /// Checks the bounds.
    fn validate(&self) -> Result<(), CommandError> {
        let bytes = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let data = self.data.as_ref().map_or(0, |data| data.to_string().len());
        for (size, max, error) in [
            (
                self.user_ids.len(),
                limits::NOTIFICATION_USERS_MAX,
                "user_ids: at most 1000 people",
            ),
            (
                self.title.len(),
                limits::NOTIFICATION_TITLE_BYTES_MAX,
                "title: at most 200 bytes",
            ),
            (
                self.body.len(),
                limits::NOTIFICATION_BODY_BYTES_MAX,
                "body: at most 2048 bytes",
            ),
            (
                data,
                limits::NOTIFICATION_DATA_BYTES_MAX,
                "data: at most 8192 bytes of JSON",
            ),
            (
                bytes(&self.action),
                limits::NOTIFICATION_ACTION_BYTES_MAX,
                "action: at most 2048 bytes",
            ),
            (
                bytes(&self.dedupe_key),
                limits::DEDUPE_KEY_BYTES_MAX,
                "dedupe_key: at most 128 bytes",
            ),
        ] {
            if size > max {
                return Err(CommandError::too_large(error));
            }
        }
        if self.user_ids.is_empty() {
            return Err(CommandError::invalid("user_ids: at least one person"));
        }
        if self.title.trim().is_empty() {
            return Err(CommandError::invalid("title is empty"));
        }
        if self.dedupe_key.as_ref().is_some_and(String::is_empty) {
            return Err(CommandError::invalid("dedupe_key is empty"));
        }
        Ok(())
    }
}

impl Node {
    /// Stores a notification for each of these people, and then shows it on their sockets.
    /// Returns those that are new. Whether the caller may publish is up to the facade.
    ///
    /// # Errors
    /// `too_large`, `invalid_argument`, `not_found` when somebody is not known (nobody gets one
    /// then), `unavailable`.
    pub async fn publish(
        &self,
        publication: Publication,
    ) -> Result<Vec<Notification>, CommandError> {
        publication.validate()?;
        let mut seen = HashSet::new();
        let mut user_ids = publication.user_ids.clone();
        user_ids.retain(|user_id| seen.insert(user_id.clone()));
        let store = &self.shared.store;
        let people = store.people(user_ids.clone()).await.map_err(fault)?;
        if people.len() < user_ids.len() {
            return Err(CommandError::not_found("user_ids: not everybody is known"));
        }
        let new = self.notifications_for(user_ids, publication);
        let mut notifications: Vec<_> = new.iter().map(|new| new.notification.clone()).collect();
        let is_new = store.put_notifications(new).await.map_err(fault)?;
        let mut is_new = is_new.into_iter();
        notifications.retain(|_| is_new.next() == Some(true));
        for notification in &notifications {
            self.show(notification);
        }
        Ok(notifications)
    }

    fn notifications_for(
        &self,
        user_ids: Vec<UserId>,
        publication: Publication,
    ) -> Vec<NewNotification> {
        let created_at = self.shared.clock.now();
        let for_one = |user_id| NewNotification {
            notification: Notification {
                notification_id: NotificationId::new(),
                user_id,
                notification_type: publication.notification_type,
                title: publication.title.clone(),
                body: publication.body.clone(),
                data: publication.data.clone(),
                action: publication.action.clone(),
                created_at,
            },
            dedupe_key: publication.dedupe_key.clone(),
        };
        user_ids.into_iter().map(for_one).collect()
    }

    fn show(&self, notification: &Notification) {
        let event = Event::NotificationCreated(notification.clone());
        let event = SharedEvent::new(EventFrame::plain(event));
        let slot = self.shared.sessions.slot(&notification.user_id);
        slot.event(&event, None, |_| true);
        let mut spread = Spread::new(self.shared.cluster.as_deref());
        spread.add(&slot);
        spread.send(&event, Audience::All, None);
        drop(slot);
        self.shared.sessions.forget_if_unused(&notification.user_id);
    }

    /// `notification.ack` and `notification.read`.
    pub(crate) async fn mark_notification(
        &self,
        caller: &Caller,
        NotificationRef { notification_id }: NotificationRef,
        mark: NotificationMark,
    ) -> Result<Reply, CommandError> {
        let (store, now) = (&self.shared.store, self.shared.clock.now());
        let own = store.mark_notification(notification_id, caller.user_id.clone(), mark, now);
        if own.await.map_err(fault)? {
            Ok(Reply::Empty(Empty {}))
        } else {
            Err(CommandError::not_found("you have no such notification"))
        }
    }

    /// Deletes the notifications that are older than this, in small batches; how many.
    ///
    /// # Errors
    /// What the store says; the batches before are gone.
    pub async fn prune_notifications(&self, older_than: Duration) -> StoreResult<usize> {
        let age_ms = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
        let before = self.shared.clock.now().plus_millis(-age_ms);
        let store = &self.shared.store;
        let mut pruned = 0;
        loop {
            let count = store.prune_notifications(before, PRUNE_BATCH).await?;
            pruned += count;
            if count < PRUNE_BATCH {
                return Ok(pruned);
            }
            tokio::time::sleep(self.shared.clock.wait(PRUNE_PAUSE)).await;
        }
    }

    /// Writes a message of the server's own into a conversation, for one of the clinic's
    /// systems. It is not countable, and without a sender; who asked for it is in the audit log.
    /// Whether the caller may do so is up to the facade.
    ///
    /// # Errors
    /// `too_large`, `invalid_argument`, `not_found`, `forbidden` where nothing can be added any
    /// more, `unavailable`.
    pub async fn post_system_message(
        self: &Arc<Self>,
        by: &Caller,
        conversation_id: ConversationId,
        text: String,
    ) -> Result<MessageSent, CommandError> {
        message::validate_text(&text)?;
        if text.trim().is_empty() {
            return Err(CommandError::invalid("text is empty"));
        }
        let act = Act::SystemMessage(text);
        match self.ask(by.clone(), conversation_id, act).await? {
            Reply::MessageSent(sent) => Ok(sent),
            other => unreachable!("a message is answered with where it is, not {other:?}"),
        }
    }
}

fn fault(fault: StoreError) -> CommandError {
    storage_error(&fault)
}
