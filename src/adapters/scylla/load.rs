//! What a conversation actor starts from.

use bedside_actors::ports::store::{Loaded, MemberRecord, PersonRecord, StoreResult};
use bedside_protocol::{ConversationId, Roles, Timestamp, UserId};
use std::collections::HashMap;

use super::{
    Core, conversation,
    cql::{Cql, Query},
    lookups, marks, people, settle,
    values::{count, named, odd, time, user_id, uuid_of},
};

const SENDERS: Query = Query::read(
    "SELECT sender_id, sender_ord, last_seq FROM sender_heads WHERE conversation_id = ?",
);

pub(super) async fn load(core: &Core, id: ConversationId) -> StoreResult<Option<Loaded>> {
    let cql = &core.cql;
    // The log first: what is read after it is at least as new, and should anything be newer, the
    // log has moved on and the actor's first append is refused.
    let Some(tail) = settle::settle(core, id).await? else {
        return Ok(None);
    };
    core.ends.seen(id, tail.head.seq);
    let Some((row, consultation)) = conversation::standing(cql, id).await? else {
        return Ok(None);
    };
    let (members, sender_ords) =
        futures_util::try_join!(members(core, id), sender_ords(cql, id, tail.head.seq))?;
    let log_start_seq = count(row.log_start_seq)?;
    let first = tail.entries.first().ok_or_else(|| odd("log"))?.seq()?;
    let tail_from_seq = first.max(log_start_seq);
    let mut sent = Vec::new();
    let mut attempts = Vec::new();
    for entry in &tail.entries {
        attempts.push((entry.seq()?, entry.attempt()));
        if entry.seq()? >= tail_from_seq {
            sent.extend(lookups::sent(entry)?);
        }
    }
    Ok(Some(Loaded {
        key: core.keys.of(id),
        kind: row.kind()?,
        patient_id: row.patient_id.0.as_deref().map(user_id).transpose()?,
        created_by: user_id(&row.created_by)?,
        created_at: time(row.created_at),
        state: named(&row.state)?,
        title: row.title,
        consultation,
        log_start_seq,
        head: tail.head,
        members,
        sender_ords,
        tail: sent,
        tail_from_seq,
        attempts: Some(attempts),
    }))
}

/// All members, past ones too, with what the directory knows of them.
pub(super) async fn members(core: &Core, id: ConversationId) -> StoreResult<Vec<MemberRecord>> {
    let cql = &core.cql;
    let (rows, watermarks) =
        futures_util::try_join!(marks::members(cql, id), marks::watermarks(cql, id))?;
    let ids: Vec<UserId> = rows
        .iter()
        .map(|row| user_id(&row.user_id))
        .collect::<StoreResult<_>>()?;
    let people = people::people(cql, &ids).await?;
    let people: HashMap<UserId, PersonRecord> = people
        .into_iter()
        .map(|person| (person.user_id.clone(), person))
        .collect();
    let mut members = Vec::with_capacity(rows.len());
    for (user_id, row) in ids.into_iter().zip(rows) {
        core.members.add(id, user_id.clone());
        let person = people.get(&user_id);
        members.push(MemberRecord {
            name: person.map_or_else(String::new, |person| person.name.clone()),
            roles: person.map_or(Roles::NONE, |person| person.roles),
            member_role: named(row.member_role.as_deref().unwrap_or_default())?,
            first_seq: row.first_seq.map_or(Ok(0), count)?,
            last_seq: marks::window_end(row.last_seq)?,
            joined_at: row.joined_at.map_or(Timestamp::from_millis(0), time),
            receipts: watermarks.get(&row.user_id).copied().unwrap_or_default(),
            preferences: row.preferences(),
            user_id,
        });
    }
    Ok(members)
}

/// Per sender, how many countable messages they have sent up to the end of the log as it was
/// read. What another server has added since must not be in it: what somebody has read is counted
/// with these numbers, and stays.
async fn sender_ords(
    cql: &Cql,
    id: ConversationId,
    head_seq: u64,
) -> StoreResult<HashMap<UserId, u64>> {
    let rows: Vec<(String, i64, i64)> = cql.rows(SENDERS, (uuid_of(id),)).await?;
    let mut ords = HashMap::with_capacity(rows.len());
    for (sender, ord, last_seq) in rows {
        let sender = user_id(&sender)?;
        let ord = if count(last_seq)? > head_seq {
            lookups::sender_ord_at(cql, id, &sender, head_seq).await?
        } else {
            count(ord)?
        };
        if ord > 0 {
            ords.insert(sender, ord);
        }
    }
    Ok(ords)
}
