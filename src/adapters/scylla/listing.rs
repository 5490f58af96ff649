//! A user's conversations, and what is unread in them.

use bedside_actors::ports::store::{
    Access, Active, Conversations, Head, MemberRecord, Preferences, Receipts, Select, StoreResult,
};
use bedside_protocol::{
    Conversation, ConversationId, ConversationKind, Member, Mine, Timestamp, UserId,
};
use scylla::{DeserializeRow, value::CqlTimestamp};
use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};
use uuid::Uuid;

use super::{
    Core, conversation,
    cql::{Cql, Query, all as parallel},
    load, log, lookups,
    marks::{self, preferences, window_end},
    shared,
    values::{conversation_id, count, day, month, named, time, user_id as parse_user_id},
};

const MEMBERSHIPS: Query = Query::read(
    "SELECT conversation_id, kind, first_seq, last_seq, pinned, muted_until, archived
     FROM conversations_by_user WHERE user_id = ?",
);
const ACTIVE: Query = Query::read(
    "SELECT conversation_id FROM activity_by_user WHERE user_id = ? AND month = ? AND day >= ?",
);

#[derive(DeserializeRow)]
struct MembershipRow {
    conversation_id: Uuid,
    kind: Option<String>,
    first_seq: Option<i64>,
    last_seq: Option<i64>,
    pinned: Option<bool>,
    muted_until: Option<CqlTimestamp>,
    archived: Option<bool>,
}

/// A conversation of a user's, as far as it takes to count it and to give it its place.
pub(super) struct Membership {
    pub(super) conversation_id: ConversationId,
    pub(super) kind: ConversationKind,
    pub(super) first_seq: u64,
    pub(super) last_seq: Option<u64>,
    pub(super) preferences: Preferences,
    /// The last entry that the user may read.
    pub(super) head: Head,
}

impl Membership {
    /// Newest activity first, ties by id.
    pub(super) const fn place(&self) -> (Reverse<Timestamp>, ConversationId) {
        (Reverse(self.head.at), self.conversation_id)
    }
}

/// All conversations that a user is or was in, in no order.
pub(super) async fn memberships(cql: &Cql, user_id: &UserId) -> StoreResult<Vec<Membership>> {
    memberships_of(cql, user_id, |_| true).await
}

/// Those of them that are wanted.
async fn memberships_of(
    cql: &Cql,
    user_id: &UserId,
    wanted: impl Fn(ConversationId) -> bool,
) -> StoreResult<Vec<Membership>> {
    let mut rows: Vec<MembershipRow> = cql.rows(MEMBERSHIPS, (user_id.as_str(),)).await?;
    rows.retain(|row| wanted(conversation_id(row.conversation_id)));
    let found = rows.into_iter().map(|row| membership(cql, row));
    let found = parallel(found.collect()).await?;
    Ok(found.into_iter().flatten().collect())
}

/// None for a conversation that was never finished, and for one that lost the race for its
/// appointment.
async fn membership(cql: &Cql, row: MembershipRow) -> StoreResult<Option<Membership>> {
    let id = conversation_id(row.conversation_id);
    let (Some(kind), Some(first_seq)) = (row.kind, row.first_seq) else {
        return Ok(None);
    };
    if conversation::standing(cql, id).await?.is_none() {
        return Ok(None);
    }
    let last_seq = window_end(row.last_seq)?;
    let head = match last_seq {
        Some(seq) => lookups::head_at(cql, id, seq).await?,
        None => lookups::head(cql, id).await?.unwrap_or_default(),
    };
    Ok(Some(Membership {
        conversation_id: id,
        kind: named(&kind)?,
        first_seq: count(first_seq)?,
        last_seq,
        preferences: preferences(row.pinned, row.muted_until, row.archived),
        head,
    }))
}

/// What is the same for everybody who reads in a conversation.
pub(super) struct Look {
    kind: ConversationKind,
    log_start_seq: u64,
    head: Head,
}

/// None for a conversation that was never finished, and for one that lost the race for its
/// appointment.
pub(super) async fn look(cql: &Cql, id: ConversationId) -> StoreResult<Option<Look>> {
    let (row, head) =
        futures_util::try_join!(conversation::standing(cql, id), lookups::head(cql, id))?;
    let Some((row, _)) = row else {
        return Ok(None);
    };
    Ok(Some(Look {
        kind: row.kind()?,
        log_start_seq: count(row.log_start_seq)?,
        head: head.unwrap_or_default(),
    }))
}

/// What somebody may read of a conversation: one row of their own, and what all readers share.
pub(super) async fn access(
    core: &Arc<Core>,
    user_id: &UserId,
    id: ConversationId,
) -> StoreResult<Option<Access>> {
    // The head first: whoever is removed meanwhile is then seen to be, and the head that goes
    // with a membership is never of a time after its end.
    let look = shared::look(core, id).await?;
    let Some(look) = &*look else {
        return Ok(None);
    };
    let Some(member) = marks::member(&core.cql, id, user_id).await? else {
        return Ok(None);
    };
    let last_seq = window_end(member.last_seq)?;
    Ok(Some(Access {
        kind: look.kind,
        member_role: named(member.member_role.as_deref().unwrap_or_default())?,
        first_seq: member.first_seq.map_or(Ok(0), count)?,
        last_seq,
        head_seq: last_seq.map_or(look.head.seq, |last| last.min(look.head.seq)),
        log_start_seq: look.log_start_seq,
    }))
}

pub(super) async fn conversations(
    core: &Core,
    user_id: &UserId,
    select: Select,
) -> StoreResult<Conversations> {
    let cql = &core.cql;
    let (all, has_more) = match select {
        Select::Ids(ids) => {
            let all = memberships_of(cql, user_id, |id| ids.contains(&id)).await?;
            (all, false)
        }
        Select::Page {
            after,
            limit,
            without,
        } => {
            let mut all = memberships_of(cql, user_id, |id| !without.contains(&id)).await?;
            all.retain(|one| after.is_none_or(|(at, id)| one.place() > (Reverse(at), id)));
            all.sort_unstable_by_key(Membership::place);
            let has_more = all.len() > limit;
            all.truncate(limit);
            (all, has_more)
        }
    };
    let rows = all.iter().map(|one| conversation(core, user_id, one));
    let rows = parallel(rows.collect()).await?;
    Ok(Conversations {
        rows: rows.into_iter().flatten().collect(),
        has_more,
    })
}

async fn conversation(
    core: &Core,
    user_id: &UserId,
    one: &Membership,
) -> StoreResult<Option<Conversation>> {
    let (cql, id) = (&core.cql, one.conversation_id);
    let (row, members, last_message) = futures_util::try_join!(
        conversation::standing(cql, id),
        load::members(core, id),
        log::last_message(cql, id, one.first_seq, one.head.seq),
    )?;
    let Some((row, consultation)) = row else {
        return Ok(None);
    };
    let Some(me) = members.iter().find(|member| member.user_id == *user_id) else {
        return Ok(None);
    };
    let own = lookups::sender_ord_at(cql, id, user_id, one.head.seq).await?;
    let me = Mine {
        member_role: me.member_role,
        first_seq: one.first_seq,
        last_seq: one.last_seq,
        delivered_up_to_seq: me.receipts.delivered_seq,
        read_up_to_seq: me.receipts.read_seq,
        unread_count: me.receipts.unread(one.head.ord, own),
        pinned: one.preferences.pinned,
        muted_until: one.preferences.muted_until,
        archived: one.preferences.archived,
    };
    let present = members
        .into_iter()
        .filter(|member| member.last_seq.is_none());
    Ok(Some(Conversation {
        conversation_id: id,
        kind: one.kind,
        patient_id: row.patient_id.0.as_deref().map(parse_user_id).transpose()?,
        consultation_id: consultation.map(|consultation| consultation.consultation_id),
        created_by: parse_user_id(&row.created_by)?,
        created_at: time(row.created_at),
        state: named(&row.state)?,
        head_seq: one.head.seq,
        log_start_seq: count(row.log_start_seq)?,
        last_activity_at: one.head.at,
        last_message,
        me,
        members: present.map(member).collect(),
        title: row.title,
    }))
}

fn member(record: MemberRecord) -> Member {
    Member {
        user_id: record.user_id,
        name: record.name,
        roles: record.roles,
        member_role: record.member_role,
        first_seq: record.first_seq,
        last_seq: record.last_seq,
        joined_at: record.joined_at,
        delivered_up_to_seq: record.receipts.delivered_seq,
        read_up_to_seq: record.receipts.read_seq,
    }
}

/// Countable unread messages over all conversations that the user is in and has not archived.
pub(super) async fn unread_total(cql: &Cql, user_id: &UserId) -> StoreResult<u64> {
    let (all, watermarks) = futures_util::try_join!(
        memberships(cql, user_id),
        marks::watermarks_of(cql, user_id)
    )?;
    let counted = all
        .iter()
        .filter(|one| one.last_seq.is_none() && !one.preferences.archived);
    let unread = counted.map(|one| {
        let receipts = watermarks.get(&one.conversation_id);
        unread(cql, user_id, one, receipts.copied().unwrap_or_default())
    });
    Ok(parallel(unread.collect()).await?.into_iter().sum())
}

async fn unread(
    cql: &Cql,
    user_id: &UserId,
    one: &Membership,
    receipts: Receipts,
) -> StoreResult<u64> {
    let id = one.conversation_id;
    let own = lookups::sender_ord_at(cql, id, user_id, one.head.seq).await?;
    Ok(receipts.unread(one.head.ord, own))
}

/// Conversations of any of these people in which an entry was added at `since` or later.
pub(super) async fn active_since(
    core: &Arc<Core>,
    user_ids: &[UserId],
    since: Timestamp,
) -> StoreResult<Vec<Active>> {
    let cql = &core.cql;
    let mut members: BTreeMap<ConversationId, Vec<UserId>> = BTreeMap::new();
    let found = user_ids.iter().map(|user_id| lately(cql, user_id, since));
    let found = parallel(found.collect()).await?;
    for (user_id, ids) in user_ids.iter().zip(found) {
        for id in ids {
            members.entry(id).or_default().push(user_id.clone());
        }
    }
    let active = members
        .into_iter()
        .map(|(id, members)| active(cql, id, members, since));
    let active = parallel(active.collect()).await?;
    Ok(active.into_iter().flatten().collect())
}

/// Conversations of a user's that were active on the day of `since` or later.
async fn lately(cql: &Cql, user_id: &UserId, since: Timestamp) -> StoreResult<Vec<ConversationId>> {
    let from = day(since);
    // Servers' clocks differ a little, so the next month may have begun elsewhere.
    let last = month(day(Timestamp::now().plus_millis(24 * 60 * 60 * 1_000)));
    let mut ids = Vec::new();
    let mut next = month(from);
    while next <= last {
        let values = (user_id.as_str(), next, from);
        let rows: Vec<(Uuid,)> = cql.rows(ACTIVE, values).await?;
        ids.extend(rows.into_iter().map(|(id,)| conversation_id(id)));
        next += if next % 100 == 12 { 89 } else { 1 };
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

async fn active(
    cql: &Cql,
    id: ConversationId,
    members: Vec<UserId>,
    since: Timestamp,
) -> StoreResult<Option<Active>> {
    let Some(head) = lookups::head(cql, id).await? else {
        return Ok(None);
    };
    if head.at < since || conversation::standing(cql, id).await?.is_none() {
        return Ok(None);
    }
    let from_seq = log::first_since(cql, id, head.seq, since).await?;
    Ok((from_seq <= head.seq).then_some(Active {
        conversation_id: id,
        head,
        from_seq,
        members,
    }))
}
