//! Socket.IO over Engine.IO, as the server takes it in.

use std::sync::Arc;

use super::{
    application::Application,
    engine::{Config, EngineEdge, Parts as EngineParts, metrics::SessionMetrics},
    protocol::{Limits, SocketIo},
};
use crate::ws::{admission::Admission, metrics::SocketMetrics};

/// What Socket.IO needs of the rest of the server.
#[derive(Clone)]
pub struct Parts {
    /// What is served.
    pub application: Arc<dyn Application>,
    /// How sessions are served.
    pub config: Config,
    /// What clients may do.
    pub limits: Limits,
    /// How many sessions there may be.
    pub admission: Arc<Admission>,
    /// Origins of other sites whose pages may connect.
    pub allowed_origins: Arc<[String]>,
    /// Proxies in front, whose entries in `X-Forwarded-For` are believed. 0 for none.
    pub proxies: usize,
    /// Counts sockets.
    pub socket_metrics: Arc<dyn SocketMetrics>,
    /// Counts sessions.
    pub metrics: Arc<dyn SessionMetrics>,
}

/// The edge that serves an application: to be given to the server for WebSockets, and its
/// [routes](EngineEdge::routes) to the `App` for long polling.
#[must_use]
pub fn edge(parts: Parts) -> EngineEdge {
    let speaks = Arc::new(SocketIo {
        application: parts.application,
        limits: parts.limits,
        admission: Arc::clone(&parts.admission),
        metrics: Arc::clone(&parts.metrics),
    });
    EngineEdge::new(EngineParts {
        config: parts.config,
        speaks: Arc::new(speaks),
        admission: parts.admission,
        allowed_origins: parts.allowed_origins,
        proxies: parts.proxies,
        socket_metrics: parts.socket_metrics,
        metrics: parts.metrics,
    })
}
