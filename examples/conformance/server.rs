//! The product's server, with nothing but the edge under test of any interest.

use bedside::{
    http::{self, Cors, HttpParts, NoHttpMetrics, NoScopes},
    server::{self, Server, ServerParts},
    socketio::engine::EngineEdge,
    ws::{Edge, admission::Admission, metrics::NoMetrics},
};
use bedside_actors::{
    node::{Node, NodeConfig},
    ports::{
        clock::SystemClock,
        identity::{Identities, SessionIdentity},
        store::memory::MemoryStore,
    },
};
use bedside_protocol::{CommandError, ErrorCode, Timestamp};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpStream;

use crate::ws_echo::EchoEdge;

/// Two, so that requests of one session meet on different ones.
const WORKERS: usize = 2;

/// Knows nobody.
struct Nobody;

impl Identities for Nobody {
    fn verify(&self, _: &str, _: Timestamp) -> Result<SessionIdentity, CommandError> {
        Err(nobody())
    }
}

fn nobody() -> CommandError {
    CommandError::new(ErrorCode::Unauthorized, "nobody signs in here")
}

pub(crate) fn build(
    port: u16,
    admission: &Arc<Admission>,
    engine: Option<EngineEdge>,
    echo: Option<EchoEdge>,
) -> io::Result<Server> {
    let node = Node::start(
        NodeConfig {
            arbiters: 1,
            edit_window: Duration::ZERO,
            passivate_after: Duration::from_secs(300),
            attachment_hosts: Vec::new(),
            body_hash: Arc::new(|_| [0; 16]),
            on_command: None,
        },
        Arc::new(MemoryStore::new()),
        Arc::new(SystemClock),
        Arc::new(Nobody),
    );
    let parts = http_parts(&node);
    let mut edges: Vec<Arc<dyn Edge<TcpStream>>> = Vec::new();
    if let Some(engine) = &engine {
        edges.push(Arc::new(engine.clone()));
    }
    if let Some(echo) = echo {
        edges.push(Arc::new(echo));
    }
    server::build(ServerParts {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        workers: WORKERS,
        proxies: 0,
        allowed_origins: Vec::new(),
        admission: Arc::clone(admission),
        node,
        redeem_ticket: Arc::new(|_| None),
        routes: Arc::new(move |routes| {
            if let Some(engine) = &engine {
                engine.routes(routes);
            }
            http::configure(routes, parts.clone());
        }),
        edges,
        socket_metrics: Arc::new(NoMetrics),
    })
}

fn http_parts(node: &Arc<Node>) -> HttpParts {
    HttpParts {
        shown: Arc::default(),
        notify_room: Arc::new(|_, _| {}),
        node: Arc::clone(node),
        version: env!("CARGO_PKG_VERSION"),
        cors: Cors::default(),
        scopes: Arc::new(NoScopes),
        tickets: Arc::new(|_| Err(nobody())),
        metrics_text: Arc::new(String::new),
        metrics_allowed: Arc::new(|_| false),
        demo: None,
        http_metrics: Arc::new(NoHttpMetrics),
    }
}
