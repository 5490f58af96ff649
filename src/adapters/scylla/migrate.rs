//! The schema: `bedside migrate` brings a keyspace to the tables of this version, and a server
//! that starts looks whether it has them. A server never changes them by itself, because several
//! start at once, and because its user need not have the right to.

use bedside_actors::ports::store::StoreResult;
use scylla::client::session::Session;
use std::{fmt, time::Duration};

use super::{
    META, OpenError, Options,
    cql::{Cql, Query},
    open,
};

/// All tables. What is there already is left alone.
const SCHEMA: &str = include_str!("../../../schema.cql");

/// The version of the schema. A schema that differs needs the next number, and a step in
/// [`migrate`] that brings a keyspace of the last version there.
pub const VERSION: u32 = 3;

/// Under this name the store keeps the version of its tables.
const VERSION_KEY: &str = "schema_version";

const HAS_META: Query = Query::read(
    "SELECT table_name FROM system_schema.tables
     WHERE keyspace_name = ? AND table_name = 'store_meta'",
);

/// Changing tables takes longer than asking them: all nodes have to agree.
const STATEMENT_WITHIN: Duration = Duration::from_secs(60);

/// How often a statement is tried again.
const TRIES_MAX: u32 = 4;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The replication of the keyspace, when it is new: where, and how many copies.
    pub keyspace: Option<(String, u8)>,
    /// Tables that are new.
    pub tables_made: usize,
    /// The version that was found.
    pub version_before: Option<u32>,
}

/// Why it was not done, or not to the end. Doing it again goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrateError {
    /// The ring could not be used.
    Open(OpenError),
    /// The ring did not do as it was told.
    Refused(String),
    /// The keyspace is of a later version than this one.
    Newer(String),
    /// Nobody said in which data centre the keyspace is to be; there are these.
    WhichDatacenter(Vec<String>),
    /// A data centre with so many nodes cannot keep as many copies.
    TooFewNodes(String, usize, u8),
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Refused(why) => write!(f, "the ring refused: {why}"),
            Self::Newer(version) => write!(
                f,
                "the keyspace has schema version {version}, which this version ({VERSION}) does \
                 not know; use the newer binary"
            ),
            Self::WhichDatacenter(known) => write!(
                f,
                "the ring has the data centres {}: set SCYLLA_DATACENTER to one of them",
                known.join(", ")
            ),
            Self::TooFewNodes(datacenter, nodes, copies) => write!(
                f,
                "{datacenter} has {nodes} node(s), too few for {copies} copies: add nodes, or set \
                 SCYLLA_REPLICATION (with 1, one lost node is lost data)"
            ),
        }
    }
}

impl std::error::Error for MigrateError {}

impl From<OpenError> for MigrateError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

/// Brings the keyspace of `options` to the tables of this version, and makes it, with so many
/// copies of each row, when there is none. What is as it should be is left alone. Blocks until
/// all nodes agree. Two of these must not run at once: CQL servers may then disagree for good
/// about a table that both made.
///
/// # Errors
/// See [`MigrateError`], whose texts say what to do.
pub fn migrate(options: &Options, replication: u8) -> Result<Migrated, MigrateError> {
    let own = Options {
        request_timeout: STATEMENT_WITHIN,
        ..options.clone()
    };
    let run = async move |_| bring(&own, replication).await;
    let (runtime, migrated) = open::blocking(options, run)?;
    // Waiting is not allowed here: the caller's thread may belong to another runtime.
    runtime.shutdown_background();
    Ok(migrated)
}

async fn bring(options: &Options, replication: u8) -> Result<Migrated, MigrateError> {
    let builder = open::builder(options)
        .schema_agreement_interval(Duration::from_millis(50))
        .schema_agreement_timeout(STATEMENT_WITHIN)
        .refresh_metadata_on_auto_schema_agreement(false);
    let session = builder.build().await;
    let session = session.map_err(|error| open::unreachable(options, &error))?;
    open::check_datacenter(&session, options)?;
    let keyspace = &options.keyspace;
    let known = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let made = if names(&session, known, keyspace).await?.is_empty() {
        let datacenter = datacenter(&session, options, replication)?;
        let statement = create_keyspace(keyspace, &datacenter, replication);
        run(&session, &statement).await?;
        Some((datacenter, replication))
    } else {
        None
    };
    let before = tables(&session, keyspace).await?;
    let version_before = if before.iter().any(|table| table == "store_meta") {
        version(&session, keyspace).await?
    } else {
        None
    };
    if version_before.is_some_and(|version| version > VERSION) {
        let version = version_before.unwrap_or_default().to_string();
        return Err(MigrateError::Newer(version));
    }
    if version_before == Some(VERSION) {
        return Ok(Migrated {
            keyspace: made,
            tables_made: 0,
            version_before,
        });
    }
    for statement in create_tables(keyspace) {
        run(&session, &statement).await?;
    }
    let after = tables(&session, keyspace).await?;
    note_version(&session, keyspace, version_before).await?;
    Ok(Migrated {
        keyspace: made,
        tables_made: after.len() - before.len(),
        version_before,
    })
}

/// Where the keyspace is to be.
fn datacenter(
    session: &Session,
    options: &Options,
    replication: u8,
) -> Result<String, MigrateError> {
    let state = session.get_cluster_state();
    let nodes = state.get_nodes_info().iter();
    let of_each: Vec<_> = nodes.filter_map(|node| node.datacenter.clone()).collect();
    let mut known = of_each.clone();
    known.sort();
    known.dedup();
    let datacenter = match (&options.datacenter, known.as_slice()) {
        (Some(wanted), _) => wanted.clone(),
        (None, [only]) => only.clone(),
        _ => return Err(MigrateError::WhichDatacenter(known)),
    };
    let nodes = of_each.iter().filter(|of| **of == datacenter).count();
    if nodes < usize::from(replication) {
        return Err(MigrateError::TooFewNodes(datacenter, nodes, replication));
    }
    Ok(datacenter)
}

fn create_keyspace(keyspace: &str, datacenter: &str, replication: u8) -> String {
    let datacenter = datacenter.replace('\'', "''");
    format!(
        "CREATE KEYSPACE IF NOT EXISTS {keyspace} \
         WITH replication = {{'class': 'NetworkTopologyStrategy', '{datacenter}': {replication}}} \
         AND durable_writes = true"
    )
}

/// What makes the tables, each with its keyspace.
fn create_tables(keyspace: &str) -> impl Iterator<Item = String> {
    let create = "CREATE TABLE IF NOT EXISTS ";
    let there = format!("{create}{keyspace}.");
    let tables = statements(SCHEMA).filter(move |text| text.starts_with(create));
    tables.map(move |text| text.replacen(create, &there, 1))
}

/// The statements of a text, without comments and line ends.
fn statements(text: &str) -> impl Iterator<Item = String> {
    let code = text.lines().map(|line| {
        let code = line.split("--").next().unwrap_or_default();
        code.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    let code = code.filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let parts = code.join(" ");
    let parts: Vec<_> = parts.split(';').map(|s| s.trim().to_owned()).collect();
    parts.into_iter().filter(|statement| !statement.is_empty())
}

/// Does it, and waits until all nodes know. A ring that is busy with another change is asked
/// again: each of these may be done twice.
async fn run(session: &Session, statement: &str) -> Result<(), MigrateError> {
    let mut tries = 0;
    loop {
        // The driver waits for the agreement.
        match session.query_unpaged(statement, ()).await {
            Ok(_) => return Ok(()),
            Err(why) if tries == TRIES_MAX => return Err(refused(why)),
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
        tries += 1;
    }
}

async fn tables(session: &Session, keyspace: &str) -> Result<Vec<String>, MigrateError> {
    let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    names(session, text, keyspace).await
}

async fn version(session: &Session, keyspace: &str) -> Result<Option<u32>, MigrateError> {
    let text = format!("SELECT value FROM {keyspace}.store_meta WHERE key = ?");
    let found = names(session, &text, VERSION_KEY).await?;
    let parse = |text: String| text.parse().map_err(|_| MigrateError::Newer(text));
    found.into_iter().next().map(parse).transpose()
}

async fn names(session: &Session, text: &str, value: &str) -> Result<Vec<String>, MigrateError> {
    let found = session.query_unpaged(text, (value,)).await;
    let rows = found
        .map_err(refused)?
        .into_rows_result()
        .map_err(refused)?;
    let rows = rows.rows::<(String,)>().map_err(refused)?;
    rows.map(|row| row.map(|(name,)| name).map_err(refused))
        .collect()
}

/// Conditionally, as everything in this table is written that is written more than once.
async fn note_version(
    session: &Session,
    keyspace: &str,
    before: Option<u32>,
) -> Result<(), MigrateError> {
    let table = format!("{keyspace}.store_meta");
    let now = VERSION.to_string();
    let done = match before {
        None => {
            let text = format!("INSERT INTO {table} (key, value) VALUES (?, ?) IF NOT EXISTS");
            session.query_unpaged(text, (VERSION_KEY, now)).await
        }
        Some(before) => {
            let text = format!("UPDATE {table} SET value = ? WHERE key = ? IF value = ?");
            let values = (now, VERSION_KEY, before.to_string());
            session.query_unpaged(text, values).await
        }
    };
    done.map_err(refused)?;
    match version(session, keyspace).await? {
        Some(VERSION) => Ok(()),
        _ => Err(refused("the version could not be noted")),
    }
}

fn refused(why: impl ToString) -> MigrateError {
    MigrateError::Refused(why.to_string())
}

/// What a server of this version lacks in the keyspace, if anything. A later schema will do,
/// because an upgrade begins with the schema, under servers that run.
pub(super) async fn lacks(cql: &Cql, keyspace: &str) -> StoreResult<Option<String>> {
    if cql
        .first::<(String,)>(HAS_META, (keyspace,))
        .await?
        .is_none()
    {
        return Ok(Some("there are none".to_owned()));
    }
    let found = cql.first::<(String,)>(META, (VERSION_KEY,)).await?;
    let version = found.and_then(|(version,)| version.parse::<u32>().ok());
    Ok(match version {
        None => Some("it has no schema version".to_owned()),
        Some(version) if version < VERSION => {
            Some(format!("it has schema version {version}, not {VERSION}"))
        }
        Some(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_a_keyspace_and_tables() {
        let all: Vec<_> = statements(SCHEMA).collect();
        assert_eq!(all[0], create_keyspace("bedside", "datacenter1", 3));
        assert_eq!(all[1], "USE bedside");
        for statement in &all[2..] {
            assert!(
                statement.starts_with("CREATE TABLE IF NOT EXISTS "),
                "{statement}"
            );
        }
        assert!(all.len() > 20);
    }

    #[test]
    fn a_statement_is_what_stands_outside_of_comments() {
        let text = "-- one; two\nCREATE TABLE a ( -- three;\n  b text\n);\n\nUSE x; -- four\n";
        let all: Vec<_> = statements(text).collect();
        assert_eq!(all, ["CREATE TABLE a ( b text )", "USE x"]);
    }
}
