//! Conversations and their members.

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use crate::openapi::bounds;
use crate::{ConsultationId, ConversationId, Message, Roles, Timestamp, UserId};

/// What a conversation is for; each kind carries its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// Two people. One per pair, for ever.
    Direct,
    /// One patient and people related to them, made by a clinician of the patient.
    CareTeam,
    /// One patient, their family and clinicians, made by a clinician of the patient.
    FamilyUpdate,
    /// Staff only.
    InternalStaff,
    /// Made by staff; only its admins post; members do not see each other.
    Broadcast,
    /// The chat of a consultation; made with it.
    Consultation,
}

impl ConversationKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[
        Self::Direct,
        Self::CareTeam,
        Self::FamilyUpdate,
        Self::InternalStaff,
        Self::Broadcast,
        Self::Consultation,
    ];

    /// The wire name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::CareTeam => "care_team",
            Self::FamilyUpdate => "family_update",
            Self::InternalStaff => "internal_staff",
            Self::Broadcast => "broadcast",
            Self::Consultation => "consultation",
        }
    }

    /// Reads a wire name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text)
    }
}

/// Whether a conversation takes new messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConversationState {
    /// It does.
    #[default]
    Open,
    /// The relation behind it ended: history can be read, nothing can be added.
    ReadOnly,
}

/// What a member may do in a conversation, beyond what their role in the clinic allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Reads and writes.
    #[default]
    Member,
    /// Also changes title and members; posts in a broadcast.
    Admin,
    /// Reads only.
    Observer,
    /// Reads and writes, to interpret.
    Interpreter,
}

/// One member of a conversation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// Display name; empty when unknown. PHI.
    pub name: String,
    /// What they are in the clinic.
    pub roles: Roles,
    /// What they are here.
    pub member_role: MemberRole,
    /// The first seq that they may read.
    pub first_seq: u64,
    /// The last seq that they may read; set on removal, that event included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// When they came in.
    pub joined_at: Timestamp,
    /// Everything up to here reached one of their devices; never goes down.
    pub delivered_up_to_seq: u64,
    /// Everything up to here was seen; never goes down.
    pub read_up_to_seq: u64,
}

/// What a conversation is to the caller alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Mine {
    /// The caller's role in it.
    pub member_role: MemberRole,
    /// The first seq that the caller may read.
    pub first_seq: u64,
    /// The last one, after the caller left or was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// The caller's delivered watermark.
    pub delivered_up_to_seq: u64,
    /// The caller's read watermark.
    pub read_up_to_seq: u64,
    /// Countable messages of others above the read watermark.
    pub unread_count: u64,
    /// Shown on top.
    pub pinned: bool,
    /// No alerts before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
    /// Out of the ordinary list.
    pub archived: bool,
}

/// A conversation as one member sees it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Conversation {
    /// Its id.
    pub conversation_id: ConversationId,
    /// What it is for.
    pub kind: ConversationKind,
    /// At most 200 bytes; empty for direct ones. PHI.
    #[cfg_attr(feature = "openapi", schema(schema_with = bounds::title))]
    pub title: String,
    /// Whose care it is about, for care teams, family updates and consultations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_id: Option<UserId>,
    /// The consultation whose chat it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consultation_id: Option<ConsultationId>,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Whether it takes new messages.
    pub state: ConversationState,
    /// The newest seq that the caller may read.
    pub head_seq: u64,
    /// The first seq that retention has kept.
    pub log_start_seq: u64,
    /// When something was last added to it.
    pub last_activity_at: Timestamp,
    /// The newest message that the caller may read, and its seq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<LastMessage>,
    /// The caller's own view.
    pub me: Mine,
    /// Present members. In a broadcast an ordinary member sees only themselves and its admins.
    pub members: Vec<Member>,
}

/// The newest message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LastMessage {
    /// Its seq.
    pub seq: u64,
    /// The message as it stands now.
    #[serde(flatten)]
    pub message: Message,
}

crate::quiet_debug! {
    Member { user_id, member_role, first_seq, last_seq }
    Conversation { conversation_id, kind, state, head_seq }
}
