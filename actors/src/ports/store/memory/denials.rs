//! Who and what is not let in, in memory.

use async_trait::async_trait;
use bedside_protocol::UserId;
use std::collections::{BTreeMap, btree_map::Entry};

use super::MemoryStore;
use crate::ports::store::{
    DenialRecord, DenialStore, Denials, StoreResult,
    denials::{Denial, DenialsVersion, place},
};

#[derive(Default)]
pub(super) struct Denied {
    version: DenialsVersion,
    records: BTreeMap<(&'static str, String), DenialRecord>,
}

impl Denied {
    fn put(&mut self, record: DenialRecord) {
        let (kind, id) = place(&record.denial);
        match self.records.entry((kind, id.to_owned())) {
            Entry::Vacant(place) => {
                place.insert(record);
            }
            Entry::Occupied(mut place) => {
                if !replaces(&record.denial, &place.get().denial) {
                    return;
                }
                place.insert(record);
            }
        }
        self.version += 1;
    }
}

fn replaces(new: &Denial, old: &Denial) -> bool {
    match (new, old) {
        (Denial::Issued { before, .. }, Denial::Issued { before: old, .. }) => before > old,
        (Denial::Block { .. }, _) => true,
        _ => false,
    }
}

#[async_trait]
impl DenialStore for MemoryStore {
    async fn deny(&self, record: DenialRecord) -> StoreResult<()> {
        self.state.lock().writable()?.denied.put(record);
        Ok(())
    }

    async fn unblock(&self, user_id: UserId) -> StoreResult<bool> {
        let mut state = self.state.lock();
        let denied = &mut state.writable()?.denied;
        let place = ("block", user_id.to_string());
        let was_blocked = denied.records.remove(&place).is_some();
        denied.version += u128::from(was_blocked);
        Ok(was_blocked)
    }

    async fn denials_version(&self) -> StoreResult<DenialsVersion> {
        Ok(self.state.lock().denied.version)
    }

    async fn denials(&self) -> StoreResult<Denials> {
        let state = self.state.lock();
        Ok(Denials {
            version: state.denied.version,
            records: state.denied.records.values().cloned().collect(),
        })
    }
}
