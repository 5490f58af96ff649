//! What a conversation actor starts from.

use bedside_actors::ports::store::{
    ConversationKey, Head, Loaded, MemberRecord, SentRecord, TAIL_ENTRIES,
};
use bedside_protocol::{ConversationId, Roles};
use rusqlite::Connection;

use super::{
    consultations,
    lookups::{SENT, sender_ords, sent},
};
use crate::adapters::sqlite::{
    fault::Fault,
    values::{
        Named, count, int, optional_count, optional_user_id, preferences, receipts, time, user_id,
    },
};

pub(crate) fn load(conn: &Connection, id: ConversationId) -> Result<Option<Loaded>, Fault> {
    let sql = "SELECT c.key, c.kind, c.title, p.user_id, b.user_id, c.created_at, c.state,
            c.log_start_seq
        FROM conversations c JOIN users b ON b.key = c.created_by
        LEFT JOIN users p ON p.key = c.patient
        WHERE c.conversation_id = ?1";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([id.to_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let conv: i64 = row.get(0)?;
    let head = head_at(conn, conv, u64::MAX)?;
    let log_start_seq = count(row, 7)?;
    let tail_from_seq = (head.seq + 1).saturating_sub(TAIL_ENTRIES);
    let tail_from_seq = tail_from_seq.max(log_start_seq).max(1);
    Ok(Some(Loaded {
        attempts: None,
        key: ConversationKey(conv),
        kind: Named::read(row, 1)?,
        title: row.get(2)?,
        patient_id: optional_user_id(row, 3)?,
        created_by: user_id(row, 4)?,
        created_at: time(row, 5)?,
        state: Named::read(row, 6)?,
        consultation: consultations::of_conversation(conn, conv)?,
        log_start_seq,
        head,
        members: members(conn, conv)?,
        sender_ords: sender_ords(conn, conv)?,
        tail: tail(conn, conv, tail_from_seq)?,
        tail_from_seq,
    }))
}

/// The last entry at or before a seq.
pub(crate) fn head_at(conn: &Connection, conv: i64, to_seq: u64) -> Result<Head, Fault> {
    let sql = "SELECT seq, ord, at FROM messages
        WHERE conv = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([conv, int(to_seq)])?;
    let Some(row) = rows.next()? else {
        return Ok(Head::default());
    };
    Ok(Head {
        seq: count(row, 0)?,
        ord: count(row, 1)?,
        at: time(row, 2)?,
    })
}

/// All members, past ones too.
pub(crate) fn members(conn: &Connection, conv: i64) -> Result<Vec<MemberRecord>, Fault> {
    let sql = "SELECT u.user_id, u.name, u.roles, m.member_role, m.first_seq, m.last_seq,
            m.joined_at, m.delivered_seq, m.read_seq, m.read_ord, m.read_sender_ord, m.pinned,
            m.muted_until, m.archived
        FROM conversation_members m JOIN users u ON u.key = m.user
        WHERE m.conv = ?1 ORDER BY u.user_id";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([conv])?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        let roles: Option<u8> = row.get(2)?;
        members.push(MemberRecord {
            user_id: user_id(row, 0)?,
            name: row.get(1)?,
            roles: roles.map_or(Roles::NONE, Roles::from_bits),
            member_role: Named::read(row, 3)?,
            first_seq: count(row, 4)?,
            last_seq: optional_count(row, 5)?,
            joined_at: time(row, 6)?,
            receipts: receipts(row, 7)?,
            preferences: preferences(row, 11)?,
        });
    }
    Ok(members)
}

fn tail(conn: &Connection, conv: i64, from_seq: u64) -> Result<Vec<SentRecord>, Fault> {
    let sql = format!(
        "{SENT} WHERE m.conv = ?1 AND m.seq >= ?2 AND m.client_msg_id IS NOT NULL ORDER BY m.seq"
    );
    let mut read = conn.prepare_cached(&sql)?;
    let mut rows = read.query([conv, int(from_seq)])?;
    let mut tail = Vec::new();
    while let Some(row) = rows.next()? {
        tail.push(sent(row)?);
    }
    Ok(tail)
}
