//! Statements: what is sent to the ring, with which consistency, and what may be tried again.

use bedside_actors::ports::store::{StoreError, StoreResult};
use futures_util::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use parking_lot::RwLock;
use scylla::{
    client::session::Session,
    deserialize::row::DeserializeRow,
    response::query_result::QueryResult,
    serialize::{batch::BatchValues, row::SerializeRow},
    statement::{
        Consistency, SerialConsistency,
        batch::{Batch, BatchType},
        bound::BoundStatement,
        prepared::PreparedStatement,
    },
    value::{CqlValue, Row},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Options, stats::Counters};
use crate::adapters::scylla::policy;

/// Rows in one page of an answer; what is larger is read page by page.
const PAGE_ROWS: i32 = 512;

/// Statements that are on their way at the same time for one caller.
const AT_ONCE: usize = 32;

/// A statement, and how it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Query {
    text: &'static str,
    kind: Kind,
}

/// How a statement is sent. Only what may be done twice is tried again by the driver.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A read at LOCAL_QUORUM: sees all that was answered before it began.
    Read,
    /// A read at LOCAL_SERIAL: sees, and settles, conditional writes that are still on their
    /// way. Of one partition only.
    Serial,
    /// An upsert at LOCAL_QUORUM that may be repeated.
    Write,
    /// A conditional write: serial at LOCAL_SERIAL, committed at LOCAL_QUORUM.
    Conditional,
}

impl Query {
    pub(super) const fn read(text: &'static str) -> Self {
        let kind = Kind::Read;
        Self { text, kind }
    }

    pub(super) const fn serial(text: &'static str) -> Self {
        let kind = Kind::Serial;
        Self { text, kind }
    }

    pub(super) const fn write(text: &'static str) -> Self {
        let kind = Kind::Write;
        Self { text, kind }
    }

    pub(super) const fn conditional(text: &'static str) -> Self {
        let kind = Kind::Conditional;
        Self { text, kind }
    }

    /// Whether it is a read that others may have got in the way of, and is worth another try: a
    /// serial read competes with the writers of its partition.
    fn may_lose(self, until: Instant) -> bool {
        self.kind == Kind::Serial && Instant::now() < until
    }
}

/// A session with the ring, and the statements that it has prepared.
pub(super) struct Cql {
    session: Session,
    keyspace: String,
    prepared: RwLock<HashMap<Query, PreparedStatement>>,
    pub(super) counters: Arc<Counters>,
    settle_within: Duration,
}

impl Cql {
    pub(super) fn new(session: Session, options: &Options, counters: Arc<Counters>) -> Self {
        Self {
            session,
            keyspace: options.keyspace.clone(),
            prepared: RwLock::default(),
            counters,
            settle_within: options.settle_within,
        }
    }

    /// All rows of an answer, read page by page. Only for partitions that are bounded.
    pub(super) async fn rows<R>(
        &self,
        query: Query,
        values: impl SerializeRow,
    ) -> StoreResult<Vec<R>>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm> + Send + 'static,
    {
        let values = self
            .prepared(query)
            .await?
            .bind(&values)
            .map_err(unavailable)?;
        let until = self.until();
        loop {
            let read = async { self.pages(query, values.clone()).await?.try_collect().await };
            match read.await {
                Err(_) if query.may_lose(until) => self.pause().await,
                read => return read,
            }
        }
    }

    /// Rows as they come.
    pub(super) async fn stream<R>(
        &self,
        query: Query,
        values: impl SerializeRow,
    ) -> StoreResult<BoxStream<'static, StoreResult<R>>>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm> + Send + 'static,
    {
        let values = self
            .prepared(query)
            .await?
            .bind(&values)
            .map_err(unavailable)?;
        self.pages(query, values).await
    }

    async fn pages<R>(
        &self,
        query: Query,
        values: BoundStatement,
    ) -> StoreResult<BoxStream<'static, StoreResult<R>>>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm> + Send + 'static,
    {
        self.counters.statement(query.kind);
        let pager = self.session.execute_bound_iter(values).await;
        let stream = pager.map_err(unavailable)?.rows_stream::<R>();
        Ok(Box::pin(stream.map_err(unavailable)?.map_err(unavailable)))
    }

    /// The first row of an answer of at most one page.
    pub(super) async fn first<R>(
        &self,
        query: Query,
        values: impl SerializeRow,
    ) -> StoreResult<Option<R>>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let until = self.until();
        let result = loop {
            match self.execute(query, &values).await {
                Err(_) if query.may_lose(until) => self.pause().await,
                result => break result?,
            }
        };
        let rows = result.into_rows_result().map_err(unavailable)?;
        rows.maybe_first_row::<R>().map_err(unavailable)
    }

    /// A plain write.
    pub(super) async fn write(&self, query: Query, values: impl SerializeRow) -> StoreResult<()> {
        self.execute(query, values).await.map(|_| ())
    }

    /// Plain writes of one partition at once (`UNLOGGED`), all of them or none seen by a reader
    /// of that partition.
    pub(super) async fn write_together(
        &self,
        queries: &[Query],
        values: impl BatchValues,
    ) -> StoreResult<()> {
        let batch = self.batch_of(BatchType::Unlogged, queries).await?;
        self.send(batch, Kind::Write, values).await.map(|_| ())
    }

    /// Plain writes of several partitions, of which none is lost once the first is made
    /// (`LOGGED`).
    pub(super) async fn write_all(
        &self,
        queries: &[Query],
        values: impl BatchValues,
    ) -> StoreResult<()> {
        let batch = self.batch_of(BatchType::Logged, queries).await?;
        self.send(batch, Kind::Write, values).await.map(|_| ())
    }

    /// A conditional write: whether its condition held. After an error it is unknown whether
    /// it was applied.
    pub(super) async fn apply(&self, query: Query, values: impl SerializeRow) -> StoreResult<bool> {
        applied(self.execute(query, values).await?)
    }

    /// A conditional write that says by its condition that it need not be done twice (such as
    /// `IF change_seq < ?`), until its outcome is known: whether this try was applied.
    pub(super) async fn apply_surely(
        &self,
        query: Query,
        values: impl SerializeRow + Clone,
    ) -> StoreResult<bool> {
        let until = self.until();
        loop {
            match self.apply(query, values.clone()).await {
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => self.pause().await,
                known => return known,
            }
        }
    }

    /// Conditional writes of one partition: all of them, or none when a condition does not
    /// hold. After an error it is unknown whether they were applied.
    pub(super) async fn apply_together(
        &self,
        queries: &[Query],
        values: impl BatchValues,
    ) -> StoreResult<bool> {
        let batch = self.batch_of(BatchType::Unlogged, queries).await?;
        applied(self.send(batch, Kind::Conditional, values).await?)
    }

    /// Until when something whose outcome is unknown is tried again before that is the answer.
    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.settle_within
    }

    /// Lets a ring that is busy or is being mended breathe before the next try.
    pub(super) async fn pause(&self) {
        self.counters.retried();
        // Those who got into each other's way should not meet again.
        let wait = 20 + u64::from(Uuid::new_v4().as_bytes()[0]) / 2;
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    async fn execute(&self, query: Query, values: impl SerializeRow) -> StoreResult<QueryResult> {
        let prepared = self.prepared(query).await?;
        self.counters.statement(query.kind);
        let executed = self.session.execute_unpaged(&prepared, values).await;
        executed.map_err(unavailable)
    }

    async fn batch_of(&self, batch_type: BatchType, queries: &[Query]) -> StoreResult<Batch> {
        let mut batch = Batch::new(batch_type);
        for query in queries {
            batch.append_statement(self.prepared(*query).await?);
        }
        Ok(batch)
    }

    async fn send(
        &self,
        mut batch: Batch,
        kind: Kind,
        values: impl BatchValues,
    ) -> StoreResult<QueryResult> {
        batch.set_consistency(Consistency::LocalQuorum);
        batch.set_serial_consistency(Some(SerialConsistency::LocalSerial));
        batch.set_is_idempotent(kind == Kind::Write);
        batch.set_retry_policy(Some(policy::retry(kind)));
        self.counters.statement(kind);
        self.session
            .batch(&batch, values)
            .await
            .map_err(unavailable)
    }

    /// The statement, prepared once.
    async fn prepared(&self, query: Query) -> StoreResult<PreparedStatement> {
        if let Some(prepared) = self.prepared.read().get(&query) {
            return Ok(prepared.clone());
        }
        let text = qualified(query.text, &self.keyspace);
        let prepared = self.session.prepare(text).await;
        let mut prepared = prepared.map_err(unavailable)?;
        prepared.set_page_size(PAGE_ROWS);
        prepared.set_consistency(match query.kind {
            Kind::Serial => Consistency::LocalSerial,
            _ => Consistency::LocalQuorum,
        });
        prepared.set_serial_consistency(Some(SerialConsistency::LocalSerial));
        prepared.set_is_idempotent(query.kind != Kind::Conditional);
        prepared.set_retry_policy(Some(policy::retry(query.kind)));
        self.prepared.write().insert(query, prepared.clone());
        Ok(prepared)
    }
}

/// The statement with its table's keyspace. A session that is in a keyspace would do as well, but
/// for the warnings of the servers, which find it ambiguous.
fn qualified(text: &str, keyspace: &str) -> String {
    let mut qualified = String::with_capacity(text.len() + keyspace.len() + 1);
    let mut names_table = false;
    for word in text.split_whitespace() {
        if !qualified.is_empty() {
            qualified.push(' ');
        }
        if names_table && !word.contains('.') {
            qualified.push_str(keyspace);
            qualified.push('.');
        }
        qualified.push_str(word);
        names_table = matches!(word, "FROM" | "INTO" | "UPDATE");
    }
    qualified
}

/// Awaits these, [`AT_ONCE`] at a time; the answers keep their order.
pub(super) async fn all<T>(
    asked: Vec<impl Future<Output = StoreResult<T>>>,
) -> StoreResult<Vec<T>> {
    stream::iter(asked).buffered(AT_ONCE).try_collect().await
}

/// Reads the `[applied]` column, which comes first.
fn applied(result: QueryResult) -> StoreResult<bool> {
    let rows = result.into_rows_result().map_err(unavailable)?;
    let first = rows.maybe_first_row::<Row>().map_err(unavailable)?;
    let first = first.and_then(|row| row.columns.into_iter().next().flatten());
    match first {
        Some(CqlValue::Boolean(applied)) => Ok(applied),
        _ => Err(unavailable("a conditional write without an answer")),
    }
}

/// What the driver says, for operators. Its texts name statements and nodes, never values.
pub(super) fn unavailable(error: impl ToString) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_names_its_keyspace() {
        for (text, want) in [
            (
                "SELECT a\n     FROM t WHERE b = ?",
                "SELECT a FROM k.t WHERE b = ?",
            ),
            (
                "INSERT INTO t (a) VALUES (?)",
                "INSERT INTO k.t (a) VALUES (?)",
            ),
            ("UPDATE t SET a = ?", "UPDATE k.t SET a = ?"),
            ("DELETE FROM t", "DELETE FROM k.t"),
            ("SELECT a FROM system.t", "SELECT a FROM system.t"),
        ] {
            assert_eq!(qualified(text, "k"), want);
        }
    }
}
