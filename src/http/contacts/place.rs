//! A place in the list of contacts: what its cursors hold.

use bedside_protocol::UserId;
use serde::{Deserialize, Serialize};

/// Where the list goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) stage: Stage,
    /// Families: whose.
    #[serde(default)]
    pub(super) patient: Option<UserId>,
    /// Only ids behind this one.
    #[serde(default)]
    pub(super) after: Option<UserId>,
}

impl Place {
    /// The first of a stage.
    pub(super) const fn start_of(stage: Stage) -> Self {
        Self {
            stage,
            patient: None,
            after: None,
        }
    }
}

/// Which contacts it is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Staff, for staff.
    Staff,
    /// People on the other side of a relation.
    Related,
    /// The families of a clinician's patients.
    Families,
}
