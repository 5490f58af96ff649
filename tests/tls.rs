//! TLS in process: what clients are offered, WebSockets under it, and certificates that change
//! while connections are open.

mod ws_support;

use bedside::server::Certificate;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use ws_support::Client;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An authority of its own, and the server's files.
struct Files {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    authority: CertificateDer<'static>,
}

impl Files {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("bedside-tls-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&dir).expect("a directory");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("signed").der().clone();
        let files = Self {
            dir,
            issuer: Issuer::new(params, key),
            authority,
        };
        files.issue();
        files
    }

    fn chain(&self) -> PathBuf {
        self.dir.join("chain.pem")
    }

    fn key(&self) -> PathBuf {
        self.dir.join("key.pem")
    }

    /// Writes a new certificate and its key; the certificate.
    fn issue(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["chat.clinic.example".to_owned()]);
        let certificate = params.expect("names").signed_by(&key, &self.issuer);
        let certificate = certificate.expect("signed");
        fs::write(self.key(), key.serialize_pem()).expect("written");
        fs::write(self.chain(), certificate.pem()).expect("written");
        certificate.der().clone()
    }

    /// A client that trusts the authority and offers these protocols.
    async fn connect(&self, address: SocketAddr, alpn: &[&str]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("an authority");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(address).await.expect("it listens");
        let name = ServerName::try_from("chat.clinic.example").expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.expect("a handshake")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The binary, serving.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(files: &Files) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_bedside"))
            .env_clear()
            .envs([
                ("JWT_SECRET", SECRET),
                ("BEDSIDE_HOST", "127.0.0.1"),
                ("PORT", "0"),
            ])
            .env("BEDSIDE_DATA_DIR", files.dir.join("data"))
            .env("BEDSIDE_TLS_CERT", files.chain())
            .env("BEDSIDE_TLS_KEY", files.key())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("read");
        let url = line.trim().rsplit(' ').next().unwrap_or_default();
        let address = url
            .strip_prefix("https://")
            .and_then(|a| a.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("an https URL, not {line:?}"));
        Self {
            address: address.parse().expect("an address"),
            process,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates();
    chain.expect("a certificate")[0].clone().into_owned()
}

async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: chat.clinic.example\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    // Whoever closes first may leave out TLS's own good-bye.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn a_client_that_offers_h2_gets_http_1_1_and_a_web_socket() {
    let files = Files::new();
    let server = Server::start(&files);
    let mut stream = files.connect(server.address, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let answer = get(&mut stream, "/health").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = answer.to_lowercase();
    assert!(
        answer.contains("strict-transport-security: max-age=31536000"),
        "{answer}"
    );

    let token = Command::new(env!("CARGO_BIN_EXE_bedside"))
        .args(["token", "--sub", "d1", "--role", "doctor"])
        .env_clear()
        .env("JWT_SECRET", SECRET)
        .output()
        .expect("it runs");
    let token = String::from_utf8(token.stdout).expect("text");
    let stream = files.connect(server.address, &["h2", "http/1.1"]).await;
    let mut client = Client::new(stream);
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: chat.clinic.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: bedside.v1.json\r\nAuthorization: Bearer {}\r\n\r\n",
        token.trim()
    );
    client.send_raw(request.as_bytes()).await;
    let head = client.response_head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let welcome = client.expect().await.json();
    assert_eq!(welcome["data"]["user"]["user_id"], "d1");
    // What does not fit into one record of TLS.
    let text = "x".repeat(3 * 16 * 1024);
    client
        .say(&format!(r#"{{"id":1,"type":"no.such","data":"{text}"}}"#))
        .await;
    assert_eq!(client.expect().await.json()["reply_to"], 1);
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_a_bad_one_is_not() {
    let files = Files::new();
    let server = Server::start(&files);
    let before = files.connect(server.address, &[]).await;
    let first = shown(&before);
    let mut before = Client::new(before);
    let head = "HEAD /health HTTP/1.1\r\nHost: chat.clinic.example\r\n\r\n";
    before.send_raw(head.as_bytes()).await;
    assert!(before.response_head().await.starts_with("HTTP/1.1 200 "));
    // Half written: it has to go on with the one it has.
    fs::write(files.chain(), "-----BEGIN CERTIFICATE-----\n").expect("written");
    assert_eq!(shown(&files.connect(server.address, &[]).await), first);
    let second = files.issue();
    let taken = tokio::time::timeout(Duration::from_secs(60), async {
        while shown(&files.connect(server.address, &[]).await) != second {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    taken.await.expect("it is taken up");
    before.send_raw(head.as_bytes()).await;
    assert!(before.response_head().await.starts_with("HTTP/1.1 200 "));
}

#[test]
fn files_that_cannot_be_used_are_told_and_the_old_ones_go_on() {
    let files = Files::new();
    let open = |chain: &Path, key: &Path| Certificate::open(chain, key);
    let told = |chain: &Path, key: &Path| open(chain, key).expect_err("no pair").to_string();
    assert!(told(Path::new("/nowhere/c.pem"), &files.key()).starts_with("/nowhere/c.pem: "));
    assert!(told(&files.key(), &files.key()).contains("there is no certificate in it"));
    assert!(
        told(&files.chain(), &files.chain()).starts_with(files.chain().to_str().expect("text"))
    );

    let certificate = open(&files.chain(), &files.key()).expect("a pair");
    assert!(!certificate.look());
    let others = Files::new();
    fs::copy(others.key(), files.key()).expect("copied");
    let told = told(&files.chain(), &files.key());
    assert!(
        told.ends_with("it is not the key of the certificate"),
        "{told}"
    );
    assert!(!certificate.look());
    assert!(certificate.is_failing());
    fs::copy(others.chain(), files.chain()).expect("copied");
    assert!(certificate.look());
    assert!(!certificate.is_failing());
    assert_eq!(certificate.reloads(), 1);
}

#[tokio::test]
async fn who_does_not_speak_tls_is_not_answered_and_disturbs_nobody() {
    let files = Files::new();
    let server = Server::start(&files);
    let mut plain = TcpStream::connect(server.address)
        .await
        .expect("it listens");
    plain
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let mut stream = files.connect(server.address, &[]).await;
    assert!(
        get(&mut stream, "/health")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let status = Command::new(env!("CARGO_BIN_EXE_bedside"))
        .args(["healthcheck"])
        .env_clear()
        .env("JWT_SECRET", SECRET)
        .env("PORT", server.address.port().to_string())
        .env("BEDSIDE_HOST", "127.0.0.1")
        .env("BEDSIDE_TLS_CERT", files.chain())
        .env("BEDSIDE_TLS_KEY", files.key())
        .output()
        .expect("it runs");
    assert!(status.status.success(), "{status:?}");
}
