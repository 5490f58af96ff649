//! Every variable that the server knows, in one table. `.env.example` explains the same set.

/// One variable, as the environment and the configuration file name it.
#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name in the environment; the file has it in lower case.
    pub name: &'static str,
    /// The table of the file that holds it.
    pub section: &'static str,
    /// What counts when nobody sets it; none for "not set".
    pub default: Option<&'static str>,
    /// Whether its value is never shown.
    pub secret: bool,
}

impl Variable {
    /// The key in the file.
    #[must_use]
    pub fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }
}

macro_rules! variables {
    ($($section:literal { $($(#[$doc:meta])* $name:ident $(= $default:literal)? $(: $secret:ident)?;)* })*) => {
        $($(
            $(#[$doc])*
            pub const $name: &Variable = &Variable {
                name: stringify!($name),
                section: $section,
                default: variables!(@default $($default)?),
                secret: variables!(@secret $($secret)?),
            };
        )*)*

        /// All of them, in the order of the file.
        pub const ALL: &[&Variable] = &[$($($name),*),*];
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
    (@secret) => { false };
    (@secret secret) => { true };
}

variables! {
    "server" {
        /// Address to bind. Without it: 0.0.0.0, or 127.0.0.1 in demo mode.
        BEDSIDE_HOST;
        /// TCP port, 0..=65535; 0 takes any free one.
        PORT = "3000";
        /// Reverse proxies in front of the server, 0..=8: so many entries at the end of
        /// `X-Forwarded-For` are believed.
        BEDSIDE_PROXIES = "0";
        /// PEM file with the server's certificate and those between it and its authority. With it
        /// and its key the server speaks TLS.
        BEDSIDE_TLS_CERT;
        /// PEM file with the certificate's key.
        BEDSIDE_TLS_KEY;
    }
    "store" {
        /// Directory of the store, made with mode 0700.
        BEDSIDE_DATA_DIR = "./data";
    }
    "scylla" {
        /// CQL servers as host or host:port, comma separated, at most 64; port 9042 by default.
        /// With them the store is theirs, else it is in `BEDSIDE_DATA_DIR`.
        SCYLLA_NODES;
        /// The keyspace, lower-case letters, digits and underscores.
        SCYLLA_KEYSPACE = "bedside";
        /// Whom the server says it is; with `SCYLLA_PASSWORD`, or neither.
        SCYLLA_USERNAME;
        /// What proves it.
        SCYLLA_PASSWORD: secret;
        /// A PEM file with the authorities that sign the servers' certificates. With it the
        /// connections are TLS.
        SCYLLA_TLS_CA;
        /// The data centre whose servers are asked; needed where there are several.
        SCYLLA_DATACENTER;
        /// How many servers keep each row of a keyspace that `bedside migrate` makes, 1..=9.
        SCYLLA_REPLICATION = "3";
    }
    "cluster" {
        /// The Redis that connects the nodes of a cluster, `redis://` or `rediss://`. With it, or
        /// with `REDIS_HOST`, this server is one of a cluster.
        REDIS_URL: secret;
        /// The same without a URL: its host.
        REDIS_HOST;
        /// Its port, 1..=65535.
        REDIS_PORT = "6379";
        /// Its password.
        REDIS_PASSWORD: secret;
        /// The number of its database.
        REDIS_DB = "0";
        /// A PEM file with the authorities that sign its certificate.
        REDIS_TLS_CA;
        /// What seals and opens what nodes send to each other, at least 32 bytes.
        BEDSIDE_CLUSTER_KEY: secret;
        /// What opens too, while one key takes over from another.
        BEDSIDE_CLUSTER_KEY_OLD: secret;
        /// What keys the hashes that stand for people in Redis. Without it `BEDSIDE_CLUSTER_KEY`.
        BEDSIDE_CLUSTER_USER_KEY: secret;
        /// This node's name, 1 to 63 of a-z, 0-9 and `-`. Without it the host's.
        BEDSIDE_NODE_ID;
        /// The cluster's name, of the same characters.
        BEDSIDE_CLUSTER_NAME = "bedside";
    }
    "auth" {
        /// The HS256 key, at least 32 bytes. Without it and the other keys below the server runs
        /// in demo mode.
        JWT_SECRET: secret;
        /// Public keys that tokens may be signed with instead, as PEM: RS256, ES256, EdDSA.
        BEDSIDE_JWT_PUBLIC_KEY: secret;
        /// The same in a file.
        BEDSIDE_JWT_PUBLIC_KEY_FILE;
        /// Who else issues tokens and publishes the keys, comma separated, at most 16.
        BEDSIDE_JWKS_PROVIDERS;
        /// How old published keys get when all is well, seconds, 10..=86,400.
        BEDSIDE_JWKS_REFRESH_S = "300";
        /// A PEM file with authorities that sign providers' certificates, besides the public ones.
        BEDSIDE_IDENTITY_TLS_CA;
        /// The issuer that tokens must have, when `BEDSIDE_JWT_ISSUER` is not set.
        LARAVEL_URL;
        /// What shows the sign-in at `LARAVEL_URL` that it is us who ask.
        LARAVEL_API_KEY: secret;
        /// Where the sign-in is asked whether a token still holds. Without it it is not asked.
        LARAVEL_VERIFY_TOKEN_ENDPOINT;
        /// Where the sign-in is asked what somebody is called. Without it it is not asked.
        LARAVEL_GET_USER_ENDPOINT;
        /// The issuer that tokens must have. Without it any.
        BEDSIDE_JWT_ISSUER;
        /// The audience that tokens must have. Without it any.
        BEDSIDE_JWT_AUDIENCE;
        /// How long tokens minted here live, 1 s..=366 d. Tokens made elsewhere have their own.
        JWT_EXPIRATION;
        /// The same, for when `JWT_EXPIRATION` is not set.
        JWT_EXPIRES_IN = "1h";
    }
    "origins" {
        /// The web client's origin.
        FRONTEND_URL;
        /// More origins whose pages may speak to this server, comma separated, at most 64.
        CORS_ORIGIN;
        /// Whether browsers may send cookies from those origins.
        CORS_CREDENTIALS = "false";
    }
    "files" {
        /// https origins that files may be linked from, comma separated, at most 64.
        BEDSIDE_FILE_ORIGINS;
    }
    "socketio" {
        /// Whether Socket.IO clients get the direct messages that they missed by themselves.
        BEDSIDE_SOCKETIO_REPLAY = "off";
        /// What happens to Socket.IO clients whose token runs out: `close`, or `grace:<hours>`.
        BEDSIDE_SOCKETIO_EXPIRY = "close";
    }
    "rtc" {
        /// The UDP port of calls, 0..=65535; 0 takes any free one. `off` for a server without
        /// calls, as long as no command makes any.
        BEDSIDE_RTC_PORT = "off";
        /// IP addresses at which clients reach that port, comma separated, at most 8, the
        /// preferred one first. Without it the address that this machine has towards others.
        BEDSIDE_RTC_ADVERTISED_IPS;
        /// Threads that carry calls, 1..=64. A call stays on one.
        BEDSIDE_RTC_THREADS = "1";
        /// People in all calls together, 1..=100,000.
        BEDSIDE_RTC_PEERS_MAX = "1000";
        /// TURN servers for clients that have no other way, comma separated, at most 8.
        TURN_URLS;
        /// What they share with this server: coturn's `static-auth-secret`.
        TURN_SECRET: secret;
        /// How long a client may ask them for a relay, seconds, 60..=86,400.
        TURN_TTL_S = "3600";
    }
    "notifications" {
        /// How long notifications are kept, days, 1..=3,650.
        NOTIFICATION_RETENTION_DAYS = "30";
    }
    "agora" {
        /// The project at Agora to which calls go that this server cannot carry, 32 hexadecimal
        /// digits; with `AGORA_APP_CERTIFICATE`, or neither.
        AGORA_APP_ID;
        /// The project's primary certificate, 32 hexadecimal digits.
        AGORA_APP_CERTIFICATE: secret;
    }
    "metrics" {
        /// Bearer token that opens `/metrics` to others than loopback, at least 16 bytes.
        METRICS_TOKEN: secret;
        /// Address and port of a listener for `/metrics` alone. Without it there is none.
        BEDSIDE_METRICS_BIND;
    }
    "limits" {
        /// Sockets open at once, 1..=1,000,000.
        BEDSIDE_CONNECTIONS_MAX = "100000";
        /// How long after sending a message may be edited, seconds, 0..=2,592,000.
        BEDSIDE_EDIT_WINDOW_S = "900";
        /// How long a conversation may be idle before it leaves memory, seconds, 1..=86,400.
        BEDSIDE_PASSIVATE_AFTER_S = "300";
    }
    "log" {
        /// What is logged: a level, or `target=level` pairs.
        BEDSIDE_LOG = "info";
        /// `text` or `json`.
        BEDSIDE_LOG_FORMAT = "text";
    }
}

/// Names the configuration file, so it cannot be in one.
pub const BEDSIDE_CONFIG: &str = "BEDSIDE_CONFIG";

/// Names that deployments set for features that this version does not have. Setting one is no
/// fault, but it is said at start, so that nobody believes that it works.
pub const NOT_USED: &[&str] = &[
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_S3_BUCKET",
    "GCS_BUCKET_NAME",
    "GCS_BUCKET_URL",
    "MAX_FILE_SIZE",
    "ALLOWED_FILE_TYPES",
    "FIREBASE_PROJECT_ID",
    "FIREBASE_PRIVATE_KEY",
    "FIREBASE_CLIENT_EMAIL",
    "FIREBASE_DATABASE_URL",
    "EMAIL_SERVICE",
    "EMAIL_USER",
    "EMAIL_PASSWORD",
    "EMAIL_FROM",
    "EMAIL_SMTP_HOST",
    "EMAIL_SMTP_PORT",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_PHONE_NUMBER",
    "MAX_RETRY_ATTEMPTS",
];
