//! The audit log: the port, what the writer writes of it, and the reads.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    AuditEntry, AuditHead, AuditRange, AuditRecord, AuditStore, StoreResult,
};
use bedside_protocol::UserId;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    SqliteStore,
    fault::Fault,
    pen::Pen,
    values::{count, int, optional_user_id, time},
};

#[async_trait]
impl AuditStore for SqliteStore {
    async fn append_audit(&self, entries: Vec<AuditEntry>, head: AuditHead) -> StoreResult<()> {
        self.write(move |pen| pen.atomically(|pen| pen.append_audit(&entries, &head)))
            .await
    }

    async fn audit_nodes(&self) -> StoreResult<Vec<String>> {
        self.readers.read(nodes).await
    }

    async fn audit_head(&self, node: String) -> StoreResult<Option<AuditHead>> {
        self.readers.read(move |conn| head(conn, &node)).await
    }

    async fn audit_entries(&self, node: String, range: AuditRange) -> StoreResult<Vec<AuditEntry>> {
        self.readers
            .read(move |conn| entries(conn, &node, range))
            .await
    }
}

impl Pen<'_> {
    fn append_audit(&mut self, entries: &[AuditEntry], head: &AuditHead) -> Result<(), Fault> {
        let sql = "INSERT INTO audit_chain
                (node, seq, at, actor, action, subject, detail, ip, agent, prev_hash, hash)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING";
        let mut insert = self.conn.prepare_cached(sql)?;
        for entry in entries {
            let record = &entry.record;
            let added = insert.execute(params![
                entry.node,
                int(entry.seq),
                record.at.as_millis(),
                record.actor.as_ref().map(UserId::as_str),
                record.action,
                record.subject,
                record.detail,
                entry.ip,
                entry.agent,
                entry.prev_hash,
                entry.hash,
            ])?;
            if added == 0 {
                return Err(Fault::Conflict);
            }
        }
        let sql = "INSERT OR REPLACE INTO audit_heads (node, seq, hash, mac)
            VALUES (?1, ?2, ?3, ?4)";
        let values = params![head.node, int(head.seq), head.hash, head.mac];
        self.conn.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
}

fn nodes(conn: &Connection) -> Result<Vec<String>, Fault> {
    // Those without a head, too: somebody may have deleted it.
    let sql = "SELECT node FROM audit_heads UNION SELECT DISTINCT node FROM audit_chain";
    let mut read = conn.prepare_cached(sql)?;
    let nodes = read.query_map([], |row| row.get(0))?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

fn head(conn: &Connection, node: &str) -> Result<Option<AuditHead>, Fault> {
    let sql = "SELECT seq, hash, mac FROM audit_heads WHERE node = ?1";
    let mut find = conn.prepare_cached(sql)?;
    let found = find.query_row([node], |row| {
        Ok(AuditHead {
            node: node.to_owned(),
            seq: row.get::<_, i64>(0)?.unsigned_abs(),
            hash: row.get(1)?,
            mac: row.get(2)?,
        })
    });
    Ok(found.optional()?)
}

fn entries(conn: &Connection, node: &str, range: AuditRange) -> Result<Vec<AuditEntry>, Fault> {
    let order = if range.newest_first { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT node, seq, at, actor, action, subject, detail, ip, agent, prev_hash, hash
         FROM audit_chain WHERE node = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq {order} LIMIT ?4"
    );
    let mut read = conn.prepare_cached(&sql)?;
    let limit = int(range.limit as u64);
    let mut rows = read.query(params![node, int(range.from_seq), int(range.to_seq), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(entry(row)?);
    }
    Ok(found)
}

fn entry(row: &Row<'_>) -> Result<AuditEntry, Fault> {
    Ok(AuditEntry {
        node: row.get(0)?,
        seq: count(row, 1)?,
        record: AuditRecord {
            at: time(row, 2)?,
            actor: optional_user_id(row, 3)?,
            action: row.get::<_, String>(4)?.into(),
            subject: row.get(5)?,
            detail: row.get(6)?,
        },
        ip: row.get(7)?,
        agent: row.get(8)?,
        prev_hash: row.get(9)?,
        hash: row.get(10)?,
    })
}
