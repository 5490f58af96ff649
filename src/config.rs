//! What an operator can set: a struct per concern, from the environment and an optional TOML
//! file. Read it from [`Config::load`] down; [`variable`] is the table of names and defaults.

mod cluster;
mod origin;
pub(crate) mod parse;
mod providers;
mod report;
mod rtc;
mod secret;
mod source;
pub mod variable;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

pub use cluster::{ClusterConfig, RedisAddress, RedisConfig};
pub use origin::Origin;
pub use providers::{HomeConfig, JwksProvider, ProviderUrl, ProvidersConfig};
pub use rtc::{RtcConfig, TurnConfig};
pub use secret::Secret;
pub use source::{ConfigFaults, Fault, Setting, Source};

use source::Reader;
use variable as v;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server listens.
    pub server: ServerConfig,
    /// Where it keeps things.
    pub store: StoreConfig,
    /// Which servers it is one with; none for one that runs alone.
    pub cluster: Option<ClusterConfig>,
    /// Whom it believes.
    pub auth: AuthConfig,
    /// Whose web pages may speak to it.
    pub origins: OriginsConfig,
    /// Whose files may be linked.
    pub files: FilesConfig,
    /// How it speaks to Socket.IO clients.
    pub socketio: SocketIoConfig,
    /// How it carries calls; none for a server without.
    pub rtc: Option<RtcConfig>,
    /// What it keeps of notifications.
    pub notifications: NotificationsConfig,
    /// Where calls go that it cannot carry; none for nowhere.
    pub agora: Option<AgoraConfig>,
    /// Who may read its metrics.
    pub metrics: MetricsConfig,
    /// Bounds that depend on the deployment.
    pub limits: LimitsConfig,
    /// What it logs.
    pub log: LogConfig,
    demo: bool,
    notices: Vec<String>,
    settings: Vec<Setting>,
}

/// Where the server listens.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// `BEDSIDE_HOST`; 0.0.0.0 by default, 127.0.0.1 in demo mode.
    pub host: IpAddr,
    /// `PORT`, 0..=65535, default 3000; 0 takes any free one.
    pub port: u16,
    /// `BEDSIDE_PROXIES`: reverse proxies in front, 0..=8, default 0. With the wrong number
    /// all clients look like one, or anybody can look like anybody.
    pub proxies: usize,
    /// `BEDSIDE_TLS_CERT` and `BEDSIDE_TLS_KEY`: PEM files; none for connections without TLS.
    pub tls: Option<TlsFiles>,
}

/// What clients are shown, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with those between it and its authority after it.
    pub chain: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl ServerConfig {
    /// What URLs of the server begin with.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Both, to bind.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

/// Where the server keeps things.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `BEDSIDE_DATA_DIR`, default `./data`. Not used with `scylla`.
    pub data_dir: PathBuf,
    /// The CQL servers of a cluster; none for the store in `data_dir`.
    pub scylla: Option<ScyllaConfig>,
}

/// The CQL servers, ScyllaDB or Apache Cassandra, on which a cluster keeps things.
#[derive(Clone, Debug)]
pub struct ScyllaConfig {
    /// `SCYLLA_NODES`: some of them as host:port, 1..=64; the rest is learned from these.
    pub nodes: Vec<String>,
    /// `SCYLLA_KEYSPACE`, default `bedside`.
    pub keyspace: String,
    /// `SCYLLA_USERNAME` and `SCYLLA_PASSWORD`.
    pub login: Option<(String, Secret)>,
    /// `SCYLLA_TLS_CA`: a PEM file with the authorities that sign the servers' certificates; none
    /// for connections without TLS.
    pub tls_ca: Option<PathBuf>,
    /// `SCYLLA_DATACENTER`: whose servers are asked; none where there is one data centre only.
    pub datacenter: Option<String>,
    /// `SCYLLA_REPLICATION`: how many servers keep each row of a keyspace that `bedside migrate`
    /// makes, 1..=9, default 3.
    pub replication: u8,
}

/// Whom the server believes.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// `JWT_SECRET`, at least 32 bytes; demo mode when there are no other keys either.
    pub jwt_secret: Option<Secret>,
    /// Other keys that tokens may be signed with, and who is asked about tokens.
    pub providers: ProvidersConfig,
    /// `BEDSIDE_JWT_ISSUER`, else `LARAVEL_URL`; none accepts any.
    pub issuer: Option<String>,
    /// `BEDSIDE_JWT_AUDIENCE`; none accepts any.
    pub audience: Option<String>,
    /// `JWT_EXPIRATION`, else `JWT_EXPIRES_IN`: the life of tokens minted here, 1 s..=366 d,
    /// default 1 h.
    pub token_ttl: Duration,
}

/// Whose web pages may speak to the server.
#[derive(Clone, Debug)]
pub struct OriginsConfig {
    /// `FRONTEND_URL`.
    pub frontend: Option<Origin>,
    /// `CORS_ORIGIN`, at most 64.
    pub cors: Vec<Origin>,
    /// `CORS_CREDENTIALS`, default false.
    pub credentials: bool,
}

impl OriginsConfig {
    /// Whether a request with this `Origin` header may come in: the front end, a listed one, or
    /// the origin that `Host` names, which is the server's own pages.
    #[must_use]
    pub fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        let Ok(origin) = Origin::parse(origin) else {
            return false;
        };
        self.lists(&origin) || host.is_some_and(|host| origin.is_reached_by(host))
    }

    /// Whether the origin is the front end or a listed one.
    #[must_use]
    pub fn lists(&self, origin: &Origin) -> bool {
        self.frontend.iter().chain(&self.cors).any(|o| o == origin)
    }
}

/// Whose files may be linked.
#[derive(Clone, Debug)]
pub struct FilesConfig {
    /// `BEDSIDE_FILE_ORIGINS` and, when it is https, `FRONTEND_URL`.
    pub origins: Vec<Origin>,
}

/// How the server speaks to Socket.IO clients.
#[derive(Clone, Copy, Debug)]
pub struct SocketIoConfig {
    /// `BEDSIDE_SOCKETIO_REPLAY`, default off: whether clients get the direct messages that they
    /// missed by themselves.
    pub replay: bool,
    /// `BEDSIDE_SOCKETIO_EXPIRY`: how long clients stay after their token ran out, at most 12 h;
    /// nought, the default, closes them with it.
    pub grace: Duration,
}

/// What the server keeps of notifications.
#[derive(Clone, Copy, Debug)]
pub struct NotificationsConfig {
    /// `NOTIFICATION_RETENTION_DAYS`: 1..=3,650 days, default 30.
    pub retention: Duration,
}

/// A project at Agora.
#[derive(Clone, Debug)]
pub struct AgoraConfig {
    /// `AGORA_APP_ID`: 32 hexadecimal digits.
    pub app_id: String,
    /// `AGORA_APP_CERTIFICATE`: 32 hexadecimal digits.
    pub certificate: Secret,
}

/// Who may read the metrics besides loopback.
#[derive(Clone, Debug, Default)]
pub struct MetricsConfig {
    /// `METRICS_TOKEN`, at least 16 bytes.
    pub token: Option<Secret>,
    /// `BEDSIDE_METRICS_BIND`: a listener that answers everyone who reaches it.
    pub bind: Option<SocketAddr>,
}

/// Bounds that depend on the deployment.
#[derive(Clone, Copy, Debug)]
pub struct LimitsConfig {
    /// `BEDSIDE_CONNECTIONS_MAX`: sockets open at once, 1..=1,000,000, default 100,000.
    pub connections_max: usize,
    /// `BEDSIDE_EDIT_WINDOW_S`, in milliseconds: 0..=30 days, default 15 minutes.
    pub edit_window_ms: i64,
    /// `BEDSIDE_PASSIVATE_AFTER_S`: 1 s..=1 day, default 5 minutes.
    pub passivate_after: Duration,
}

/// What the server logs.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// `BEDSIDE_LOG`: a level, or `target=level` pairs; default `info`.
    pub filter: String,
    /// `BEDSIDE_LOG_FORMAT`, default text.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads the whole configuration. `env` wins over the file, which is `file` or else the one
    /// that `BEDSIDE_CONFIG` names.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load(
        env: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigFaults> {
        let named = env(v::BEDSIDE_CONFIG)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let mut reader = Reader::new(&env, file.or(named.as_deref()));
        let r = &mut reader;

        let host = r.optional(v::BEDSIDE_HOST, parse::host);
        let port = r.required(v::PORT, parse::port);
        let proxies = r.required(v::BEDSIDE_PROXIES, parse::proxies);
        let tls = read_tls(r);
        let data_dir = r.required(v::BEDSIDE_DATA_DIR, parse::directory);
        let scylla = read_scylla(r);
        let cluster = cluster::read(r);
        let auth = read_auth(r);
        let origins = OriginsConfig {
            frontend: r.optional(v::FRONTEND_URL, Origin::parse),
            cors: r
                .optional(v::CORS_ORIGIN, parse::origins)
                .unwrap_or_default(),
            credentials: r.required(v::CORS_CREDENTIALS, parse::yes_or_no),
        };
        let files = r.optional(v::BEDSIDE_FILE_ORIGINS, parse::https_origins);
        let files = FilesConfig {
            origins: files
                .unwrap_or_default()
                .into_iter()
                .chain(origins.frontend.clone().filter(Origin::is_https))
                .collect(),
        };
        let socketio = SocketIoConfig {
            replay: r.required(v::BEDSIDE_SOCKETIO_REPLAY, parse::on_or_off),
            grace: r.required(v::BEDSIDE_SOCKETIO_EXPIRY, parse::socketio_expiry),
        };
        let rtc = rtc::read(r);
        let agora = read_agora(r);
        let notifications = NotificationsConfig {
            retention: r.required(v::NOTIFICATION_RETENTION_DAYS, parse::retention),
        };
        let metrics = MetricsConfig {
            token: r.optional(v::METRICS_TOKEN, parse::bearer_token),
            bind: r.optional(v::BEDSIDE_METRICS_BIND, parse::socket_address),
        };
        let limits = LimitsConfig {
            connections_max: r.required(v::BEDSIDE_CONNECTIONS_MAX, parse::connections_max),
            edit_window_ms: r.required(v::BEDSIDE_EDIT_WINDOW_S, parse::edit_window_ms),
            passivate_after: r.required(v::BEDSIDE_PASSIVATE_AFTER_S, parse::passivate_after),
        };
        let log = LogConfig {
            filter: r.required(v::BEDSIDE_LOG, parse::log_filter),
            format: r.required(v::BEDSIDE_LOG_FORMAT, parse::log_format),
        };

        let demo = !has_keys(r);
        if demo {
            check_demo(r, host, metrics.bind);
        }
        let host = host.unwrap_or(IpAddr::V4(if demo {
            Ipv4Addr::LOCALHOST
        } else {
            Ipv4Addr::UNSPECIFIED
        }));
        r.derived(v::BEDSIDE_HOST, host.to_string());
        if !r.faults.is_empty() {
            return Err(ConfigFaults(reader.faults));
        }
        let settings = reader.settings;
        Ok(Self {
            notices: report::notices(&env, auth.jwt_secret.as_ref()),
            server: ServerConfig {
                host,
                port,
                proxies,
                tls,
            },
            store: StoreConfig { data_dir, scylla },
            cluster,
            auth,
            origins,
            files,
            socketio,
            rtc,
            notifications,
            agora,
            metrics,
            limits,
            log,
            demo,
            settings,
        })
    }

    /// Whether the server runs in demo mode: on this machine alone, with made-up people.
    #[must_use]
    pub const fn is_demo(&self) -> bool {
        self.demo
    }

    /// What an operator should know before the server starts, a line each.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Each variable with its effective value and where it came from.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

/// Both files or neither.
fn read_tls(r: &mut Reader<'_>) -> Option<TlsFiles> {
    let chain = r.optional(v::BEDSIDE_TLS_CERT, parse::file);
    let key = r.optional(v::BEDSIDE_TLS_KEY, parse::file);
    for (given, missing) in [
        (v::BEDSIDE_TLS_CERT, v::BEDSIDE_TLS_KEY),
        (v::BEDSIDE_TLS_KEY, v::BEDSIDE_TLS_CERT),
    ] {
        if r.is_set(given) && !r.is_set(missing) {
            r.fault(
                missing,
                "nothing",
                "a file, since the other half of the pair is set",
            );
        }
    }
    let (chain, key) = (chain?, key?);
    Some(TlsFiles { chain, key })
}

/// Both halves or neither.
fn read_agora(r: &mut Reader<'_>) -> Option<AgoraConfig> {
    let app_id = r.optional(v::AGORA_APP_ID, parse::agora_id);
    let certificate = r.optional(v::AGORA_APP_CERTIFICATE, parse::agora_certificate);
    if r.is_set(v::AGORA_APP_ID) != r.is_set(v::AGORA_APP_CERTIFICATE) {
        r.fault(
            v::AGORA_APP_ID,
            "one of AGORA_APP_ID and AGORA_APP_CERTIFICATE",
            "both, or neither",
        );
    }
    let (app_id, certificate) = (app_id?, certificate?);
    Some(AgoraConfig {
        app_id,
        certificate,
    })
}

/// Whether anybody said, well or not, whose tokens are believed. If not it is a demo.
fn has_keys(r: &Reader<'_>) -> bool {
    providers::KEYS.iter().any(|key| r.is_set(key))
}

/// The CQL store, when `SCYLLA_NODES` names one. Its settings are checked in any case.
fn read_scylla(r: &mut Reader<'_>) -> Option<ScyllaConfig> {
    let nodes = r.optional(v::SCYLLA_NODES, parse::cql_nodes);
    let keyspace = r.required(v::SCYLLA_KEYSPACE, parse::keyspace);
    let username = r.optional(v::SCYLLA_USERNAME, parse::name);
    let password = r.optional(v::SCYLLA_PASSWORD, parse::password);
    let tls_ca = r.optional(v::SCYLLA_TLS_CA, parse::file);
    let datacenter = r.optional(v::SCYLLA_DATACENTER, parse::name);
    let replication = r.required(v::SCYLLA_REPLICATION, parse::replication);
    if r.is_set(v::SCYLLA_NODES) && !has_keys(r) {
        r.fault(
            v::JWT_SECRET,
            "nothing",
            "the clinic's secret, because SCYLLA_NODES is set and a demo has no place on a \
             cluster's store",
        );
    }
    if r.is_set(v::SCYLLA_USERNAME) != r.is_set(v::SCYLLA_PASSWORD) {
        r.fault(
            v::SCYLLA_USERNAME,
            "one of SCYLLA_USERNAME and SCYLLA_PASSWORD",
            "both, or neither",
        );
    }
    Some(ScyllaConfig {
        nodes: nodes?,
        keyspace,
        login: username.zip(password),
        tls_ca,
        datacenter,
        replication,
    })
}

fn read_auth(r: &mut Reader<'_>) -> AuthConfig {
    let jwt_secret = r.optional(v::JWT_SECRET, parse::jwt_secret);
    let laravel = r.optional(v::LARAVEL_URL, parse::issuer_url);
    let issuer = r.optional(v::BEDSIDE_JWT_ISSUER, parse::claim).or(laravel);
    let audience = r.optional(v::BEDSIDE_JWT_AUDIENCE, parse::claim);
    let expiration = r.optional(v::JWT_EXPIRATION, parse::lifetime);
    let expires_in = r.required(v::JWT_EXPIRES_IN, parse::lifetime);
    AuthConfig {
        jwt_secret,
        providers: providers::read(r, audience.as_deref()),
        issuer,
        audience,
        token_ttl: expiration.unwrap_or(expires_in),
    }
}

/// In demo mode anyone who reaches the server can sign in, so nobody else may reach it.
fn check_demo(r: &mut Reader<'_>, host: Option<IpAddr>, metrics: Option<SocketAddr>) {
    // Keys that got lost on the way must not turn a clinic's server into a demo.
    for key in providers::KEYS {
        if r.is_named(key) {
            r.fault(
                key,
                "nothing",
                "something, or no such variable at all for demo mode",
            );
        }
    }
    let addresses = [
        (v::BEDSIDE_HOST, host),
        (v::BEDSIDE_METRICS_BIND, metrics.map(|bind| bind.ip())),
    ];
    for (variable, address) in addresses {
        if let Some(address) = address.filter(|a| !a.to_canonical().is_loopback()) {
            r.fault(
                variable,
                &address.to_string(),
                "a loopback address, because without JWT_SECRET this is demo mode, in which \
                 anyone can sign in; set JWT_SECRET to serve other machines",
            );
        }
    }
}
