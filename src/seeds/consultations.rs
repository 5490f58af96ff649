//! Seed 000: consultations and their messages.

use bedside_actors::ports::store::PersonRecord;
use bedside_protocol::{
    ClientMsgId, Consultation, ConsultationId, ConsultationStatus, ConsultationType, Message,
    MessageId, MessageSend, MessageType, Role, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{chat, id::SeedId};

/// A consultation. What is not known yet is null.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsultationRow {
    /// Its id.
    pub id: SeedId,
    /// The clinic's own name of the appointment.
    pub appointment_id: SeedId,
    /// `VIDEO` or `CHAT`.
    #[serde(rename = "type")]
    pub consultation_type: &'static str,
    /// `SCHEDULED`, `IN_PROGRESS`, `COMPLETED` or `CANCELLED`.
    pub status: &'static str,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Whole minutes between the two.
    pub duration: Option<i64>,
    /// What the doctor noted at its end. PHI.
    pub notes: Option<String>,
    /// Whose care it is about.
    pub patient_id: SeedId,
    /// Who holds it.
    pub doctor_id: SeedId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<Consultation> for ConsultationRow {
    fn from(consultation: Consultation) -> Self {
        Self {
            id: consultation.consultation_id.into(),
            appointment_id: consultation.appointment_id.as_str().into(),
            consultation_type: match consultation.consultation_type {
                ConsultationType::Video => "VIDEO",
                ConsultationType::Chat => "CHAT",
            },
            status: match consultation.status {
                ConsultationStatus::Scheduled => "SCHEDULED",
                ConsultationStatus::InProgress => "IN_PROGRESS",
                ConsultationStatus::Completed => "COMPLETED",
                ConsultationStatus::Cancelled => "CANCELLED",
            },
            start_time: consultation.started_at,
            end_time: consultation.ended_at,
            duration: consultation.duration_minutes(),
            patient_id: (&consultation.patient_id).into(),
            doctor_id: (&consultation.doctor_id).into(),
            created_at: consultation.created_at,
            updated_at: consultation.updated_at,
            notes: consultation.notes,
        }
    }
}

/// A message of a consultation's chat.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConsultationMessage)]
pub struct MessageRow {
    /// Its id; always a string.
    pub id: MessageId,
    /// Where it was written.
    pub consultation_id: SeedId,
    /// Who wrote it.
    pub sender_id: SeedId,
    /// Its text as it stands now. PHI.
    pub message: String,
    /// `TEXT`, `IMAGE` or `FILE`.
    pub message_type: SeedMessageType,
    /// Of its first attachment.
    pub file_url: Option<String>,
    /// When the server took it in.
    pub created_at: Timestamp,
    /// Who wrote it.
    pub sender: Sender,
}

/// Who wrote a message.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sender {
    /// Who.
    pub id: SeedId,
    /// Display name; empty when unknown. PHI.
    pub name: String,
    /// The first of their roles; null when unknown.
    pub role: Option<Role>,
}

/// The types of messages that the seed knows; read in capitals and in small letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SeedMessageType {
    /// Text.
    #[default]
    #[serde(alias = "text")]
    Text,
    /// A picture.
    #[serde(alias = "image")]
    Image,
    /// Any other file, a voice recording too.
    #[serde(alias = "file")]
    File,
}

impl From<MessageType> for SeedMessageType {
    fn from(message_type: MessageType) -> Self {
        match message_type {
            MessageType::Image => Self::Image,
            MessageType::File | MessageType::Voice => Self::File,
            MessageType::Text | MessageType::System | MessageType::CallLog => Self::Text,
        }
    }
}

impl From<SeedMessageType> for MessageType {
    fn from(message_type: SeedMessageType) -> Self {
        match message_type {
            SeedMessageType::Text => Self::Text,
            SeedMessageType::Image => Self::Image,
            SeedMessageType::File => Self::File,
        }
    }
}

/// A message in the seed's shape; none for one that was taken back, or that the server itself
/// wrote ([`chat::is_visible`]). `sender` is the writer's row in the directory, if there is one.
#[must_use]
pub fn message(
    id: ConsultationId,
    message: &Message,
    sender: Option<&PersonRecord>,
) -> Option<MessageRow> {
    if !chat::is_visible(message) {
        return None;
    }
    let sender_id = SeedId::from(message.sender_id.as_ref()?);
    let (file_url, _) = chat::file(&message.attachments);
    Some(MessageRow {
        id: message.message_id,
        consultation_id: id.into(),
        sender_id: sender_id.clone(),
        message: message.text.clone(),
        message_type: message.message_type.into(),
        file_url,
        created_at: message.created_at,
        sender: Sender {
            id: sender_id,
            name: sender.map_or_else(String::new, |person| person.name.clone()),
            role: sender.and_then(|person| person.roles.iter().next()),
        },
    })
}

/// What a client sends. Null is as absent.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConsultationDraft)]
pub struct MessageDraft {
    /// Where to.
    pub consultation_id: Option<SeedId>,
    /// The text.
    pub message: Option<String>,
    /// `TEXT`, `IMAGE` or `FILE`; by default text.
    pub message_type: Option<SeedMessageType>,
    /// https, on one of the allowed hosts.
    pub file_url: Option<String>,
    /// Makes a retry safe.
    pub client_msg_id: Option<ClientMsgId>,
    /// Who the client says it is from: it has to be the caller, if it is there.
    pub sender_id: Option<SeedId>,
}

impl MessageDraft {
    /// The command that sends it. Bounds and file hosts are checked where it is done.
    #[must_use]
    pub fn to(self, id: ConsultationId) -> MessageSend {
        MessageSend {
            consultation_id: Some(id),
            client_msg_id: self.client_msg_id,
            message_type: self.message_type.unwrap_or_default().into(),
            text: self.message.unwrap_or_default(),
            attachments: chat::attachments(self.file_url, None),
            ..MessageSend::default()
        }
    }
}

bedside_protocol::quiet_debug! {
    MessageDraft { consultation_id, message_type, client_msg_id, sender_id }
    ConsultationRow { id, status }
    MessageRow { id, consultation_id, message_type, created_at }
    Sender { id, role }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_protocol::{Attachment, ConversationId, UserId};
    use serde_json::{json, to_value};

    fn user(id: &str) -> UserId {
        UserId::new(id).expect("is an id")
    }

    fn consultation() -> Consultation {
        Consultation {
            consultation_id: ConsultationId::from_number(77).expect("is an id"),
            conversation_id: ConversationId::new(),
            appointment_id: "31".to_owned(),
            consultation_type: ConsultationType::Video,
            status: ConsultationStatus::Scheduled,
            patient_id: user("12"),
            doctor_id: user("dr-5"),
            scheduled_at: Some(Timestamp::from_millis(5)),
            started_at: None,
            ended_at: None,
            notes: None,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_consultation_has_exactly_the_seeds_members() {
        let zero = Timestamp::from_millis(0);
        assert_eq!(
            to_value(ConsultationRow::from(consultation())).expect("is written"),
            json!({
                "id": 77, "appointmentId": 31, "type": "VIDEO", "status": "SCHEDULED",
                "startTime": null, "endTime": null, "duration": null, "notes": null,
                "patientId": 12, "doctorId": "dr-5", "createdAt": zero, "updatedAt": zero,
            })
        );
        let ended = Consultation {
            status: ConsultationStatus::Completed,
            started_at: Some(Timestamp::from_millis(60_000)),
            ended_at: Some(Timestamp::from_millis(60_000 + 12 * 60_000 + 59_999)),
            notes: Some("rest".to_owned()),
            ..consultation()
        };
        let row = to_value(ConsultationRow::from(ended)).expect("is written");
        assert_eq!(row["status"], "COMPLETED");
        assert_eq!(row["duration"], 12);
        assert_eq!(row["notes"], "rest");
        assert_eq!(row["startTime"], "1970-01-01T00:01:00.000Z");
    }

    #[test]
    fn a_message_has_exactly_the_seeds_members() {
        let id = consultation().consultation_id;
        let said = Message {
            message_id: MessageId::from_bytes([7; 16]),
            sender_id: Some(user("12")),
            message_type: MessageType::File,
            text: "here".to_owned(),
            attachments: vec![Attachment {
                url: "https://files.clinic.example/x".to_owned(),
                name: "x".to_owned(),
                media_type: String::new(),
                size_bytes: None,
            }],
            reply_to_seq: None,
            client_msg_id: None,
            composed_at: None,
            created_at: Timestamp::from_millis(0),
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
        };
        let sender = PersonRecord {
            user_id: user("12"),
            name: "Name of 12".to_owned(),
            email: String::new(),
            roles: Role::Patient.into(),
            last_seen_at: None,
        };
        let row = message(id, &said, Some(&sender)).expect("is visible");
        assert_eq!(
            to_value(&row).expect("is written"),
            json!({
                "id": "07070707-0707-0707-0707-070707070707",
                "consultationId": 77,
                "senderId": 12,
                "message": "here",
                "messageType": "FILE",
                "fileUrl": "https://files.clinic.example/x",
                "createdAt": "1970-01-01T00:00:00.000Z",
                "sender": {"id": 12, "name": "Name of 12", "role": "patient"},
            })
        );
        let unknown = message(id, &said, None).expect("is visible");
        assert_eq!(unknown.sender.name, "");
        let deleted = Message {
            deleted_at: Some(Timestamp::from_millis(1)),
            ..said
        };
        assert_eq!(message(id, &deleted, Some(&sender)), None);
    }
}
