//! The names under which stores keep the values of enums. They are those of the wire; they must
//! never change, because files and tables hold them.

use bedside_protocol::{
    ConsultationStatus, ConsultationType, ConversationKind, ConversationState, MemberRole,
    MessageType, NotificationType, RelationKind,
};

/// An enum whose values have names in a store.
pub(crate) trait Named: Copy + 'static {
    const ALL: &'static [(Self, &'static str)];

    fn name(self) -> &'static str;

    /// The value of this name.
    fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(value, _)| *value)
    }
}

macro_rules! named {
    ($($type:ident { $($variant:ident = $name:literal,)* })*) => {
        $(impl Named for $type {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $name)),*];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        })*
    };
}

/// What an entry of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Message,
    Edit,
    Delete,
    React,
    Change,
    ConsultationStarted,
    ConsultationEnded,
}

named! {
    EntryKind {
        Message = "message",
        Edit = "edit",
        Delete = "delete",
        React = "react",
        Change = "change",
        ConsultationStarted = "consultation_started",
        ConsultationEnded = "consultation_ended",
    }
    ConsultationType {
        Video = "video",
        Chat = "chat",
    }
    ConsultationStatus {
        Scheduled = "scheduled",
        InProgress = "in_progress",
        Completed = "completed",
        Cancelled = "cancelled",
    }
    ConversationKind {
        Direct = "direct",
        CareTeam = "care_team",
        FamilyUpdate = "family_update",
        InternalStaff = "internal_staff",
        Broadcast = "broadcast",
        Consultation = "consultation",
    }
    ConversationState {
        Open = "open",
        ReadOnly = "read_only",
    }
    MemberRole {
        Member = "member",
        Admin = "admin",
        Observer = "observer",
        Interpreter = "interpreter",
    }
    MessageType {
        Text = "text",
        Image = "image",
        File = "file",
        Voice = "voice",
        System = "system",
        CallLog = "call_log",
    }
    NotificationType {
        Message = "message",
        CallIncoming = "call_incoming",
        CallMissed = "call_missed",
        PatientAlert = "patient_alert",
        AppointmentReminder = "appointment_reminder",
        NoteShared = "note_shared",
        TeamInvite = "team_invite",
        SystemAlert = "system_alert",
        PrescriptionReady = "prescription_ready",
        LabResults = "lab_results",
    }
    RelationKind {
        Clinician = "clinician",
        Assistant = "assistant",
        Pharmacy = "pharmacy",
        Family = "family",
        Interpreter = "interpreter",
    }
}
