//! Socket.IO on a real port, beside HTTP: CORS, both paths, workers, clients that hang up.

mod ws_support;

use bedside::{
    http::{self, Cors, HttpParts, IssuedTicket, NoHttpMetrics, NoScopes},
    server::{self, ServerParts},
    socketio::{
        self,
        application::{
            Application, ClientEvent, ConnectRefused, ConnectRequest, Connected, Connecting, End,
            Packets, Peer, PeerOutput,
        },
        engine::{Config, EngineEdge, metrics::NoSessionMetrics},
        protocol::Limits,
    },
    strangers::Strangers,
    ws::{admission::Admission, frame::Opcode, metrics::NoMetrics},
};
use bedside_protocol::Timestamp;
use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{sleep, timeout},
};
use ws_support::{Client, node::node};

const PAGE: &str = "https://app.example.org";

/// Lets everybody in who shows a token, and answers every event with it.
struct Tokens;

struct Bearer(String, usize);

impl Application for Tokens {
    fn connect(&self, request: ConnectRequest<'_>) -> Connecting {
        self.admit(&request).into()
    }
}

impl Tokens {
    fn admit(&self, request: &ConnectRequest<'_>) -> Connected {
        match &request.handshake.bearer {
            Some(token) => Ok(Box::new(Bearer(token.clone(), 0))),
            None => Err(ConnectRefused {
                message: "unauthorized".to_owned(),
                data: None,
            }),
        }
    }
}

impl Peer for Bearer {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn event(&mut self, _: ClientEvent, _: Option<i64>) {
        self.1 += 1;
    }

    fn poll_output(&mut self, _: &mut Context<'_>, into: &mut Packets<'_>) -> Poll<PeerOutput> {
        if self.1 == 0 {
            return Poll::Pending;
        }
        self.1 -= 1;
        into.emit("you", &self.0);
        Poll::Ready(PeerOutput::Packets)
    }

    fn poll_closed(&mut self, _: &mut Context<'_>) -> Poll<End> {
        Poll::Pending
    }
}

struct Running {
    address: SocketAddr,
    admission: Arc<Admission>,
    edge: EngineEdge,
}

fn start() -> Running {
    let node = node();
    let admission = Admission::new(100);
    let strangers = Strangers::new(&node, &admission, 0);
    let parts = HttpParts {
        shown: Arc::default(),
        notify_room: Arc::new(|_, _| {}),
        node: node.clone(),
        version: "test",
        cors: Cors {
            origins: vec![PAGE.to_owned()],
            credentials: true,
        },
        scopes: Arc::new(NoScopes),
        tickets: Arc::new(|_| {
            Ok(IssuedTicket {
                ticket: "unused".to_owned(),
                expires_at: Timestamp::now(),
            })
        }),
        metrics_text: Arc::new(String::new),
        metrics_allowed: Arc::new(|_| false),
        demo: None,
        strangers: strangers.clone(),
        fallback: None,
        http_metrics: Arc::new(NoHttpMetrics),
    };
    let edge = socketio::edge(socketio::Parts {
        application: Arc::new(Tokens),
        config: Config::default(),
        limits: Limits::default(),
        admission: admission.clone(),
        allowed_origins: Arc::from([PAGE.to_owned()]),
        proxies: 0,
        socket_metrics: Arc::new(NoMetrics),
        metrics: Arc::new(NoSessionMetrics),
    });
    let routes = edge.clone();
    let server = server::build(ServerParts {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        certificate: None,
        workers: 2,
        proxies: 0,
        allowed_origins: vec![PAGE.to_owned()],
        admission: admission.clone(),
        strangers,
        node,
        redeem_ticket: Arc::new(|_| None.into()),
        routes: Arc::new(move |config| {
            routes.routes(config);
            http::configure(config, parts.clone());
        }),
        edges: vec![Arc::new(edge.clone())],
        socket_metrics: Arc::new(NoMetrics),
    })
    .expect("a free port");
    let address = server.address();
    actix_rt::spawn(server.run());
    Running {
        address,
        admission,
        edge,
    }
}

impl Running {
    async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.expect("it listens"))
    }

    /// Sends one request on a connection of its own, which comes to any worker.
    async fn begin(&self, head: &str, body: &str) -> Client<TcpStream> {
        let mut client = self.connect().await;
        let length = body.len();
        let request =
            format!("{head}Host: chat.example.org\r\nContent-Length: {length}\r\n\r\n{body}");
        client.send_raw(request.as_bytes()).await;
        client
    }

    /// The answer's head and body.
    async fn request(&self, head: &str, body: &str) -> (String, String) {
        let mut client = self.begin(head, body).await;
        let head = client.response_head().await.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        client.stream.read_exact(&mut body).await.expect("a body");
        (head, String::from_utf8(body).expect("is text"))
    }

    /// Opens a session that polls, with a token.
    async fn open(&self, path: &str) -> String {
        let line = format!("GET {path}?EIO=4&transport=polling HTTP/1.1\r\n");
        let head = format!("{line}Authorization: Bearer amal\r\n");
        let (head, body) = self.request(&head, "").await;
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        let open: serde_json::Value = serde_json::from_str(&body[1..]).expect("is JSON");
        open["sid"].as_str().expect("an id").to_owned()
    }
}

fn poll(sid: &str) -> String {
    format!("GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\n")
}

fn post(sid: &str) -> String {
    format!("POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\n")
}

#[actix_web::test]
async fn pages_of_allowed_origins_may_poll_with_credentials() {
    let server = start();
    let preflight = "OPTIONS /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n\
                     Access-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: authorization\r\n";
    let get = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n";
    for (request, status) in [(preflight, "204"), (get, "200")] {
        let (head, _) = server
            .request(&format!("{request}Origin: {PAGE}\r\n"), "")
            .await;
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert!(head.contains(&format!("access-control-allow-origin: {PAGE}\r\n")));
        assert!(head.contains("access-control-allow-credentials: true\r\n"));
        assert!(head.contains("cache-control: no-store\r\n"));
        let evil = format!("{request}Origin: https://evil.example.org\r\n");
        let (head, _) = server.request(&evil, "").await;
        assert!(head.starts_with("http/1.1 403 "), "{head}");
        assert!(!head.contains("access-control-allow-origin"), "{head}");
    }
}

#[actix_web::test]
async fn a_session_is_one_whichever_worker_and_path_it_is_asked_for_at() {
    let server = start();
    for path in ["/socket.io/", "/socket.io"] {
        let sid = server.open(path).await;
        for (body, answer) in [("40", "40{"), (r#"42["who"]"#, r#"42["you","amal"]"#)] {
            let (_, posted) = server.request(&post(&sid), body).await;
            assert_eq!(posted, "ok");
            let (_, polled) = server.request(&poll(&sid), "").await;
            assert!(polled.starts_with(answer), "{polled}");
        }
        for _ in 0..10 {
            server.request(&post(&sid), r#"42["who"]"#).await;
            let (_, polled) = server.request(&poll(&sid), "").await;
            assert_eq!(polled, r#"42["you","amal"]"#);
        }
    }
}

#[actix_web::test]
async fn a_websocket_of_any_worker_carries_a_session_on() {
    let server = start();
    for _ in 0..6 {
        let sid = server.open("/socket.io/").await;
        server.request(&post(&sid), "40").await;
        let upgrade = format!(
            "GET /socket.io/?EIO=4&transport=websocket&sid={sid} HTTP/1.1\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        let mut socket = server.begin(&upgrade, "").await;
        let head = socket.response_head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        for packet in ["2probe", "5", r#"42["who"]"#] {
            socket.send(Opcode::Text, packet.as_bytes()).await;
        }
        assert_eq!(socket.expect().await.text(), "3probe");
        assert!(socket.expect().await.text().starts_with("40{"));
        assert_eq!(socket.expect().await.text(), r#"42["you","amal"]"#);
    }
    assert_eq!(server.edge.polling(), 0);
}

#[actix_web::test]
async fn a_client_that_hangs_up_on_its_poll_is_gone() {
    let server = start();
    let sid = server.open("/socket.io/").await;
    let polls = server.begin(&poll(&sid), "").await;
    assert_eq!(server.admission.open(), 1);
    // Whether the poll has arrived by then or not, it will have been given up.
    drop(polls);
    let gone = async {
        while server.admission.open() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(5), gone)
        .await
        .expect("its place is free");
    let (head, _) = server.request(&poll(&sid), "").await;
    assert!(head.starts_with("http/1.1 400 "), "{head}");
}

#[actix_web::test]
async fn who_shows_no_token_is_told_so() {
    let server = start();
    let get = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n";
    let (_, body) = server.request(get, "").await;
    let open: serde_json::Value = serde_json::from_str(&body[1..]).expect("is JSON");
    let sid = open["sid"].as_str().expect("an id");
    server.request(&post(sid), "40").await;
    let (_, polled) = server.request(&poll(sid), "").await;
    assert_eq!(polled, r#"44{"message":"unauthorized"}"#);
}
