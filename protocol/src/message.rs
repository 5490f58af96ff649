//! What people write to each other.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use crate::openapi::bounds;
use crate::{
    ClientMsgId, CommandError, ConsultationId, ConversationId, MessageId, Timestamp, UserId, limits,
};

/// What a message is. `system` and `call_log` are made by the server only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageType {
    /// Text.
    #[default]
    Text,
    /// One or more pictures.
    Image,
    /// One or more files.
    File,
    /// A voice recording.
    Voice,
    /// Written by the server or a clinic's system. Not countable.
    System,
    /// A call that took place, or was missed. Countable when missed.
    CallLog,
}

impl MessageType {
    /// Whether a person may send it.
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self, Self::Text | Self::Image | Self::File | Self::Voice)
    }
}

/// A file that goes with a message. Client-supplied; `url` is checked against the allowed
/// origins and never fetched by the server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attachment {
    /// Where it is: https, at most 2,048 bytes.
    #[cfg_attr(feature = "openapi", schema(schema_with = bounds::attachment_url))]
    pub url: String,
    /// What to call it. PHI.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(schema_with = bounds::attachment_field))]
    pub name: String,
    /// Its media type, such as `image/png`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(schema_with = bounds::attachment_field))]
    pub media_type: String,
    /// Its size in bytes, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}

/// One emoji on a message, and who put it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reaction {
    /// The emoji.
    #[cfg_attr(feature = "openapi", schema(schema_with = bounds::emoji))]
    pub emoji: String,
    /// Who, in the order in which they did.
    pub user_ids: Vec<UserId>,
}

/// A message as it stands now: `data` of `message.created`, and a row of history.
///
/// When it was deleted, `deleted_at` is set, `text` is empty, and attachments and reactions are
/// gone: an acknowledged delete is never readable again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// Server-made, unique everywhere.
    pub message_id: MessageId,
    /// From the sender's token. Absent for messages the server itself wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_id: Option<UserId>,
    /// What it is.
    #[serde(rename = "type")]
    pub message_type: MessageType,
    /// At most 16 KiB of UTF-8. PHI: never logged.
    #[cfg_attr(feature = "openapi", schema(schema_with = bounds::message_text))]
    pub text: String,
    /// At most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The message of the same conversation that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to_seq: Option<u64>,
    /// The sender's own name for it, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMsgId>,
    /// The sender's claim of when it was written; kept only when it is more than two minutes
    /// before `created_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composed_at: Option<Timestamp>,
    /// When the server took it in.
    pub created_at: Timestamp,
    /// When it was last edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// What stands on it now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
}

/// `message.send`: say something. Idempotent per (conversation, sender, `client_msg_id`).
///
/// Reply: [`crate::reply::MessageSent`]; it comes after the message is durably stored.
/// Errors: `not_a_member`, `forbidden`, `invalid_argument`, `too_large`, `conflict` (the same
/// `client_msg_id` with another body); `rate_limited` and `unavailable` are to be retried with
/// the same `client_msg_id`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageSend {
    /// Where to. Exactly one of this, `to_user_id` and `consultation_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// The person whose direct conversation with the caller is meant; it is made if need be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_user_id: Option<UserId>,
    /// The consultation whose chat is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consultation_id: Option<ConsultationId>,
    /// 1..=64 bytes; makes a retry safe. Without it a retry may send twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMsgId>,
    /// text, image, file or voice.
    #[serde(rename = "type", default)]
    pub message_type: MessageType,
    /// At most 16 KiB; required and not blank for `text`. PHI.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(schema_with = bounds::message_text))]
    pub text: String,
    /// At most 10; required for image, file and voice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(schema_with = bounds::attachments))]
    pub attachments: Vec<Attachment>,
    /// The seq of the message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to_seq: Option<u64>,
    /// When the client says it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composed_at: Option<Timestamp>,
}

impl MessageSend {
    /// Checks all bounds that need no knowledge of the conversation.
    ///
    /// # Errors
    /// `too_large` or `invalid_argument`, naming the field.
    pub fn validate(&self) -> Result<(), CommandError> {
        let named = [
            self.conversation_id.is_some(),
            self.to_user_id.is_some(),
            self.consultation_id.is_some(),
        ];
        if named.into_iter().filter(|is_named| *is_named).count() != 1 {
            return Err(CommandError::invalid(
                "message.send takes one of conversation_id, to_user_id and consultation_id",
            ));
        }
        self.validate_body()
    }

    /// Checks the body alone.
    ///
    /// # Errors
    /// `too_large` or `invalid_argument`, naming the field.
    pub fn validate_body(&self) -> Result<(), CommandError> {
        if !self.message_type.is_sendable() {
            return Err(CommandError::invalid(
                "type must be text, image, file or voice",
            ));
        }
        validate_text(&self.text)?;
        if self.attachments.len() > limits::ATTACHMENTS_MAX {
            return Err(CommandError::too_large("attachments: at most 10"));
        }
        for a in &self.attachments {
            let longest = a.url.len().max(a.name.len()).max(a.media_type.len());
            if longest > limits::ATTACHMENT_FIELD_BYTES_MAX {
                return Err(CommandError::too_large(
                    "attachments: a url, name or media_type has at most 2048 bytes",
                ));
            }
            if a.url.is_empty() {
                return Err(CommandError::invalid("attachments: url is missing"));
            }
        }
        match self.message_type {
            MessageType::Text if self.text.trim().is_empty() => {
                Err(CommandError::invalid("text is empty"))
            }
            MessageType::Text => Ok(()),
            _ if self.attachments.is_empty() => Err(CommandError::invalid(
                "attachments: image, file and voice need at least one",
            )),
            _ => Ok(()),
        }
    }
}

/// Checks the bounds of a message text.
///
/// # Errors
/// `too_large` past 16 KiB.
pub fn validate_text(text: &str) -> Result<(), CommandError> {
    if text.len() > limits::TEXT_BYTES_MAX {
        return Err(CommandError::too_large(
            "text: at most 16384 bytes of UTF-8",
        ));
    }
    Ok(())
}

/// Checks the bounds of an emoji.
///
/// # Errors
/// `too_large` past 64 bytes, `invalid_argument` when blank or with white space or controls.
pub fn validate_emoji(emoji: &str) -> Result<(), CommandError> {
    if emoji.len() > limits::EMOJI_BYTES_MAX {
        return Err(CommandError::too_large("emoji: at most 64 bytes"));
    }
    if emoji.is_empty() || emoji.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(CommandError::invalid("emoji: one emoji, no white space"));
    }
    Ok(())
}

crate::quiet_debug! {
    Attachment { size_bytes }
    Message { message_id, message_type, created_at, edited_at, deleted_at }
    MessageSend { conversation_id, client_msg_id, message_type, reply_to_seq }
}
