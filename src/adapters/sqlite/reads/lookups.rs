//! Finding things by other names than their place. What is filed is looked up; what is not
//! yet filed is looked for in the log, from its end down to the fold's watermark, and a client
//! id in memory.

use bedside_actors::ports::store::{Counts, SentRecord};
use bedside_protocol::{ClientMsgId, ConversationId, MessageId, UserId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::HashMap;

use super::load::head_at;
use crate::adapters::sqlite::{
    fault::Fault,
    pen::find_user,
    unfiled::SentName,
    values::{conversation_id, count, int, message_id, required, time, user_id},
};

/// A conversation's key.
pub(crate) fn conversation(conn: &Connection, id: ConversationId) -> Result<Option<i64>, Fault> {
    let sql = "SELECT key FROM conversations WHERE conversation_id = ?1";
    let mut find = conn.prepare_cached(sql)?;
    let key = find.query_row([id.to_bytes()], |row| row.get(0));
    Ok(key.optional()?)
}

pub(crate) fn direct_of(
    conn: &Connection,
    a: &UserId,
    b: &UserId,
) -> Result<Option<ConversationId>, Fault> {
    let (Some(a), Some(b)) = (find_user(conn, a)?, find_user(conn, b)?) else {
        return Ok(None);
    };
    let sql = "SELECT conversation_id FROM direct_conversations d
        JOIN conversations c ON c.key = d.conv WHERE low = ?1 AND high = ?2";
    let mut find = conn.prepare_cached(sql)?;
    let mut rows = find.query([a.min(b), a.max(b)])?;
    rows.next()?.map(|row| conversation_id(row, 0)).transpose()
}

/// Up to where the look-ups are complete.
fn folded_pos(conn: &Connection) -> Result<i64, Fault> {
    let mut read = conn.prepare_cached("SELECT pos FROM fold")?;
    Ok(read.query_one([], |row| row.get(0))?)
}

/// Calls `visit` with each row of XX
fn each_unfiled(
    conn: &Connection,
    conv: i64,
    mut visit: impl FnMut(&Row<'_>) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let folded = folded_pos(conn)?;
    // Positions fall with the seqs, so the first one that is filed ends the walk.
    let sql = "SELECT pos, sender, sender_ord FROM messages
        WHERE conv = ?1 ORDER BY seq DESC";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([conv])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? <= folded || visit(row)? {
            break;
        }
    }
    Ok(())
}

/// Countable messages that a user has sent in all.
pub(crate) fn sender_ord(conn: &Connection, conv: i64, user: i64) -> Result<u64, Fault> {
    let mut found = None;
    each_unfiled(conn, conv, |row| {
        if row.get::<_, Option<i64>>(1)? == Some(user) {
            found = Some(count(row, 2)?);
        }
        Ok(found.is_some())
    })?;
    if let Some(found) = found {
        return Ok(found);
    }
    let sql = "SELECT sender_ord FROM sender_heads WHERE conv = ?1 AND sender = ?2";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([conv, user])?;
    rows.next()?.map_or(Ok(0), |row| count(row, 0))
}

/// How many countable messages lie at or below a seq, and how many of them are the user's.
pub(crate) fn counts_at(
    conn: &Connection,
    conv: i64,
    seq: u64,
    user: Option<i64>,
) -> Result<Counts, Fault> {
    let sender_ord = user.map(|user| sender_ord_at(conn, conv, user, seq));
    Ok(Counts {
        ord: head_at(conn, conv, seq)?.ord,
        sender_ord: sender_ord.transpose()?.unwrap_or(0),
    })
}

/// Countable messages that a user had sent up to a seq in the past.
pub(crate) fn sender_ord_at(
    conn: &Connection,
    conv: i64,
    user: i64,
    seq: u64,
) -> Result<u64, Fault> {
    // Who never sent anything is not looked for in the whole log.
    if sender_ord(conn, conv, user)? == 0 {
        return Ok(0);
    }
    let sql = "SELECT sender_ord FROM messages
        WHERE conv = ?1 AND sender = ?2 AND seq <= ?3 ORDER BY seq DESC LIMIT 1";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([conv, user, int(seq)])?;
    rows.next()?.map_or(Ok(0), |row| count(row, 0))
}

/// Per sender, how many countable messages they have sent.
pub(crate) fn sender_ords(conn: &Connection, conv: i64) -> Result<HashMap<UserId, u64>, Fault> {
    let mut by_key = HashMap::new();
    let sql = "SELECT sender, sender_ord FROM sender_heads WHERE conv = ?1";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([conv])?;
    while let Some(row) = rows.next()? {
        by_key.insert(row.get::<_, i64>(0)?, count(row, 1)?);
    }
    each_unfiled(conn, conv, |row| {
        if let Some(sender) = row.get::<_, Option<i64>>(1)? {
            let ord = by_key.entry(sender).or_default();
            *ord = count(row, 2)?.max(*ord);
        }
        Ok(false)
    })?;
    let mut ords = HashMap::new();
    let mut name = conn.prepare_cached("SELECT user_id FROM users WHERE key = ?1")?;
    for (key, ord) in by_key.into_iter().filter(|(_, ord)| *ord > 0) {
        let mut rows = name.query([key])?;
        let row = rows.next()?.ok_or(Fault::Value("sender"))?;
        ords.insert(user_id(row, 0)?, ord);
    }
    Ok(ords)
}

/// What was sent under a name of the sender's own; `unfiled` is where it is when it is not yet
/// filed.
pub(crate) fn find_sent(
    conn: &Connection,
    name: &SentName,
    unfiled: Option<i64>,
) -> Result<Option<SentRecord>, Fault> {
    let pos = match unfiled {
        Some(pos) => Some(pos),
        None => filed(conn, name)?,
    };
    let Some(pos) = pos else { return Ok(None) };
    let mut read = conn.prepare_cached(&format!("{SENT} WHERE m.pos = ?1"))?;
    let mut rows = read.query([pos])?;
    rows.next()?.map(sent).transpose()
}

fn filed(conn: &Connection, name: &SentName) -> Result<Option<i64>, Fault> {
    let sql = "SELECT pos FROM client_ids
        WHERE conv = (SELECT key FROM conversations WHERE conversation_id = ?1)
            AND sender = (SELECT key FROM users WHERE user_id = ?2) AND client_msg_id = ?3";
    let mut find = conn.prepare_cached(sql)?;
    let values = params![
        name.conversation_id.to_bytes(),
        name.sender_id.as_str(),
        name.client_msg_id.as_str(),
    ];
    Ok(find.query_row(values, |row| row.get(0)).optional()?)
}

/// The columns that [`sent`] reads.
pub(crate) const SENT: &str = "
    SELECT u.user_id, m.client_msg_id, m.seq, m.message_id, m.at, m.body_hash
    FROM messages m JOIN users u ON u.key = m.sender";

pub(crate) fn sent(row: &Row<'_>) -> Result<SentRecord, Fault> {
    let client_msg_id: String = required(row, 1, "client_msg_id")?;
    Ok(SentRecord {
        sender_id: user_id(row, 0)?,
        client_msg_id: ClientMsgId::new(&client_msg_id)
            .map_err(|_| Fault::Value("client_msg_id"))?,
        seq: count(row, 2)?,
        message_id: message_id(row, 3)?,
        created_at: time(row, 4)?,
        body_hash: required(row, 5, "body_hash")?,
    })
}

/// Where a message is.
pub(crate) fn find_message(
    conn: &Connection,
    id: MessageId,
) -> Result<Option<(ConversationId, u64)>, Fault> {
    let filed = "SELECT pos FROM message_ids WHERE message_id = ?1";
    let unfiled = "SELECT pos FROM messages
        WHERE pos > ?2 AND message_id = ?1 AND kind = 'message'";
    let mut find = conn.prepare_cached(filed)?;
    let mut pos: Option<i64> = find
        .query_row([id.to_bytes()], |row| row.get(0))
        .optional()?;
    if pos.is_none() {
        let mut find = conn.prepare_cached(unfiled)?;
        let values = params![id.to_bytes(), folded_pos(conn)?];
        pos = find.query_row(values, |row| row.get(0)).optional()?;
    }
    let Some(pos) = pos else { return Ok(None) };
    let sql = "SELECT c.conversation_id, m.seq FROM messages m
        JOIN conversations c ON c.key = m.conv WHERE m.pos = ?1";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([pos])?;
    let row = rows.next()?.ok_or(Fault::Value("position"))?;
    Ok(Some((conversation_id(row, 0)?, count(row, 1)?)))
}
