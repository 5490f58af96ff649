//! A real ring for tests: `BEDSIDE_TEST_CQL` names its nodes (`host:port`, comma separated).
//!
//! Making the tables takes some seconds, so keyspaces are kept for the next run; their names hold
//! a hash of the schema. Each test takes one for itself, also from tests of other processes, and
//! finds it empty.

use bedside::adapters::scylla::{CqlStore, Options, migrate};
use scylla::client::{session::Session, session_builder::SessionBuilder};
use std::{
    collections::hash_map::DefaultHasher,
    fs::File,
    future::Future,
    hash::{Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

const SCHEMA: &str = include_str!("../../schema.cql");

/// An empty keyspace, for as long as this lives.
pub(crate) struct Keyspace {
    pub(crate) nodes: Vec<String>,
    pub(crate) name: String,
    _lock: File,
}

/// The nodes of the ring. None, and a word about it, when there is none to be had; where there
/// must be one, that is a failure.
pub(crate) fn nodes() -> Option<Vec<String>> {
    let variable = "BEDSIDE_TEST_CQL";
    match std::env::var(variable) {
        Ok(nodes) => Some(
            nodes
                .split(',')
                .map(|node| node.trim().to_owned())
                .collect(),
        ),
        Err(_) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("{variable} must name the nodes of a CQL ring: with CI=true nothing is left out")
        }
        Err(_) => {
            eprintln!("not run: {variable} does not name the nodes of a CQL ring");
            None
        }
    }
}

impl Keyspace {
    /// Takes a keyspace and empties it.
    pub(crate) fn take() -> Option<Self> {
        let nodes = nodes()?;
        let (slot, lock) = slot();
        let name = format!("bedside_test_{:08x}_{slot}", hash(SCHEMA) as u32);
        let (at, keyspace) = (nodes.clone(), name.clone());
        apart(async move { make(&session(&at).await, &keyspace).await });
        migrate(&options(&nodes, &name), 3).expect("the tables");
        let (at, keyspace) = (nodes.clone(), name.clone());
        apart(async move { empty(&session(&at).await, &keyspace).await });
        Some(Self {
            nodes,
            name,
            _lock: lock,
        })
    }

    /// A name that no keyspace has.
    pub(crate) fn unmade() -> Option<Self> {
        let nodes = nodes()?;
        let (_, lock) = slot();
        let name = format!("bedside_test_{}", uuid::Uuid::new_v4().simple());
        Some(Self {
            nodes,
            name,
            _lock: lock,
        })
    }

    /// Has the ring do something, in this keyspace.
    pub(crate) fn tell(&self, statement: String) {
        self.ask(async move |session| run(&session, &statement).await);
    }

    /// How many rows a table has.
    pub(crate) fn count(&self, table: &str) -> i64 {
        let text = format!("SELECT COUNT(*) FROM {table}");
        self.ask(async move |session| {
            let found = session.query_unpaged(text, ()).await.expect("an answer");
            let found = found.into_rows_result().expect("rows");
            found.single_row::<(i64,)>().expect("a count").0
        })
    }

    pub(crate) fn options(&self) -> Options {
        options(&self.nodes, &self.name)
    }

    /// Another server's store.
    pub(crate) fn open(&self) -> Arc<CqlStore> {
        CqlStore::open(&self.options()).expect("the store of the keyspace")
    }

    /// Asks the ring something without the store.
    pub(crate) fn ask<T: Send + 'static, F>(
        &self,
        ask: impl FnOnce(Session) -> F + Send + 'static,
    ) -> T
    where
        F: Future<Output = T> + Send,
    {
        let (nodes, name) = (self.nodes.clone(), self.name.clone());
        apart(async move {
            let session = session(&nodes).await;
            session
                .use_keyspace(name, true)
                .await
                .expect("the keyspace");
            ask(session).await
        })
    }
}

fn options(nodes: &[String], keyspace: &str) -> Options {
    Options {
        // The machine that runs all tests at once is slow.
        request_timeout: Duration::from_secs(10),
        settle_within: Duration::from_secs(15),
        ..Options::new(nodes.to_vec(), keyspace)
    }
}

/// The first number that no other test holds.
fn slot() -> (usize, File) {
    for slot in 0.. {
        let path = std::env::temp_dir().join(format!("bedside-test-cql-{slot}.lock"));
        let file = File::create(&path).expect("a lock file");
        if file.try_lock().is_ok() {
            return (slot, file);
        }
    }
    unreachable!("there are enough numbers")
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Runs something that needs a whole runtime, from wherever.
fn apart<T: Send + 'static>(act: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let thread = std::thread::spawn(move || runtime().block_on(act));
    thread.join().expect("what it asked the ring for")
}

async fn session(nodes: &[String]) -> Session {
    let mut builder = SessionBuilder::new().known_nodes(nodes);
    builder = builder.fetch_schema_metadata(false);
    builder.build().await.expect("a ring at BEDSIDE_TEST_CQL")
}

/// Changes of the schema from many tests at once get in each other's way.
async fn run(session: &Session, statement: &str) {
    for _ in 0..4 {
        if session.query_unpaged(statement, ()).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let done = session.query_unpaged(statement, ()).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

/// Without a log of its writes, because that is what makes emptying a table slow.
async fn make(session: &Session, keyspace: &str) {
    let make = format!(
        "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = \
         {{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}} AND durable_writes = false"
    );
    run(session, &make).await;
}

async fn empty(session: &Session, keyspace: &str) {
    let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let tables = session.query_unpaged(text, (keyspace,)).await;
    let tables = tables
        .expect("the tables")
        .into_rows_result()
        .expect("rows");
    let tables = tables.rows::<(String,)>().expect("names");
    // What the store says of itself stays.
    let tables = tables.map(|table| table.expect("a name").0);
    let emptied = tables
        .filter(|table| table != "store_meta")
        .map(async |table| {
            let any = format!("SELECT * FROM {keyspace}.{table} LIMIT 1");
            let any = session.query_unpaged(any, ()).await.expect("a table");
            if any.into_rows_result().expect("rows").rows_num() > 0 {
                let emptied = format!("TRUNCATE {keyspace}.{table}");
                session.query_unpaged(emptied, ()).await.expect("emptied");
            }
        });
    futures_util::future::join_all(emptied).await;
}
