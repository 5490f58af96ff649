//! The product's server, with nothing but the edge under test of any interest. Our own tests of
//! the protocols start the same one.

use bedside::{
    http::{self, Cors, HttpParts, NoHttpMetrics, NoScopes},
    server::{self, Server, ServerParts, Wire},
    socketio::{
        self,
        engine::{Config, EngineEdge, Parts, metrics::NoSessionMetrics},
        protocol::Limits,
    },
    strangers::Strangers,
    ws::{Edge, admission::Admission, metrics::NoMetrics},
};
use bedside_actors::{
    audit::AuditKey,
    node::{Node, NodeConfig},
    ports::{
        clock::SystemClock,
        identity::{Identities, Verification},
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

use super::{engine_echo::EchoSpeaks, served::Echo, ws_echo::EchoEdge};

const WORKERS: usize = 2;
/// More than any suite opens.
const CONNECTIONS_MAX: usize = 100_000;

/// Knows nobody.
struct Nobody;

impl Identities for Nobody {
    fn verify(&self, _: &str, _: Timestamp) -> Verification {
        Err(nobody()).into()
    }
}

fn nobody() -> CommandError {
    CommandError::new(ErrorCode::Unauthorized, "nobody signs in here")
}

/// What is served.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// Socket.IO at `/socket.io/`.
    SocketIo,
    /// Engine.IO at `/engine.io/`.
    EngineOnly,
    /// WebSocket at `/`.
    WsEcho,
}

/// How long clients may take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timings {
    /// How often they are pinged.
    pub(crate) ping_interval: Duration,
    /// To answer a ping.
    pub(crate) ping_timeout: Duration,
    /// To enter a namespace.
    pub(crate) connect_timeout: Duration,
}

impl Timings {
    /// The product's.
    pub(crate) const DEFAULT: Self = Self {
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(10),
    };

    /// What the suites expect.
    pub(crate) const OF_SUITES: Self = Self {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_secs(1),
    };
}

/// Two workers, so that requests of one session meet on different ones, and no port in particular
/// when it is 0.
pub(crate) fn build(mode: Mode, timings: Timings, port: u16) -> io::Result<Server> {
    build_with(mode, timings, port, |_| {})
}

/// The same, with something done to the edge before it serves.
pub(crate) fn build_with(
    mode: Mode,
    timings: Timings,
    port: u16,
    change: impl FnOnce(&EngineEdge),
) -> io::Result<Server> {
    // All clients of a suite come from one address.
    let admission = Admission::with(CONNECTIONS_MAX, CONNECTIONS_MAX);
    let engine = match mode {
        Mode::SocketIo => Some(socket_io(timings, &admission)),
        Mode::EngineOnly => Some(engine_only(timings, &admission)),
        Mode::WsEcho => None,
    };
    if let Some(engine) = &engine {
        change(engine);
    }
    let node = Node::start(
        NodeConfig {
            arbiters: 1,
            edit_window: Duration::ZERO,
            passivate_after: Duration::from_secs(300),
            attachment_hosts: Vec::new(),
            body_hash: Arc::new(|_| [0; 16]),
            audit_key: AuditKey::derived_from(b"a test"),
            on_command: None,
        },
        Arc::new(MemoryStore::new()),
        Arc::new(SystemClock),
        Arc::new(Nobody),
    );
    let strangers = Strangers::new(&node, &admission, 0);
    let parts = http_parts(&node, &strangers);
    let mut edges: Vec<Arc<dyn Edge<Wire>>> = Vec::new();
    if let Some(engine) = &engine {
        edges.push(Arc::new(engine.clone()));
    }
    if matches!(mode, Mode::WsEcho) {
        edges.push(Arc::new(EchoEdge));
    }
    server::build(ServerParts {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        certificate: None,
        workers: WORKERS,
        proxies: 0,
        allowed_origins: Vec::new(),
        admission,
        strangers,
        node,
        redeem_ticket: Arc::new(|_| None.into()),
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

fn http_parts(node: &Arc<Node>, strangers: &Arc<Strangers>) -> HttpParts {
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
        strangers: Arc::clone(strangers),
        fallback: None,
        http_metrics: Arc::new(NoHttpMetrics),
    }
}

fn config(path: &str, timings: Timings) -> Config {
    Config {
        path: path.to_owned(),
        ping_interval: timings.ping_interval,
        ping_timeout: timings.ping_timeout,
        payload_bytes_max: 1_000_000,
        far_patience: Duration::from_secs(2),
        ..Config::default()
    }
}

fn socket_io(timings: Timings, admission: &Arc<Admission>) -> EngineEdge {
    socketio::edge(socketio::Parts {
        application: Arc::new(Echo),
        config: config("/socket.io", timings),
        limits: Limits {
            connect_timeout: timings.connect_timeout,
            attachments_max: 1_000,
            ..Limits::default()
        },
        admission: Arc::clone(admission),
        allowed_origins: Arc::from([]),
        proxies: 0,
        socket_metrics: Arc::new(NoMetrics),
        metrics: Arc::new(NoSessionMetrics),
    })
}

fn engine_only(timings: Timings, admission: &Arc<Admission>) -> EngineEdge {
    EngineEdge::new(Parts {
        config: config("/engine.io", timings),
        speaks: Arc::new(EchoSpeaks),
        admission: Arc::clone(admission),
        allowed_origins: Arc::from([]),
        proxies: 0,
        socket_metrics: Arc::new(NoMetrics),
        metrics: Arc::new(NoSessionMetrics),
    })
}
