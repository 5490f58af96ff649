//! What a client may do.

use bedside_protocol::limits;
use std::time::Duration;

/// What a client may do. Whatever goes beyond it closes the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may be in no namespace. 10 s.
    pub connect_timeout: Duration,
    /// The most bytes of one message. 1,000,000.
    pub message_bytes_max: usize,
    /// The same while it is in no namespace. 16 KiB.
    pub connect_bytes_max: usize,
    /// Namespaces that it may be in. 16.
    pub namespaces_max: usize,
    /// How often it may be refused a namespace. 32.
    pub refusals_max: u8,
    /// Binary attachments of one packet, which together are bounded as one message is. 10.
    pub attachments_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_millis(limits::SOCKETIO_CONNECT_TIMEOUT_MS),
            message_bytes_max: limits::SOCKETIO_PAYLOAD_BYTES_MAX,
            connect_bytes_max: limits::SOCKETIO_CONNECT_BYTES_MAX,
            namespaces_max: limits::SOCKETIO_NAMESPACES_MAX,
            refusals_max: limits::SOCKETIO_REFUSALS_MAX,
            attachments_max: limits::SOCKETIO_ATTACHMENTS_MAX,
        }
    }
}
