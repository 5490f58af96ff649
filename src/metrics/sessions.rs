//! Sessions of Socket.IO: on what, how much, and what could not be understood.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::add;

/// Sessions of Socket.IO. Those on a WebSocket are counted among the sockets too.
#[derive(Debug)]
pub struct SessionMetrics {
    open: IntGaugeVec,
    opened: IntCounterVec,
    upgraded: IntCounter,
    /// Messages that came in.
    pub messages_in: IntCounter,
    /// Messages that went out; attachments count as messages.
    pub messages_out: IntCounter,
    /// Packets that could not be understood, or made no sense where they came.
    pub malformed: IntCounter,
}

impl SessionMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| {
            let counter =
                IntCounter::new(name, help).expect("describes, because the name is written here");
            add(registry, counter.clone());
            counter
        };
        let open = IntGaugeVec::new(
            Opts::new(
                "bedside_socketio_sessions_open",
                "Socket.IO sessions open now, by transport.",
            ),
            &["transport"],
        )
        .expect("describes, because the name is written here");
        let opened = IntCounterVec::new(
            Opts::new(
                "bedside_socketio_sessions_opened_total",
                "Socket.IO sessions opened, by the transport that they began with.",
            ),
            &["transport"],
        )
        .expect("describes, because the name is written here");
        add(registry, open.clone());
        add(registry, opened.clone());
        Self {
            open,
            opened,
            upgraded: counter(
                "bedside_socketio_upgrades_total",
                "Socket.IO sessions that went from polling to a WebSocket.",
            ),
            messages_in: counter(
                "bedside_socketio_messages_in_total",
                "Socket.IO messages read.",
            ),
            messages_out: counter(
                "bedside_socketio_messages_out_total",
                "Socket.IO messages written.",
            ),
            malformed: counter(
                "bedside_socketio_malformed_total",
                "Socket.IO packets that could not be understood.",
            ),
        }
    }

    /// A session was opened. `transport` is `polling` or `websocket`.
    pub fn opened(&self, transport: &'static str) {
        self.opened.with_label_values(&[transport]).inc();
        self.open.with_label_values(&[transport]).inc();
    }

    /// A session went from polling to a WebSocket.
    pub fn upgraded(&self) {
        self.upgraded.inc();
        self.open.with_label_values(&["polling"]).dec();
        self.open.with_label_values(&["websocket"]).inc();
    }

    /// A session ended.
    pub fn closed(&self, transport: &'static str) {
        self.open.with_label_values(&[transport]).dec();
    }
}
