//! The actors' counters as Prometheus sees them.

use bedside_actors::{
    counters::{COUNTERS, LATENCY_BUCKETS_S},
    node::Node,
};

use std::sync::Arc;

#[cfg(feature = "webrtc")]
use crate::adapters::webrtc::Stats as RtcStats;
#[cfg(feature = "cluster")]
use crate::adapters::{
    redis::{BridgeStats, Kind, RedisBus, Refusal},
    scylla::CqlStore,
};
use crate::{
    adapters::sqlite::{COMMIT_BUCKETS, SqliteStore},
    metrics::Metrics,
    server::Certificate,
    ws::admission::Admission,
};

/// Shows whether the TLS certificate is the one in its files.
pub(super) fn register_certificate(metrics: &Metrics, certificate: &Arc<Certificate>) {
    let own = certificate.clone();
    metrics.register_counter_fn(
        "bedside_tls_reloads_total",
        "Times that another TLS certificate took the place of the one before.",
        move || own.reloads(),
    );
    let own = certificate.clone();
    metrics.register_gauge_fn(
        "bedside_tls_reload_failing",
        "Whether the files of the TLS certificate cannot be used; the one before goes on.",
        move || f64::from(u8::from(own.is_failing())),
    );
}

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
        "bedside_appends_fenced_total", "Appends that met another node's entry at their place, and were decided again.", appends_fenced;
        "bedside_bridge_gaps_total", "Times that something from another node was missing, and was read from the store.", bridge_gaps;
        "bedside_asks_passed_on_total", "Commands passed on to the node that their conversation is placed on.", asks_passed_on;
        "bedside_asks_repeated_total", "Passed-on commands that another node was asked about once more, because it lives and has not answered within 1.5 s.", asks_repeated;
        "bedside_asks_taken_back_total", "Passed-on commands that were not answered in time and done here, or refused.", asks_taken_back;
        "bedside_holes_filled_total", "Holes in what a socket was shown, filled from the store.", holes_filled;
        "bedside_audit_written_total", "Audit records that are stored.", audit_written;
        "bedside_audit_lost_total", "Audit records that found no room and were not written.", audit_lost;
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

/// Shows what comes of clients that have not shown a good token.
pub(super) fn register_strangers(metrics: &Metrics, admission: &Arc<Admission>) {
    macro_rules! counters {
        ($($name:literal, $help:literal, $field:ident;)*) => {$({
            let admission = admission.clone();
            metrics.register_counter_fn($name, $help, move || admission.strangers().$field);
        })*};
    }
    counters! {
        "bedside_sign_in_failures_total", "Tokens that cannot be trusted, and sockets that never said hello.", failures;
        "bedside_sign_in_throttled_total", "Those of them whose address had failed too often.", throttled;
        "bedside_hello_waits_refused_total", "Sockets refused because too many of their address had not said hello.", refused_waits;
    }
    let admission = admission.clone();
    metrics.register_gauge_fn(
        "bedside_hello_waits",
        "Sockets that have yet to say who they are.",
        move || admission.strangers().waiting as f64,
    );
}

/// Shows how many users and tokens are kept out.
pub(super) fn register_denials(metrics: &Metrics, node: &Arc<Node>) {
    let counts = || {
        let node = Arc::downgrade(node);
        move || {
            node.upgrade()
                .map(|n| n.denial_counts())
                .unwrap_or_default()
        }
    };
    let trail = Arc::downgrade(node.trail());
    metrics.register_gauge_fn(
        "bedside_audit_waiting",
        "Audit records that wait to be stored.",
        move || trail.upgrade().map_or(0, |trail| trail.waiting()) as f64,
    );
    let read = counts();
    metrics.register_gauge_fn(
        "bedside_revocations",
        "Users whose earlier tokens were revoked, and single tokens that were.",
        move || (read().users + read().tokens) as f64,
    );
    let read = counts();
    metrics.register_gauge_fn(
        "bedside_blocked_users",
        "Users who are blocked.",
        move || read().blocked as f64,
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

/// Shows what calls cost.
#[cfg(feature = "webrtc")]
pub(super) fn register_rtc(metrics: &Metrics, stats: &Arc<RtcStats>) {
    let (calls, peers) = (stats.clone(), stats.clone());
    metrics.register_gauge_fn("bedside_rtc_calls", "Calls that are open.", move || {
        calls.calls() as f64
    });
    metrics.register_gauge_fn("bedside_rtc_peers", "People in them.", move || {
        peers.peers() as f64
    });
    macro_rules! counters {
        ($($name:literal, $help:literal, $count:ident;)*) => {$(
            let read = stats.clone();
            metrics.register_counter_fn($name, $help, move || read.$count());
        )*};
    }
    counters! {
        "bedside_rtc_forwarded_packets_total", "Packets passed on, each counted for each receiver.", forwarded_packets;
        "bedside_rtc_dropped_packets_total", "Packets that a receiver's connection had no room for.", dropped_packets;
        "bedside_rtc_unknown_datagrams_total", "Datagrams of nobody on the port of calls.", unknown_datagrams;
        "bedside_rtc_overflowed_datagrams_total", "Datagrams that a connection did not read in time.", overflowed_datagrams;
        "bedside_rtc_unsent_datagrams_total", "Datagrams that the socket did not take.", unsent_datagrams;
        "bedside_rtc_key_frames_asked_total", "Pictures asked for anew of those who send them.", key_frames_asked;
        "bedside_rtc_peers_made_total", "Connections made.", peers_made;
        "bedside_rtc_peers_failed_total", "Connections that were lost.", peers_failed;
        "bedside_rtc_panics_total", "Panics caught, each of which cost a connection or a call.", panics;
    }
}

/// Shows what the bridge to the other nodes counts.
#[cfg(feature = "cluster")]
pub(super) fn register_bridge(metrics: &Metrics, bus: &Arc<RedisBus>) {
    let bus = Arc::downgrade(bus);
    let stats = move || bus.upgrade().map(|bus| bus.stats()).unwrap_or_default();
    let gauge = |name: &str, help: &str, value: fn(&BridgeStats) -> f64| {
        let stats = stats.clone();
        metrics.register_gauge_fn(name, help, move || value(&stats()));
    };
    gauge(
        "bedside_bridge_up",
        "Whether the other nodes can be reached.",
        |s| f64::from(u8::from(s.up)),
    );
    gauge(
        "bedside_bridge_waiting",
        "Messages that wait for the bridge.",
        |s| s.waiting as f64,
    );
    gauge(
        "bedside_bridge_ping_seconds",
        "The last round trip to Redis.",
        |s| s.ping_us as f64 / 1e6,
    );
    macro_rules! counters {
        ($($name:literal, $help:literal, $field:ident;)*) => {$(
            let read = stats.clone();
            metrics.register_counter_fn($name, $help, move || read().$field);
        )*};
    }
    counters! {
        "bedside_bridge_published_total", "Messages to other nodes that Redis took.", published;
        "bedside_bridge_published_bytes_total", "Bytes of them.", published_bytes;
        "bedside_bridge_received_total", "Messages taken from other nodes.", received;
        "bedside_bridge_received_bytes_total", "Bytes of them.", received_bytes;
        "bedside_bridge_undelivered_total", "Messages that no node was there to take.", undelivered;
        "bedside_bridge_dropped_total", "Messages that waited when the connection was lost.", dropped;
        "bedside_bridge_publish_down_total", "Messages not taken because there was no connection.", refused_down;
        "bedside_bridge_publish_full_total", "Messages not taken because too many waited.", refused_full;
        "bedside_bridge_publish_misuse_total", "Messages not taken because of a bug.", refused_misuse;
        "bedside_bridge_losses_total", "How often the connection to Redis was lost.", losses;
        "bedside_bridge_connect_failures_total", "How often connecting to Redis failed.", connect_failures;
        "bedside_bridge_presence_unreadable_total", "Presence of other nodes that did not open.", presence_unreadable;
    }
    for (at, why) in Refusal::ALL.into_iter().enumerate() {
        let name = format!("bedside_bridge_refused_{}_total", why.name());
        let help = "Messages from other nodes that were not taken, for the reason in the name.";
        let read = stats.clone();
        metrics.register_counter_fn(&name, help, move || read().refused[at]);
    }
    for (at, kind) in Kind::ALL.into_iter().enumerate() {
        let name = kind.name();
        let read = stats.clone();
        metrics.register_counter_fn(
            &format!("bedside_bridge_{name}_commands_total"),
            "Commands sent to Redis, for what the name says.",
            move || read().commands[at],
        );
        let read = stats.clone();
        metrics.register_counter_fn(
            &format!("bedside_bridge_{name}_command_bytes_total"),
            "Bytes of them.",
            move || read().command_bytes[at],
        );
    }
}
