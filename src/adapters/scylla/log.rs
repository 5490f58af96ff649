//! Stretches of a log, with messages as they stand now.

use bedside_actors::ports::store::{LogPage, LogRange, Revision, StoreResult, page::PageBuilder};
use bedside_protocol::{
    ClientMsgId, ConversationId, Event, LastMessage, LoggedEvent, Message, Timestamp, UserId,
    event::{MessageDeleted, MessageReacted, MessageUpdated},
};
use scylla::value::CqlTimestamp;
use std::collections::{BTreeMap, HashMap};

use super::{
    cql::{Cql, Query},
    entry::{self, BUCKET_ENTRIES, Entry, bucket},
    lookups,
    values::{
        EntryKind, count, from_json, from_json_list, int, message_id, named, odd, time, user_id,
        uuid_of,
    },
};

/// Entries that are read at a time.
const CHUNK_MAX: usize = 256;

const TARGETS: Query = Query::read(
    "SELECT seq, text, deleted_at FROM messages
     WHERE conversation_id = ? AND bucket = ? AND seq IN ?",
);
const REVISIONS: Query =
    Query::read("SELECT rev, text FROM message_revisions WHERE conversation_id = ? AND seq = ?");

/// What an entry about a message has to know of it: its text, and whether it was deleted.
#[derive(Clone, Default)]
struct Target {
    text: String,
    is_deleted: bool,
}

pub(super) async fn read(cql: &Cql, id: ConversationId, range: LogRange) -> StoreResult<LogPage> {
    let mut page = PageBuilder::new(range);
    let Some(mut stretch) = Stretch::of(cql, id, range).await? else {
        return Ok(page.finish());
    };
    // One more than fits, to know whether there is more.
    let mut wanted = range.limit.saturating_add(1);
    while wanted > 0 {
        let chunk = stretch.next(cql, wanted.min(CHUNK_MAX)).await?;
        if chunk.is_empty() {
            break;
        }
        wanted = wanted.saturating_sub(chunk.len());
        for logged in logged(cql, id, &chunk).await? {
            if !page.push(logged) {
                return Ok(page.finish());
            }
        }
    }
    Ok(page.finish())
}

/// A walk through a log, bucket by bucket.
struct Stretch {
    id: ConversationId,
    from: u64,
    to: u64,
    newest_first: bool,
}

impl Stretch {
    async fn of(cql: &Cql, id: ConversationId, range: LogRange) -> StoreResult<Option<Self>> {
        let mut to = range.to_seq;
        if range.newest_first {
            // Walking down begins at an entry, not at a bound far above it.
            let Some(head) = lookups::head(cql, id).await? else {
                return Ok(None);
            };
            to = to.min(head.seq);
        }
        let from = range.from_seq.max(1);
        Ok((from <= to).then_some(Self {
            id,
            from,
            to,
            newest_first: range.newest_first,
        }))
    }

    /// Up to `limit` entries more; none at the end.
    async fn next(&mut self, cql: &Cql, limit: usize) -> StoreResult<Vec<Entry>> {
        if self.from > self.to {
            return Ok(Vec::new());
        }
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let (query, bucket, from, to);
        if self.newest_first {
            bucket = entry::bucket(self.to);
            (query, to) = (entry::BACKWARD, self.to);
            from = self.from.max(self.to / BUCKET_ENTRIES * BUCKET_ENTRIES);
        } else {
            bucket = entry::bucket(self.from);
            (query, from) = (entry::FORWARD, self.from);
            let last = self.from / BUCKET_ENTRIES * BUCKET_ENTRIES + (BUCKET_ENTRIES - 1);
            to = self.to.min(last);
        }
        let place = (uuid_of(self.id), bucket, int(from), int(to), limit);
        let chunk: Vec<Entry> = cql.rows(query, place).await?;
        if let Some(last) = chunk.last() {
            if self.newest_first {
                self.to = last.seq()?.saturating_sub(1);
            } else {
                self.from = last.seq()? + 1;
            }
        }
        Ok(chunk)
    }
}

/// What readers get for some entries.
async fn logged(cql: &Cql, id: ConversationId, chunk: &[Entry]) -> StoreResult<Vec<LoggedEvent>> {
    let targets = targets(cql, id, chunk).await?;
    chunk
        .iter()
        .map(|entry| {
            let target = entry.target()?.and_then(|seq| targets.get(&seq));
            Ok(LoggedEvent {
                seq: entry.seq()?,
                event: event(entry, target)?,
            })
        })
        .collect()
}

/// The messages that some entries are about. They are read after the entries, so that what is
/// gone by then is not shown.
async fn targets(
    cql: &Cql,
    id: ConversationId,
    chunk: &[Entry],
) -> StoreResult<HashMap<u64, Target>> {
    let mut by_bucket: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for entry in chunk {
        if let Some(seq) = entry.target()? {
            let seqs = by_bucket.entry(bucket(seq)).or_default();
            if !seqs.contains(&int(seq)) {
                seqs.push(int(seq));
            }
        }
    }
    let mut targets = HashMap::new();
    for (bucket, seqs) in by_bucket {
        type Row = (i64, Option<String>, Option<CqlTimestamp>);
        let rows: Vec<Row> = cql.rows(TARGETS, (uuid_of(id), bucket, seqs)).await?;
        for (seq, text, deleted_at) in rows {
            let target = Target {
                text: text.unwrap_or_default(),
                is_deleted: deleted_at.is_some(),
            };
            targets.insert(count(seq)?, target);
        }
    }
    Ok(targets)
}

fn event(entry: &Entry, target: Option<&Target>) -> StoreResult<Event> {
    let changed = || entry.change.0.as_deref().ok_or_else(|| odd("change"));
    let target_seq = || entry.target()?.ok_or_else(|| odd("target_seq"));
    Ok(match entry.kind()? {
        EntryKind::Message => Event::MessageCreated(message(entry)?),
        EntryKind::Edit => Event::MessageUpdated(MessageUpdated {
            target_seq: target_seq()?,
            message_id: id_of(entry)?,
            user_id: author(entry)?,
            text: target.map_or_else(String::new, |target| target.text.clone()),
            edited_at: entry.at(),
        }),
        EntryKind::Delete => Event::MessageDeleted(MessageDeleted {
            target_seq: target_seq()?,
            message_id: id_of(entry)?,
            user_id: author(entry)?,
            deleted_at: entry.at(),
        }),
        EntryKind::React => {
            // What was put on a message that is deleted now must not show.
            let shows = target.is_some_and(|target| !target.is_deleted);
            let emoji = entry.emoji.0.clone().filter(|_| shows);
            Event::MessageReacted(MessageReacted {
                target_seq: target_seq()?,
                message_id: id_of(entry)?,
                user_id: author(entry)?,
                emoji: emoji.unwrap_or_default(),
                on: shows && entry.is_on.0.ok_or_else(|| odd("is_on"))?,
                at: entry.at(),
            })
        }
        EntryKind::Change => Event::ConversationChanged(from_json(changed()?)?),
        EntryKind::ConsultationStarted => Event::ConsultationStarted(from_json(changed()?)?),
        EntryKind::ConsultationEnded => Event::ConsultationEnded(from_json(changed()?)?),
    })
}

fn message(entry: &Entry) -> StoreResult<Message> {
    let client_msg_id = entry.client_msg_id.0.as_deref().map(ClientMsgId::new);
    let message_type = entry.message_type.0.as_deref().unwrap_or_default();
    Ok(Message {
        message_id: id_of(entry)?,
        sender_id: entry.sender_id.0.as_deref().map(user_id).transpose()?,
        message_type: named(message_type)?,
        text: entry.text.0.clone().ok_or_else(|| odd("text"))?,
        attachments: from_json_list(entry.attachments.0.as_deref())?,
        reply_to_seq: entry.reply_to_seq.0.map(count).transpose()?,
        client_msg_id: client_msg_id
            .transpose()
            .map_err(|_| odd("client_msg_id"))?,
        composed_at: entry.composed_at.0.map(time),
        created_at: entry.at(),
        edited_at: entry.edited_at.0.map(time),
        deleted_at: entry.deleted_at.0.map(time),
        reactions: from_json_list(entry.reactions.0.as_deref())?,
    })
}

fn id_of(entry: &Entry) -> StoreResult<bedside_protocol::MessageId> {
    entry
        .message_id
        .0
        .map(message_id)
        .ok_or_else(|| odd("message_id"))
}

fn author(entry: &Entry) -> StoreResult<UserId> {
    user_id(entry.sender_id.0.as_deref().ok_or_else(|| odd("sender"))?)
}

/// The newest message of a window.
pub(super) async fn last_message(
    cql: &Cql,
    id: ConversationId,
    from_seq: u64,
    to_seq: u64,
) -> StoreResult<Option<LastMessage>> {
    let mut stretch = Stretch {
        id,
        from: from_seq.max(1),
        to: to_seq,
        newest_first: true,
    };
    // Mostly it is the last entry, or near it.
    let mut limit = 4;
    loop {
        let chunk = stretch.next(cql, limit).await?;
        if chunk.is_empty() {
            return Ok(None);
        }
        for entry in &chunk {
            if entry.kind()? == EntryKind::Message {
                let (seq, message) = (entry.seq()?, message(entry)?);
                return Ok(Some(LastMessage { seq, message }));
            }
        }
        limit = CHUNK_MAX;
    }
}

/// Entries, oldest first, from the first one at or after a time; looked for from the end.
pub(super) async fn first_since(
    cql: &Cql,
    id: ConversationId,
    head: u64,
    since: Timestamp,
) -> StoreResult<u64> {
    const TIMES: Query = Query::read(
        "SELECT seq, at FROM messages
         WHERE conversation_id = ? AND bucket = ? AND seq <= ? ORDER BY seq DESC",
    );
    use futures_util::TryStreamExt as _;
    for bucket in (0..=bucket(head)).rev() {
        let place = (uuid_of(id), bucket, int(head));
        let mut rows = cql.stream::<(i64, CqlTimestamp)>(TIMES, place).await?;
        while let Some((seq, at)) = rows.try_next().await? {
            if time(at) < since {
                return Ok(count(seq)? + 1);
            }
        }
    }
    Ok(1)
}

/// Earlier texts of a message, the first one first.
pub(super) async fn revisions(
    cql: &Cql,
    id: ConversationId,
    seq: u64,
) -> StoreResult<Vec<Revision>> {
    let place = (uuid_of(id), bucket(seq), int(seq), int(seq), 1);
    let message = cql.first::<Entry>(entry::FORWARD, place).await?;
    let Some(present) = message.and_then(|message| message.text_seq.0) else {
        return Ok(Vec::new());
    };
    let kept: Vec<(i64, Option<String>)> = cql.rows(REVISIONS, (uuid_of(id), int(seq))).await?;
    // One at or above the present text is of an entry that was refused.
    let kept: Vec<_> = kept.into_iter().filter(|(rev, _)| *rev < present).collect();
    let replaced_by: Vec<i64> = kept
        .iter()
        .skip(1)
        .map(|(rev, _)| *rev)
        .chain([present])
        .collect();
    let mut revisions = Vec::new();
    for (number, ((_, text), by)) in (1..).zip(kept.into_iter().zip(replaced_by)) {
        revisions.push(Revision {
            rev: number,
            text: text.unwrap_or_default(),
            replaced_at: lookups::head_at(cql, id, count(by)?).await?.at,
        });
    }
    Ok(revisions)
}
