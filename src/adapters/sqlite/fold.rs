//! Files what was appended under client ids, senders and message ids, off the
//! acknowledgement's path.
//!
//! Keeping these three tables with every append would double its cost: each row lands on pages
//! of its own. Here rows wait until there are many, are sorted, and go in by slices that ride
//! along with later commits or are written when nothing else is to do. `fold.pos` says up to
//! where the tables are complete; readers look into the log itself for what is above it, but for
//! client ids, which every send asks about: those wait in memory (`unfiled.rs`). All of it can be
//! done twice, so a crash costs nothing but the work.

use bedside_protocol::{ClientMsgId, MessageId, Timestamp, limits};
use rusqlite::{Connection, params};
use std::sync::Arc;

use super::{
    fault::Fault,
    unfiled::{SentName, Unfiled},
    values::message_id,
};

/// Rows that wait before they ride along with commits; the more, the fewer pages per row.
pub(super) const GENERATION_ROWS: usize = 16_384;
/// Rows that one commit of the idle writer files.
const IDLE_ROWS: usize = 2_048;
/// Rows that a commit takes along at least.
const RIDE_ROWS_MIN: usize = 64;
/// Rows that one look for expired client ids goes over.
const PRUNE_ROWS: i64 = 2_048;

/// What has to be filed of one row of the log.
pub(super) struct FoldRow {
    pub(super) pos: i64,
    pub(super) conv: i64,
    pub(super) sender: Option<i64>,
    pub(super) sender_ord: i64,
    pub(super) message_id: Option<MessageId>,
    pub(super) client_msg_id: Option<ClientMsgId>,
    /// Under which name it waits in memory; none for what an earlier process wrote.
    pub(super) sent_as: Option<SentName>,
}

/// What is not yet filed.
pub(super) struct Fold {
    generation_rows: usize,
    /// In the order of the log.
    waiting: Vec<FoldRow>,
    /// Sorted; being filed.
    generation: Vec<FoldRow>,
    /// How many of the generation are filed and committed, and how many with the transaction
    /// that is open.
    filed: usize,
    filing: usize,
    /// The last row of the generation.
    generation_pos: i64,
    /// The client ids among all of this, for those who look for one.
    unfiled: Arc<Unfiled>,
}

impl Fold {
    pub(super) fn new(generation_rows: usize) -> Self {
        Self {
            generation_rows,
            waiting: Vec::new(),
            generation: Vec::new(),
            filed: 0,
            filing: 0,
            generation_pos: 0,
            unfiled: Arc::default(),
        }
    }

    pub(super) fn unfiled(&self) -> Arc<Unfiled> {
        self.unfiled.clone()
    }

    /// Files everything that an earlier process, or an earlier version, left.
    pub(super) fn catch_up(&mut self, conn: &Connection) -> Result<(), Fault> {
        // Nobody else copies the write-ahead log yet, and there may be much to file.
        conn.pragma_update(None, "wal_autocheckpoint", 2_048)?;
        loop {
            self.waiting = unfiled(conn, GENERATION_ROWS)?;
            if self.waiting.is_empty() {
                break;
            }
            while self.is_behind() {
                self.file_idle(conn)?;
            }
        }
        Ok(conn.pragma_update(None, "wal_autocheckpoint", 0)?)
    }

    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty() || !self.generation.is_empty()
    }

    pub(super) fn add(&mut self, rows: impl Iterator<Item = FoldRow>) {
        let before = self.waiting.len();
        self.waiting.extend(rows);
        self.unfiled.add(names(&self.waiting[before..]));
    }

    /// Takes a slice along with a commit of `rows` rows, once enough are waiting.
    pub(super) fn ride_along(&mut self, conn: &Connection, rows: usize) -> Result<(), Fault> {
        if self.generation.is_empty() {
            if self.waiting.len() < self.generation_rows {
                return Ok(());
            }
            self.freeze();
        }
        self.file(conn, (rows + rows / 2).max(RIDE_ROWS_MIN))
    }

    /// Files a slice in a transaction of its own.
    pub(super) fn file_idle(&mut self, conn: &Connection) -> Result<(), Fault> {
        if self.generation.is_empty() {
            self.freeze();
        }
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let filed = self
            .file(conn, IDLE_ROWS)
            .and_then(|()| Ok(conn.prepare_cached("COMMIT")?.execute([])?));
        match filed {
            Ok(_) => self.committed(),
            Err(fault) => {
                self.rolled_back();
                if !conn.is_autocommit() {
                    conn.execute_batch("ROLLBACK")?;
                }
                return Err(fault);
            }
        }
        Ok(())
    }

    fn freeze(&mut self) {
        self.generation = std::mem::take(&mut self.waiting);
        self.generation_pos = self.generation.last().map_or(0, |row| row.pos);
        self.generation.sort_unstable_by(|a, b| {
            (a.conv, a.sender, &a.client_msg_id, a.pos).cmp(&(
                b.conv,
                b.sender,
                &b.client_msg_id,
                b.pos,
            ))
        });
    }

    fn file(&mut self, conn: &Connection, rows: usize) -> Result<(), Fault> {
        let end = self.generation.len().min(self.filing + rows);
        let slice = &self.generation[self.filing..end];
        let mut by_client_id = conn.prepare_cached(
            "INSERT OR REPLACE INTO client_ids (conv, sender, client_msg_id, pos)
             VALUES (?1, ?2, ?3, ?4)",
        )?;
        let mut by_id = conn.prepare_cached(
            "INSERT OR REPLACE INTO message_ids (message_id, pos) VALUES (?1, ?2)",
        )?;
        let mut by_sender = conn.prepare_cached(
            "INSERT INTO sender_heads (conv, sender, sender_ord) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET sender_ord = MAX(sender_ord, excluded.sender_ord)",
        )?;
        let mut highest = 0;
        for (at, row) in slice.iter().enumerate() {
            if let Some(id) = row.message_id {
                by_id.execute(params![id.to_bytes(), row.pos])?;
            }
            let Some(sender) = row.sender else { continue };
            if let Some(id) = &row.client_msg_id {
                by_client_id.execute(params![row.conv, sender, id.as_str(), row.pos])?;
            }
            highest = row.sender_ord.max(highest);
            let next = slice.get(at + 1);
            if next.is_none_or(|next| (next.conv, next.sender) != (row.conv, row.sender)) {
                by_sender.execute([row.conv, sender, highest])?;
                highest = 0;
            }
        }
        if end == self.generation.len() {
            let sql = "UPDATE fold SET pos = ?1 WHERE id = 1";
            conn.prepare_cached(sql)?.execute([self.generation_pos])?;
        }
        self.filing = end;
        Ok(())
    }

    pub(super) fn committed(&mut self) {
        self.unfiled
            .remove(names(&self.generation[self.filed..self.filing]));
        self.filed = self.filing;
        if self.filed == self.generation.len() {
            self.generation.clear();
            (self.filed, self.filing) = (0, 0);
        }
    }

    pub(super) fn rolled_back(&mut self) {
        self.filing = self.filed;
    }
}

fn names(rows: &[FoldRow]) -> impl Iterator<Item = (&SentName, i64)> {
    rows.iter()
        .filter_map(|row| Some((row.sent_as.as_ref()?, row.pos)))
}

/// What the log holds above the watermark.
fn unfiled(conn: &Connection, limit: usize) -> Result<Vec<FoldRow>, Fault> {
    let mut read = conn.prepare_cached(
        "SELECT pos, conv, sender, sender_ord, client_msg_id,
                IIF(kind = 'message', message_id, NULL)
         FROM messages WHERE pos > (SELECT pos FROM fold) ORDER BY pos LIMIT ?1",
    )?;
    let mut rows = read.query([limit as i64])?;
    let mut unfiled = Vec::new();
    while let Some(row) = rows.next()? {
        let client_id: Option<String> = row.get(4)?;
        let has_id = row
            .get_ref(5)?
            .as_blob_or_null()
            .is_ok_and(|id| id.is_some());
        unfiled.push(FoldRow {
            pos: row.get(0)?,
            conv: row.get(1)?,
            sender: row.get(2)?,
            sender_ord: row.get(3)?,
            message_id: has_id.then(|| message_id(row, 5)).transpose()?,
            client_msg_id: client_id.and_then(|id| ClientMsgId::new(&id).ok()),
            sent_as: None,
        });
    }
    Ok(unfiled)
}

/// Forgets a stretch of client ids whose time is over; whether there may be more. It follows
/// the log, so that the table needs no index by time.
pub(super) fn prune(conn: &Connection, now: Timestamp) -> Result<bool, Fault> {
    let before = now.plus_millis(-limits::CLIENT_MSG_ID_TTL_MS).as_millis();
    let mut find = conn.prepare_cached(
        "SELECT MAX(pos), COUNT(*) FROM (
             SELECT m.pos, m.at FROM messages m, fold f
             WHERE m.pos > f.pruned_pos AND m.pos <= f.pos ORDER BY m.pos LIMIT ?1)
         HAVING MAX(at) < ?2",
    )?;
    let mut rows = find.query([PRUNE_ROWS, before])?;
    let Some(row) = rows.next()? else {
        return Ok(false);
    };
    let (to, count): (i64, i64) = (row.get(0)?, row.get(1)?);
    drop(rows);
    let write = conn.unchecked_transaction()?;
    write
        .prepare_cached(
            "DELETE FROM client_ids WHERE (conv, sender, client_msg_id) IN (
             SELECT conv, sender, client_msg_id FROM messages, fold
             WHERE messages.pos > pruned_pos AND messages.pos <= ?1 AND client_msg_id IS NOT NULL)
         AND pos <= ?1",
        )?
        .execute([to])?;
    write
        .prepare_cached("UPDATE fold SET pruned_pos = ?1")?
        .execute([to])?;
    write.commit()?;
    Ok(count == PRUNE_ROWS)
}
