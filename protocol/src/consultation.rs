//! Consultations: appointments that are held here, by chat or video.

use serde::{Deserialize, Serialize};

use crate::{ConversationId, Timestamp, UserId, ids::ConsultationId};

/// How a consultation is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsultationType {
    /// By video, with a chat beside it.
    Video,
    /// In writing.
    Chat,
}

impl ConsultationType {
    /// All types.
    pub const ALL: &'static [Self] = &[Self::Video, Self::Chat];

    /// The wire name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Chat => "chat",
        }
    }

    /// Reads a wire name without regard to case: seed 000 writes `VIDEO`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name().eq_ignore_ascii_case(text))
    }
}

/// How far a consultation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsultationStatus {
    /// It has yet to begin.
    #[default]
    Scheduled,
    /// It goes on.
    InProgress,
    /// It took place.
    Completed,
    /// It will not take place.
    Cancelled,
}

impl ConsultationStatus {
    /// All statuses.
    pub const ALL: &'static [Self] = &[
        Self::Scheduled,
        Self::InProgress,
        Self::Completed,
        Self::Cancelled,
    ];

    /// The wire name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads a wire name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|status| status.name() == text)
    }

    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// A consultation as it stands now. One per appointment, with a conversation of its own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consultation {
    /// Its id: time-ordered.
    pub consultation_id: ConsultationId,
    /// Its chat.
    pub conversation_id: ConversationId,
    /// The clinic's own name of the appointment, 1..=128 bytes.
    pub appointment_id: String,
    /// How it is held.
    #[serde(rename = "type")]
    pub consultation_type: ConsultationType,
    /// How far it has come.
    pub status: ConsultationStatus,
    /// Whose care it is about.
    pub patient_id: UserId,
    /// Who holds it.
    pub doctor_id: UserId,
    /// When it is to begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Timestamp>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What the doctor noted at its end, at most 16 KiB. PHI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Consultation {
    /// Whole minutes from its start to its end; none before both.
    #[must_use]
    pub fn duration_minutes(&self) -> Option<i64> {
        let (started, ended) = (self.started_at?, self.ended_at?);
        Some(ended.millis_since(started).max(0) / 60_000)
    }
}

/// `consultation.join`, `consultation.leave`, `consultation.start`: a consultation and nothing
/// more.
///
/// `join`: enter the room, as a participant. Reply: [`crate::reply::Joined`]; those in the room
/// get `participant.joined`. It ends with `consultation.leave` and with the socket.
///
/// `start`: begin it, as a clinician in it. Reply: [`crate::reply::ConsultationReply`]; one that
/// goes on already is answered as it stands, one that is over is `conflict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsultationRef {
    /// Which.
    pub consultation_id: ConsultationId,
}

/// `consultation.end {consultation_id, notes?}`: end it, as a clinician in it.
/// Reply: [`crate::reply::ConsultationReply`]; one that has not begun, or is over, is `conflict`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsultationEnd {
    /// Which.
    pub consultation_id: ConsultationId,
    /// What the doctor notes, at most 16 KiB. PHI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

/// `consultation.started`. Durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsultationStarted {
    /// Which.
    pub consultation_id: ConsultationId,
    /// Who began it.
    pub by_user_id: UserId,
    /// When.
    pub at: Timestamp,
}

/// `consultation.ended`: it took place, or was cancelled. Durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsultationEnded {
    /// Which.
    pub consultation_id: ConsultationId,
    /// `completed` or `cancelled`.
    pub status: ConsultationStatus,
    /// Who ended it; absent when one of the clinic's systems did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_user_id: Option<UserId>,
    /// When.
    pub at: Timestamp,
}

/// `participant.joined`, `participant.left`: somebody entered the room, or went. Sent to those
/// who are in the room, on the sockets with which they joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParticipantMoved {
    /// Which room.
    pub consultation_id: ConsultationId,
    /// Who.
    pub user_id: UserId,
    /// When.
    pub at: Timestamp,
}

crate::quiet_debug! {
    Consultation { consultation_id, conversation_id, status }
    ConsultationEnd { consultation_id }
}
