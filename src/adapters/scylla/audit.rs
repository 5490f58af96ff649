//! The audit log. A chain is split into partitions of 4,096 entries; each entry is made IF NOT
//! EXISTS, so that two processes that call themselves the same node do not tear it.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    AuditEntry, AuditHash, AuditHead, AuditRange, AuditRecord, AuditStore, StoreError, StoreResult,
};
use bedside_protocol::UserId;
use scylla::{DeserializeRow, SerializeRow, value::CqlTimestamp};

use super::{
    CqlStore,
    cql::{Cql, Query},
    values::{Sparse, at, count, int, odd, time, user_id as parse_user_id},
};

/// Entries of one partition.
const BUCKET: u64 = 4_096;

const MAKE: Query = Query::conditional(
    "INSERT INTO audit_chain (node, bucket, seq, at, actor, action, subject, detail, ip, agent,
         prev_hash, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
);
const PUT_BUCKET: Query =
    Query::write("INSERT INTO audit_buckets (list, node, bucket) VALUES ('all', ?, ?)");
const BUCKETS: Query =
    Query::read("SELECT bucket FROM audit_buckets WHERE list = 'all' AND node = ? LIMIT 1");
const NODES: Query = Query::read("SELECT node FROM audit_buckets WHERE list = 'all'");
const PUT_HEAD: Query = Query::write(
    "INSERT INTO audit_heads (node, seq, hash, mac) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
);
const HEAD: Query = Query::read("SELECT seq, hash, mac FROM audit_heads WHERE node = ?");
const ASCENDING: Query = Query::serial(
    "SELECT node, bucket, seq, at, actor, action, subject, detail, ip, agent, prev_hash, hash
     FROM audit_chain WHERE node = ? AND bucket = ? AND seq >= ? AND seq <= ? LIMIT ?",
);
const DESCENDING: Query = Query::serial(
    "SELECT node, bucket, seq, at, actor, action, subject, detail, ip, agent, prev_hash, hash
     FROM audit_chain WHERE node = ? AND bucket = ? AND seq >= ? AND seq <= ?
     ORDER BY seq DESC LIMIT ?",
);

#[async_trait]
impl AuditStore for CqlStore {
    async fn append_audit(&self, entries: Vec<AuditEntry>, head: AuditHead) -> StoreResult<()> {
        self.run(async move |core| append(&core.cql, &entries, &head).await)
            .await
    }

    async fn audit_nodes(&self) -> StoreResult<Vec<String>> {
        self.run(async move |core| {
            let rows = core.cql.rows::<(String,)>(NODES, ()).await?;
            let mut nodes: Vec<_> = rows.into_iter().map(|(node,)| node).collect();
            nodes.dedup();
            Ok(nodes)
        })
        .await
    }

    async fn audit_head(&self, node: String) -> StoreResult<Option<AuditHead>> {
        self.run(async move |core| head(&core.cql, node).await)
            .await
    }

    async fn audit_entries(&self, node: String, range: AuditRange) -> StoreResult<Vec<AuditEntry>> {
        self.run(async move |core| entries(&core.cql, &node, range).await)
            .await
    }
}

#[derive(Clone, SerializeRow, DeserializeRow)]
struct Entry {
    node: String,
    bucket: i64,
    seq: i64,
    at: CqlTimestamp,
    actor: Sparse<String>,
    action: String,
    subject: String,
    detail: String,
    ip: Sparse<String>,
    agent: Sparse<String>,
    prev_hash: Vec<u8>,
    hash: Vec<u8>,
}

fn bucket(seq: u64) -> u64 {
    seq / BUCKET
}

impl Entry {
    fn of(entry: &AuditEntry) -> Self {
        let record = &entry.record;
        Self {
            node: entry.node.clone(),
            bucket: int(bucket(entry.seq)),
            seq: int(entry.seq),
            at: at(record.at),
            actor: record.actor.as_ref().map(UserId::to_string).into(),
            action: record.action.clone().into_owned(),
            subject: record.subject.clone(),
            detail: record.detail.clone(),
            ip: entry.ip.clone().into(),
            agent: entry.agent.clone().into(),
            prev_hash: entry.prev_hash.to_vec(),
            hash: entry.hash.to_vec(),
        }
    }

    fn read(self) -> StoreResult<AuditEntry> {
        let actor = self.actor.0.as_deref().map(parse_user_id).transpose()?;
        Ok(AuditEntry {
            node: self.node,
            seq: count(self.seq)?,
            record: AuditRecord {
                at: time(self.at),
                actor,
                action: self.action.into(),
                subject: self.subject,
                detail: self.detail,
            },
            ip: self.ip.0,
            agent: self.agent.0,
            prev_hash: hash(&self.prev_hash)?,
            hash: hash(&self.hash)?,
        })
    }
}

fn hash(bytes: &[u8]) -> StoreResult<AuditHash> {
    bytes.try_into().map_err(|_| odd("hash"))
}

/// Partition by partition, and then the head. It is written under the time of its seq, so that an
/// older one that arrives late is none.
async fn append(cql: &Cql, entries: &[AuditEntry], head: &AuditHead) -> StoreResult<()> {
    for some in entries.chunk_by(|a, b| bucket(a.seq) == bucket(b.seq)) {
        let rows: Vec<_> = some.iter().map(Entry::of).collect();
        let place = (rows[0].node.as_str(), rows[0].bucket);
        if rows[0].seq == 1 || rows[0].seq % int(BUCKET) == 0 {
            // First where it is found.
            cql.write(PUT_BUCKET, place).await?;
        }
        let queries = vec![MAKE; rows.len()];
        if !cql.apply_together(&queries, rows.as_slice()).await? {
            return Err(StoreError::Conflict);
        }
    }
    let values = (
        head.node.as_str(),
        int(head.seq),
        head.hash.as_slice(),
        head.mac.as_slice(),
        int(head.seq),
    );
    cql.write(PUT_HEAD, values).await
}

async fn head(cql: &Cql, node: String) -> StoreResult<Option<AuditHead>> {
    let found = cql.first::<(i64, Vec<u8>, Vec<u8>)>(HEAD, (&node,)).await?;
    let Some((seq, of, mac)) = found else {
        return Ok(None);
    };
    Ok(Some(AuditHead {
        node,
        seq: count(seq)?,
        hash: hash(&of)?,
        mac: hash(&mac)?,
    }))
}

async fn entries(cql: &Cql, node: &str, range: AuditRange) -> StoreResult<Vec<AuditEntry>> {
    let newest = cql.first::<(i64,)>(BUCKETS, (node,)).await?;
    let Some((newest,)) = newest else {
        return Ok(Vec::new());
    };
    let (first, last) = (
        bucket(range.from_seq),
        bucket(range.to_seq).min(count(newest)?),
    );
    let (mut next, mut found) = (if range.newest_first { last } else { first }, Vec::new());
    while (first..=last).contains(&next) && found.len() < range.limit {
        let query = if range.newest_first {
            DESCENDING
        } else {
            ASCENDING
        };
        let left = i32::try_from(range.limit - found.len()).unwrap_or(i32::MAX);
        let values = (
            node,
            int(next),
            int(range.from_seq),
            int(range.to_seq),
            left,
        );
        for row in cql.rows::<Entry>(query, values).await? {
            found.push(row.read()?);
        }
        next = match (range.newest_first, next) {
            (false, next) => next + 1,
            (true, 0) => break,
            (true, next) => next - 1,
        };
    }
    Ok(found)
}
