//! What operators set, what they get, and what they are told.

use bedside::config::{Config, ConfigFaults, LogFormat, Origin, RedisAddress, Source, variable};
use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::PathBuf,
    time::Duration,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn load(env: &[(&str, &str)]) -> Result<Config, ConfigFaults> {
    load_with(env, None)
}

fn load_with(env: &[(&str, &str)], file: Option<&Scratch>) -> Result<Config, ConfigFaults> {
    let env: HashMap<_, _> = env.iter().copied().collect();
    Config::load(
        |name| env.get(name).map(|text| (*text).to_owned()),
        file.map(|f| f.0.as_path()),
    )
}

/// The variables that are faulty.
fn faulty(result: Result<Config, ConfigFaults>) -> Vec<String> {
    let faults = result.map(|_| ()).expect_err("faults").0;
    faults.into_iter().map(|fault| fault.variable).collect()
}

/// A configuration file that is gone when the test is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(content: &str) -> Self {
        let name = format!("bedside-config-{}.toml", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).expect("written");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn with_nothing_set_it_is_a_demo_on_loopback() {
    let config = load(&[]).expect("the defaults");
    assert!(config.is_demo());
    assert_eq!(config.server.address().to_string(), "127.0.0.1:3000");
    assert_eq!(config.store.data_dir, PathBuf::from("./data"));
    assert_eq!(config.auth.token_ttl, Duration::from_secs(3_600));
    assert_eq!(
        (config.auth.issuer.clone(), config.auth.audience.clone()),
        (None, None)
    );
    assert_eq!(config.limits.connections_max, 100_000);
    assert_eq!(config.limits.edit_window_ms, 900_000);
    assert_eq!(config.limits.passivate_after, Duration::from_secs(300));
    assert_eq!(
        (config.log.filter.as_str(), config.log.format),
        ("info", LogFormat::Text)
    );
    assert!(config.origins.frontend.is_none() && config.origins.cors.is_empty());
    assert!(!config.origins.credentials && config.files.origins.is_empty());
    assert!(config.metrics.token.is_none() && config.metrics.bind.is_none());
    assert!(config.notices().is_empty());
}

#[test]
fn everything_that_is_set_arrives() {
    let config = load(&[
        ("BEDSIDE_HOST", "::"),
        ("PORT", "8080"),
        ("BEDSIDE_DATA_DIR", "/srv/bedside"),
        ("JWT_SECRET", SECRET),
        ("LARAVEL_URL", "https://laravel.example"),
        ("BEDSIDE_JWT_AUDIENCE", "bedside"),
        ("JWT_EXPIRES_IN", "15m"),
        ("FRONTEND_URL", "https://clinic.example/"),
        ("CORS_ORIGIN", "http://localhost:5173, https://b.example"),
        ("CORS_CREDENTIALS", "true"),
        ("BEDSIDE_FILE_ORIGINS", "https://files.example"),
        ("BEDSIDE_SOCKETIO_REPLAY", "on"),
        ("BEDSIDE_SOCKETIO_EXPIRY", "grace:12"),
        ("BEDSIDE_JWKS_REFRESH_S", "60"),
        ("LARAVEL_API_KEY", "k"),
        ("LARAVEL_VERIFY_TOKEN_ENDPOINT", "/api/verify-token"),
        ("LARAVEL_GET_USER_ENDPOINT", "https://people.example/users"),
        ("NOTIFICATION_RETENTION_DAYS", "7"),
        ("AGORA_APP_ID", "970CA35de60c44645bbae8a215061b33"),
        ("AGORA_APP_CERTIFICATE", "5CFd2fd1755d40ecb72977518be15d3b"),
        ("METRICS_TOKEN", "0123456789abcdef"),
        ("BEDSIDE_METRICS_BIND", "0.0.0.0:9464"),
        ("BEDSIDE_CONNECTIONS_MAX", "10"),
        ("BEDSIDE_EDIT_WINDOW_S", "0"),
        ("BEDSIDE_PASSIVATE_AFTER_S", "1"),
        ("BEDSIDE_LOG", "warn,bedside=debug"),
        ("BEDSIDE_LOG_FORMAT", "JSON"),
    ])
    .expect("a good configuration");
    let origin = |text| Origin::parse(text).expect("an origin");
    assert!(!config.is_demo());
    assert!(config.socketio.replay);
    assert_eq!(config.socketio.grace, Duration::from_secs(12 * 3_600));
    assert_eq!(config.auth.providers.refresh, Duration::from_secs(60));
    let home = config.auth.providers.home.as_ref().expect("it is asked");
    assert_eq!(
        format!("{:?} {:?}", home.verify_token, home.get_user),
        "Some(https://laravel.example/api/verify-token) Some(https://people.example/users)"
    );
    assert_eq!(config.notifications.retention.as_secs(), 7 * 86_400);
    let agora = config.agora.as_ref().expect("it has both halves");
    assert_eq!(agora.app_id, "970CA35de60c44645bbae8a215061b33");
    assert_eq!(config.server.address().to_string(), "[::]:8080");
    assert_eq!(config.store.data_dir, PathBuf::from("/srv/bedside"));
    assert_eq!(
        config.auth.jwt_secret.as_ref().map(|s| s.expose()),
        Some(SECRET)
    );
    assert_eq!(
        config.auth.issuer.as_deref(),
        Some("https://laravel.example")
    );
    assert_eq!(config.auth.audience.as_deref(), Some("bedside"));
    assert_eq!(config.auth.token_ttl, Duration::from_secs(900));
    assert_eq!(
        config.origins.frontend,
        Some(origin("https://clinic.example"))
    );
    let cors = [origin("http://localhost:5173"), origin("https://b.example")];
    assert_eq!(config.origins.cors, cors);
    assert!(config.origins.credentials);
    let files = [
        origin("https://files.example"),
        origin("https://clinic.example"),
    ];
    assert_eq!(config.files.origins, files);
    assert_eq!(
        config.metrics.token.as_ref().map(|t| t.expose()),
        Some("0123456789abcdef")
    );
    assert_eq!(config.metrics.bind, "0.0.0.0:9464".parse().ok());
    assert_eq!(config.limits.connections_max, 10);
    assert_eq!(config.limits.edit_window_ms, 0);
    assert_eq!(config.limits.passivate_after, Duration::from_secs(1));
    assert_eq!(config.log.filter, "warn,bedside=debug");
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn our_own_names_win_over_the_shared_ones() {
    let config = load(&[
        ("LARAVEL_URL", "https://laravel.example"),
        ("BEDSIDE_JWT_ISSUER", "https://laravel.example/api/login"),
        ("JWT_EXPIRATION", "2h"),
        ("JWT_EXPIRES_IN", "7d"),
    ])
    .expect("a good configuration");
    assert_eq!(
        config.auth.issuer.as_deref(),
        Some("https://laravel.example/api/login")
    );
    assert_eq!(config.auth.token_ttl, Duration::from_secs(7_200));
}

#[test]
fn each_bad_value_is_a_fault_of_its_own_variable() {
    for (name, values) in [
        ("BEDSIDE_HOST", &["example.com", "1.2.3", "[::1"][..]),
        ("PORT", &["abc", "65536", "-1", "+80", " 80", "3.0"]),
        (
            "LARAVEL_URL",
            &["laravel.example", "ftp://x", "https://x y"],
        ),
        ("BEDSIDE_JWT_ISSUER", &["a b", "a\n"]),
        ("BEDSIDE_JWT_AUDIENCE", &["a b"]),
        ("JWT_EXPIRATION", &["soon", "0", "400d"]),
        ("JWT_EXPIRES_IN", &["soon"]),
        (
            "FRONTEND_URL",
            &["https://clinic.example/app", "clinic.example", "*"],
        ),
        (
            "CORS_ORIGIN",
            &["*", "https://a.example,https://b.example/x", "a.example"],
        ),
        ("CORS_CREDENTIALS", &["yes", "2"]),
        (
            "BEDSIDE_FILE_ORIGINS",
            &["http://files.example", "https://files.example/x"],
        ),
        ("BEDSIDE_SOCKETIO_REPLAY", &["yes", "2"]),
        ("BEDSIDE_RTC_PORT", &["65536", "udp"]),
        (
            "BEDSIDE_RTC_ADVERTISED_IPS",
            &["0.0.0.0", "clinic.example", "224.0.0.1", ","],
        ),
        ("BEDSIDE_RTC_THREADS", &["0", "65"]),
        ("BEDSIDE_RTC_PEERS_MAX", &["0", "100001"]),
        ("TURN_TTL_S", &["59", "86401"]),
        ("NOTIFICATION_RETENTION_DAYS", &["0", "3651", "30d"]),
        ("SCYLLA_NODES", &["db1:x", "cql://db1", ","]),
        ("SCYLLA_KEYSPACE", &["Bedside", "a b", "2"]),
        ("SCYLLA_TLS_CA", &["a\0b"]),
        ("SCYLLA_DATACENTER", &[" dc1", "dc\n1"]),
        ("SCYLLA_REPLICATION", &["0", "10", "three"]),
        ("REDIS_HOST", &["a b", "redis://host", "host/0"]),
        ("REDIS_PORT", &["0", "65536", "x"]),
        ("REDIS_PASSWORD", &[" x", "x\n"]),
        ("REDIS_DB", &["-1", "65536", "x"]),
        ("REDIS_TLS_CA", &["a\0b"]),
        ("BEDSIDE_CLUSTER_KEY", &["too short", "x"]),
        ("BEDSIDE_CLUSTER_KEY_OLD", &["too short"]),
        ("BEDSIDE_CLUSTER_USER_KEY", &["too short"]),
        ("BEDSIDE_NODE_ID", &["Node", "node_1", "a:b"]),
        ("BEDSIDE_CLUSTER_NAME", &["My", "a b", "a:b"]),
        ("METRICS_TOKEN", &["short", "sixteen bytes but spaces"]),
        ("BEDSIDE_METRICS_BIND", &["9464", "localhost:9464"]),
        ("BEDSIDE_CONNECTIONS_MAX", &["0", "1000001", "many"]),
        ("BEDSIDE_EDIT_WINDOW_S", &["-1", "2592001"]),
        ("BEDSIDE_PASSIVATE_AFTER_S", &["0", "86401"]),
        ("BEDSIDE_LOG", &["inof", "bedside=loud"]),
        ("BEDSIDE_LOG_FORMAT", &["xml"]),
    ] {
        for value in values {
            let got = faulty(load(&[("JWT_SECRET", SECRET), (name, value)]));
            assert_eq!(got, [format!("{name} (env)")], "{name}={value}");
        }
    }
}

const CLUSTER: [(&str, &str); 3] = [
    ("JWT_SECRET", SECRET),
    ("SCYLLA_NODES", "db1"),
    ("BEDSIDE_CLUSTER_KEY", "a cluster key of more than 32 bytes"),
];

#[test]
fn a_redis_makes_a_node_of_a_cluster() {
    let alone = load(&CLUSTER).expect("a good configuration");
    assert!(alone.cluster.is_none());

    let with = |more: &[(&'static str, &'static str)]| {
        let config = load(&[&CLUSTER[..], more].concat()).expect("a good configuration");
        assert!(!config.report().contains("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
        let report = config.report();
        (config.cluster.expect("a cluster"), report)
    };
    let (cluster, _) = with(&[
        ("REDIS_HOST", "redis"),
        ("REDIS_PORT", "6380"),
        ("REDIS_PASSWORD", "hunter2"),
        ("REDIS_DB", "3"),
        ("BEDSIDE_NODE_ID", "node-1"),
        ("BEDSIDE_CLUSTER_NAME", "clinic"),
    ]);
    assert_eq!(
        (cluster.name.as_str(), cluster.node.as_str()),
        ("clinic", "node-1")
    );
    let RedisAddress::Server {
        host,
        port,
        password,
        db,
    } = cluster.redis.address
    else {
        panic!("no URL was set");
    };
    let password = password.map(|p| p.expose().to_owned());
    assert_eq!(
        (host.as_str(), port, password.as_deref(), db),
        ("redis", 6380, Some("hunter2"), 3)
    );

    let url = "rediss://:hunter2@redis/1";
    let (cluster, report) = with(&[("REDIS_URL", url), ("REDIS_HOST", "other")]);
    assert!(matches!(cluster.redis.address, RedisAddress::Url(u) if u.expose() == url));
    assert_eq!(cluster.name, "bedside");
    let host_name = format!("bedside_node_id = \"{}\"", cluster.node);
    assert!(report.contains(&host_name), "{report}");
    assert!(cluster.key_old.is_none() && cluster.user_key.is_none());
}

#[test]
fn a_node_of_a_cluster_needs_a_store_a_key_and_a_secret() {
    let redis = ("REDIS_URL", "redis://localhost");
    for left_out in 0..CLUSTER.len() {
        let mut env = [&CLUSTER[..], &[redis]].concat();
        let (name, _) = env.remove(left_out);
        assert_eq!(faulty(load(&env)), [name]);
    }
    assert_eq!(
        faulty(load(&[redis])),
        ["JWT_SECRET", "SCYLLA_NODES", "BEDSIDE_CLUSTER_KEY"]
    );
    for url in [
        "hunter2@localhost",
        "http://hunter2@redis",
        "redis://hunter2@a b",
    ] {
        let faults = load(&[("REDIS_URL", url)]).expect_err("no URL of a Redis");
        assert!(!faults.to_string().contains("hunter2"), "{faults}");
    }
}

#[test]
fn a_cluster_store_is_named_by_its_servers() {
    let config = load(&[
        ("JWT_SECRET", SECRET),
        ("SCYLLA_NODES", "db1, 10.0.0.2:9043"),
        ("SCYLLA_KEYSPACE", "clinic"),
        ("SCYLLA_USERNAME", "bedside"),
        ("SCYLLA_PASSWORD", "hunter2"),
        ("SCYLLA_TLS_CA", "/etc/ca.pem"),
        ("SCYLLA_DATACENTER", "dc1"),
        ("SCYLLA_REPLICATION", "5"),
    ])
    .expect("a good configuration");
    assert!(!config.report().contains("hunter2"));
    let scylla = config.store.scylla.expect("a cluster's store");
    assert_eq!(scylla.nodes, ["db1:9042", "10.0.0.2:9043"]);
    assert_eq!(scylla.keyspace, "clinic");
    let (username, password) = scylla.login.expect("a login");
    assert_eq!((&*username, password.expose()), ("bedside", "hunter2"));
    assert_eq!(scylla.tls_ca, Some(PathBuf::from("/etc/ca.pem")));
    assert_eq!(scylla.datacenter.as_deref(), Some("dc1"));
    assert_eq!(scylla.replication, 5);

    let config = load(&[("JWT_SECRET", SECRET), ("SCYLLA_NODES", "db1")]).expect("defaults");
    let scylla = config.store.scylla.expect("a cluster's store");
    assert_eq!((&*scylla.keyspace, scylla.replication), ("bedside", 3));
    assert!(scylla.login.is_none() && scylla.tls_ca.is_none());

    // The others alone name no store.
    let config = load(&[("SCYLLA_KEYSPACE", "clinic")]).expect("a demo");
    assert!(config.store.scylla.is_none());
}

#[test]
fn a_demo_has_no_place_on_a_cluster_and_a_login_has_two_parts() {
    let text = load(&[("SCYLLA_NODES", "db1")]).map(|_| ());
    let text = text.expect_err("a fault").to_string();
    assert!(
        text.contains("JWT_SECRET: found nothing") && text.contains("SCYLLA_NODES is set"),
        "{text}"
    );
    for name in ["SCYLLA_USERNAME", "SCYLLA_PASSWORD"] {
        let got = faulty(load(&[
            ("JWT_SECRET", SECRET),
            ("SCYLLA_NODES", "db1"),
            (name, "bedside"),
        ]));
        assert_eq!(got, ["SCYLLA_USERNAME"], "{name}");
    }
}

#[test]
fn a_project_at_agora_has_an_id_and_a_certificate() {
    const GOOD: &str = "970CA35de60c44645bbae8a215061b33";
    let with =
        |id, certificate| load(&[("AGORA_APP_ID", id), ("AGORA_APP_CERTIFICATE", certificate)]);
    assert!(with(GOOD, GOOD).is_ok_and(|config| config.agora.is_some()));
    assert!(with("", "").is_ok_and(|config| config.agora.is_none()));
    for half in [with(GOOD, ""), with("", GOOD)] {
        assert_eq!(faulty(half).len(), 1);
    }
    for bad in [&GOOD[1..], "970CA35de60c44645bbae8a215061b3g"] {
        assert_eq!(faulty(with(bad, GOOD)), ["AGORA_APP_ID (env)"]);
        assert_eq!(faulty(with(GOOD, bad)), ["AGORA_APP_CERTIFICATE (env)"]);
    }
}

#[test]
fn all_faults_come_at_once_and_say_what_is_wrong() {
    let text = load(&[
        ("PORT", "abc"),
        ("JWT_SECRET", "hunter2"),
        ("FRONTEND_URL", "https://clinic.example/app"),
        ("BEDSIDE_LOG_FORMAT", "xml"),
    ])
    .map(|_| ())
    .expect_err("faults")
    .to_string();
    for part in [
        "4 fault(s)",
        r#"PORT (env): found "abc", expected a port from 0 to 65535"#,
        "JWT_SECRET (env): found *** (7 bytes), expected at least 32 bytes",
        r#"FRONTEND_URL (env): found "https://clinic.example/app", expected an origin"#,
        r#"BEDSIDE_LOG_FORMAT (env): found "xml", expected text or json"#,
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_secret_is_32_bytes_and_never_empty() {
    let spaced = format!("{SECRET}\n");
    for secret in ["", " ", &SECRET[1..], &spaced] {
        let got = faulty(load(&[("JWT_SECRET", secret)]));
        assert_eq!(got, ["JWT_SECRET (env)"], "{secret:?}");
    }
    assert!(load(&[("JWT_SECRET", SECRET)]).is_ok());
    // The others take an empty text for "not set".
    assert!(load(&[("PORT", ""), ("METRICS_TOKEN", ""), ("FRONTEND_URL", "")]).is_ok());
}

#[test]
fn a_demo_may_not_be_reached_from_elsewhere() {
    for (host, good) in [
        ("127.0.0.1", true),
        ("localhost", true),
        ("127.8.8.8", true),
        ("::1", true),
        ("[::1]", true),
        ("0.0.0.0", false),
        ("::", false),
        ("192.168.1.5", false),
        ("::ffff:127.0.0.1", true),
        ("::ffff:10.0.0.1", false),
    ] {
        let result = load(&[("BEDSIDE_HOST", host)]);
        assert_eq!(result.is_ok(), good, "{host}");
        let real = load(&[("BEDSIDE_HOST", host), ("JWT_SECRET", SECRET)]);
        assert!(real.is_ok(), "{host}");
    }
    let faults = load(&[("BEDSIDE_HOST", "0.0.0.0")]).map(|_| ());
    let text = faults.expect_err("a fault").to_string();
    assert!(
        text.contains("set JWT_SECRET to serve other machines"),
        "{text}"
    );
    let got = faulty(load(&[("BEDSIDE_METRICS_BIND", "0.0.0.0:9464")]));
    assert_eq!(got, ["BEDSIDE_METRICS_BIND"]);
    // A secret that is no good must not be taken for the wish for a demo.
    let got = faulty(load(&[
        ("BEDSIDE_HOST", "0.0.0.0"),
        ("JWT_SECRET", "short"),
    ]));
    assert_eq!(got, ["JWT_SECRET (env)"]);
    let real = load(&[("JWT_SECRET", SECRET)]).expect("a good configuration");
    assert_eq!(real.server.host.to_string(), "0.0.0.0");
}

#[test]
fn a_file_gives_values_and_the_environment_wins() {
    let file = Scratch::new(&format!(
        r#"
        [server]
        port = 4000
        [auth]
        jwt_secret = "{SECRET}"
        [origins]
        cors_origin = ["https://a.example", "https://b.example"]
        cors_credentials = true
        [limits]
        bedside_connections_max = "5"
        "#
    ));
    let config = load_with(&[("PORT", "5000")], Some(&file)).expect("a good configuration");
    assert_eq!(config.server.port, 5_000);
    assert!(!config.is_demo());
    assert_eq!(config.origins.cors.len(), 2);
    assert!(config.origins.credentials);
    assert_eq!(config.limits.connections_max, 5);
    let source = |name| {
        let found = config.settings().iter().find(|s| s.variable.name == name);
        found.map(|s| s.source)
    };
    assert_eq!(source("PORT"), Some(Source::Env));
    assert_eq!(source("CORS_ORIGIN"), Some(Source::File));
    assert_eq!(source("BEDSIDE_LOG"), Some(Source::Default));

    // The same file by name; the option goes before the variable.
    let path = file.0.to_str().expect("a plain path").to_owned();
    let named = load(&[("BEDSIDE_CONFIG", &path)]).expect("a good configuration");
    assert_eq!(named.server.port, 4_000);
    let option = load_with(&[("BEDSIDE_CONFIG", "/nowhere")], Some(&file));
    assert_eq!(option.expect("a good configuration").server.port, 4_000);
}

#[test]
fn a_faulty_file_is_told_key_by_key() {
    let file = Scratch::new(
        r#"
        top = 1
        [server]
        prot = 4000
        jwt_secret = "0123456789abcdef0123456789abcdef"
        port = 1.5
        bedside_host = "nowhere"
        [elsewhere]
        redis_host = "x"
        "#,
    );
    let mut got = faulty(load_with(&[], Some(&file)));
    got.sort();
    assert_eq!(
        got,
        [
            "BEDSIDE_HOST (file)",
            "elsewhere.redis_host (file)",
            "server.jwt_secret (file)",
            "server.port (file)",
            "server.prot (file)",
            "top",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_that_quotes_nothing() {
    let broken = Scratch::new("[auth]\njwt_secret = \"hunter2hunter2\n");
    let text = load_with(&[], Some(&broken)).map(|_| ());
    let text = text.expect_err("a fault").to_string();
    assert!(
        text.contains("line 2") && !text.contains("hunter2"),
        "{text}"
    );
    let missing = faulty(load(&[("BEDSIDE_CONFIG", "/nowhere/bedside.toml")]));
    assert_eq!(missing, ["/nowhere/bedside.toml"]);
}

#[test]
fn no_secret_is_ever_shown() {
    let token = "metrics-token-of-someone";
    let config = load(&[("JWT_SECRET", SECRET), ("METRICS_TOKEN", token)]).expect("good");
    for shown in [config.report(), format!("{config:?}")] {
        assert!(!shown.contains(SECRET) && !shown.contains(token), "{shown}");
        assert!(shown.contains("***"));
    }
    let faults = load(&[("FRONTEND_URL", "https://me:hunter2@clinic.example")]).map(|_| ());
    let text = faults.expect_err("a fault").to_string();
    assert!(!text.contains("hunter2"), "{text}");
    for variable in variable::ALL {
        let name = variable.name;
        let looks_secret = [
            "SECRET",
            "TOKEN",
            "PASSWORD",
            "CLUSTER_KEY",
            "USER_KEY",
            "PUBLIC_KEY",
            "API_KEY",
            "REDIS_URL",
            "CERTIFICATE",
        ]
        .iter()
        .any(|word| name.contains(word));
        // Where something is is none.
        let is_place = name.ends_with("_FILE") || name.ends_with("_ENDPOINT");
        assert_eq!(variable.secret, looks_secret && !is_place, "{name}");
    }
}

#[test]
fn the_report_names_everything_and_is_a_configuration_itself() {
    let env = [
        ("JWT_EXPIRES_IN", "2h"),
        ("CORS_ORIGIN", "https://a.example,https://b.example"),
        ("BEDSIDE_DATA_DIR", "/srv/a \"quoted\" dir"),
    ];
    let config = load(&env).expect("a good configuration");
    let report = config.report();
    assert!(report.contains("port = 3000  # default"), "{report}");
    assert!(
        report.contains("jwt_expires_in = \"2h\"  # env"),
        "{report}"
    );
    assert!(
        report.contains("bedside_host = \"127.0.0.1\"  # default"),
        "{report}"
    );
    assert!(report.contains("# jwt_secret is not set"), "{report}");
    for variable in variable::ALL {
        assert!(report.contains(&variable.key()), "{}", variable.name);
    }
    let file = Scratch::new(&report);
    let again = load_with(&[], Some(&file)).expect("its own report");
    let values = |config: &Config| -> Vec<_> {
        let settings = config.settings().iter();
        settings
            .map(|s| (s.variable.name, s.shown.clone()))
            .collect()
    };
    assert_eq!(values(&again), values(&config));
}

#[test]
fn providers_are_pinned_or_refused() {
    let entry = "issuer=https://id.example url=https://id.example/jwks";
    let config = load(&[
        ("BEDSIDE_JWKS_PROVIDERS", entry),
        ("BEDSIDE_JWT_AUDIENCE", "bedside"),
    ])
    .expect("a good configuration");
    assert!(!config.is_demo() && config.auth.jwt_secret.is_none());
    let provider = &config.auth.providers.jwks[0];
    assert_eq!(provider.audience.as_deref(), Some("bedside"));
    let unpinned = faulty(load(&[("BEDSIDE_JWKS_PROVIDERS", entry)]));
    assert_eq!(unpinned, ["BEDSIDE_JWKS_PROVIDERS (env)"]);
}

#[test]
fn the_sign_in_is_not_asked_by_its_url_alone_nor_without_a_key() {
    let (secret, url) = (("JWT_SECRET", SECRET), ("LARAVEL_URL", "https://l.example"));
    let alone = load(&[secret, url, ("LARAVEL_API_KEY", "k")]).expect("good");
    assert!(alone.auth.providers.home.is_none());
    let endpoint = ("LARAVEL_VERIFY_TOKEN_ENDPOINT", "/api/verify-token");
    let keyless = faulty(load(&[secret, url, endpoint]));
    assert_eq!(keyless, ["LARAVEL_API_KEY"]);
    let key = ("LARAVEL_API_KEY", "k");
    let nowhere = faulty(load(&[secret, key, endpoint]));
    assert_eq!(nowhere, ["LARAVEL_VERIFY_TOKEN_ENDPOINT (env)"]);
    // The key and the tokens would go over the network in the clear.
    let plain = ("LARAVEL_URL", "http://l.example");
    let open = faulty(load(&[secret, key, plain, endpoint]));
    assert_eq!(open, ["LARAVEL_VERIFY_TOKEN_ENDPOINT (env)"]);
}

#[test]
fn keys_that_got_lost_make_no_demo() {
    for key in [
        "BEDSIDE_JWT_PUBLIC_KEY",
        "BEDSIDE_JWT_PUBLIC_KEY_FILE",
        "BEDSIDE_JWKS_PROVIDERS",
    ] {
        assert_eq!(faulty(load(&[(key, "")])), [key]);
        assert!(load(&[(key, ""), ("JWT_SECRET", SECRET)]).is_ok());
    }
    let private = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----";
    let faults = load(&[("BEDSIDE_JWT_PUBLIC_KEY", private)]).map(|_| ());
    let text = faults.expect_err("a private key").to_string();
    assert!(
        text.contains("BEDSIDE_JWT_PUBLIC_KEY") && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn what_is_set_for_later_versions_is_said_once_each() {
    let config = load(&[
        (
            "JWT_SECRET",
            "your_super_secure_jwt_secret_key_here_min_32_chars",
        ),
        ("AWS_REGION", "eu-central-1"),
        ("AGORA_APP_ID", ""),
        ("TWILIO_AUTH_TOKEN", "hunter2"),
    ])
    .expect("no fault");
    let notices = config.notices();
    assert_eq!(notices.len(), 3, "{notices:?}");
    assert!(notices[0].starts_with("JWT_SECRET looks like the example"));
    assert_eq!(notices[1], "AWS_REGION is set but not used by this version");
    assert_eq!(
        notices[2],
        "TWILIO_AUTH_TOKEN is set but not used by this version"
    );
}

#[test]
fn pages_come_from_listed_origins_or_the_server_s_own() {
    let config = load(&[
        ("FRONTEND_URL", "https://clinic.example"),
        ("CORS_ORIGIN", "http://localhost:5173"),
    ])
    .expect("a good configuration");
    for (origin, host, want) in [
        ("https://clinic.example", None, true),
        ("http://localhost:5173", Some("api.example"), true),
        ("https://api.example", Some("api.example"), true),
        ("http://api.example:3000", Some("api.example:3000"), true),
        ("http://api.example:3000", Some("api.example"), false),
        (
            "https://clinic.example.evil.example",
            Some("api.example"),
            false,
        ),
        ("http://clinic.example", Some("api.example"), false),
        ("null", Some("null"), false),
        ("", Some(""), false),
        ("https://evil.example", None, false),
    ] {
        assert_eq!(
            config.origins.allows(origin, host),
            want,
            "{origin} {host:?}"
        );
    }
}

#[test]
fn calls_have_a_port_and_may_be_off() {
    let with = |more: &[(&'static str, &'static str)]| {
        let config = load(&[&[("JWT_SECRET", SECRET)], more].concat());
        config.expect("a good configuration").rtc
    };
    assert!(with(&[]).is_none(), "nothing makes calls yet");
    let rtc = with(&[("BEDSIDE_RTC_PORT", "5004")]).expect("calls");
    assert_eq!((rtc.port, rtc.threads, rtc.peers_max), (5_004, 1, 1_000));
    assert!(rtc.advertised.is_empty() && rtc.turn.is_none());
    assert!(with(&[("BEDSIDE_RTC_PORT", "off")]).is_none());

    let more = [
        ("BEDSIDE_RTC_PORT", "5004"),
        ("BEDSIDE_RTC_ADVERTISED_IPS", "192.0.2.1, 2001:db8::1"),
        ("TURN_URLS", "turn:turn.example:3478,turns:turn.example:443"),
        ("TURN_SECRET", "hunter2"),
    ];
    let rtc = with(&more).expect("calls");
    assert_eq!(rtc.advertised.len(), 2);
    assert_eq!(rtc.turn.expect("TURN").urls.len(), 2);
    for half in &more[2..] {
        let got = faulty(load(&[("JWT_SECRET", SECRET), *half]));
        assert_eq!(got.len(), 1, "{half:?}");
        assert!(got[0].starts_with("TURN_URLS"), "{got:?}");
    }
    for url in ["stun:x", "turn:", "turn:a b", "https://turn"] {
        let got = faulty(load(&[
            ("JWT_SECRET", SECRET),
            ("TURN_SECRET", "x"),
            ("TURN_URLS", url),
        ]));
        assert!(!got.is_empty(), "{url}");
    }
}

#[test]
fn the_example_file_and_the_code_name_the_same_set() {
    let text = include_str!("../.env.example");
    let named: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once('='))
        .map(|(name, _)| name)
        .filter(|name| {
            name.bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        })
        .collect();
    let set: BTreeSet<&str> = named.iter().copied().collect();
    assert_eq!(named.len(), set.len(), "one is there twice");
    let known: BTreeSet<&str> = variable::ALL
        .iter()
        .map(|v| v.name)
        .chain(variable::NOT_USED.iter().copied())
        .chain([variable::BEDSIDE_CONFIG])
        .collect();
    assert_eq!(set, known);
}
