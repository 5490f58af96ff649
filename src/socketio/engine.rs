//! Engine.IO, version 4: sessions of messages over WebSocket, or over long polling until a
//! WebSocket is there.
//!
//! ```text
//! query, fault   what a request asks for, and why it is refused   (pure)
//! payload        packets of long polling                          (pure)
//! heartbeat      when to ping and when to give up                 (pure)
//! session        one session, whatever carries it
//!   socket       ... a WebSocket: a dialect of the socket driver
//!   polling      ... requests over HTTP: a local task, found through the registry
//! http, upgrade  where requests come in
//! far            ... and where they go when another node has their session
//! speaker        what is carried (the seam)
//! ```
//!
//! A session that opens on a WebSocket lives in that socket's task and nowhere else. One that
//! polls has a task of its own and an entry in the registry, which the workers
//! share; when a WebSocket takes it, it moves to that socket's task with all that waits.

mod config;
mod far;
mod fault;
mod heartbeat;
mod http;
pub mod metrics;
mod payload;
mod polling;
mod query;
mod registry;
mod session;
mod sid;
mod socket;
pub mod speaker;
mod upgrade;

pub use config::Config;
pub(super) use sid::random_id;

use actix_web::{HttpRequest, http::header::HeaderMap, web};
use bedside_protocol::CloseCode;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
};

use self::{
    far::{Far, There},
    metrics::SessionMetrics,
    registry::Registry,
    speaker::{Speaker, Speaks},
};
use super::application::Handshake;
use crate::{
    peer_calls::Peers,
    server::client_address,
    ws::{
        Refusal,
        admission::{Admission, Seat},
        metrics::SocketMetrics,
        no_room,
    },
};

/// What Engine.IO needs of the rest of the server.
#[derive(Clone)]
pub struct Parts {
    /// How it is served.
    pub config: Config,
    /// Who speaks over it.
    pub speaks: Arc<dyn Speaks>,
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

/// Engine.IO at one path: an [`Edge`](crate::ws::Edge) for WebSockets and
/// [routes](EngineEdge::routes) for long polling, which belong together.
#[derive(Clone)]
pub struct EngineEdge(Arc<Engine>);

/// What all sessions share.
struct Engine {
    config: Config,
    speaks: Arc<dyn Speaks>,
    admission: Arc<Admission>,
    allowed_origins: Arc<[String]>,
    proxies: usize,
    socket_metrics: Arc<dyn SocketMetrics>,
    metrics: Arc<dyn SessionMetrics>,
    registry: Arc<Registry>,
    /// The other nodes' sessions, if there are other nodes.
    far: OnceLock<Arc<Far>>,
}

impl EngineEdge {
    /// Serves sessions with these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Engine {
            registry: Registry::new(parts.config.polling_sessions_max),
            config: parts.config,
            speaks: parts.speaks,
            admission: parts.admission,
            allowed_origins: parts.allowed_origins,
            proxies: parts.proxies,
            socket_metrics: parts.socket_metrics,
            metrics: parts.metrics,
            far: OnceLock::new(),
        }))
    }

    /// Makes it one of several that share their clients: ids of sessions name this node from now
    /// on, and requests about sessions of others are passed on. To be called once, before it
    /// serves.
    pub fn join(&self, peers: Arc<dyn Peers>) {
        let sockets_max = self.0.admission.connections_max();
        let far = Far::new(peers, &self.0.config, sockets_max);
        self.0.far.get_or_init(|| Arc::new(far));
    }

    /// Adds long polling to an `App`. CORS is up to the `App`'s middleware.
    pub fn routes(&self, routes: &mut web::ServiceConfig) {
        if let Some(far) = self.0.far.get() {
            far.serve_here();
        }
        let path = self.0.config.path.as_str();
        for path in [path.to_owned(), format!("{path}/")] {
            let engine = Arc::clone(&self.0);
            let handler = move |request: HttpRequest, body: web::Payload| {
                http::answer(Arc::clone(&engine), request, body)
            };
            routes.route(&path, web::to(handler));
        }
    }

    /// How many sessions poll now.
    #[must_use]
    pub fn polling(&self) -> usize {
        self.0.registry.polling()
    }
}

impl Engine {
    /// Makes room for one session.
    fn admit(&self, handshake: Handshake) -> Result<(Seat, Box<dyn Speaker>), Refusal> {
        let seat = self.admission.enter().map_err(no_room)?;
        let waiting = self.admission.wait_for_hello(handshake.address);
        let speaker = self.speaks.open(handshake, waiting.map_err(no_room)?);
        Ok((seat, speaker))
    }

    fn new_sid(&self) -> Result<String, Refusal> {
        let random = random_id().map_err(|error| {
            tracing::error!(%error, "no randomness for a session's id");
            Refusal::new(503, "the server cannot make sessions now")
        })?;
        let id = format!("{}{random}", self.config.sid_prefix);
        Ok(self.far.get().map_or(id.clone(), |far| far.name(&id)))
    }

    /// The node that has this session, when it is another one.
    fn there(&self, sid: &str) -> Option<There> {
        self.far.get()?.there(sid)
    }

    fn address_of(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> IpAddr {
        client_address(headers, peer, self.proxies)
    }

    /// Counts what makes no sense, and says how that ends.
    fn malformed(&self) -> CloseCode {
        self.metrics.malformed();
        CloseCode::ProtocolError
    }
}
