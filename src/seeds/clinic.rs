//! Seed 003's chats, participants and messages: its columns in camelCase.
//!
//! A chat is a conversation as one of its members sees it; a chat of type Direct is the direct
//! conversation of its pair. What this server does not keep is null. Times are those of the
//! protocol: ISO 8601, milliseconds, `Z`.

use bedside_actors::conversation::hides_members;
use bedside_protocol::{
    Conversation, ConversationId, ConversationKind, LastMessage, Member, MemberRole, Message,
    MessageId, MessageType, Mine, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Members up to which an own message is found to have been read by all. In a larger chat it
/// stays unread for its sender: who has it, the native receipts tell.
pub const READ_BY_ALL_MEMBERS_MAX: usize = 64;

/// What a chat is for, by the seed's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ChatType {
    /// Two people.
    Direct,
    /// One patient and people related to them.
    #[serde(rename = "Care Team")]
    CareTeam,
    /// One patient, their family and clinicians.
    #[serde(rename = "Family Update")]
    FamilyUpdate,
    /// Staff only.
    #[serde(rename = "Internal Staff")]
    InternalStaff,
    /// Only its admins post.
    Broadcast,
    /// Text messages to a phone; not offered yet.
    #[serde(rename = "SMS")]
    Sms,
}

impl ChatType {
    /// The type of a conversation; none for consultations, which are no chats of this seed.
    #[must_use]
    pub const fn of(kind: ConversationKind) -> Option<Self> {
        match kind {
            ConversationKind::Direct => Some(Self::Direct),
            ConversationKind::CareTeam => Some(Self::CareTeam),
            ConversationKind::FamilyUpdate => Some(Self::FamilyUpdate),
            ConversationKind::InternalStaff => Some(Self::InternalStaff),
            ConversationKind::Broadcast => Some(Self::Broadcast),
            ConversationKind::Consultation => None,
        }
    }

    /// The kind of conversation that it is; none for SMS.
    #[must_use]
    pub const fn kind(self) -> Option<ConversationKind> {
        match self {
            Self::Direct => Some(ConversationKind::Direct),
            Self::CareTeam => Some(ConversationKind::CareTeam),
            Self::FamilyUpdate => Some(ConversationKind::FamilyUpdate),
            Self::InternalStaff => Some(ConversationKind::InternalStaff),
            Self::Broadcast => Some(ConversationKind::Broadcast),
            Self::Sms => None,
        }
    }
}

/// A row of `chats` (003 section 2.7), with what its clients show beside it.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    /// The conversation's id.
    pub id: ConversationId,
    /// The title; for a direct chat the other person's name, or their id when that is unknown.
    /// PHI.
    pub name: String,
    /// What it is for.
    #[serde(rename = "type")]
    pub chat_type: ChatType,
    /// Whose care it is about.
    pub patient_id: Option<UserId>,
    /// Always null.
    pub avatar_url: Option<String>,
    /// Whether the viewer has pinned it.
    pub is_pinned: bool,
    /// Always null.
    pub phone_number: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something was last added to it.
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: UserId,
    /// The newest message that the viewer may read.
    pub last_message_id: Option<MessageId>,
    /// When that was sent.
    pub last_message_time: Option<Timestamp>,
    /// Present members; in a broadcast an ordinary member sees only themselves and its admins.
    pub participants: Vec<Participant>,
    /// Messages of others that the viewer has not read.
    pub unread_count: u64,
    /// The newest message that the viewer may read.
    pub last_message: Option<ChatMessage>,
}

/// A row of `chat_participants` (003 section 2.8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// Made of the chat's and the user's id.
    pub id: String,
    /// Of which chat.
    pub chat_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// When they came in.
    pub joined_at: Timestamp,
    /// Whether they may change the chat.
    pub is_admin: bool,
    /// The viewer's own mark; false for others, whose marks are private.
    pub muted: bool,
    /// The viewer's own mark; false for others, whose marks are private.
    pub archived: bool,
}

/// A row of `messages` (003 sections 2.9 and 4.3): also what `message-received` carries.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessage {
    /// The message's id.
    pub id: MessageId,
    /// The conversation's id.
    pub chat_id: ConversationId,
    /// Who said it; null for what the server or a clinic's system wrote.
    pub sender_id: Option<UserId>,
    /// The text; null once deleted. PHI.
    pub content: Option<String>,
    /// What it is; the seed's names are the protocol's.
    pub message_type: MessageType,
    /// The first attachment: the seed knows one file per message.
    pub file_url: Option<String>,
    /// What to call it. PHI.
    pub file_name: Option<String>,
    /// Its size in bytes.
    pub file_size: Option<u64>,
    /// Its media type.
    pub mime_type: Option<String>,
    /// See [`is_read`].
    pub is_read: bool,
    /// Always null.
    pub voice_duration: Option<String>,
    /// Always false.
    pub is_transcribing: bool,
    /// Always null.
    pub transcription: Option<String>,
    /// Always null.
    pub transcription_summary: Option<String>,
    /// Always null.
    pub call_id: Option<String>,
    /// Always null.
    pub call_type: Option<String>,
    /// When the server took it in.
    pub created_at: Timestamp,
    /// When it was last edited, or deleted; else when it was sent.
    pub updated_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

impl ChatMessage {
    /// The message as it stands now.
    #[must_use]
    pub fn new(chat_id: ConversationId, message: Message, is_read: bool) -> Self {
        let file = message.attachments.into_iter().next();
        let (file_url, file_name, mime_type, file_size) = match file {
            Some(file) => (
                Some(file.url),
                Some(file.name).filter(|name| !name.is_empty()),
                Some(file.media_type).filter(|kind| !kind.is_empty()),
                file.size_bytes,
            ),
            None => (None, None, None, None),
        };
        Self {
            id: message.message_id,
            chat_id,
            sender_id: message.sender_id,
            content: message.deleted_at.is_none().then_some(message.text),
            message_type: message.message_type,
            file_url,
            file_name,
            file_size,
            mime_type,
            is_read,
            voice_duration: None,
            is_transcribing: false,
            transcription: None,
            transcription_summary: None,
            call_id: None,
            call_type: None,
            created_at: message.created_at,
            updated_at: message
                .deleted_at
                .or(message.edited_at)
                .unwrap_or(message.created_at),
            deleted_at: message.deleted_at,
        }
    }
}

/// Whether a message counts as read for the viewer. One of somebody else's: when the viewer has
/// read up to it. An own one: when every other present member who may read it has, in a chat of
/// at most [`READ_BY_ALL_MEMBERS_MAX`] members whose receipts the viewer sees.
#[must_use]
pub fn is_read(
    conversation: &Conversation,
    viewer: &UserId,
    seq: u64,
    sender: Option<&UserId>,
) -> bool {
    if sender != Some(viewer) {
        return conversation.me.read_up_to_seq >= seq;
    }
    let members = &conversation.members;
    let sees_receipts = conversation.me.last_seq.is_none()
        && !hides_members(conversation.kind, conversation.me.member_role);
    if !sees_receipts || members.len() > READ_BY_ALL_MEMBERS_MAX {
        return false;
    }
    // Who came later cannot read it, and their watermark starts above it.
    let mut readers = members
        .iter()
        .filter(|member| member.user_id != *viewer && member.first_seq <= seq)
        .peekable();
    readers.peek().is_some() && readers.all(|member| member.read_up_to_seq >= seq)
}

impl Chat {
    /// The conversation as the viewer sees it; none for a consultation's, which is no chat of
    /// this seed. `conversation` must be the viewer's own view.
    #[must_use]
    pub fn new(conversation: Conversation, viewer: &UserId, now: Timestamp) -> Option<Self> {
        let chat_type = ChatType::of(conversation.kind)?;
        let last_message = conversation.last_message.as_ref().map(|last| {
            let LastMessage { seq, message } = last;
            let is_read = is_read(&conversation, viewer, *seq, message.sender_id.as_ref());
            ChatMessage::new(conversation.conversation_id, message.clone(), is_read)
        });
        let participants = conversation.members.iter();
        let participants =
            participants.map(|member| Participant::new(&conversation, member, viewer, now));
        Some(Self {
            id: conversation.conversation_id,
            chat_type,
            is_pinned: conversation.me.pinned,
            avatar_url: None,
            phone_number: None,
            created_at: conversation.created_at,
            updated_at: conversation.last_activity_at,
            last_message_id: last_message.as_ref().map(|message| message.id),
            last_message_time: last_message.as_ref().map(|message| message.created_at),
            participants: participants.collect(),
            unread_count: conversation.me.unread_count,
            last_message,
            name: name(&conversation, viewer),
            patient_id: conversation.patient_id,
            created_by: conversation.created_by,
        })
    }
}

fn name(conversation: &Conversation, viewer: &UserId) -> String {
    let mut members = conversation.members.iter();
    let other = members.find(|member| member.user_id != *viewer);
    match (conversation.kind, other) {
        (ConversationKind::Direct, Some(other)) if other.name.is_empty() => {
            other.user_id.to_string()
        }
        (ConversationKind::Direct, Some(other)) => other.name.clone(),
        _ => conversation.title.clone(),
    }
}

impl Participant {
    /// A member as the viewer sees them.
    #[must_use]
    pub fn new(
        conversation: &Conversation,
        member: &Member,
        viewer: &UserId,
        now: Timestamp,
    ) -> Self {
        let chat_id = conversation.conversation_id;
        let own = (member.user_id == *viewer).then_some(&conversation.me);
        Self {
            id: format!("{chat_id}:{}", member.user_id),
            chat_id,
            user_id: member.user_id.clone(),
            joined_at: member.joined_at,
            is_admin: member.member_role == MemberRole::Admin,
            muted: own.is_some_and(|me| is_muted(me, now)),
            archived: own.is_some_and(|me| me.archived),
        }
    }
}

/// Whether the viewer has muted a conversation.
#[must_use]
pub fn is_muted(me: &Mine, now: Timestamp) -> bool {
    me.muted_until.is_some_and(|until| now < until)
}

bedside_protocol::quiet_debug! {
    Chat { id, chat_type, is_pinned, updated_at, unread_count }
    ChatMessage { id, chat_id, message_type, is_read, created_at, deleted_at }
}

#[cfg(test)]
mod tests;
