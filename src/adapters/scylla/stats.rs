//! What the store counts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::cql::Kind;

/// What a store counts, for metrics. All of it only grows, but for `waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries that wait to be appended.
    pub waiting: u64,
    /// Reads at LOCAL_QUORUM.
    pub reads: u64,
    /// Reads at LOCAL_SERIAL.
    pub serial_reads: u64,
    /// Plain writes; several of one partition that go together are one.
    pub writes: u64,
    /// Conditional writes; several that go together are one.
    pub conditional_writes: u64,
    /// Batches of entries that were applied.
    pub batches: u64,
    /// Entries in them.
    pub batch_entries: u64,
    /// Tries that were repeated by the store itself.
    pub retries: u64,
    /// Batches whose outcome had to be looked up.
    pub unknown_outcomes: u64,
    /// Appends that were refused because somebody else had written their place, or their target
    /// was not there.
    pub conflicts: u64,
    /// Entries that were found above what was filed, and were filed again.
    pub refiled: u64,
    /// Readers of a log that shared another one's read.
    pub coalesced_reads: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) waiting: AtomicU64,
    reads: AtomicU64,
    serial_reads: AtomicU64,
    writes: AtomicU64,
    conditional_writes: AtomicU64,
    batches: AtomicU64,
    batch_entries: AtomicU64,
    retries: AtomicU64,
    unknown_outcomes: AtomicU64,
    conflicts: AtomicU64,
    refiled: AtomicU64,
    coalesced_reads: AtomicU64,
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn statement(&self, kind: Kind) {
        add(
            match kind {
                Kind::Read => &self.reads,
                Kind::Serial => &self.serial_reads,
                Kind::Write => &self.writes,
                Kind::Conditional => &self.conditional_writes,
            },
            1,
        );
    }

    pub(super) fn batch(&self, entries: usize) {
        add(&self.batches, 1);
        add(&self.batch_entries, entries as u64);
    }

    pub(super) fn retried(&self) {
        add(&self.retries, 1);
    }

    pub(super) fn outcome_unknown(&self) {
        add(&self.unknown_outcomes, 1);
    }

    pub(super) fn conflict(&self) {
        add(&self.conflicts, 1);
    }

    pub(super) fn refiled(&self, entries: usize) {
        add(&self.refiled, entries as u64);
    }

    pub(super) fn coalesced(&self) {
        add(&self.coalesced_reads, 1);
    }

    pub(super) fn snapshot(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            waiting: get(&self.waiting),
            reads: get(&self.reads),
            serial_reads: get(&self.serial_reads),
            writes: get(&self.writes),
            conditional_writes: get(&self.conditional_writes),
            batches: get(&self.batches),
            batch_entries: get(&self.batch_entries),
            retries: get(&self.retries),
            unknown_outcomes: get(&self.unknown_outcomes),
            conflicts: get(&self.conflicts),
            refiled: get(&self.refiled),
            coalesced_reads: get(&self.coalesced_reads),
        }
    }
}
