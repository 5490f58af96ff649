//! Connecting to a ring.

use async_trait::async_trait;
use bedside_actors::ports::store::{StoreError, StoreResult};
use scylla::{
    client::{
        execution_profile::ExecutionProfile,
        session::{Session, TlsContext},
        session_builder::SessionBuilder,
    },
    errors::TranslationError,
    policies::{
        address_translator::{AddressTranslator, UntranslatedPeer},
        timestamp_generator::MonotonicTimestampGenerator,
    },
    statement::{Consistency, SerialConsistency},
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};
use tokio::runtime::{Builder, Handle, Runtime};
use uuid::Uuid;

use super::{
    Core, CqlStore, META,
    cql::{Cql, Query},
    memory::{ActiveDays, Ends, Keys, Members},
    migrate,
    shared::Readings,
    stats::Counters,
    values::odd,
    writer::Lanes,
};

const MAKE_EPOCH: Query =
    Query::conditional("INSERT INTO store_meta (key, value) VALUES ('epoch', ?) IF NOT EXISTS");

/// How a ring is reached.
#[derive(Clone)]
pub struct Options {
    /// Addresses to begin with, as `host:port`. The others are learned from these.
    pub nodes: Vec<String>,
    /// The keyspace that holds the tables.
    pub keyspace: String,
    /// The data centre whose nodes are asked, and whose quorum counts. None: that of whichever
    /// node is asked, which is right where there is one only.
    pub datacenter: Option<String>,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// How connections are encrypted; not at all when there is none.
    pub tls: Option<TlsContext>,
    /// Where a node is reached from here, for nodes that are not reached at the address that they
    /// announce: behind a forwarded port, say. Mostly empty.
    pub translated: HashMap<IpAddr, SocketAddr>,
    /// How long one statement may take. Default 2 s.
    pub request_timeout: Duration,
    /// How long something whose outcome is unknown is looked up and tried again before that is the
    /// answer. Default 5 s.
    pub settle_within: Duration,
    /// Threads of the store's own. Default 2.
    pub threads: usize,
    /// How long notifications are kept; those that are stored from now on. Default 30 days.
    pub notification_retention: Duration,
}

impl Options {
    /// The defaults, for a ring that is reached at `nodes`.
    #[must_use]
    pub fn new(nodes: Vec<String>, keyspace: impl Into<String>) -> Self {
        Self {
            nodes,
            keyspace: keyspace.into(),
            datacenter: None,
            credentials: None,
            tls: None,
            translated: HashMap::new(),
            request_timeout: Duration::from_secs(2),
            settle_within: Duration::from_secs(5),
            threads: 2,
            notification_retention: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No password.
        f.debug_struct("Options")
            .field("nodes", &self.nodes)
            .field("keyspace", &self.keyspace)
            .field("datacenter", &self.datacenter)
            .finish_non_exhaustive()
    }
}

/// Why a ring could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// No node answered as it should, or too few did: where the ring was looked for, and what the
    /// driver says.
    Unreachable(String, String),
    /// The keyspace or a table is missing or not as it should be: which keyspace, and what the
    /// ring says.
    NoSchema(String, String),
    /// The ring has no such data centre: which, and those that it has.
    NoDatacenter(String, String),
    /// Something of this machine: no thread.
    Failed(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(nodes, why) => write!(
                f,
                "no CQL node of {nodes} can be used: {why}. Check the addresses, the user and \
                 password, and whether enough of the ring is up"
            ),
            Self::NoSchema(keyspace, why) => write!(
                f,
                "the keyspace {keyspace} does not have the tables of this version: {why}. \
                 Run `bedside migrate` once, then start again"
            ),
            Self::NoDatacenter(wanted, known) => write!(
                f,
                "the ring has no data centre {wanted}, only {known}: correct SCYLLA_DATACENTER"
            ),
            Self::Failed(why) => write!(f, "the CQL store did not start: {why}"),
        }
    }
}

impl std::error::Error for OpenError {}

pub(super) fn open(options: &Options) -> Result<Arc<CqlStore>, OpenError> {
    let own = options.clone();
    let (runtime, core) = blocking(options, async move |runtime| connect(&own, runtime).await)?;
    Ok(Arc::new(CqlStore {
        core: Arc::new(core),
        runtime: parking_lot::Mutex::new(Some(runtime)),
    }))
}

/// Waits for what `act` does on a runtime of its own; that one is still needed by what it made.
pub(super) fn blocking<T, E, F>(
    options: &Options,
    act: impl FnOnce(Handle) -> F + Send + 'static,
) -> Result<(Runtime, T), E>
where
    T: Send + 'static,
    E: From<OpenError> + Send + 'static,
    F: Future<Output = Result<T, E>>,
{
    let failed = |why: String| E::from(OpenError::Failed(why));
    let runtime = runtime(options)?;
    // On a thread of its own, because the caller's may belong to a runtime, which forbids it.
    let acting = std::thread::Builder::new()
        .name("cql-open".to_owned())
        .spawn(move || {
            let done = runtime.block_on(act(runtime.handle().clone()))?;
            Ok((runtime, done))
        })
        .map_err(|error| failed(error.to_string()))?;
    let done = acting.join();
    done.unwrap_or_else(|_| Err(failed("a bug".to_owned())))
}

fn runtime(options: &Options) -> Result<Runtime, OpenError> {
    Builder::new_multi_thread()
        .worker_threads(options.threads.max(1))
        .thread_name("cql")
        .enable_all()
        .build()
        .map_err(|error| OpenError::Failed(error.to_string()))
}

async fn connect(options: &Options, handle: Handle) -> Result<Core, OpenError> {
    let session = builder(options).build().await;
    let session = session.map_err(|error| unreachable(options, &error))?;
    check_datacenter(&session, options)?;
    let counters = Arc::new(Counters::default());
    let cql = Cql::new(session, options, counters.clone());
    let failed = |why: StoreError| unreachable(options, &why);
    if let Some(why) = migrate::lacks(&cql, &options.keyspace)
        .await
        .map_err(failed)?
    {
        return Err(OpenError::NoSchema(options.keyspace.clone(), why));
    }
    let epoch = epoch(&cql).await.map_err(failed)?;
    Ok(Core {
        epoch,
        cql,
        counters,
        retention: options.notification_retention,
        lanes: Lanes::default(),
        ends: Ends::default(),
        keys: Keys::default(),
        members: Members::default(),
        active: ActiveDays::default(),
        readings: Readings::default(),
        handle,
        sinks: OnceLock::new(),
        closed: AtomicBool::new(false),
    })
}

/// That the ring has the data centre of `options`: with another one no node is asked at all, and
/// what the driver then says helps nobody.
pub(super) fn check_datacenter(session: &Session, options: &Options) -> Result<(), OpenError> {
    let state = session.get_cluster_state();
    let known: BTreeSet<&str> = state
        .get_nodes_info()
        .iter()
        .filter_map(|node| node.datacenter.as_deref())
        .collect();
    match options.datacenter.as_deref() {
        Some(wanted) if !known.contains(wanted) => {
            let known: Vec<_> = known.into_iter().collect();
            Err(OpenError::NoDatacenter(wanted.to_owned(), known.join(", ")))
        }
        _ => Ok(()),
    }
}

pub(super) fn unreachable(options: &Options, why: &dyn fmt::Display) -> OpenError {
    OpenError::Unreachable(options.nodes.join(", "), why.to_string())
}

/// How a session with the ring begins.
pub(super) fn builder(options: &Options) -> SessionBuilder {
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
        .request_timeout(Some(options.request_timeout))
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&options.nodes)
        .default_execution_profile_handle(profile.into_handle())
        .connection_timeout(Duration::from_secs(5))
        // A server that hangs takes no more statements soon: each of them would wait for its time
        // to run out.
        .keepalive_interval(Duration::from_secs(1))
        .keepalive_timeout(Duration::from_secs(3))
        .tcp_nodelay(true)
        // What routing to the owners of a row takes, and no more.
        .fetch_full_schema_metadata(false)
        // What one server writes twice is ordered by its own clock, whichever node takes it.
        .timestamp_generator(Arc::new(MonotonicTimestampGenerator::new()))
        .tls_context(options.tls.clone());
    if !options.translated.is_empty() {
        builder = builder.address_translator(Arc::new(Translated(options.translated.clone())));
    }
    if let Some(datacenter) = &options.datacenter {
        builder = builder.prefer_datacenter(datacenter.clone());
    }
    if let Some((user, password)) = &options.credentials {
        builder = builder.user(user, password);
    }
    builder
}

/// The store's epoch, made when the store is first opened.
async fn epoch(cql: &Cql) -> StoreResult<String> {
    if let Some((epoch,)) = cql.first::<(String,)>(META, ("epoch",)).await? {
        return Ok(epoch);
    }
    cql.apply_surely(MAKE_EPOCH, (new_epoch(),)).await?;
    let made = cql.first::<(String,)>(META, ("epoch",)).await?;
    made.map(|(epoch,)| epoch).ok_or_else(|| odd("epoch"))
}

pub(super) fn new_epoch() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Knows where nodes are reached that are not where they say.
struct Translated(HashMap<IpAddr, SocketAddr>);

#[async_trait]
impl AddressTranslator for Translated {
    async fn translate_address(
        &self,
        peer: &UntranslatedPeer,
    ) -> Result<SocketAddr, TranslationError> {
        let announced = peer.untranslated_address();
        let reached = self.0.get(&announced.ip());
        Ok(reached.copied().unwrap_or(announced))
    }
}
