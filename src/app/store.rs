//! Where a server keeps things: a file of its own, or the CQL ring of a cluster.

use bedside_actors::ports::store::{Store, memory::MemoryStore};
use std::{error::Error, sync::Arc};

use super::gauges;
use crate::{
    adapters::sqlite::{self, SqliteStore},
    config::{Config, Secret},
    demo as demo_rules,
    key_file::key_file,
    metrics::Metrics,
};

/// The file in the data directory whose secret keys the hashes of message bodies.
const BODY_HASH_KEY_FILE: &str = "body-hash-key";

/// Under this name the store says whether it holds a demo.
const MARK_KEY: &str = "mark";

/// `memory` puts the store's twin in its place, so that `scripts/long/durable-sends` can tell what
/// storing costs. It is no setting: `.env.example` and the configuration do not know of it.
const STORE_VARIABLE: &str = "BEDSIDE_STORE";

/// A store that a server may run on.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    /// Keys the hashes of message bodies that are in it.
    pub(super) body_hash_key: Secret,
}

/// Opens the store that the configuration names.
pub(super) async fn open(config: &Config, metrics: &Metrics) -> Result<Opened, Box<dyn Error>> {
    if config.store.scylla.is_some() {
        return ring::open(config, metrics).await;
    }
    let store: Arc<dyn Store> = if keeps_nothing(config)? {
        Arc::new(MemoryStore::default())
    } else {
        let store = open_file(config).await?;
        gauges::register_store(metrics, &store);
        store
    };
    Ok(Opened {
        store,
        body_hash_key: key_file(&config.store.data_dir, BODY_HASH_KEY_FILE)?,
    })
}

/// Gives the store that the configuration names another epoch.
pub(super) async fn rotate_epoch(config: &Config) -> Result<(), Box<dyn Error>> {
    if config.store.scylla.is_some() {
        return ring::rotate_epoch(config).await;
    }
    let store = open_file(config).await?;
    store.rotate_epoch().await?;
    store.close().await;
    Ok(())
}

/// Brings the ring's keyspace to the tables of this version; what was done, as a text.
pub(super) fn migrate(config: &Config) -> Result<String, Box<dyn Error>> {
    if config.store.scylla.is_none() {
        let why = "SCYLLA_NODES is not set; the store of a data directory brings itself up to \
                   date when the server starts";
        return Err(why.into());
    }
    ring::migrate(config)
}

/// Whether the server is to run without its store, so that what the rest costs can be measured.
/// Never where anybody but this machine could be told that something is stored.
fn keeps_nothing(config: &Config) -> Result<bool, Box<dyn Error>> {
    if std::env::var_os(STORE_VARIABLE).is_none_or(|store| store != "memory") {
        return Ok(false);
    }
    if !config.server.host.is_loopback() {
        let why =
            format!("{STORE_VARIABLE}=memory stores nothing, so it needs BEDSIDE_HOST=127.0.0.1");
        return Err(why.into());
    }
    tracing::warn!(
        "{STORE_VARIABLE}=memory: nothing that is sent survives this process, and what is \
         acknowledged is not stored; this is for measuring only"
    );
    Ok(true)
}

/// Opens the store of the data directory, if it is of the kind that this mode may open.
async fn open_file(config: &Config) -> Result<Arc<SqliteStore>, Box<dyn Error>> {
    let store = SqliteStore::open(&config.store.data_dir, &sqlite::Options::default())?;
    let mark = store.meta(MARK_KEY).await?;
    if let Some(mark) = demo_rules::check_store_mark(mark.as_deref(), config.is_demo())? {
        store.set_meta(MARK_KEY, mark).await?;
    }
    Ok(store)
}

/// The ring of a cluster. No demo is ever opened on it, because the configuration refuses that.
#[cfg(feature = "cluster")]
mod ring {
    use super::{Config, Error, Metrics, Opened, Secret, Store, gauges};
    use crate::{
        adapters::scylla::{self, CqlStore, Migrated, Options},
        auth::random_text,
    };

    /// Under this name the store keeps what keys the hashes of message bodies: all nodes must have
    /// the same key, or none of them knows a send that it gets again after another one.
    const BODY_HASH_KEY: &str = "body_hash_key";

    pub(super) async fn open(config: &Config, metrics: &Metrics) -> Result<Opened, Box<dyn Error>> {
        let store = CqlStore::open(&options(config)?)?;
        gauges::register_ring(metrics, &store);
        let key = random_text().map_err(|_| "the system gives no randomness")?;
        let key = store.meta_or(BODY_HASH_KEY, &key).await?;
        Ok(Opened {
            store,
            body_hash_key: Secret::new(key),
        })
    }

    pub(super) async fn rotate_epoch(config: &Config) -> Result<(), Box<dyn Error>> {
        let store = CqlStore::open(&options(config)?)?;
        store.rotate_epoch().await?;
        store.close().await;
        Ok(())
    }

    pub(super) fn migrate(config: &Config) -> Result<String, Box<dyn Error>> {
        let options = options(config)?;
        let replication = config.store.scylla.as_ref().map_or(3, |s| s.replication);
        let done = scylla::migrate(&options, replication)?;
        Ok(said(&options.keyspace, &done))
    }

    fn said(keyspace: &str, done: &Migrated) -> String {
        let made = match &done.keyspace {
            Some((datacenter, copies)) => {
                format!("Made the keyspace {keyspace} with {copies} copies in {datacenter}.\n")
            }
            None => String::new(),
        };
        let version = scylla::VERSION;
        let what = match (done.version_before, done.tables_made) {
            (Some(before), 0) if before == version => {
                format!("{keyspace} is up to date: schema version {version}.\n")
            }
            (Some(before), tables) if before != version => format!(
                "{keyspace} went from schema version {before} to {version}; {tables} new tables.\n"
            ),
            (_, tables) => {
                format!("{keyspace} has schema version {version} now; {tables} new tables.\n")
            }
        };
        made + &what
    }

    fn options(config: &Config) -> Result<Options, Box<dyn Error>> {
        let Some(scylla) = &config.store.scylla else {
            return Err("SCYLLA_NODES is not set".into());
        };
        let tls = scylla.tls_ca.as_deref().map(scylla::trusting).transpose()?;
        let credentials = scylla.login.as_ref();
        Ok(Options {
            datacenter: scylla.datacenter.clone(),
            credentials: credentials.map(|(user, pw)| (user.clone(), pw.expose().to_owned())),
            tls,
            notification_retention: config.notifications.retention,
            ..Options::new(scylla.nodes.clone(), &scylla.keyspace)
        })
    }
}

#[cfg(not(feature = "cluster"))]
mod ring {
    use super::{Config, Error, Metrics, Opened};

    const WHY: &str =
        "SCYLLA_NODES is set, but this binary was built without the feature `cluster`";

    #[expect(clippy::unused_async, reason = "it is so with the feature")]
    pub(super) async fn open(_: &Config, _: &Metrics) -> Result<Opened, Box<dyn Error>> {
        Err(WHY.into())
    }

    #[expect(clippy::unused_async, reason = "it is so with the feature")]
    pub(super) async fn rotate_epoch(_: &Config) -> Result<(), Box<dyn Error>> {
        Err(WHY.into())
    }

    pub(super) fn migrate(_: &Config) -> Result<String, Box<dyn Error>> {
        Err(WHY.into())
    }
}
