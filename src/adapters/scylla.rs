//! Durable storage of a cluster: a ring of ScyllaDB or Apache Cassandra 5 nodes, on the tables
//! of `schema.cql`.
//!
//! ```text
//!  append ──► lane of the conversation ──► batch IF NOT EXISTS ──► file ──► answer
//!  load, read_*, find_*, put_* ──────────► tasks of the store's own runtime
//! ```
//!
//! Read `cql.rs` (statements and their consistency), `writer.rs` (why the log is dense, and what
//! an answer means), `entry.rs` (a row of the log), `filing.rs` (what an entry changes besides
//! the log) and `settle.rs` (how a log is taken over) first.

mod audit;
mod consultations;
mod conversation;
mod cql;
mod create;
mod denials;
mod entry;
mod filing;
mod glass;
mod listing;
mod load;
mod log;
mod lookups;
mod marks;
mod memory;
mod migrate;
mod notifications;
mod numbered;
mod open;
mod people;
mod policy;
mod settle;
mod shared;
mod stats;
mod store;
mod target;
mod tls;
mod values;
mod writer;

pub use self::{
    migrate::{MigrateError, Migrated, VERSION, migrate},
    open::{OpenError, Options},
    stats::Stats,
    tls::trusting,
};

use bedside_actors::ports::store::{AppendSink, StoreError, StoreResult};
use parking_lot::Mutex;
use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::runtime::{Handle, Runtime};

use self::{
    cql::{Cql, Query},
    memory::{ActiveDays, Ends, Keys, Members},
    shared::Readings,
    stats::Counters,
    values::odd,
    writer::Lanes,
};

const META: Query = Query::read("SELECT value FROM store_meta WHERE key = ?");
const SET_META: Query = Query::write("INSERT INTO store_meta (key, value) VALUES (?, ?)");
const MAKE_META: Query =
    Query::conditional("INSERT INTO store_meta (key, value) VALUES (?, ?) IF NOT EXISTS");
const ROTATE_EPOCH: Query =
    Query::conditional("UPDATE store_meta SET value = ? WHERE key = 'epoch' IF EXISTS");

/// A store in a CQL ring.
pub struct CqlStore {
    core: Arc<Core>,
    /// The driver's tasks and the store's own live here, not on the threads of those who ask,
    /// which come and go.
    runtime: Mutex<Option<Runtime>>,
}

/// What all tasks of a store share.
struct Core {
    epoch: String,
    cql: Cql,
    counters: Arc<Counters>,
    /// How long notifications are kept.
    retention: Duration,
    lanes: Lanes,
    ends: Ends,
    keys: Keys,
    members: Members,
    active: ActiveDays,
    readings: Readings,
    handle: Handle,
    sinks: OnceLock<Vec<Arc<dyn AppendSink>>>,
    closed: AtomicBool,
}

impl CqlStore {
    /// Connects to a ring whose keyspace has its tables, and makes the store's epoch if it has
    /// none. Blocks until it is connected.
    ///
    /// # Errors
    /// See [`OpenError`], whose texts say what to do.
    pub fn open(options: &Options) -> Result<Arc<Self>, OpenError> {
        open::open(options)
    }

    /// What it counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.counters.snapshot()
    }

    /// A small fact that was kept with [`set_meta`](Self::set_meta).
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn meta(&self, key: &str) -> StoreResult<Option<String>> {
        let key = key.to_owned();
        self.run(async move |core| {
            let found = core.cql.first::<(String,)>(META, (key,)).await?;
            Ok(found.map(|(value,)| value))
        })
        .await
    }

    /// Keeps a small fact about the store.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn set_meta(&self, key: &str, value: &str) -> StoreResult<()> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.run(async move |core| core.cql.write(SET_META, (key, value)).await)
            .await
    }

    /// A small fact of the whole store: what is there, or else `value`, which is kept from then
    /// on. All servers that ask get the same one.
    ///
    /// # Errors
    /// When it can neither be read nor kept.
    pub async fn meta_or(&self, key: &str, value: &str) -> StoreResult<String> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.run(async move |core| {
            let cql = &core.cql;
            if let Some((found,)) = cql.first::<(String,)>(META, (&key,)).await? {
                return Ok(found);
            }
            cql.apply_surely(MAKE_META, (&key, &value)).await?;
            let made = cql.first::<(String,)>(META, (&key,)).await?;
            made.map(|(value,)| value).ok_or_else(|| odd("fact"))
        })
        .await
    }

    /// Gives the store another epoch, as after a restore from a back-up: clients forget their
    /// positions. Counts for each server from its next start.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn rotate_epoch(&self) -> StoreResult<()> {
        self.run(async move |core| {
            let epoch = open::new_epoch();
            core.cql.apply_surely(ROTATE_EPOCH, (epoch,)).await?;
            Ok(())
        })
        .await
    }

    /// Does something on the store's own threads. It goes on when nobody waits for it any more.
    async fn run<T, F>(&self, act: impl FnOnce(Arc<Core>) -> F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Future<Output = StoreResult<T>> + Send + 'static,
    {
        if self.core.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let task = self.core.handle.spawn(act(self.core.clone()));
        // A task ends without an answer when the store is closed under it.
        task.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl CqlStore {
    /// Lets what is waiting be written, and ends.
    async fn shut(&self) {
        let core = self.core.clone();
        let closing = self
            .core
            .handle
            .spawn(async move { writer::close(&core).await });
        let _ = closing.await;
        self.core.closed.store(true, Ordering::Release);
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for CqlStore {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.lock().take() {
            // Waiting is not allowed here: it may be dropped on a thread of another runtime.
            runtime.shutdown_background();
        }
    }
}

/// What callers hear once the store is closed.
fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
