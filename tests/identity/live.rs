//! The whole server, and tokens on its live connections.

use bedside::{app, config::Config, server::Stopper};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::{collections::HashMap, io, net::SocketAddr, path::PathBuf, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

use crate::{
    kit::*,
    ws_support::{Client, Frame},
};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A token of the clinic's own secret.
pub(crate) fn minted(changes: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims(changes), &key).expect("signs")
}

/// The whole server.
pub(crate) struct Running {
    address: SocketAddr,
    stopper: Stopper,
    task: JoinHandle<io::Result<()>>,
    data: PathBuf,
}

impl Running {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let data = std::env::temp_dir().join(format!("bedside-identity-{}", uuid::Uuid::new_v4()));
        let mut env: HashMap<_, _> = settings.iter().copied().collect();
        let dir = data.display().to_string();
        env.extend([
            ("BEDSIDE_DATA_DIR", dir.as_str()),
            ("BEDSIDE_HOST", "127.0.0.1"),
            ("PORT", "0"),
        ]);
        let config = Config::load(|name| env.get(name).map(|text| (*text).to_owned()), None);
        let server = app::build(&config.expect("good settings")).await;
        let server = server.expect("it starts");
        Self {
            address: server.address(),
            stopper: server.stopper(),
            task: actix_rt::spawn(server.run()),
            data,
        }
    }

    /// One whose tokens a provider signs.
    async fn trusting(double: &Double, more: &[(&str, &str)]) -> Self {
        let url = double.url("/jwks");
        let provider = format!("issuer={ISSUER} url={url} audience={AUDIENCE}");
        let mut settings = vec![("BEDSIDE_JWKS_PROVIDERS", provider.as_str())];
        settings.extend_from_slice(more);
        Self::start(&settings).await
    }

    pub(crate) async fn stop(self) {
        self.stopper.stop();
        let stopped = timeout(PATIENCE, self.task).await.expect("it stops");
        stopped.expect("it runs").expect("it served");
        std::fs::remove_dir_all(&self.data).expect("removed");
    }

    async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.expect("it listens"))
    }

    async fn http(&self, request: String) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("is sent");
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        read.expect("in time").expect("is read");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> (u16, String) {
        let bearer = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        self.http(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}Connection: close\r\n\r\n"
        ))
        .await
    }

    async fn post(&self, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        self.http(format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
        .await
    }

    async fn upgrade(&self, path: &str, headers: &str) -> Result<Client<TcpStream>, u16> {
        let mut client = self.connect().await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             {headers}\r\n"
        );
        client.send_raw(request.as_bytes()).await;
        let head = timeout(PATIENCE, client.response_head()).await;
        let head = head.expect("in time");
        match head.split(' ').nth(1).and_then(|s| s.parse().ok()) {
            Some(101) => Ok(client),
            status => Err(status.expect("a status")),
        }
    }

    /// A native socket, or the status with which it is refused.
    pub(crate) async fn socket(&self, token: &str) -> Result<Client<TcpStream>, u16> {
        self.upgrade("/ws", &format!("Authorization: Bearer {token}\r\n"))
            .await
    }

    /// A Socket.IO client in `/notifications` on a WebSocket.
    async fn socketio(&self, token: &str) -> Client<TcpStream> {
        let upgraded = self.upgrade("/socket.io/?EIO=4&transport=websocket", "");
        let mut client = upgraded.await.expect("is upgraded");
        client.say(&connect_packet(token)).await;
        client
    }

    /// The same with long polling: its path.
    async fn polling(&self, token: &str) -> String {
        let path = "/socket.io/?EIO=4&transport=polling";
        let (_, open) = self.get(path, "").await;
        let open: Value = serde_json::from_str(&open[1..]).expect("JSON");
        let path = format!("{path}&sid={}", open["sid"].as_str().expect("a sid"));
        assert_eq!(self.post(&path, &connect_packet(token)).await.0, 200);
        path
    }

    /// Polls until there is something with `wanted` in it.
    async fn poll_for(&self, path: &str, wanted: &str) {
        let polled = async {
            loop {
                let (status, body) = self.get(path, "").await;
                assert_eq!(status, 200, "before {wanted}: {body}");
                if body.contains(wanted) {
                    return;
                }
            }
        };
        let polled = timeout(PATIENCE, polled).await;
        polled.unwrap_or_else(|_| panic!("never polled: {wanted}"));
    }
}

fn connect_packet(token: &str) -> String {
    format!("40/notifications,{}", json!({ "token": token }))
}

/// Reads until a frame has `wanted` in it.
async fn frame_with(client: &mut Client<TcpStream>, wanted: &str) -> Frame {
    let found = async {
        loop {
            let frame = client.frame().await;
            let frame = frame.unwrap_or_else(|| panic!("ended before {wanted}"));
            if frame.first == 0x81 && frame.text().contains(wanted) {
                return frame;
            }
        }
    };
    let found = timeout(PATIENCE, found).await;
    found.unwrap_or_else(|_| panic!("it never came: {wanted}"))
}

/// Reads until the server closes; the code.
async fn close_code(client: &mut Client<TcpStream>) -> Option<u16> {
    let closed = async {
        loop {
            match client.frame().await {
                Some(frame) if frame.first == 0x88 => return frame.close_code(),
                Some(_) => {}
                None => return None,
            }
        }
    };
    timeout(PATIENCE, closed).await.expect("it is closed")
}

#[actix_web::test]
async fn wherever_a_token_is_shown_its_key_is_waited_for() {
    let signer = Signer::es("a");
    let double = Double::publishing(&[&signer]).await;
    // Nobody has the keys yet when the first clients come.
    double.be(|mood| mood.slow = Duration::from_millis(1_500));
    let server = Running::trusting(&double, &[]).await;
    let (good, bad) = (signer.token(&json!({})), Signer::es("a").token(&json!({})));
    let hello = |token: &str| {
        json!({"id": 1, "type": "session.hello", "data": {"token": token}}).to_string()
    };
    let rest = server.get("/api/v1/conversations", &good);
    let rest_bad = server.get("/api/v1/conversations", &bad);
    let bearer = server.socket(&good);
    let bearer_bad = server.socket(&bad);
    let said = async {
        let mut client = server
            .upgrade("/ws", "Sec-WebSocket-Protocol: bedside.v1.json\r\n")
            .await?;
        client.say(&hello(&good)).await;
        client
            .say(r#"{"id":2,"type":"sync.resume","data":{}}"#)
            .await;
        Ok::<_, u16>(client)
    };
    let said_bad = async {
        let mut client = server
            .upgrade("/ws", "Sec-WebSocket-Protocol: bedside.v1.json\r\n")
            .await?;
        client.say(&hello(&bad)).await;
        Ok::<_, u16>(client)
    };
    let (rest, rest_bad, bearer, bearer_bad, said, said_bad, sio, sio_bad, path) = tokio::join!(
        rest,
        rest_bad,
        bearer,
        bearer_bad,
        said,
        said_bad,
        server.socketio(&good),
        server.socketio(&bad),
        server.polling(&good),
    );
    assert_eq!((rest.0, rest_bad.0), (200, 401));
    frame_with(&mut bearer.expect("is let in"), "session.welcome").await;
    assert_eq!(bearer_bad.err(), Some(401));
    let mut said = said.expect("is let in");
    frame_with(&mut said, "session.welcome").await;
    frame_with(&mut said, r#""reply_to":1"#).await;
    frame_with(&mut said, r#""reply_to":2"#).await;
    let mut said_bad = said_bad.expect("is heard");
    frame_with(&mut said_bad, "unauthorized").await;
    assert_eq!(close_code(&mut said_bad).await, Some(4401));
    let (mut sio, mut sio_bad) = (sio, sio_bad);
    frame_with(&mut sio, "40/notifications,").await;
    frame_with(
        &mut sio_bad,
        r#"44/notifications,{"message":"unauthorized""#,
    )
    .await;
    server.poll_for(&path, "40/notifications,").await;
    assert_eq!(double.asked().len(), 1, "one question for them all");
    let metrics = server.get("/metrics", "").await.1;
    assert!(
        metrics.contains("bedside_jwks_fetches_total 1"),
        "{metrics}"
    );
    assert!(metrics.contains("bedside_jwks_fetch_failures_total 0"));
    assert!(metrics.contains("bedside_jwks_age_seconds "));
    server.stop().await;
}

#[actix_web::test]
async fn without_its_provider_a_server_asks_clients_to_come_back() {
    let double = Double::publishing(&[]).await;
    double.be(|mood| mood.down = true);
    let server = Running::trusting(&double, &[]).await;
    let token = Signer::ed("a").token(&json!({}));
    assert_eq!(server.get("/api/v1/conversations", &token).await.0, 503);
    assert_eq!(server.socket(&token).await.err(), Some(503));
    let mut client = server
        .upgrade("/ws", "Sec-WebSocket-Protocol: bedside.v1.json\r\n")
        .await
        .expect("is heard");
    let hello = json!({"id": 1, "type": "session.hello", "data": {"token": token}});
    client.say(&hello.to_string()).await;
    frame_with(&mut client, "unavailable").await;
    assert_eq!(close_code(&mut client).await, Some(4503));
    let mut client = server.socketio(&token).await;
    frame_with(&mut client, r#"44/notifications,{"message":"unavailable""#).await;
    server.stop().await;
}

#[actix_web::test]
async fn every_kind_of_socket_is_told_and_refreshed_or_closed() {
    let (first, second) = (Signer::es("a"), Signer::ed("b"));
    let double = Double::publishing(&[&first, &second]).await;
    let server = Running::trusting(&double, &[]).await;
    let short = first.token(&json!({"exp": now_s() + 6}));
    let long = second.token(&json!({}));
    let refresh = |token: &str| {
        format!(
            "42/notifications,7{}",
            json!(["refresh-token", {"token": token}])
        )
    };

    let mut kept = server.socket(&short).await.expect("is let in");
    let mut closed = server.socket(&short).await.expect("is let in");
    let (mut sio_kept, mut sio_closed) =
        (server.socketio(&short).await, server.socketio(&short).await);
    let (path_kept, path_closed) = (server.polling(&short).await, server.polling(&short).await);

    frame_with(&mut kept, "session.expiring").await;
    let stranger = second.token(&json!({"sub": "d2"}));
    let told = r#"["error",{"message":"token expiring"}]"#;
    for (token, code) in [(&stranger, "forbidden"), (&"x".to_owned(), "unauthorized")] {
        let ask = json!({"id": 1, "type": "session.refresh", "data": {"token": token}});
        kept.say(&ask.to_string()).await;
        frame_with(&mut kept, code).await;
    }
    let ask = json!({"id": 2, "type": "session.refresh", "data": {"token": long}});
    kept.say(&ask.to_string()).await;
    frame_with(&mut kept, "token_expires_at").await;

    frame_with(&mut sio_kept, told).await;
    sio_kept.say(&refresh("x")).await;
    frame_with(
        &mut sio_kept,
        r#"43/notifications,7[{"ok":false,"error":{"code":"unauthorized""#,
    )
    .await;
    sio_kept.say(&refresh(&long)).await;
    frame_with(
        &mut sio_kept,
        r#"43/notifications,7[{"ok":true,"expiresAt":"#,
    )
    .await;

    server.poll_for(&path_kept, told).await;
    assert_eq!(server.post(&path_kept, &refresh(&long)).await.0, 200);
    server
        .poll_for(&path_kept, r#"[{"ok":true,"expiresAt":"#)
        .await;

    // Who does nothing about it is closed, and who did is not.
    assert_eq!(close_code(&mut closed).await, Some(4402));
    frame_with(&mut sio_closed, "41/notifications,").await;
    server.poll_for(&path_closed, "41/notifications,").await;
    kept.say(r#"{"id":9,"type":"sync.resume","data":{}}"#).await;
    frame_with(&mut kept, r#""reply_to":9"#).await;
    sio_kept.say(&refresh(&long)).await;
    frame_with(&mut sio_kept, r#"[{"ok":true"#).await;
    assert_eq!(server.post(&path_kept, &refresh(&long)).await.0, 200);
    server.poll_for(&path_kept, r#"[{"ok":true"#).await;
    server.stop().await;
}

#[actix_web::test]
async fn with_a_grace_socketio_clients_outlive_their_token_and_others_do_not() {
    let signer = Signer::es("a");
    let double = Double::publishing(&[&signer]).await;
    let server = Running::trusting(&double, &[("BEDSIDE_SOCKETIO_EXPIRY", "grace:1")]).await;
    let short = signer.token(&json!({"exp": now_s() + 3}));
    let mut native = server.socket(&short).await.expect("is let in");
    let mut client = server.socketio(&short).await;
    let path = server.polling(&short).await;
    frame_with(&mut client, "token expiring").await;
    server.poll_for(&path, "token expiring").await;
    assert_eq!(close_code(&mut native).await, Some(4402));
    // An answer shows that the session goes on.
    let ask = r#"42/notifications,3["notification:acknowledge",{"notificationId":"x"}]"#;
    client.say(ask).await;
    frame_with(&mut client, "invalid_argument").await;
    assert_eq!(server.post(&path, ask).await.0, 200);
    server.poll_for(&path, "invalid_argument").await;
    let refresh = json!(["refresh-token", {"token": signer.token(&json!({}))}]);
    client.say(&format!("42/notifications,4{refresh}")).await;
    frame_with(&mut client, r#"43/notifications,4[{"ok":true"#).await;
    server.stop().await;
}
