//! Where something happened lately.

use bedside_actors::ports::store::Active;
use bedside_protocol::{ConversationId, Timestamp, UserId};
use rusqlite::Connection;
use std::collections::BTreeMap;

use super::{listing, load::head_at, lookups};
use crate::adapters::sqlite::{
    fault::Fault,
    values::{count, time},
};

pub(crate) fn active_since(
    conn: &Connection,
    user_ids: &[UserId],
    since: Timestamp,
) -> Result<Vec<Active>, Fault> {
    let mut members: BTreeMap<ConversationId, Vec<UserId>> = BTreeMap::new();
    for user_id in user_ids {
        for one in listing::listed(conn, user_id)? {
            let of = members.entry(one.conversation_id).or_default();
            of.push(user_id.clone());
        }
    }
    let mut active = Vec::new();
    for (conversation_id, members) in members {
        let Some(conv) = lookups::conversation(conn, conversation_id)? else {
            continue;
        };
        let head = head_at(conn, conv, u64::MAX)?;
        let from_seq = first_since(conn, conv, since)?;
        if from_seq <= head.seq {
            active.push(Active {
                conversation_id,
                head,
                from_seq,
                members,
            });
        }
    }
    Ok(active)
}

/// The seq behind the last entry that is older; from the newest end, because few are younger.
fn first_since(conn: &Connection, conv: i64, since: Timestamp) -> Result<u64, Fault> {
    let sql = "SELECT seq, at FROM messages WHERE conv = ?1 ORDER BY seq DESC";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([conv])?;
    while let Some(row) = rows.next()? {
        if time(row, 1)? < since {
            return Ok(count(row, 0)? + 1);
        }
    }
    Ok(1)
}
