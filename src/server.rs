//! The listening server: HTTP through actix-web, upgrades to whichever [`Edge`] is at their
//! path, and the order in which everything stops.

mod open_files;
mod tls;
mod wire;

pub use self::{
    tls::{Certificate, TlsFault},
    wire::Wire,
};

use actix_codec::Framed;
use actix_http::{HttpService, Request, error::DispatchError, h1, header::HeaderMap};
use actix_server::ServerHandle;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App, HttpResponse,
    dev::AppConfig,
    middleware::{Condition, DefaultHeaders, from_fn},
    web::{self, ServiceConfig},
};
use bedside_actors::node::Node;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    http, page,
    strangers::Strangers,
    ws::{
        Edge, NativeEdge, RedeemTicket, Refusal, Upgrade, admission::Admission, handshake,
        metrics::SocketMetrics, refuse,
    },
};

/// Connections that wait to be accepted: room for a crowd that reconnects at once.
const BACKLOG: i32 = 4096;
/// How long a client may take to send the head of a request.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle HTTP connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long a client may take to take in the end of its last answer.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// HTTP connections per worker. Sockets do not count among them: [`Admission`] has their bound.
const HTTP_CONNECTIONS_PER_WORKER_MAX: usize = 4096;
/// How long sockets may take to close, and clients of long polling to come for the rest.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// How long the node may take to let go of its store after that.
const NODE_STOP_TIMEOUT: Duration = Duration::from_secs(15);
/// How long requests may take after that, seconds.
const HTTP_STOP_TIMEOUT_S: u64 = 4;

/// Adds routes to the App of one worker.
pub type Routes = dyn Fn(&mut ServiceConfig) + Send + Sync;

/// What a server is made of.
pub struct ServerParts {
    /// Where to listen; port 0 for any.
    pub bind: SocketAddr,
    /// What clients are shown; none for connections without TLS.
    pub certificate: Option<Arc<Certificate>>,
    /// Threads that serve connections, each with an arbiter of its own.
    pub workers: usize,
    /// Proxies in front, whose entries in `X-Forwarded-For` are believed. 0 for none.
    pub proxies: usize,
    /// Origins of other sites whose pages may open sockets.
    pub allowed_origins: Vec<String>,
    /// How many sockets there may be, and whether the server is about to stop.
    pub admission: Arc<Admission>,
    /// Who is told of bad tokens; the same as in the routes.
    pub strangers: Arc<Strangers>,
    /// Who answers.
    pub node: Arc<Node>,
    /// Redeems the tickets that sockets open with.
    pub redeem_ticket: Arc<RedeemTicket>,
    /// What HTTP serves besides the pages. It has to bring what [`http::edge`] needs, as
    /// [`http::configure`] does.
    pub routes: Arc<Routes>,
    /// Further protocols behind an upgrade.
    pub edges: Vec<Arc<dyn Edge<Wire>>>,
    /// Counts.
    pub socket_metrics: Arc<dyn SocketMetrics>,
}

/// A server that listens, and serves once it is [run](Self::run).
#[must_use = "it serves nothing until it is run"]
pub struct Server {
    address: SocketAddr,
    /// The listening socket.
    door: Socket,
    actix: actix_server::Server,
    node: Arc<Node>,
    admission: Arc<Admission>,
    stop: watch::Sender<bool>,
    farewell: Pin<Box<dyn Future<Output = ()>>>,
}

/// Stops a server.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Has the server stop as on SIGTERM.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Binds. Call it inside a running actix `System`.
///
/// # Errors
/// When the address cannot be had.
pub fn build(parts: ServerParts) -> io::Result<Server> {
    let listener = listen(parts.bind)?;
    let address = listener.local_addr()?;
    let door = listener.try_clone()?.into();
    open_files::warn_if_below(parts.admission.connections_max());

    let native = NativeEdge {
        node: Arc::clone(&parts.node),
        admission: Arc::clone(&parts.admission),
        allowed_origins: parts.allowed_origins.into(),
        redeem_ticket: parts.redeem_ticket,
        strangers: parts.strangers,
        metrics: parts.socket_metrics,
    };
    let mut edges: Vec<Arc<dyn Edge<Wire>>> = vec![Arc::new(native)];
    edges.extend(parts.edges);
    let edges: Arc<[_]> = edges.into();
    let (routes, proxies) = (parts.routes, parts.proxies);
    let acceptor = parts.certificate.as_ref().map(acceptor).transpose()?;

    let actix = actix_server::Server::build()
        .workers(parts.workers)
        .max_concurrent_connections(HTTP_CONNECTIONS_PER_WORKER_MAX)
        .shutdown_timeout(HTTP_STOP_TIMEOUT_S)
        // The order of stopping is ours: see `stop_in_order`.
        .disable_signals()
        .listen("bedside", listener, move || {
            let routes = Arc::clone(&routes);
            let edges = Arc::clone(&edges);
            let acceptor = acceptor.clone();
            let app = App::new()
                .wrap(from_fn(http::edge))
                .wrap(Condition::new(acceptor.is_some(), only_tls()))
                .configure(move |config| routes(config))
                .configure(page::configure)
                .route(handshake::PATH, web::to(not_an_upgrade));
            let http = HttpService::build()
                .client_request_timeout(REQUEST_HEAD_TIMEOUT)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .keep_alive(KEEP_ALIVE)
                // A client that hangs up is not answered: long polling has to know that at once.
                .h1_allow_half_closed(false)
                .upgrade(fn_service(move |(request, framed)| {
                    let edges = Arc::clone(&edges);
                    async move {
                        upgrade(&edges, request, framed, proxies).await;
                        Ok::<_, actix_http::Error>(())
                    }
                }))
                .h1(map_config(app, |()| AppConfig::default()));
            fn_service(move |stream| accept(stream, acceptor.clone())).and_then(http)
        })?
        .run();
    if let Some(certificate) = parts.certificate {
        actix_rt::spawn(certificate.keep_fresh());
    }

    Ok(Server {
        address,
        door,
        actix,
        node: parts.node,
        admission: parts.admission,
        stop: watch::Sender::new(false),
        farewell: Box::pin(async {}),
    })
}

/// Browsers that came by TLS once come by nothing else for a year.
fn only_tls() -> DefaultHeaders {
    DefaultHeaders::new().add(("Strict-Transport-Security", "max-age=31536000"))
}

fn acceptor(certificate: &Arc<Certificate>) -> io::Result<TlsAcceptor> {
    let config = certificate.server_config().map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A connection that HTTP can be spoken on.
async fn accept(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
) -> Result<(Wire, Option<SocketAddr>), DispatchError> {
    let peer = stream.peer_addr().ok();
    // What is written here is written whole: waiting for more only costs time.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return Ok((Wire::Plain(stream), peer));
    };
    let Ok(accepted) = timeout(tls::HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await else {
        return Err(DispatchError::SlowRequestTimeout);
    };
    Ok((Wire::Tls(Box::new(accepted?)), peer))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the connections of the process before it.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// `/ws` without `Upgrade: websocket`.
async fn not_an_upgrade() -> HttpResponse {
    HttpResponse::UpgradeRequired()
        .insert_header(("Upgrade", "websocket"))
        .insert_header(("Sec-WebSocket-Version", "13"))
        .json(serde_json::json!({"success": false, "message": "say Upgrade: websocket"}))
}

async fn upgrade(
    edges: &[Arc<dyn Edge<Wire>>],
    request: Request,
    framed: Framed<Wire, h1::Codec>,
    proxies: usize,
) {
    let parts = framed.into_parts();
    let head = request.head();
    let address = client_address(&head.headers, request.peer_addr(), proxies);
    let upgrade = Upgrade {
        stream: parts.io,
        request,
        address,
        read_ahead: parts.read_buf.freeze(),
        unsent: parts.write_buf.freeze(),
    };
    let path = upgrade.request.path();
    match edges.iter().find(|edge| edge.is_at(path)) {
        Some(edge) => edge.upgrade(upgrade).await,
        None => refuse(upgrade, Refusal::new(404, "there is no WebSocket here")).await,
    }
}

/// Who sent a request. Each proxy adds the address that it was called from to the end of
/// `X-Forwarded-For`; what stands before the entries of our own proxies anybody could have
/// written.
pub(crate) fn client_address(
    headers: &HeaderMap,
    peer: Option<SocketAddr>,
    proxies: usize,
) -> IpAddr {
    let forwarded = || {
        let entries: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        entries
            .iter()
            .rev()
            .nth(proxies.checked_sub(1)?)?
            .trim()
            .parse()
            .ok()
    };
    forwarded()
        .or_else(|| peer.map(|peer| peer.ip()))
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// What is done once nobody new is let in, before the sessions are closed. It bounds its own
    /// time.
    pub fn with_farewell(self, farewell: impl Future<Output = ()> + 'static) -> Self {
        Self {
            farewell: Box::pin(farewell),
            ..self
        }
    }

    /// Serves until SIGTERM, SIGINT or a [`Stopper`], then stops in order. A second signal
    /// stops at once.
    ///
    /// # Errors
    /// When it cannot serve.
    pub async fn run(self) -> io::Result<()> {
        let handle = self.actix.handle();
        let mut serving = actix_rt::spawn(self.actix);
        let mut stop = self.stop.subscribe();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            served = &mut serving => return served.unwrap_or_else(|fault| Err(io::Error::other(fault))),
            _ = stop.wait_for(|stop| *stop) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        tokio::select! {
            () = stop_in_order(&handle, &self.node, &self.admission, &self.door, self.farewell) => {}
            _ = terminate.recv() => handle.stop(false).await,
            _ = interrupt.recv() => handle.stop(false).await,
        }
        serving
            .await
            .unwrap_or_else(|fault| Err(io::Error::other(fault)))
    }
}

/// No new sockets; what was sent is answered; the other nodes are told; every session is told, and
/// its socket closes or its last poll comes; nobody gets a connection; the store closes; then HTTP,
/// which tells until the end that the server is about to stop.
async fn stop_in_order(
    handle: &ServerHandle,
    node: &Node,
    admission: &Admission,
    door: &Socket,
    farewell: impl Future<Output = ()>,
) {
    admission.drain();
    node.settle().await;
    farewell.await;
    node.dismiss();
    if timeout(DRAIN_TIMEOUT, admission.emptied()).await.is_err() {
        tracing::warn!(sockets = admission.open(), "sockets were still open");
    }
    handle.pause().await;
    // Connections would wait for nobody in the queue of a socket that is merely not read.
    let _ = door.shutdown(Shutdown::Both);
    if timeout(NODE_STOP_TIMEOUT, node.shut_down()).await.is_err() {
        tracing::error!("the node did not stop in time");
    }
    handle.stop(true).await;
}

/// Answers every GET on a listener of its own with the metrics.
///
/// # Errors
/// When the address cannot be had.
pub fn serve_metrics(
    address: SocketAddr,
    text: Arc<dyn Fn() -> String + Send + Sync>,
) -> io::Result<()> {
    let server = actix_server::Server::build()
        .workers(1)
        .disable_signals()
        .listen("metrics", listen(address)?, move || {
            let text = Arc::clone(&text);
            let app = App::new().route(
                "/metrics",
                web::get().to(move || {
                    let body = text();
                    async move {
                        HttpResponse::Ok()
                            .content_type(crate::metrics::CONTENT_TYPE)
                            .body(body)
                    }
                }),
            );
            HttpService::build()
                .client_request_timeout(REQUEST_HEAD_TIMEOUT)
                .finish(map_config(app, |()| AppConfig::default()))
                .tcp()
        })?
        .run();
    // It ends with the process: whoever scrapes wants to see the stopping too.
    actix_rt::spawn(server);
    Ok(())
}
