//! Notifications, and what the clinic's systems write into conversations.

use bedside_protocol::{
    CommandError, ConversationId, Notification, NotificationType, UserId, notification::Json,
    reply::MessageSent,
};
use std::sync::Arc;

use super::Node;
use crate::caller::Caller;

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

impl Node {
    /// Stores a notification for each of these people, and then shows it on their sockets.
    /// Returns those that are new. Whether the caller may publish is up to the facade.
    ///
    /// # Errors
    /// `too_large`, `invalid_argument`, `unavailable`.
    pub async fn publish(
        &self,
        _publication: Publication,
    ) -> Result<Vec<Notification>, CommandError> {
        Err(CommandError::unavailable("not there yet", 0))
    }

    /// Writes a message of the server's own into a conversation, for one of the clinic's
    /// systems. It is not countable, and without a sender.
    ///
    /// # Errors
    /// `too_large`, `invalid_argument`, `not_found`, `unavailable`.
    pub async fn post_system_message(
        self: &Arc<Self>,
        _by: &Caller,
        _conversation_id: ConversationId,
        _text: String,
    ) -> Result<MessageSent, CommandError> {
        Err(CommandError::unavailable("not there yet", 0))
    }
}
