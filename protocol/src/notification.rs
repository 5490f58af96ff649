//! Notifications: what the clinic's systems tell people, beside conversations.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId, ids::NotificationId};

/// Any JSON.
pub use serde_json::Value as Json;

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NotificationType {
    /// A message came.
    Message,
    /// Somebody calls.
    CallIncoming,
    /// Somebody called.
    CallMissed,
    /// A patient needs attention.
    PatientAlert,
    /// An appointment is near.
    AppointmentReminder,
    /// A clinical note was shared.
    NoteShared,
    /// An invitation into a team.
    TeamInvite,
    /// From the system itself.
    SystemAlert,
    /// A prescription can be fetched.
    PrescriptionReady,
    /// Results of a laboratory are there.
    LabResults,
}

impl NotificationType {
    /// All types.
    pub const ALL: &'static [Self] = &[
        Self::Message,
        Self::CallIncoming,
        Self::CallMissed,
        Self::PatientAlert,
        Self::AppointmentReminder,
        Self::NoteShared,
        Self::TeamInvite,
        Self::SystemAlert,
        Self::PrescriptionReady,
        Self::LabResults,
    ];

    /// The wire name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::CallIncoming => "call_incoming",
            Self::CallMissed => "call_missed",
            Self::PatientAlert => "patient_alert",
            Self::AppointmentReminder => "appointment_reminder",
            Self::NoteShared => "note_shared",
            Self::TeamInvite => "team_invite",
            Self::SystemAlert => "system_alert",
            Self::PrescriptionReady => "prescription_ready",
            Self::LabResults => "lab_results",
        }
    }

    /// Reads a wire name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text)
    }
}

/// `notification.created`: a notification for the owner of the socket. Without a seq: what was
/// missed is read with `GET /api/v1/notifications`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Notification {
    /// Its id.
    pub notification_id: NotificationId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is about.
    #[serde(rename = "type")]
    pub notification_type: NotificationType,
    /// At most 200 bytes. No clinical text.
    pub title: String,
    /// At most 2 KiB. No clinical text.
    pub body: String,
    /// What the publisher added: any JSON, at most 8 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(schema_with = crate::openapi::anything, required = false))]
    pub data: Option<Json>,
    /// Where it leads, at most 2 KiB: up to the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// `notification.ack` (it reached a device) and `notification.read` (it was seen). Reply: empty.
/// One of somebody else, or none, is `not_found`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRef {
    /// Which.
    pub notification_id: NotificationId,
}

crate::quiet_debug! {
    Notification { notification_id, user_id, notification_type }
}
