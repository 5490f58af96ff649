//! What commands are answered with: the `data` of a reply.

use serde::{Deserialize, Serialize};

use crate::{
    Consultation, Conversation, ConversationId, Mine, Presence, Timestamp, UserId,
    event::{LoggedEvent, SessionWelcome},
    ids::MessageId,
};

/// The answer to a command that went well.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// Done, nothing to say.
    Empty(Empty),
    /// To `message.send`.
    MessageSent(MessageSent),
    /// To whatever put one entry into the log.
    Logged(Logged),
    /// To `conversation.create`.
    Conversation(Box<ConversationReply>),
    /// To `conversation.set`.
    Mine(Mine),
    /// To `conversation.subscribe`.
    Subscribed(Subscribed),
    /// To `message.history`.
    History(History),
    /// To receipts.
    ReceiptTaken(ReceiptTaken),
    /// To `presence.watch`.
    Presences(Presences),
    /// To `session.refresh`.
    TokenRefreshed(TokenRefreshed),
    /// To `sync.resume`.
    Resumed(Resumed),
    /// To `consultation.join`.
    Joined(Box<Joined>),
    /// To `consultation.start` and `consultation.end`.
    Consultation(Box<ConsultationReply>),
    /// To a session's opening; sent as an event.
    Welcome(Box<SessionWelcome>),
}

/// `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Empty {}

/// The message is durably stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageSent {
    /// Where it went; worth knowing after `to_user_id`.
    pub conversation_id: ConversationId,
    /// Its id.
    pub message_id: MessageId,
    /// Its place in the log.
    pub seq: u64,
    /// When the server took it in.
    pub created_at: Timestamp,
    /// Whether an earlier try had stored it already.
    pub duplicate: bool,
}

/// One entry was durably added to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Logged {
    /// Where.
    pub conversation_id: ConversationId,
    /// The entry's seq.
    pub seq: u64,
}

/// A conversation, and whether this command made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationReply {
    /// The conversation as the caller sees it.
    pub conversation: Conversation,
    /// False when it was there already.
    pub created: bool,
}

/// What is going on in a conversation just subscribed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// Who is writing right now.
    pub typing: Vec<UserId>,
    /// The participants' presence, as far as the caller may see it.
    pub presence: Vec<Presence>,
}

/// A page of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct History {
    /// Ascending and dense.
    pub events: Vec<LoggedEvent>,
    /// The newest seq that the caller may read.
    pub head_seq: u64,
    /// The first seq that the caller may read.
    pub first_seq: u64,
    /// The first seq that retention has kept.
    pub log_start_seq: u64,
    /// Whether there is more in the direction that was asked for.
    pub has_more: bool,
}

/// Where a watermark stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiptTaken {
    /// The watermark, which may be above what was asked for.
    pub up_to_seq: u64,
    /// Countable messages of others above the caller's read watermark.
    pub unread_count: u64,
}

/// Presence of several people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Presences {
    /// One for each person that the caller may see.
    pub presence: Vec<Presence>,
}

/// The new token is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRefreshed {
    /// When it runs out.
    pub token_expires_at: Timestamp,
}

/// Everything that `sync.resume` had to say has been sent before this reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// Today's epoch.
    pub store_epoch: String,
    /// Conversations that `positions` did not name, newest activity first.
    pub conversations: Vec<Conversation>,
    /// Watermarks and own view of the ones that it did name.
    pub watermarks: Vec<ResumedConversation>,
    /// Named conversations that the caller may not read, or that do not exist.
    pub gone: Vec<ConversationId>,
    /// Where the list goes on; absent at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Where a conversation that the client knows stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumedConversation {
    /// Which.
    pub conversation_id: ConversationId,
    /// The newest seq that the caller may read.
    pub head_seq: u64,
    /// The caller's own view.
    pub me: Mine,
    /// Every member's receipts that the caller may see.
    pub receipts: Vec<MemberReceipt>,
}

/// The room that was entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The consultation as it stands now.
    pub consultation: Consultation,
    /// Who is in the room, the caller included.
    pub participants: Vec<UserId>,
}

/// A consultation as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsultationReply {
    /// The consultation.
    pub consultation: Consultation,
    /// The seq of the entry that the command added to the log of its conversation; absent when
    /// it added none. The sending socket gets no event for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// One member's watermarks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberReceipt {
    /// Who.
    pub user_id: UserId,
    /// Everything up to here reached one of their devices.
    pub delivered_up_to_seq: u64,
    /// Everything up to here was seen.
    pub read_up_to_seq: u64,
}
