//! The end of a session that polls, of which the client has yet to hear.

use bytes::Bytes;
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

use super::Handover;
use crate::{socketio::engine::registry::Registered, ws::admission::Seat};

/// How long the client may take to poll once more.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is left of a session. Whoever spoke in it is gone.
pub(super) struct Leaving {
    /// What the client has yet to be told.
    pub(super) queue: VecDeque<Bytes>,
    /// What it is told last, in an answer of its own: clients forget what comes in one payload
    /// with the end of the session.
    pub(super) last: VecDeque<Bytes>,
    pub(super) bytes_max: usize,
    /// When it is forgotten.
    pub(super) until: Instant,
    _registered: Registered,
    _seat: Seat,
}

impl Leaving {
    pub(super) fn new(held: Handover, queue: VecDeque<Bytes>, last: Bytes) -> Self {
        Self {
            queue,
            last: VecDeque::from([last]),
            bytes_max: held.session.engine.config.payload_bytes_max,
            until: Instant::now() + PATIENCE,
            _registered: held.registered,
            _seat: held.seat,
        }
    }
}
