//! What can be set about Engine.IO.

use bedside_protocol::limits;
use std::time::Duration;

/// How sessions are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where, without a slash at the end: with one it is the same place. `/socket.io`.
    pub path: String,
    /// How often clients are pinged. 25 s.
    pub ping_interval: Duration,
    /// How long they may take to answer. 20 s.
    pub ping_timeout: Duration,
    /// How long a WebSocket may take to carry a session on that began with polling. 10 s.
    pub upgrade_timeout: Duration,
    /// The most bytes of a message, and of what is polled or posted at once. 1,000,000.
    pub payload_bytes_max: usize,
    /// Whether there is long polling besides WebSocket.
    pub polling: bool,
    /// Sessions that poll at once. Each keeps an HTTP connection busy, and these have a bound of
    /// their own. 2,048.
    pub polling_sessions_max: usize,
    /// What the ids of sessions begin with: a node's name, so that a proxy can tell whose they
    /// are. Empty.
    pub sid_prefix: String,
    /// How long another node may keep a call for a client while it has nothing to answer. It is
    /// about as long until a call that was lost is noticed. 10 s.
    pub far_hold: Duration,
    /// For how long another node that cannot be reached is tried again for a poll or a post, and
    /// three times as long for a WebSocket. 10 s.
    pub far_patience: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/socket.io".to_owned(),
            ping_interval: Duration::from_millis(limits::SOCKETIO_PING_INTERVAL_MS),
            ping_timeout: Duration::from_millis(limits::SOCKETIO_PING_TIMEOUT_MS),
            upgrade_timeout: Duration::from_millis(limits::SOCKETIO_UPGRADE_TIMEOUT_MS),
            payload_bytes_max: limits::SOCKETIO_PAYLOAD_BYTES_MAX,
            polling: true,
            polling_sessions_max: limits::SOCKETIO_POLLING_SESSIONS_MAX,
            sid_prefix: String::new(),
            far_hold: Duration::from_secs(10),
            far_patience: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// Whether a request for this path is for Engine.IO.
    pub(super) fn is_at(&self, path: &str) -> bool {
        matches!(path.strip_prefix(self.path.as_str()), Some("" | "/"))
    }
}
