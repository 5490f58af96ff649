//! Several nodes as one server.

use async_trait::async_trait;
use bedside_protocol::NodeId;
use bytes::Bytes;
use parking_lot::RwLock;
use std::{fmt, sync::Arc, time::Duration};

use crate::ports::bus::Bus;

/// Why a peer did not answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// It is not there, or the bridge is down: it was not done.
    Unreachable,
    /// No answer in time: whether it was done is unknown.
    TimedOut,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the node cannot be reached",
            Self::TimedOut => "the node did not answer in time",
        })
    }
}

impl std::error::Error for CallError {}

/// Answers what other nodes call for on behalf of their clients.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Answers one call. Bounded by its caller's deadline; must not panic.
    async fn call(&self, body: Bytes) -> Bytes;
}

/// This node's part in a cluster.
pub struct Cluster {
    bus: Arc<dyn Bus>,
    calls: RwLock<Option<Arc<dyn Calls>>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({})", self.bus.me().node)
    }
}

impl Cluster {
    /// Part of a cluster whose nodes this bus connects.
    #[must_use]
    pub fn new(bus: Arc<dyn Bus>) -> Arc<Self> {
        Arc::new(Self {
            bus,
            calls: RwLock::default(),
        })
    }

    /// This node's name.
    #[must_use]
    pub fn me(&self) -> &NodeId {
        &self.bus.me().node
    }

    /// Names who answers the calls of other nodes. Until then they are not answered.
    pub fn serve(&self, calls: Arc<dyn Calls>) {
        *self.calls.write() = Some(calls);
    }

    /// Has another node do something for a client of this one.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(
        &self,
        _node: &NodeId,
        _body: Bytes,
        _deadline: Duration,
    ) -> Result<Bytes, CallError> {
        Err(CallError::Unreachable)
    }
}
