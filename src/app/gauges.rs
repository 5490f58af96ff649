//! The actors' counters as Prometheus sees them.

use bedside_actors::counters::{COUNTERS, LATENCY_BUCKETS_S};

use std::sync::Arc;

#[cfg(feature = "cluster")]
use crate::adapters::scylla::CqlStore;
use crate::{
    adapters::sqlite::{COMMIT_BUCKETS, SqliteStore},
    metrics::Metrics,
};

/// Shows every counter of the actors.
pub(super) fn register(metrics: &Metrics) {
    macro_rules! counters {
        ($($name:literal, $help:literal, $counter:ident;)*) => {
            $(metrics.register_counter_fn($name, $help, || COUNTERS.$counter.get());)*
        };
    }
    counters! {
        "bedside_outbox_overflows_total", "Sockets closed because their client did not read.", outbox_overflows;
        "bedside_outbox_ephemeral_dropped_total", "Typing and presence events dropped for slow clients.", outbox_ephemeral_dropped;
        "bedside_entries_stored_total", "Log entries (messages, edits, members ...) stored and acknowledged.", messages_stored;
        "bedside_sends_duplicate_total", "Sends answered from an earlier one with the same client_msg_id.", messages_duplicate;
        "bedside_events_delivered_total", "Events of the log pushed to sockets.", events_delivered;
        "bedside_commands_rate_limited_total", "Commands refused because a session sent too many.", rate_limited;
        "bedside_mailbox_full_total", "Commands refused because too many waited for a conversation.", mailbox_full;
        "bedside_actor_restarts_total", "Actors restarted after a panic.", actor_restarts;
        "bedside_actor_crash_loops_total", "Actors given up on after too many panics.", actor_crash_loops;
        "bedside_conversations_activated_total", "Conversation actors started.", conversations_activated;
        "bedside_conversations_passivated_total", "Conversation actors that ended because they were idle.", conversations_passivated;
        "bedside_holes_filled_total", "Holes in what a socket was shown, filled from the store.", holes_filled;
        "bedside_append_failures_total", "Appends that the store refused or could not do.", append_failures;
    }
    metrics.register_histogram_fn(
        "bedside_send_to_stored_seconds",
        "From a command's arrival to its durable commit.",
        &LATENCY_BUCKETS_S,
        || COUNTERS.send_to_stored.snapshot(),
    );
    metrics.register_histogram_fn(
        "bedside_stored_to_delivered_seconds",
        "From the commit to the last member's outbox.",
        &LATENCY_BUCKETS_S,
        || COUNTERS.stored_to_delivered.snapshot(),
    );
}

/// Shows what the store counts.
pub(super) fn register_store(metrics: &Metrics, store: &Arc<SqliteStore>) {
    let stats = |store: &Arc<SqliteStore>| {
        // A scrape must not keep the store open when the server ends.
        let store = Arc::downgrade(store);
        move || store.upgrade().map(|s| s.stats()).unwrap_or_default()
    };
    let read = stats(store);
    metrics.register_gauge_fn(
        "bedside_store_waiting",
        "Writes that wait for the store's writer.",
        move || read().waiting as f64,
    );
    let read = stats(store);
    metrics.register_gauge_fn(
        "bedside_store_wal_bytes",
        "Bytes of the store's write-ahead log in use.",
        move || read().wal_bytes as f64,
    );
    let read = stats(store);
    metrics.register_counter_fn(
        "bedside_store_wal_limit_hits_total",
        "How often the store's write-ahead log met its limit.",
        move || read().wal_limit_hits,
    );
    let read = stats(store);
    metrics.register_histogram_fn(
        "bedside_store_commit_writes",
        "Writes in one commit of the store.",
        &COMMIT_BUCKETS,
        move || read().commit_sizes,
    );
}

/// Shows what the store in a ring counts.
#[cfg(feature = "cluster")]
pub(super) fn register_ring(metrics: &Metrics, store: &Arc<CqlStore>) {
    let stats = || {
        let store = Arc::downgrade(store);
        move || store.upgrade().map(|s| s.stats()).unwrap_or_default()
    };
    let read = stats();
    metrics.register_gauge_fn(
        "bedside_store_waiting",
        "Writes that wait for the store's writer.",
        move || read().waiting as f64,
    );
    macro_rules! counters {
        ($($name:literal, $help:literal, $field:ident;)*) => {$({
            let read = stats();
            metrics.register_counter_fn($name, $help, move || read().$field);
        })*};
    }
    counters! {
        "bedside_cql_reads_total", "Reads at LOCAL_QUORUM.", reads;
        "bedside_cql_serial_reads_total", "Reads at LOCAL_SERIAL.", serial_reads;
        "bedside_cql_writes_total", "Plain writes.", writes;
        "bedside_cql_conditional_writes_total", "Conditional writes.", conditional_writes;
        "bedside_cql_batches_total", "Batches of log entries that were applied.", batches;
        "bedside_cql_batch_entries_total", "Log entries in those.", batch_entries;
        "bedside_cql_retries_total", "Tries that were repeated.", retries;
        "bedside_cql_unknown_outcomes_total", "Batches whose outcome had to be looked up.", unknown_outcomes;
        "bedside_cql_conflicts_total", "Appends refused because another one had their place.", conflicts;
        "bedside_cql_refiled_total", "Entries whose filing was finished by another one.", refiled;
        "bedside_cql_coalesced_reads_total", "Readers of a log that shared another one's read.", coalesced_reads;
    }
}
