//! What sessions tell about themselves, for whoever counts it.

/// What carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Requests over HTTP.
    Polling,
    /// A WebSocket.
    WebSocket,
}

impl Transport {
    /// Its name on the wire, which is its name in metrics too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// Counts what happens in sessions. Called for every message, so it must be cheap.
pub trait SessionMetrics: Send + Sync {
    /// A session was opened on this transport.
    fn opened(&self, on: Transport) {
        let _ = on;
    }
    /// A session went from polling to a WebSocket.
    fn upgraded(&self) {}
    /// A session ended on this transport.
    fn closed(&self, on: Transport) {
        let _ = on;
    }
    /// A message came in.
    fn received(&self) {}
    /// So many messages went out.
    fn sent(&self, messages: usize) {
        let _ = messages;
    }
    /// A packet could not be understood, or made no sense where it came.
    fn malformed(&self) {}
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSessionMetrics;

impl SessionMetrics for NoSessionMetrics {}
