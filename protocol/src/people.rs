//! Who people are: roles, relations, presence.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, UserId};

/// What a token says its bearer is. Wire names are lower case; tokens are read without regard
/// to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Someone who is cared for.
    Patient,
    /// A physician.
    Doctor,
    /// A nurse.
    Nurse,
    /// Clinic staff without clinical rights.
    Assistant,
    /// A pharmacy's staff.
    Pharmacy,
    /// A relative or carer of a patient.
    Family,
    /// Runs the clinic's directory; reads no conversation by role.
    Admin,
    /// Another system of the clinic; REST only, never a person.
    Service,
}

impl Role {
    /// All roles.
    pub const ALL: &'static [Self] = &[
        Self::Patient,
        Self::Doctor,
        Self::Nurse,
        Self::Assistant,
        Self::Pharmacy,
        Self::Family,
        Self::Admin,
        Self::Service,
    ];

    /// The wire name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Doctor => "doctor",
            Self::Nurse => "nurse",
            Self::Assistant => "assistant",
            Self::Pharmacy => "pharmacy",
            Self::Family => "family",
            Self::Admin => "admin",
            Self::Service => "service",
        }
    }

    /// Reads a role without regard to case; none for an unknown one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|role| role.name().eq_ignore_ascii_case(text.trim()))
    }
}

/// A set of roles: what one token grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    /// No roles, so no rights.
    pub const NONE: Self = Self(0);

    /// The set with `role` added.
    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | 1 << role as u8)
    }

    /// Whether `role` is in it.
    #[must_use]
    pub const fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Doctor or nurse.
    #[must_use]
    pub const fn is_clinician(self) -> bool {
        self.has(Role::Doctor) || self.has(Role::Nurse)
    }

    /// Clinician, assistant, pharmacy or admin.
    #[must_use]
    pub const fn is_staff(self) -> bool {
        self.is_clinician()
            || self.has(Role::Assistant)
            || self.has(Role::Pharmacy)
            || self.has(Role::Admin)
    }

    /// The roles in it.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL
            .iter()
            .copied()
            .filter(move |role| self.has(*role))
    }

    /// As one number, for stores.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From a store's number.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().fold(Self::NONE, Self::with)
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Self::NONE.with(role)
    }
}

impl Serialize for Roles {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.iter().collect::<Vec<_>>())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(d)?;
        Ok(names.iter().filter_map(|name| Role::parse(name)).collect())
    }
}

/// How someone is related to a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// Treats the patient.
    Clinician,
    /// Assists in the patient's care.
    Assistant,
    /// Dispenses for the patient.
    Pharmacy,
    /// Relative or carer of the patient.
    Family,
    /// Interprets for the patient.
    Interpreter,
}

/// A person as others may see them.
///
/// PHI: `name` identifies a person; it is never logged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Person {
    /// The token's `sub`.
    pub user_id: UserId,
    /// Display name, at most 200 bytes; empty when the token had none.
    pub name: String,
    /// What the last token, or the directory, said.
    pub roles: Roles,
}

/// What someone says of their own availability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Ready to talk.
    #[default]
    Available,
    /// Here, but not to be disturbed.
    Busy,
    /// Away from the screen.
    Away,
}

impl Availability {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Available, Self::Busy, Self::Away];
}

/// Whether someone is here. Server-made; sent only to people who share a conversation.
///
/// JSON: `{"user_id":"d1","online":false,"status":"available","last_seen_at":"..."}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Presence {
    /// Whose presence.
    pub user_id: UserId,
    /// Whether at least one of their sockets is open (ended ones count for 10 s more).
    pub online: bool,
    /// What they set; `available` until they set another.
    pub status: Availability,
    /// When their last socket closed; absent while online or when never seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
}

crate::quiet_debug! {
    Person { user_id, roles }
}
