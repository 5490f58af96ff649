//! Seed 004: people and direct messages.

use bedside_actors::ports::store::PersonRecord;
use bedside_protocol::{
    Attachment, ClientMsgId, Message, MessageId, MessageSend, MessageType, Role, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A person, inside messages and lists.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChatUser {
    /// Who; always a string.
    #[serde(rename = "_id")]
    pub id: UserId,
    /// Display name; empty when unknown. PHI.
    pub fullname: String,
    /// Null when unknown. PHI.
    pub email: Option<String>,
    /// The first of their roles; null when unknown.
    pub role: Option<Role>,
}

impl ChatUser {
    /// Somebody whom the directory does not know.
    #[must_use]
    pub const fn unknown(id: UserId) -> Self {
        Self {
            id,
            fullname: String::new(),
            email: None,
            role: None,
        }
    }
}

impl From<PersonRecord> for ChatUser {
    fn from(person: PersonRecord) -> Self {
        Self {
            id: person.user_id,
            fullname: person.name,
            email: Some(person.email).filter(|email| !email.is_empty()),
            role: person.roles.iter().next(),
        }
    }
}

/// A message, as `new_message` and `message_sent` carry it and pages list it.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DirectMessage)]
pub struct ChatMessage {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: MessageId,
    /// Who wrote it.
    pub sender: ChatUser,
    /// The other one.
    pub receiver: ChatUser,
    /// Its text as it stands now. PHI.
    pub content: String,
    /// text, image or file.
    pub message_type: ChatMessageType,
    /// Of its first attachment.
    pub file_url: Option<String>,
    /// Of its first attachment. PHI.
    pub file_name: Option<String>,
    /// Whether the receiver has read up to it.
    pub is_read: bool,
    /// When the server took it in.
    pub created_at: Timestamp,
}

/// The types of messages that the seed knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatMessageType {
    /// Text.
    #[default]
    Text,
    /// A picture.
    Image,
    /// Any other file, a voice recording too.
    File,
}

impl From<MessageType> for ChatMessageType {
    fn from(message_type: MessageType) -> Self {
        match message_type {
            MessageType::Image => Self::Image,
            MessageType::File | MessageType::Voice => Self::File,
            MessageType::Text | MessageType::System | MessageType::CallLog => Self::Text,
        }
    }
}

impl From<ChatMessageType> for MessageType {
    fn from(message_type: ChatMessageType) -> Self {
        match message_type {
            ChatMessageType::Text => Self::Text,
            ChatMessageType::Image => Self::Image,
            ChatMessageType::File => Self::File,
        }
    }
}

/// Whether the seed's clients can show a message: somebody wrote it and has not taken it back.
/// What the server itself wrote has no sender, which they count on.
#[must_use]
pub const fn is_visible(message: &Message) -> bool {
    message.sender_id.is_some() && message.deleted_at.is_none()
}

/// A message between two people in the seed's shape; none for one that [`is_visible`] leaves out.
///
/// `one` and `other` are the two of the direct conversation, in any order. `is_read` says whether
/// the read watermark of the one who did not write it covers it.
#[must_use]
pub fn message(
    message: &Message,
    one: &ChatUser,
    other: &ChatUser,
    is_read: bool,
) -> Option<ChatMessage> {
    if !is_visible(message) {
        return None;
    }
    let (sender, receiver) = if message.sender_id.as_ref() == Some(&one.id) {
        (one, other)
    } else {
        (other, one)
    };
    let (file_url, file_name) = file(&message.attachments);
    Some(ChatMessage {
        id: message.message_id,
        sender: sender.clone(),
        receiver: receiver.clone(),
        content: message.text.clone(),
        message_type: message.message_type.into(),
        file_url,
        file_name,
        is_read,
        created_at: message.created_at,
    })
}

/// URL and name of the first attachment; an empty name is none.
pub(super) fn file(attachments: &[Attachment]) -> (Option<String>, Option<String>) {
    let first = attachments.first();
    (
        first.map(|file| file.url.clone()),
        first
            .map(|file| file.name.clone())
            .filter(|name| !name.is_empty()),
    )
}

/// What a message of the seeds carries: one file, or none.
pub(super) fn attachments(url: Option<String>, name: Option<String>) -> Vec<Attachment> {
    let url = url.filter(|url| !url.is_empty());
    let file = url.map(|url| Attachment {
        url,
        name: name.unwrap_or_default(),
        media_type: String::new(),
        size_bytes: None,
    });
    file.into_iter().collect()
}

/// The seed's name of a direct conversation: both ids, sorted and joined by `_`.
#[must_use]
pub fn conversation_id(a: &UserId, b: &UserId) -> String {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    format!("{first}_{second}")
}

/// What a client sends, beside the receiver. Null is as absent.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatDraft {
    /// The text; `message` is the same.
    #[serde(alias = "message")]
    pub content: Option<String>,
    /// text, image or file; by default text.
    pub message_type: Option<ChatMessageType>,
    /// https, on one of the allowed hosts.
    pub file_url: Option<String>,
    /// What to call the file.
    pub file_name: Option<String>,
    /// Makes a retry safe.
    pub client_msg_id: Option<ClientMsgId>,
}

impl ChatDraft {
    /// The command that sends it. Bounds and file hosts are checked where it is done.
    #[must_use]
    pub fn to(self, receiver: UserId) -> MessageSend {
        MessageSend {
            to_user_id: Some(receiver),
            client_msg_id: self.client_msg_id,
            message_type: self.message_type.unwrap_or_default().into(),
            text: self.content.unwrap_or_default(),
            attachments: attachments(self.file_url, self.file_name),
            ..MessageSend::default()
        }
    }
}

bedside_protocol::quiet_debug! {
    ChatUser { id, role }
    ChatMessage { id, message_type, is_read, created_at }
    ChatDraft { message_type, client_msg_id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_protocol::Roles;
    use serde_json::{from_value, json, to_value};

    fn user(id: &str) -> UserId {
        UserId::new(id).expect("is an id")
    }

    fn person(id: &str, role: Role) -> ChatUser {
        ChatUser::from(PersonRecord {
            user_id: user(id),
            name: format!("Name of {id}"),
            email: format!("{id}@clinic.example"),
            roles: role.into(),
            last_seen_at: None,
        })
    }

    fn said(text: &str) -> Message {
        Message {
            message_id: MessageId::from_bytes([7; 16]),
            sender_id: Some(user("p1")),
            message_type: MessageType::Text,
            text: text.to_owned(),
            attachments: Vec::new(),
            reply_to_seq: None,
            client_msg_id: None,
            composed_at: None,
            created_at: Timestamp::from_millis(0),
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
        }
    }

    #[test]
    fn a_message_has_exactly_the_seeds_members() {
        let (doctor, patient) = (person("d1", Role::Doctor), person("p1", Role::Patient));
        let shown = message(&said("hello"), &doctor, &patient, true).expect("is visible");
        let wanted = json!({
            "_id": "07070707-0707-0707-0707-070707070707",
            "sender": {"_id": "p1", "fullname": "Name of p1", "email": "p1@clinic.example", "role": "patient"},
            "receiver": {"_id": "d1", "fullname": "Name of d1", "email": "d1@clinic.example", "role": "doctor"},
            "content": "hello",
            "messageType": "text",
            "fileUrl": null,
            "fileName": null,
            "isRead": true,
            "createdAt": "1970-01-01T00:00:00.000Z",
        });
        assert_eq!(to_value(&shown).expect("is written"), wanted);
        // In any order.
        assert_eq!(
            message(&said("hello"), &patient, &doctor, true),
            Some(shown)
        );
    }

    #[test]
    fn the_first_file_is_shown_and_voice_is_a_file() {
        let (doctor, patient) = (person("d1", Role::Doctor), person("p1", Role::Patient));
        let file = |url: &str, name: &str| Attachment {
            url: url.to_owned(),
            name: name.to_owned(),
            media_type: String::new(),
            size_bytes: None,
        };
        let mut said = said("");
        said.message_type = MessageType::Voice;
        said.attachments = vec![file("https://a/1", "one"), file("https://a/2", "two")];
        let shown = message(&said, &doctor, &patient, false).expect("is visible");
        assert_eq!(shown.message_type, ChatMessageType::File);
        assert_eq!(shown.file_url.as_deref(), Some("https://a/1"));
        assert_eq!(shown.file_name.as_deref(), Some("one"));
        said.attachments = vec![file("https://a/1", "")];
        let shown = message(&said, &doctor, &patient, false).expect("is visible");
        assert_eq!(shown.file_name, None);
    }

    #[test]
    fn deleted_messages_and_the_servers_own_are_left_out() {
        let (doctor, patient) = (person("d1", Role::Doctor), person("p1", Role::Patient));
        let mut deleted = said("");
        deleted.deleted_at = Some(Timestamp::from_millis(1));
        assert_eq!(message(&deleted, &doctor, &patient, false), None);
        let mut system = said("the clinic closes at five");
        system.sender_id = None;
        system.message_type = MessageType::System;
        assert_eq!(message(&system, &doctor, &patient, false), None);
    }

    #[test]
    fn who_is_not_known_is_an_id_and_nulls() {
        assert_eq!(
            to_value(ChatUser::unknown(user("7"))).expect("is written"),
            json!({"_id": "7", "fullname": "", "email": null, "role": null})
        );
        let nameless = PersonRecord {
            user_id: user("7"),
            name: String::new(),
            email: String::new(),
            roles: Roles::NONE,
            last_seen_at: None,
        };
        assert_eq!(ChatUser::from(nameless), ChatUser::unknown(user("7")));
    }

    #[test]
    fn a_pair_has_one_name() {
        let (a, b) = (user("u10"), user("u9"));
        assert_eq!(conversation_id(&a, &b), "u10_u9");
        assert_eq!(conversation_id(&b, &a), "u10_u9");
    }

    #[test]
    fn a_draft_becomes_a_send() {
        let draft: ChatDraft = from_value(json!({
            "receiverId": "d1", "content": "hi", "messageType": null, "fileUrl": null,
            "fileName": null, "clientMsgId": "m1",
        }))
        .expect("is one");
        let send = draft.to(user("d1"));
        assert_eq!(send.to_user_id, Some(user("d1")));
        assert_eq!(send.text, "hi");
        assert_eq!(send.message_type, MessageType::Text);
        assert!(send.attachments.is_empty() && send.validate().is_ok());
        assert_eq!(send.client_msg_id, ClientMsgId::new("m1").ok());
        let draft: ChatDraft = from_value(json!({
            "messageType": "image", "fileUrl": "https://files.clinic.example/x", "fileName": "x.png",
        }))
        .expect("is one");
        let send = draft.to(user("d1"));
        assert_eq!(send.message_type, MessageType::Image);
        assert_eq!(send.attachments[0].name, "x.png");
        assert!(from_value::<ChatDraft>(json!({"messageType": "video"})).is_err());
    }
}
