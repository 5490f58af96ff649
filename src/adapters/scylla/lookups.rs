//! Finding things by other names than their place, and counting.

use bedside_actors::ports::store::{Counts, Head, SentRecord, StoreResult};
use bedside_protocol::{ClientMsgId, ConversationId, MessageId, UserId};
use futures_util::TryStreamExt as _;
use scylla::value::CqlTimestamp;
use uuid::Uuid;

use super::{
    conversation,
    cql::{Cql, Query},
    entry::{self, Entry, bucket},
    values::{
        conversation_id, count, int, message_id, odd, time, user_id, uuid_of, uuid_of_message,
    },
};

const DIRECT: Query = Query::read(
    "SELECT conversation_id FROM direct_conversations WHERE low_id = ? AND high_id = ?",
);
const HEAD: Query = Query::read(
    "SELECT last_seq, last_ord, last_at FROM conversation_heads WHERE conversation_id = ?",
);
const HEAD_AT: Query = Query::read(
    "SELECT seq, ord, at FROM messages WHERE conversation_id = ? AND bucket = ? AND seq = ?",
);
const SENDER_HEAD: Query = Query::read(
    "SELECT sender_ord, last_seq FROM sender_heads WHERE conversation_id = ? AND sender_id = ?",
);
const SENDERS: Query = Query::read(
    "SELECT sender_id, sender_ord FROM messages
     WHERE conversation_id = ? AND bucket = ? AND seq <= ? ORDER BY seq DESC",
);
const MESSAGE: Query =
    Query::read("SELECT conversation_id, seq FROM message_ids WHERE message_id = ?");
const CLIENT_ID: Query = Query::read(
    "SELECT seq FROM client_ids WHERE conversation_id = ? AND sender_id = ? AND client_msg_id = ?",
);

/// A pair of people, always the same way round.
pub(super) fn pair<'a>(a: &'a UserId, b: &'a UserId) -> (&'a str, &'a str) {
    let (a, b) = (a.as_str(), b.as_str());
    if a <= b { (a, b) } else { (b, a) }
}

/// The id that belongs to a pair, whether or not the conversation was finished.
pub(super) async fn id_of_pair(
    cql: &Cql,
    pair: (&str, &str),
) -> StoreResult<Option<ConversationId>> {
    let found = cql.first::<(Uuid,)>(DIRECT, pair).await?;
    Ok(found.map(|(id,)| conversation_id(id)))
}

pub(super) async fn direct_of(
    cql: &Cql,
    a: &UserId,
    b: &UserId,
) -> StoreResult<Option<ConversationId>> {
    let Some(id) = id_of_pair(cql, pair(a, b)).await? else {
        return Ok(None);
    };
    Ok(conversation::find(cql, id).await?.map(|row| row.id()))
}

/// The last entry of a log, as far as anything was answered; none of a log that was never begun.
pub(super) async fn head(cql: &Cql, id: ConversationId) -> StoreResult<Option<Head>> {
    let found = cql
        .first::<(i64, i64, CqlTimestamp)>(HEAD, (uuid_of(id),))
        .await?;
    found.map(read_head).transpose()
}

fn read_head((seq, ord, at): (i64, i64, CqlTimestamp)) -> StoreResult<Head> {
    Ok(Head {
        seq: count(seq)?,
        ord: count(ord)?,
        at: time(at),
    })
}

/// The last entry at or before a seq.
pub(super) async fn head_at(cql: &Cql, id: ConversationId, seq: u64) -> StoreResult<Head> {
    if seq == 0 {
        return Ok(Head::default());
    }
    let place = (uuid_of(id), bucket(seq), int(seq));
    if let Some(found) = cql
        .first::<(i64, i64, CqlTimestamp)>(HEAD_AT, place)
        .await?
    {
        return read_head(found);
    }
    // Above the end.
    Ok(head(cql, id).await?.unwrap_or_default())
}

/// How many countable messages lie at or below a seq, and how many of them are the user's.
pub(super) async fn counts_at(
    cql: &Cql,
    id: ConversationId,
    seq: u64,
    user_id: &UserId,
) -> StoreResult<Counts> {
    if seq == 0 {
        return Ok(Counts::default());
    }
    let (head, sender_ord) =
        futures_util::try_join!(head_at(cql, id, seq), sender_ord_at(cql, id, user_id, seq))?;
    Ok(Counts {
        ord: head.ord,
        sender_ord,
    })
}

/// Countable messages that a user had sent up to a seq.
pub(super) async fn sender_ord_at(
    cql: &Cql,
    id: ConversationId,
    user_id: &UserId,
    seq: u64,
) -> StoreResult<u64> {
    let key = (uuid_of(id), user_id.as_str());
    let Some((ord, last_seq)) = cql.first::<(i64, i64)>(SENDER_HEAD, key).await? else {
        return Ok(0);
    };
    if count(last_seq)? <= seq {
        return count(ord);
    }
    for bucket in (0..=bucket(seq)).rev() {
        let place = (uuid_of(id), bucket, int(seq));
        let mut rows = cql.stream::<(Option<String>, i64)>(SENDERS, place).await?;
        while let Some((sender, ord)) = rows.try_next().await? {
            if sender.as_deref() == Some(user_id.as_str()) {
                return count(ord);
            }
        }
    }
    Ok(0)
}

pub(super) async fn find_message(
    cql: &Cql,
    id: MessageId,
) -> StoreResult<Option<(ConversationId, u64)>> {
    let found = cql
        .first::<(Uuid, i64)>(MESSAGE, (uuid_of_message(id),))
        .await?;
    found
        .map(|(id, seq)| Ok((conversation_id(id), count(seq)?)))
        .transpose()
}

pub(super) async fn find_sent(
    cql: &Cql,
    id: ConversationId,
    sender_id: &UserId,
    client_msg_id: &ClientMsgId,
) -> StoreResult<Option<SentRecord>> {
    let name = (uuid_of(id), sender_id.as_str(), client_msg_id.as_str());
    let Some((seq,)) = cql.first::<(i64,)>(CLIENT_ID, name).await? else {
        return Ok(None);
    };
    let place = (uuid_of(id), bucket(count(seq)?), seq, seq, 1);
    let row = cql.first::<Entry>(entry::FORWARD, place).await?;
    row.map_or(Ok(None), |row| sent(&row))
}

/// The record of a message that was sent under a `client_msg_id`; none for other entries.
pub(super) fn sent(entry: &Entry) -> StoreResult<Option<SentRecord>> {
    let (Some(sender), Some(name)) = (&entry.sender_id.0, &entry.client_msg_id.0) else {
        return Ok(None);
    };
    let body_hash = entry.body_hash.0.as_deref().unwrap_or_default();
    Ok(Some(SentRecord {
        sender_id: user_id(sender)?,
        client_msg_id: ClientMsgId::new(name).map_err(|_| odd("client_msg_id"))?,
        seq: entry.seq()?,
        message_id: entry
            .message_id
            .0
            .map(message_id)
            .ok_or_else(|| odd("message_id"))?,
        created_at: entry.at(),
        body_hash: body_hash.try_into().map_err(|_| odd("body_hash"))?,
    }))
}
