//! A Redis server to test on.

use bedside::config::{RedisAddress, RedisConfig, Secret};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::until;

/// How a server is started.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) password: Option<&'static str>,
    /// Directory with `cert.pem` and `key.pem`: TLS and nothing else.
    pub(crate) tls: Option<PathBuf>,
}

/// A server: somebody else's, or a process that ends with this value.
pub(crate) struct Redis {
    pub(crate) port: u16,
    host: String,
    process: Option<Child>,
    setup: Setup,
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Redis {
    /// Any server. None when there is none and that is no failure.
    pub(crate) async fn any() -> Option<Self> {
        let Ok(address) = std::env::var("BEDSIDE_TEST_REDIS") else {
            return Self::own(Setup::default()).await;
        };
        let address = address.trim_start_matches("redis://");
        let (host, port) = address.split_once(':').unwrap_or((address, "6379"));
        Some(Self {
            host: host.to_owned(),
            port: port.trim_end_matches('/').parse().expect("a port"),
            process: None,
            setup: Setup::default(),
        })
    }

    /// A server of this test's own.
    pub(crate) async fn own(setup: Setup) -> Option<Self> {
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_err()
        {
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(
                !is_ci,
                "redis-server is needed (Debian: apt-get install redis-server)"
            );
            eprintln!("not run: there is no redis-server, nor a BEDSIDE_TEST_REDIS");
            return None;
        }
        let mut redis = Self {
            port: free_port(),
            host: "127.0.0.1".to_owned(),
            process: None,
            setup,
        };
        redis.start().await;
        Some(redis)
    }

    /// Starts it, empty, where it was.
    pub(crate) async fn start(&mut self) {
        let mut command = Command::new("redis-server");
        command
            .args([
                "--save",
                "",
                "--appendonly",
                "no",
                "--bind",
                "127.0.0.1",
                "--dir",
            ])
            .arg(std::env::temp_dir())
            .stdout(Stdio::null());
        match &self.setup.tls {
            None => command.arg("--port").arg(self.port.to_string()),
            Some(dir) => command
                .args(["--port", "0", "--tls-auth-clients", "no", "--tls-port"])
                .arg(self.port.to_string())
                .arg("--tls-cert-file")
                .arg(dir.join("cert.pem"))
                .arg("--tls-key-file")
                .arg(dir.join("key.pem"))
                .arg("--tls-ca-cert-file")
                .arg(dir.join("cert.pem")),
        };
        if let Some(password) = self.setup.password {
            command.args(["--requirepass", password]);
        }
        self.process = Some(command.spawn().expect("redis-server starts"));
        let address = (self.host.clone(), self.port);
        until("Redis accepts connections", || {
            TcpStream::connect((address.0.as_str(), address.1)).is_ok()
        })
        .await;
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Stops it in mid-air: it keeps its connections and answers nothing.
    pub(crate) fn hang(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("a server of our own");
        let sent = Command::new("kill")
            .args([signal, &process.id().to_string()])
            .status();
        assert!(sent.expect("there is kill").success());
    }

    pub(crate) fn config(&self) -> RedisConfig {
        RedisConfig {
            address: RedisAddress::Server {
                host: self.host.clone(),
                port: self.port,
                password: self.setup.password.map(Secret::new),
                db: 0,
            },
            tls_ca: self.setup.tls.as_ref().map(|dir| dir.join("cert.pem")),
        }
    }

    /// An ordinary connection, for looking at what is there and for doing harm.
    pub(crate) fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(format!("redis://{}:{}/", self.host, self.port));
        let client = client.expect("an address");
        let connection = client.get_connection_with_timeout(Duration::from_secs(20));
        connection.expect("connects")
    }

    /// A connection without a client.
    pub(crate) fn stream(&self) -> TcpStream {
        TcpStream::connect((self.host.as_str(), self.port)).expect("connects")
    }

    /// All keys of a cluster.
    pub(crate) fn keys(&self, cluster: &str) -> Vec<String> {
        let mut connection = self.connection();
        let pattern = format!("bedside:{cluster}:*");
        let mut keys: Vec<String> = redis::cmd("KEYS")
            .arg(pattern)
            .query(&mut connection)
            .expect("keys");
        keys.sort();
        keys
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("has an address").port()
}

/// A directory with a certificate for 127.0.0.1, gone when the test is.
pub(crate) struct Certificate(pub(crate) PathBuf);

impl Certificate {
    pub(crate) fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("bedside-tls-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&dir).expect("made");
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args(["-nodes", "-days", "2", "-subj", "/CN=bedside-test"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(dir.join("key.pem"))
            .arg("-out")
            .arg(dir.join("cert.pem"))
            .stderr(Stdio::null())
            .status();
        assert!(made.expect("there is openssl").success());
        Self(dir)
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
