//! Who and what is not let in: the port, what the writer writes of it, and the reads.

use async_trait::async_trait;
use bedside_actors::ports::{
    identity::TokenId,
    store::{
        Denial, DenialRecord, DenialStore, Denials, DenialsVersion, StoreResult, denials::place,
    },
};
use bedside_protocol::{Timestamp, UserId};
use rusqlite::{Connection, Row, params};

use super::{
    SqliteStore,
    fault::Fault,
    pen::Pen,
    values::{optional_time, time, user_id},
    writes::meta,
};

/// Under this name the number of changes is kept.
const VERSION_KEY: &str = "denials_version";

#[async_trait]
impl DenialStore for SqliteStore {
    async fn deny(&self, record: DenialRecord) -> StoreResult<()> {
        self.write(move |pen| pen.deny(&record)).await
    }

    async fn unblock(&self, user_id: UserId) -> StoreResult<bool> {
        self.write(move |pen| pen.unblock(&user_id)).await
    }

    async fn denials_version(&self) -> StoreResult<DenialsVersion> {
        self.readers.read(version).await
    }

    async fn denials(&self) -> StoreResult<Denials> {
        self.readers.read(all).await
    }
}

impl Pen<'_> {
    fn deny(&mut self, record: &DenialRecord) -> Result<(), Fault> {
        let (kind, id) = place(&record.denial);
        let (before, reason) = match &record.denial {
            Denial::Issued { before, .. } => (Some(before.as_millis()), None),
            Denial::Token(_) => (None, None),
            Denial::Block { reason, .. } => (None, Some(reason)),
        };
        let sql = "INSERT INTO denials (kind, id, issued_before, at, actor, reason)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT DO UPDATE SET issued_before = excluded.issued_before, at = excluded.at,
                actor = excluded.actor, reason = excluded.reason
            WHERE excluded.kind = 'block' OR excluded.issued_before > issued_before";
        let at = record.at.as_millis();
        let values = params![kind, id, before, at, record.by.as_str(), reason];
        let changed = self.conn.prepare_cached(sql)?.execute(values)?;
        self.denials_changed(changed)
    }

    fn unblock(&mut self, user_id: &UserId) -> Result<bool, Fault> {
        let sql = "DELETE FROM denials WHERE kind = 'block' AND id = ?1";
        let deleted = self.conn.prepare_cached(sql)?.execute([user_id.as_str()])?;
        self.denials_changed(deleted)?;
        Ok(deleted > 0)
    }

    fn denials_changed(&mut self, rows: usize) -> Result<(), Fault> {
        if rows == 0 {
            return Ok(());
        }
        let next = version(self.conn)? + 1;
        self.set_meta(VERSION_KEY, &next.to_string())
    }
}

fn version(conn: &Connection) -> Result<DenialsVersion, Fault> {
    let parse = |text: String| text.parse().map_err(|_| Fault::Value("denials_version"));
    meta(conn, VERSION_KEY)?.map_or(Ok(0), parse)
}

/// The version first: a change between the two reads shows in the next look.
fn all(conn: &Connection) -> Result<Denials, Fault> {
    let version = version(conn)?;
    let sql = "SELECT kind, id, issued_before, at, actor, reason FROM denials";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(Denials { version, records })
}

fn record(row: &Row<'_>) -> Result<DenialRecord, Fault> {
    let kind: String = row.get(0)?;
    let denial = match kind.as_str() {
        "issued" => Denial::Issued {
            user_id: user_id(row, 1)?,
            before: optional_time(row, 2)?.unwrap_or(Timestamp::from_millis(i64::MAX)),
        },
        "token" => {
            let id: String = row.get(1)?;
            Denial::Token(TokenId::new(&id).ok_or(Fault::Value("token id"))?)
        }
        "block" => Denial::Block {
            user_id: user_id(row, 1)?,
            reason: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
        },
        _ => return Err(Fault::Value("denial")),
    };
    Ok(DenialRecord {
        denial,
        at: time(row, 3)?,
        by: user_id(row, 4)?,
    })
}
