//! What an auditor is told of what clients tried.

use bedside_actors::{
    audit::{Trail, Whence},
    ports::store::AuditRecord,
};
use bedside_protocol::{Timestamp, UserId};
use std::sync::Arc;

use crate::budget::{Budget, Taken};

/// Somebody said they were somebody else.
pub(super) const IDENTITY_MISMATCH: &str = "identity.mismatch";
/// Somebody tried what they may not do.
pub(super) const ACCESS_REFUSED: &str = "access.refused";

/// Entries that one client may cause a minute.
pub(super) const PER_CLIENT_A_MINUTE: u32 = 60;

/// An entry to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) action: &'static str,
    pub(super) subject: String,
    pub(super) detail: String,
}

impl Entry {
    /// Says, in the last one for a while, that it is.
    pub(super) fn within(mut self, budget: &mut Budget) -> Option<Self> {
        match budget.take() {
            Taken::One => {}
            Taken::Last => self.detail.push_str("; more for now are not written"),
            Taken::None => return None,
        }
        Some(self)
    }

    pub(super) fn by(self, actor: Option<UserId>, at: Timestamp) -> AuditRecord {
        AuditRecord {
            at,
            actor,
            action: self.action.into(),
            subject: self.subject,
            detail: self.detail,
        }
    }
}

/// Writes an entry; what fails is said in the log.
pub(super) async fn write(trail: Arc<Trail>, record: AuditRecord, whence: Whence) {
    let action = record.action.clone();
    if let Err(fault) = trail.write_from(record, &whence).await {
        tracing::error!(error = %fault, %action, "an audit entry could not be written");
    }
}
