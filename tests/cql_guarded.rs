//! A CQL server that takes connections with TLS alone and asks who comes. `BEDSIDE_TEST_CQL_GUARDED`
//! names it and its certificate: `host:port file.pem`; it knows `cassandra`, `cassandra`.

#![cfg(feature = "cluster")]

use bedside::adapters::scylla::{CqlStore, OpenError, Options, trusting};
use bedside_actors::ports::store::Store as _;
use rcgen::{CertificateParams, KeyPair};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const KEYSPACE: &str = "guarded";
const SECRET: &str = "a secret of the tests, 32 bytes at least";

struct Guarded {
    node: String,
    certificate: String,
}

/// None, and a word about it, when there is none to be had; where there must be one, that is a
/// failure.
fn guarded() -> Option<Guarded> {
    let variable = "BEDSIDE_TEST_CQL_GUARDED";
    let Ok(text) = std::env::var(variable) else {
        let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(
            !is_ci,
            "{variable} must be set: with CI=true nothing is left out"
        );
        eprintln!("not run: {variable} names no guarded CQL server");
        return None;
    };
    let (node, certificate) = text.split_once(' ').expect("host:port and a file");
    Some(Guarded {
        node: node.to_owned(),
        certificate: certificate.to_owned(),
    })
}

impl Guarded {
    fn options(&self, password: &str, trusted: Option<&str>) -> Options {
        Options {
            credentials: Some(("cassandra".to_owned(), password.to_owned())),
            tls: trusted.map(|file| trusting(Path::new(file)).expect("a certificate")),
            ..Options::new(vec![self.node.clone()], KEYSPACE)
        }
    }

    /// Runs `bedside migrate` as an operator does: whether it went well, and what it said.
    fn migrate(&self, password: &str, trusted: &str) -> (bool, String) {
        let said = Command::new(env!("CARGO_BIN_EXE_bedside"))
            .arg("migrate")
            .env_clear()
            .envs([
                ("JWT_SECRET", SECRET),
                ("SCYLLA_NODES", &self.node),
                ("SCYLLA_KEYSPACE", KEYSPACE),
                ("SCYLLA_REPLICATION", "1"),
                ("SCYLLA_USERNAME", "cassandra"),
                ("SCYLLA_PASSWORD", password),
                ("SCYLLA_TLS_CA", trusted),
            ])
            .output()
            .expect("it runs");
        let text = [said.stdout, said.stderr].concat();
        (
            said.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }
}

/// The certificate of somebody else, in a file.
struct Other(PathBuf);

impl Other {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("bedside-ca-{}", uuid::Uuid::new_v4()));
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
        let made = params.self_signed(&key).expect("a certificate");
        fs::write(&path, made.pem()).expect("written");
        Self(path)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn with_the_password_and_the_authority_it_is_a_store_and_without_either_it_is_not() {
    let Some(guarded) = guarded() else {
        return;
    };
    let own = guarded.certificate.as_str();
    let (is_done, said) = guarded.migrate("cassandra", own);
    assert!(is_done, "{said}");
    let store = CqlStore::open(&guarded.options("cassandra", Some(own))).expect("a store");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        assert_eq!(store.ready().await, Ok(()));
        store.close().await;
    });

    let stranger = Other::new();
    let stranger = stranger.0.to_str().expect("a path");
    for (what, options) in [
        ("another password", guarded.options("hunter2", Some(own))),
        ("no TLS", guarded.options("cassandra", None)),
        (
            "another authority",
            guarded.options("cassandra", Some(stranger)),
        ),
    ] {
        match CqlStore::open(&options).map(|_| ()) {
            Err(OpenError::Unreachable(nodes, why)) => {
                assert!(
                    nodes.contains(&guarded.node) && !why.contains("hunter2"),
                    "{what}: {why}"
                );
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    for (password, trusted) in [("hunter2", own), ("cassandra", stranger)] {
        let (is_done, said) = guarded.migrate(password, trusted);
        assert!(!is_done && said.contains(&guarded.node), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
