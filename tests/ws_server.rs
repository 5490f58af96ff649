//! The whole server on a real port: HTTP and sockets side by side, refusals, limits, stopping.

mod ws_support;

use bedside::{
    http::{self, Cors, HttpParts, IssuedTicket, NoHttpMetrics, NoScopes},
    seeds::Shown,
    server::{self, ServerParts, Stopper},
    strangers::Strangers,
    ws::{admission::Admission, frame::Opcode, metrics::NoMetrics},
};
use bedside_actors::{
    node::Node,
    ports::store::{AuditEntry, AuditRange},
};
use bedside_protocol::{Timestamp, limits};
use serde_json::{Value, json};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use ws_support::{
    Client, masked,
    node::{identity, node},
};

struct Running {
    address: SocketAddr,
    node: Arc<Node>,
    admission: Arc<Admission>,
    stopper: Stopper,
    task: JoinHandle<io::Result<()>>,
}

fn start(connections_max: usize) -> Running {
    let node = node();
    let admission = Admission::new(connections_max);
    let strangers = Strangers::new(&node, &admission, 0);
    let parts = HttpParts {
        node: node.clone(),
        version: "test",
        cors: Cors::default(),
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
        shown: Arc::new(Shown::default()),
        notify_room: Arc::new(|_, _| {}),
        strangers: strangers.clone(),
        fallback: None,
        http_metrics: Arc::new(NoHttpMetrics),
    };
    let inside = node;
    let is_used = AtomicBool::new(false);
    let server = server::build(ServerParts {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        certificate: None,
        workers: 2,
        proxies: 0,
        allowed_origins: vec!["https://app.example.org".to_owned()],
        admission: admission.clone(),
        strangers,
        node: inside.clone(),
        redeem_ticket: Arc::new(move |ticket| {
            let is_good = ticket == "good" && !is_used.swap(true, Ordering::Relaxed);
            is_good.then(|| identity("amal")).into()
        }),
        routes: Arc::new(move |config| http::configure(config, parts.clone())),
        edges: Vec::new(),
        socket_metrics: Arc::new(NoMetrics),
    })
    .expect("a free port");
    Running {
        address: server.address(),
        node: inside,
        admission,
        stopper: server.stopper(),
        task: actix_rt::spawn(server.run()),
    }
}

impl Running {
    async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.expect("it listens"))
    }

    async fn request(&self, head: &str) -> (Client<TcpStream>, String) {
        let mut client = self.connect().await;
        client.send_raw(head.as_bytes()).await;
        let head = client.response_head().await;
        (client, head)
    }

    /// A socket of this user.
    async fn sign_in(&self, name: &str) -> Client<TcpStream> {
        let bearer = format!("Authorization: Bearer {name}\r\n");
        let (mut client, head) = self.request(&upgrade("/ws", &bearer)).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert_eq!(client.expect().await.json()["type"], "session.welcome");
        client
    }

    /// The status with which an upgrade is answered.
    async fn status(&self, path: &str, headers: &str) -> u16 {
        let (_, head) = self.request(&upgrade(path, headers)).await;
        status(&head)
    }
}

fn upgrade(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: chat.example.org\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .expect("a status line")
}

fn send_to(name: &str, id: u64, text: &str) -> String {
    json!({"id": id, "type": "message.send",
        "data": {"to_user_id": name, "client_msg_id": format!("m{id}"), "text": text}})
    .to_string()
}

#[actix_web::test]
async fn http_and_sockets_share_the_port() {
    let server = start(100);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: chat.example.org\r\n\r\n");
    for (path, status, header) in [
        ("/", 200, "content-type: text/html; charset=utf-8"),
        (
            "/app.js",
            200,
            "content-type: text/javascript; charset=utf-8",
        ),
        ("/ws", 426, "sec-websocket-version: 13"),
        ("/health", 200, "content-type: application/json"),
        ("/nowhere", 404, "content-length"),
    ] {
        let (_, head) = server.request(&get(path)).await;
        assert_eq!(self::status(&head), status, "{path}: {head}");
        assert!(head.to_ascii_lowercase().contains(header), "{path}: {head}");
    }
    let mut amal = server.sign_in("amal").await;
    let mut omar = server.sign_in("omar").await;
    amal.say(&send_to("omar", 1, "hello")).await;
    loop {
        let event = omar.expect().await.json();
        if event["type"] == "message.created" {
            assert_eq!(event["data"]["text"], "hello");
            break;
        }
    }
}

#[actix_web::test]
async fn a_socket_may_start_on_a_used_connection_and_talk_ahead() {
    let server = start(100);
    let mut client = server.connect().await;
    let mut all = b"GET /icon.svg HTTP/1.1\r\nHost: chat.example.org\r\n\r\n".to_vec();
    all.extend(upgrade("/ws", "").bytes());
    let hello = json!({"id": 1, "type": "session.hello", "data": {"token": "amal"}}).to_string();
    all.extend(masked(Opcode::Text, hello.as_bytes()));
    client.send_raw(&all).await;

    let head = client.response_head().await;
    assert_eq!(status(&head), 200);
    let length: usize = head
        .to_ascii_lowercase()
        .split_once("content-length: ")
        .and_then(|(_, rest)| rest.split_once("\r\n")?.0.parse().ok())
        .expect("it has a length");
    let mut body = vec![0; length];
    tokio::io::AsyncReadExt::read_exact(&mut client.stream, &mut body)
        .await
        .expect("the body");
    assert_eq!(status(&client.response_head().await), 101);
    assert_eq!(client.expect().await.json()["type"], "session.welcome");
    assert_eq!(client.expect().await.json()["reply_to"], 1);
}

#[actix_web::test]
async fn refusals_reach_the_client() {
    let server = start(100);
    for (path, headers, status) in [
        ("/ws", "Authorization: Bearer nobody\r\n", 401),
        ("/ws", "Authorization: Bearer late\r\n", 401),
        ("/ws?ticket=bad", "", 401),
        ("/ws?token=amal", "", 400),
        ("/ws", "Origin: https://evil.test\r\n", 403),
        ("/ws", "Origin: https://app.example.org\r\n", 101),
        ("/ws", "Sec-WebSocket-Protocol: chat\r\n", 400),
        ("/elsewhere", "", 404),
    ] {
        assert_eq!(
            server.status(path, headers).await,
            status,
            "{path} {headers}"
        );
    }
    // A client that goes on talking still gets to read the answer.
    let mut client = server.connect().await;
    let mut all = upgrade("/elsewhere", "").into_bytes();
    all.extend(masked(Opcode::Text, &[b'x'; 60_000]));
    client.send_raw(&all).await;
    assert_eq!(status(&client.response_head().await), 404);
    let body: Value = serde_json::from_slice(&client.rest().await).expect("JSON");
    assert_eq!(body["success"], false);

    for method in ["POST", "CONNECT"] {
        let request = upgrade("/ws", "").replacen("GET", method, 1);
        let (_, head) = server.request(&request).await;
        assert_eq!(status(&head), 405, "{method}");
    }
    timeout(Duration::from_secs(5), server.admission.emptied())
        .await
        .expect("no refused client keeps a place");
}

#[actix_web::test]
async fn a_ticket_opens_one_socket() {
    let server = start(100);
    assert_eq!(server.status("/ws?ticket=good", "").await, 101);
    assert_eq!(server.status("/ws?ticket=good", "").await, 401);
}

#[actix_web::test]
async fn there_are_only_so_many_sockets() {
    let server = start(2);
    let first = server.sign_in("amal").await;
    let _second = server.sign_in("omar").await;
    let (_, head) = server.request(&upgrade("/ws", "")).await;
    assert_eq!(status(&head), 503);
    assert!(head.contains("\r\nRetry-After: 5\r\n"), "{head}");
    drop(first);
    while server.admission.open() > 1 {
        tokio::task::yield_now().await;
    }
    server.sign_in("amal").await;
}

#[actix_web::test]
async fn there_are_only_so_many_strangers_of_one_address() {
    // Half of them are for who has shown a token.
    let server = start(100);
    let mut strangers = Vec::new();
    for _ in 0..50 {
        let (client, head) = server.request(&upgrade("/ws", "")).await;
        assert_eq!(status(&head), 101);
        strangers.push(client);
    }
    assert_eq!(server.status("/ws", "").await, 429);
    // Who says who it is at once is no stranger.
    server.sign_in("amal").await;
    // And one that says it later makes room.
    let stranger = &mut strangers[0];
    stranger
        .say(r#"{"type":"session.hello","data":{"token":"omar"}}"#)
        .await;
    assert_eq!(stranger.expect().await.json()["type"], "session.welcome");
    assert_eq!(server.status("/ws", "").await, 101);
}

#[actix_web::test]
async fn a_client_that_does_not_read_is_told_when_it_does() {
    let server = start(100);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let stream = socket.connect(server.address).await.expect("it listens");
    let mut sleepy = Client::new(stream);
    let bearer = "Authorization: Bearer sleepy\r\n";
    sleepy.send_raw(upgrade("/ws", bearer).as_bytes()).await;
    assert_eq!(status(&sleepy.response_head().await), 101);
    assert_eq!(sleepy.expect().await.json()["type"], "session.welcome");

    let mut amal = server.sign_in("amal").await;
    let text = "x".repeat(limits::TEXT_BYTES_MAX);
    let mut acknowledged = 0;
    let overflows = || bedside_actors::counters::COUNTERS.outbox_overflows.get();
    let before = overflows();
    while overflows() == before {
        acknowledged += 1;
        assert!(acknowledged < 590, "the outbox has bounds");
        amal.say(&send_to("sleepy", acknowledged, &text)).await;
        // The fast one is not slowed down by the other.
        while amal.expect().await.json()["reply_to"] != acknowledged {}
    }

    // It wakes up: what was written before comes whole and in order, then the reason.
    let mut seq = 0;
    let close = loop {
        let frame = sleepy.expect().await;
        if frame.first == 0x88 {
            break frame;
        }
        let event = frame.json();
        if event["type"] == "message.created" {
            let next = event["seq"].as_u64().expect("a seq");
            assert!(next == seq + 1 || seq == 0, "{next} after {seq}");
            seq = next;
        }
    };
    assert_eq!(
        (close.close_code(), close.close_reason()),
        (Some(4501), "slow_consumer")
    );
    assert!(seq > 0);
    assert_eq!(sleepy.frame().await, None);
}

#[actix_web::test]
async fn stopping_tells_every_socket_and_ends_the_server() {
    let server = start(100);
    let mut signed_in = server.sign_in("amal").await;
    let (mut stranger, _) = server.request(&upgrade("/ws", "")).await;
    let probe = "HEAD /ready HTTP/1.1\r\nHost: chat.example.org\r\n\r\n";
    let (mut probing, head) = server.request(probe).await;
    assert_eq!(status(&head), 200);
    server.stopper.stop();

    let closing = signed_in.expect().await.json();
    assert_eq!(closing["type"], "session.closing");
    let after = closing["data"]["reconnect_after_ms"].as_u64();
    assert!(
        after.is_some_and(|ms| (500..=3_500).contains(&ms)),
        "{closing}"
    );
    // Balancers hear that there is nothing to be had, and new clients, too.
    probing.send_raw(probe.as_bytes()).await;
    assert_eq!(status(&probing.response_head().await), 503);
    assert_eq!(status(&server.request(probe).await.1), 503);
    assert_eq!(
        server.status("/ws", "Authorization: Bearer omar\r\n").await,
        503
    );
    assert_eq!(signed_in.expect().await.close_code(), Some(1001));
    assert_eq!(signed_in.frame().await, None);
    drop(signed_in);

    stranger
        .say(r#"{"type":"session.hello","data":{"token":"omar"}}"#)
        .await;
    assert_eq!(stranger.expect().await.close_code(), Some(1001));
    drop(stranger);

    timeout(Duration::from_secs(20), server.task)
        .await
        .expect("ends once they are gone")
        .expect("no panic")
        .expect("well");
    assert_eq!(server.admission.open(), 0);
    assert!(TcpStream::connect(server.address).await.is_err());
}

/// What was written down of this action.
async fn written(server: &Running, action: &str, count: usize) -> Vec<AuditEntry> {
    let range = AuditRange {
        from_seq: 1,
        to_seq: u64::MAX,
        newest_first: false,
        limit: 1_000,
    };
    loop {
        let entries = server.node.store().audit_entries("alone".to_owned(), range);
        let mut entries = entries.await.expect("reads");
        entries.retain(|entry| entry.record.action == action);
        if entries.len() >= count {
            return entries;
        }
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn bad_tokens_of_one_address_are_told_to_wait_and_good_ones_are_not() {
    let server = start(100);
    let agent = "User-Agent: a test\r\n";
    let bad = format!("Authorization: Bearer nobody\r\n{agent}");
    for _ in 0..limits::FAILURES_PER_ADDRESS_A_MINUTE {
        assert_eq!(server.status("/ws", &bad).await, 401);
    }
    let head = loop {
        let (_, head) = server.request(&upgrade("/ws", &bad)).await;
        if status(&head) != 401 {
            break head;
        }
    };
    assert_eq!(status(&head), 429);
    assert!(head.contains("\r\nRetry-After: 1\r\n"), "{head}");
    // One that has only run out is no guess, and a good one is as welcome as ever.
    let late = "Authorization: Bearer late\r\n";
    assert_eq!(server.status("/ws", late).await, 401);
    loop {
        while server.status("/ws", &bad).await == 401 {}
        let (mut slow, head) = server.request(&upgrade("/ws", agent)).await;
        assert_eq!(status(&head), 101);
        slow.say(r#"{"id":1,"type":"session.hello","data":{"token":"slow-nobody"}}"#)
            .await;
        let refused = slow.expect().await.json();
        assert_eq!(slow.expect().await.close_code(), Some(4401));
        if refused["error"]["code"] == "rate_limited" {
            break;
        }
    }
    let _signed_in = server.sign_in("amal").await;
    let (mut hello, _) = server.request(&upgrade("/ws", agent)).await;
    hello
        .say(r#"{"type":"session.hello","data":{"token":"omar"}}"#)
        .await;
    assert_eq!(hello.expect().await.json()["type"], "session.welcome");

    let refused = written(&server, "connect.refused", 10).await;
    assert_eq!(refused.len(), 10, "so many a minute");
    assert_eq!(refused[0].record.subject, "native");
    assert_eq!(refused[0].record.detail, "nobody");
    for entry in [&refused[0], &written(&server, "session.open", 2).await[1]] {
        assert_eq!(entry.ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(entry.agent.as_deref(), Some("a test"));
    }
}

/// A hospital: all come from one address, all at once, while somebody there shows bad tokens.
#[actix_web::test]
async fn a_thousand_people_behind_one_address_meet_no_limit() {
    const PEOPLE: usize = 1_000;
    let server = start(10_000);
    let bad = "Authorization: Bearer nobody\r\n";
    let mut sockets = Vec::new();
    while sockets.len() < PEOPLE {
        // From here on the address is one that failed too often.
        while server.status("/ws", bad).await == 401 {}
        let mut crowd = Vec::new();
        // All of them have opened before any of them says hello.
        for _ in 0..250 {
            let (client, head) = server.request(&upgrade("/ws", "")).await;
            assert_eq!(status(&head), 101);
            crowd.push(client);
        }
        for (n, client) in crowd.iter_mut().enumerate() {
            let token = format!("p{}", sockets.len() + n);
            let hello = json!({"type": "session.hello", "data": {"token": token}});
            client.say(&hello.to_string()).await;
        }
        for client in &mut crowd {
            assert_eq!(client.expect().await.json()["type"], "session.welcome");
        }
        sockets.append(&mut crowd);
    }
    // Some have a second device.
    for n in 0..100 {
        let (mut client, head) = server.request(&upgrade("/ws", "")).await;
        assert_eq!(status(&head), 101);
        let hello = json!({"type": "session.hello", "data": {"token": format!("p{n}")}});
        client.say(&hello.to_string()).await;
        assert_eq!(client.expect().await.json()["type"], "session.welcome");
    }
    // Four each at once, as fast as they are taken.
    for round in 0..4_u64 {
        for (n, client) in sockets.iter_mut().enumerate() {
            let to = format!("p{}", (n + 1) % PEOPLE);
            client.say(&send_to(&to, round + 1, "hello")).await;
        }
    }
    for client in &mut sockets {
        for round in 1..=4 {
            let reply = loop {
                let frame = client.expect().await.json();
                if frame["reply_to"] == round {
                    break frame;
                }
            };
            assert!(reply["data"]["seq"].is_u64(), "{reply}");
        }
    }
    for n in 0..PEOPLE {
        let request = format!(
            "GET /api/v1/unread HTTP/1.1\r\nHost: chat.example.org\r\n\
             Authorization: Bearer p{n}\r\n\r\n"
        );
        assert_eq!(status(&server.request(&request).await.1), 200);
    }
    let strangers = server.admission.strangers();
    assert_eq!((strangers.waiting, strangers.refused_waits), (0, 0));
    assert!(strangers.throttled > 0, "the other one was there");
}

/// What the server answers before it closes, for as long as the client goes on so.
async fn drip(server: &Running, begin: &str, drop: &str, pause: Duration) -> (String, Duration) {
    let begun = tokio::time::Instant::now();
    let mut client = server.connect().await;
    client.send_raw(begin.as_bytes()).await;
    let (mut read, mut write) = client.stream.into_split();
    let talk = async {
        while write.write_all(drop.as_bytes()).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    let listen = async {
        let mut answer = Vec::new();
        let _ = read.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let answer = tokio::select! {
        answer = listen => answer,
        () = talk => String::new(),
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("it was never closed"),
    };
    (answer, begun.elapsed())
}

#[actix_web::test]
async fn heads_that_are_too_long_or_too_slow_end_the_connection() {
    let server = start(100);
    let begin = "GET /health HTTP/1.1\r\nHost: chat.example.org\r\n";
    // One header without an end, and ever more of them.
    for drop in ["x".repeat(16 * 1024), "X-More: a\r\n".repeat(50)] {
        let begin = format!("{begin}X-Long: ");
        let (answer, _) = drip(&server, &begin, &drop, Duration::ZERO).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    let pause = Duration::from_millis(200);
    let (answer, took) = drip(&server, begin, "X-Slow: a\r\n", pause).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    assert!(took >= Duration::from_secs(4), "{took:?}");
    // And one that says nothing at all.
    let (answer, _) = drip(&server, "", "", Duration::from_secs(1)).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"));
    // Nobody else noticed.
    server.sign_in("amal").await;
}
