//! What Prometheus sees: counters of this crate, of the process, and of whoever registers a
//! function that reads theirs. Labels take values from closed sets only, so that no client can
//! grow a metric, and never hold anything about a person.

mod access;
mod functions;
mod http;
mod process;
mod sessions;
mod sockets;

use prometheus::{Encoder as _, Registry, TextEncoder, core::Collector};
use std::fmt;

pub use access::allowed;
pub use functions::HistogramSnapshot;
pub use http::HttpMetrics;
pub use sessions::SessionMetrics;
pub use sockets::SocketMetrics;

use functions::{Kind, Reading};

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// All metrics of one process.
pub struct Metrics {
    registry: Registry,
    /// Requests over HTTP.
    pub http: HttpMetrics,
    /// WebSockets.
    pub sockets: SocketMetrics,
    /// Sessions of Socket.IO.
    pub sessions: SessionMetrics,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// This crate's metrics and the process's, all at nought.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let metrics = Self {
            http: HttpMetrics::new(&registry),
            sockets: SocketMetrics::new(&registry),
            sessions: SessionMetrics::new(&registry),
            registry,
        };
        process::register(&metrics);
        metrics
    }

    /// Shows a number that only grows and is kept elsewhere. `name` ends in `_total`.
    ///
    /// # Panics
    /// When the name is no metric's or is taken: a mistake in the wiring.
    pub fn register_counter_fn(
        &self,
        name: &str,
        help: &str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let read = move || Reading::Number(read() as f64);
        add(
            &self.registry,
            functions::collector(name, help, Kind::Counter, read),
        );
    }

    /// The same for a number that is not whole, such as seconds.
    ///
    /// # Panics
    /// When the name is no metric's or is taken: a mistake in the wiring.
    pub fn register_counter_seconds(
        &self,
        name: &str,
        help: &str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        let read = move || Reading::Number(read());
        add(
            &self.registry,
            functions::collector(name, help, Kind::Counter, read),
        );
    }

    /// Shows a number that goes up and down and is kept elsewhere.
    ///
    /// # Panics
    /// When the name is no metric's or is taken: a mistake in the wiring.
    pub fn register_gauge_fn(
        &self,
        name: &str,
        help: &str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        let read = move || Reading::Number(read());
        add(
            &self.registry,
            functions::collector(name, help, Kind::Gauge, read),
        );
    }

    /// Shows a histogram that is kept elsewhere. `bounds` are the upper bounds of its buckets,
    /// ascending; a snapshot has one count more than that, for what is above them all.
    ///
    /// # Panics
    /// When the name is no metric's or is taken: a mistake in the wiring.
    pub fn register_histogram_fn(
        &self,
        name: &str,
        help: &str,
        bounds: &'static [f64],
        read: impl Fn() -> HistogramSnapshot + Send + Sync + 'static,
    ) {
        let read = move || Reading::Histogram(bounds, read());
        add(
            &self.registry,
            functions::collector(name, help, Kind::Histogram, read),
        );
    }

    /// Everything in Prometheus's text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = Vec::new();
        // Writing to a Vec cannot fail; a family that the encoder refuses ends the text early,
        // and what was written stays useful.
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::warn!(%error, "the metrics are incomplete");
        }
        String::from_utf8(out).unwrap_or_default()
    }
}

/// Registers a metric of ours.
fn add(registry: &Registry, metric: impl Collector + 'static) {
    registry
        .register(Box::new(metric))
        .expect("registers, because each name is used once in the wiring");
}
