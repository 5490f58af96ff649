//! The audit log, in memory.

use async_trait::async_trait;
use std::collections::BTreeMap;

use super::MemoryStore;
use crate::ports::store::{
    AuditEntry, AuditHead, AuditRange, AuditRecord, AuditStore, StoreError, StoreResult,
};

#[derive(Default)]
pub(super) struct Audit {
    entries: BTreeMap<(String, u64), AuditEntry>,
    heads: BTreeMap<String, AuditHead>,
    /// As they came.
    records: Vec<AuditRecord>,
}

impl MemoryStore {
    /// What the audit log holds, but for what people do every day
    /// ([`AuditRecord::is_routine`]).
    #[must_use]
    pub fn audit_log(&self) -> Vec<AuditRecord> {
        let mut all = self.whole_audit_log();
        all.retain(|record| !record.is_routine());
        all
    }

    /// What the audit log holds.
    #[must_use]
    pub fn whole_audit_log(&self) -> Vec<AuditRecord> {
        self.state.lock().audit.records.clone()
    }

    /// Does to an entry what nobody should be able to. For tests.
    pub fn tamper_with_audit(&self, tamper: impl FnOnce(&mut BTreeMap<(String, u64), AuditEntry>)) {
        tamper(&mut self.state.lock().audit.entries);
    }
}

#[async_trait]
impl AuditStore for MemoryStore {
    async fn append_audit(&self, entries: Vec<AuditEntry>, head: AuditHead) -> StoreResult<()> {
        let mut state = self.state.lock();
        let audit = &mut state.writable()?.audit;
        let place = |entry: &AuditEntry| (entry.node.clone(), entry.seq);
        if entries
            .iter()
            .any(|e| audit.entries.contains_key(&place(e)))
        {
            return Err(StoreError::Conflict);
        }
        for entry in entries {
            audit.records.push(entry.record.clone());
            audit.entries.insert(place(&entry), entry);
        }
        audit.heads.insert(head.node.clone(), head);
        Ok(())
    }

    async fn audit_nodes(&self) -> StoreResult<Vec<String>> {
        Ok(self.state.lock().audit.heads.keys().cloned().collect())
    }

    async fn audit_head(&self, node: String) -> StoreResult<Option<AuditHead>> {
        Ok(self.state.lock().audit.heads.get(&node).cloned())
    }

    async fn audit_entries(&self, node: String, range: AuditRange) -> StoreResult<Vec<AuditEntry>> {
        if range.from_seq > range.to_seq {
            return Ok(Vec::new());
        }
        let state = self.state.lock();
        let places = (node.clone(), range.from_seq)..=(node, range.to_seq);
        let found = state.audit.entries.range(places).map(|(_, e)| e.clone());
        Ok(if range.newest_first {
            found.rev().take(range.limit).collect()
        } else {
            found.take(range.limit).collect()
        })
    }
}
