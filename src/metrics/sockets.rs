//! WebSockets: how many, how much, and why they end.

use bedside_protocol::CloseCode;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::add;

/// WebSockets. The plain counters are atomics that the socket driver may add to directly.
#[derive(Debug)]
pub struct SocketMetrics {
    /// Sockets open now.
    pub open: IntGauge,
    /// Sockets opened.
    pub opened: IntCounter,
    /// Frames read, control frames included.
    pub frames_in: IntCounter,
    /// Frames written, control frames included.
    pub frames_out: IntCounter,
    /// Bytes read, frame heads included.
    pub bytes_in: IntCounter,
    /// Bytes written, frame heads included.
    pub bytes_out: IntCounter,
    closed: IntCounterVec,
    refused: IntCounterVec,
}

impl SocketMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let open = IntGauge::new("bedside_sockets_open", "WebSockets open now.")
            .expect("describes, because the name is written here");
        add(registry, open.clone());
        let counter = |name: &str, help: &str| {
            let counter =
                IntCounter::new(name, help).expect("describes, because the name is written here");
            add(registry, counter.clone());
            counter
        };
        let labelled = |name: &str, help: &str, label: &str| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label])
                .expect("describes, because the name is written here");
            add(registry, counters.clone());
            counters
        };
        Self {
            open,
            opened: counter("bedside_sockets_opened_total", "WebSockets opened."),
            frames_in: counter("bedside_frames_in_total", "WebSocket frames read."),
            frames_out: counter("bedside_frames_out_total", "WebSocket frames written."),
            bytes_in: counter("bedside_bytes_in_total", "WebSocket bytes read."),
            bytes_out: counter("bedside_bytes_out_total", "WebSocket bytes written."),
            closed: labelled(
                "bedside_sockets_closed_total",
                "WebSockets closed, by close code.",
                "code",
            ),
            refused: labelled(
                "bedside_handshakes_refused_total",
                "WebSocket handshakes refused, by reason.",
                "reason",
            ),
        }
    }

    /// A socket was opened.
    pub fn opened(&self) {
        self.open.inc();
        self.opened.inc();
    }

    /// An open socket was closed with this code, by whichever side. 1005 is a close frame
    /// without a code and 1006 a connection that just ended.
    pub fn closed(&self, code: u16) {
        self.open.dec();
        let ours = CloseCode::ALL.iter().any(|known| known.number() == code);
        if ours || (1000..=1015).contains(&code) {
            let text = code.to_string();
            self.closed.with_label_values(&[text.as_str()]).inc();
        } else {
            // Clients may send any of a thousand others.
            self.closed.with_label_values(&["other"]).inc();
        }
    }

    /// A handshake was refused. `reason` is a word of ours, such as `origin` or `overloaded`.
    pub fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }
}
