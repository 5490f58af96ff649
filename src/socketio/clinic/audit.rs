//! What an auditor is told of what clients tried.

use bedside_actors::{audit::Trail, ports::store::AuditRecord};
use bedside_protocol::{Timestamp, UserId};
use std::{net::IpAddr, sync::Arc};

use super::{
    budget::{Budget, Taken},
    recent::Recent,
};

/// Somebody said they were somebody else.
pub(super) const IDENTITY_MISMATCH: &str = "identity.mismatch";
/// Somebody tried what they may not do.
pub(super) const ACCESS_REFUSED: &str = "access.refused";
/// Somebody was not let in.
const CONNECT_REFUSED: &str = "connect.refused";

/// Entries that one client may cause a minute.
pub(super) const PER_CLIENT_A_MINUTE: u32 = 60;
/// Entries about refused connects that one address may cause a minute.
const PER_ADDRESS_A_MINUTE: u32 = 10;
/// The same for all addresses.
const CONNECTS_A_MINUTE: u32 = 600;
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 10_000;

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
pub(super) async fn write(trail: Arc<Trail>, record: AuditRecord) {
    let action = record.action.clone();
    if let Err(fault) = trail.write(record).await {
        tracing::error!(error = %fault, %action, "an audit entry could not be written");
    }
}

/// Keeps the entries about refused connects within bounds.
pub(super) struct Door {
    addresses: Recent<IpAddr, Arc<parking_lot::Mutex<Budget>>>,
    all: parking_lot::Mutex<Budget>,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            addresses: Recent::new(ADDRESSES_MAX),
            all: parking_lot::Mutex::new(Budget::per_minute(CONNECTS_A_MINUTE)),
        }
    }
}

impl Door {
    /// The entry about a refused connect, unless there were too many.
    pub(super) fn entry(&self, address: IpAddr, namespace: &str, why: &str) -> Option<Entry> {
        let budget = self.addresses.update(address, |budget| {
            let budget = budget.unwrap_or_else(|| {
                Arc::new(parking_lot::Mutex::new(Budget::per_minute(
                    PER_ADDRESS_A_MINUTE,
                )))
            });
            (budget.clone(), budget)
        });
        let entry = Entry {
            action: CONNECT_REFUSED,
            subject: format!("socketio {namespace}"),
            detail: format!("{why}; address {address}"),
        };
        let entry = entry.within(&mut budget.lock())?;
        entry.within(&mut self.all.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test(start_paused = true)]
    async fn one_address_cannot_fill_the_log() {
        let door = Door::default();
        let entry = |last: u8| {
            let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
            door.entry(address, "/", "unauthorized")
        };
        let written: Vec<_> = (0..100).filter_map(|_| entry(1)).collect();
        assert_eq!(written.len(), PER_ADDRESS_A_MINUTE as usize);
        assert_eq!(written[0].detail, "unauthorized; address 10.0.0.1");
        assert!(written[9].detail.ends_with("more for now are not written"));
        assert!(entry(2).is_some(), "another address");
    }

    #[tokio::test(start_paused = true)]
    async fn nor_can_many() {
        let door = Door::default();
        let written = (0..=255_u8)
            .flat_map(|last| (0..10).map(move |_| last))
            .filter_map(|last| door.entry(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), "/", "x"))
            .count();
        assert_eq!(written, CONNECTS_A_MINUTE as usize);
    }
}
