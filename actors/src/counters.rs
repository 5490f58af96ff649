//! What the actors count. Plain atomics, so that counting costs nothing worth measuring and
//! this crate needs no metrics library; the `bedside` crate shows them to Prometheus.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of a histogram's buckets, seconds.
pub const LATENCY_BUCKETS_S: [f64; 14] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0,
    4.0,
];

/// How long something took, in fixed buckets.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; LATENCY_BUCKETS_S.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    const fn new() -> Self {
        Self {
            buckets: [const { AtomicU64::new(0) }; LATENCY_BUCKETS_S.len() + 1],
            sum_us: AtomicU64::new(0),
        }
    }

    /// Counts one that took this long.
    pub fn observe(&self, took: std::time::Duration) {
        let s = took.as_secs_f64();
        let bucket = LATENCY_BUCKETS_S
            .iter()
            .position(|bound| s <= *bound)
            .unwrap_or(LATENCY_BUCKETS_S.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(
            u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }

    /// Counts per bucket (not cumulative; the last one is above every bound), and the sum in
    /// seconds.
    #[must_use]
    pub fn snapshot(&self) -> (Vec<u64>, f64) {
        (
            self.buckets
                .iter()
                .map(|b| b.load(Ordering::Relaxed))
                .collect(),
            self.sum_us.load(Ordering::Relaxed) as f64 / 1e6,
        )
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $kind:ident,)*) => {
        /// All of them.
        #[derive(Debug)]
        pub struct Counters { $($(#[$doc])* pub $name: $kind,)* }

        /// The process's counters.
        pub static COUNTERS: Counters = Counters { $($name: $kind::new(),)* };
    };
}

counters! {
    /// Sockets closed because their client did not read.
    outbox_overflows: Counter,
    /// Typing and presence events dropped for slow clients.
    outbox_ephemeral_dropped: Counter,
    /// Messages acknowledged.
    messages_stored: Counter,
    /// Sends answered from an earlier one.
    messages_duplicate: Counter,
    /// Events pushed to outboxes.
    events_delivered: Counter,
    /// Commands refused because a session sent too many.
    rate_limited: Counter,
    /// Commands that found a full mailbox.
    mailbox_full: Counter,
    /// Actors restarted after a panic.
    actor_restarts: Counter,
    /// Actors given up on after too many panics.
    actor_crash_loops: Counter,
    /// Conversation actors started.
    conversations_activated: Counter,
    /// Conversation actors that ended because they were idle.
    conversations_passivated: Counter,
    /// Holes in what a socket was shown, filled from the store.
    holes_filled: Counter,
    /// Appends that the store refused or could not do.
    append_failures: Counter,
    /// Appends that met another node's entry at their place, and were decided again.
    appends_fenced: Counter,
    /// Times that something from another node was missing, and was read from the store.
    bridge_gaps: Counter,
    /// Commands passed on to the node that their conversation is placed on.
    asks_passed_on: Counter,
    /// Those of them that were done here after all, because it did not answer.
    asks_taken_back: Counter,
    /// Commands that another node was asked about once more.
    asks_repeated: Counter,
    /// Audit records that found no room and were not written.
    audit_lost: Counter,
    /// Audit records that are stored.
    audit_written: Counter,
    /// From the command's arrival at the conversation to its durable commit.
    send_to_stored: Histogram,
    /// From the commit to the last member's outbox.
    stored_to_delivered: Histogram,
}
