//! Members, and what is theirs: watermarks and preferences.

use bedside_actors::ports::store::{Preferences, Receipts, StoreError, StoreResult};
use bedside_protocol::{ConversationId, Timestamp, UserId};
use scylla::{DeserializeRow, value::CqlTimestamp};
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    Core,
    cql::{Cql, Query},
    values::{at, conversation_id, count, int, stamp, time, uuid_of},
};

const MEMBERS: Query = Query::read(
    "SELECT user_id, member_role, first_seq, last_seq, joined_at, pinned, muted_until, archived
     FROM conversation_members WHERE conversation_id = ?",
);
const MEMBER: Query = Query::read(
    "SELECT user_id, member_role, first_seq, last_seq, joined_at, pinned, muted_until, archived
     FROM conversation_members WHERE conversation_id = ? AND user_id = ?",
);
const WATERMARKS: Query = Query::read(
    "SELECT user_id, delivered_seq, read_seq, read_ord, read_sender_ord
     FROM member_watermarks WHERE conversation_id = ?",
);
const WATERMARKS_OF: Query = Query::read(
    "SELECT conversation_id, delivered_seq, read_seq, read_ord, read_sender_ord
     FROM watermarks_by_user WHERE user_id = ?",
);
const DELIVERED: Query = Query::write(
    "UPDATE member_watermarks USING TIMESTAMP ? SET delivered_seq = ?
     WHERE conversation_id = ? AND user_id = ?",
);
const READ: Query = Query::write(
    "UPDATE member_watermarks USING TIMESTAMP ? SET read_seq = ?, read_ord = ?, read_sender_ord = ?
     WHERE conversation_id = ? AND user_id = ?",
);
const DELIVERED_BY: Query = Query::write(
    "UPDATE watermarks_by_user USING TIMESTAMP ? SET delivered_seq = ?
     WHERE conversation_id = ? AND user_id = ?",
);
const READ_BY: Query = Query::write(
    "UPDATE watermarks_by_user USING TIMESTAMP ? SET read_seq = ?, read_ord = ?, read_sender_ord = ?
     WHERE conversation_id = ? AND user_id = ?",
);
const PREFER: Query = Query::write(
    "UPDATE conversation_members SET pinned = ?, muted_until = ?, archived = ?
     WHERE conversation_id = ? AND user_id = ?",
);
const PREFER_BY: Query = Query::write(
    "UPDATE conversations_by_user SET pinned = ?, muted_until = ?, archived = ?
     WHERE conversation_id = ? AND user_id = ?",
);

/// A row of `conversation_members`.
#[derive(Clone, DeserializeRow)]
pub(super) struct MemberRow {
    pub(super) user_id: String,
    pub(super) member_role: Option<String>,
    pub(super) first_seq: Option<i64>,
    pub(super) last_seq: Option<i64>,
    pub(super) joined_at: Option<CqlTimestamp>,
    pub(super) pinned: Option<bool>,
    pub(super) muted_until: Option<CqlTimestamp>,
    pub(super) archived: Option<bool>,
}

impl MemberRow {
    pub(super) fn preferences(&self) -> Preferences {
        preferences(self.pinned, self.muted_until, self.archived)
    }
}

/// What three columns say; 0 stands for no time.
pub(super) fn preferences(
    pinned: Option<bool>,
    muted_until: Option<CqlTimestamp>,
    archived: Option<bool>,
) -> Preferences {
    Preferences {
        pinned: pinned.unwrap_or(false),
        muted_until: muted_until.filter(|until| until.0 != 0).map(time),
        archived: archived.unwrap_or(false),
    }
}

/// The end of a window; 0 stands for none.
pub(super) fn window_end(last_seq: Option<i64>) -> StoreResult<Option<u64>> {
    last_seq.filter(|seq| *seq != 0).map(count).transpose()
}

/// All members, past ones too, by user id.
pub(super) async fn members(cql: &Cql, id: ConversationId) -> StoreResult<Vec<MemberRow>> {
    let mut rows: Vec<MemberRow> = cql.rows(MEMBERS, (uuid_of(id),)).await?;
    rows.retain(|row| row.first_seq.is_some());
    Ok(rows)
}

/// One member, past or present.
pub(super) async fn member(
    cql: &Cql,
    id: ConversationId,
    user_id: &UserId,
) -> StoreResult<Option<MemberRow>> {
    let row: Option<MemberRow> = cql.first(MEMBER, (uuid_of(id), user_id.as_str())).await?;
    Ok(row.filter(|row| row.first_seq.is_some()))
}

type Marks = (Option<i64>, Option<i64>, Option<i64>, Option<i64>);

fn receipts((delivered, read, ord, sender_ord): Marks) -> StoreResult<Receipts> {
    let count = |value: Option<i64>| value.map_or(Ok(0), count);
    Ok(Receipts {
        delivered_seq: count(delivered)?,
        read_seq: count(read)?,
        read_ord: count(ord)?,
        read_sender_ord: count(sender_ord)?,
    })
}

/// The watermarks of all members.
pub(super) async fn watermarks(
    cql: &Cql,
    id: ConversationId,
) -> StoreResult<HashMap<String, Receipts>> {
    type Row = (String, Option<i64>, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = cql.rows(WATERMARKS, (uuid_of(id),)).await?;
    rows.into_iter()
        .map(|(user_id, a, b, c, d)| Ok((user_id, receipts((a, b, c, d))?)))
        .collect()
}

/// The watermarks of one person in all conversations.
pub(super) async fn watermarks_of(
    cql: &Cql,
    user_id: &UserId,
) -> StoreResult<HashMap<ConversationId, Receipts>> {
    type Row = (Uuid, Option<i64>, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = cql.rows(WATERMARKS_OF, (user_id.as_str(),)).await?;
    rows.into_iter()
        .map(|(id, a, b, c, d)| Ok((conversation_id(id), receipts((a, b, c, d))?)))
        .collect()
}

/// Raises a person's watermarks to at least these: the seq is the clock of the write, so the
/// highest wins. Nothing is written for 0, which is what a row without the cell says.
pub(super) async fn raise(
    cql: &Cql,
    id: ConversationId,
    user_id: &UserId,
    receipts: Receipts,
) -> StoreResult<()> {
    let (id, user) = (uuid_of(id), user_id.as_str());
    let delivered = int(receipts.delivered_seq);
    let delivered = (stamp(receipts.delivered_seq), delivered, id, user);
    let read = (
        stamp(receipts.read_seq),
        int(receipts.read_seq),
        int(receipts.read_ord),
        int(receipts.read_sender_ord),
        id,
        user,
    );
    let put = |first, second| raise_in(cql, [first, second], delivered, read);
    futures_util::try_join!(put(DELIVERED, READ), put(DELIVERED_BY, READ_BY)).map(|_| ())
}

type Delivered<'a> = (i64, i64, Uuid, &'a str);
type Read<'a> = (i64, i64, i64, i64, Uuid, &'a str);

/// Writes what is above 0 into one of the two tables.
async fn raise_in(
    cql: &Cql,
    queries: [Query; 2],
    delivered: Delivered<'_>,
    read: Read<'_>,
) -> StoreResult<()> {
    match (delivered.1, read.1) {
        (0, 0) => Ok(()),
        (_, 0) => cql.write(queries[0], delivered).await,
        (0, _) => cql.write(queries[1], read).await,
        _ => cql.write_together(&queries, (delivered, read)).await,
    }
}

/// Makes sure that they are, or were, a member.
async fn check_member(core: &Core, id: ConversationId, user_id: &UserId) -> StoreResult<()> {
    if core.members.has(id, user_id) {
        return Ok(());
    }
    let row = member(&core.cql, id, user_id).await?;
    row.ok_or(StoreError::Conflict)?;
    core.members.add(id, user_id.clone());
    Ok(())
}

pub(super) async fn put_receipts(
    core: &Core,
    id: ConversationId,
    user_id: &UserId,
    receipts: Receipts,
) -> StoreResult<()> {
    check_member(core, id, user_id).await?;
    raise(&core.cql, id, user_id, receipts).await
}

pub(super) async fn put_preferences(
    core: &Core,
    id: ConversationId,
    user_id: &UserId,
    preferences: Preferences,
) -> StoreResult<()> {
    check_member(core, id, user_id).await?;
    let none = Timestamp::from_millis(0);
    let values = (
        preferences.pinned,
        at(preferences.muted_until.unwrap_or(none)),
        preferences.archived,
        uuid_of(id),
        user_id.as_str(),
    );
    let queries = [PREFER, PREFER_BY];
    core.cql.write_all(&queries, (values, values)).await
}
