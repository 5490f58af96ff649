//! Where a log really ends, and taking it over there.

use bedside_actors::ports::store::{Head, StoreResult, TAIL_ENTRIES};
use bedside_protocol::ConversationId;

use super::{
    Core,
    cql::Cql,
    entry::{self, BUCKET_ENTRIES, Entry, bucket},
    filing, lookups,
    values::{count, int, odd, uuid_of},
};

/// The end of a log.
pub(super) struct Tail {
    pub(super) head: Head,
    /// The last entries, ascending: [`TAIL_ENTRIES`] of them, or all there are.
    pub(super) entries: Vec<Entry>,
}

/// Walks a log to its end and files what was stored and never filed. None of a log that was never
/// begun.
///
/// All that was answered lies at or below `conversation_heads`, but a writer may have died between
/// an entry and its filing, so the walk goes on from there until a place is empty: the log is
/// dense. The reads are serial, so a batch that is still on its way is either finished before the
/// answer, or finds its place taken by what is written next, or takes that place itself and has
/// what is written next refused.
pub(super) async fn settle(core: &Core, id: ConversationId) -> StoreResult<Option<Tail>> {
    let Some(filed) = lookups::head(&core.cql, id).await? else {
        return Ok(None);
    };
    let from = (filed.seq + 1).saturating_sub(TAIL_ENTRIES).max(1);
    let mut entries = walk(&core.cql, id, from).await?;
    let Some(last) = entries.last() else {
        return Err(odd("head"));
    };
    let head = Head {
        seq: last.seq()?,
        ord: count(last.ord)?,
        at: last.at(),
    };
    if head.seq < filed.seq {
        return Err(odd("log"));
    }
    for entry in &entries {
        if entry.seq()? > filed.seq {
            // One by one, because what one changes may count on what was filed for those before.
            filing::file(core, std::slice::from_ref(entry)).await?;
            core.counters.refiled(1);
        }
    }
    let surplus = entries.len().saturating_sub(TAIL_ENTRIES as usize);
    entries.drain(..surplus);
    Ok(Some(Tail { head, entries }))
}

/// The entries from a seq to the end.
async fn walk(cql: &Cql, id: ConversationId, from: u64) -> StoreResult<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut next = from;
    loop {
        let begin = next;
        let place = (uuid_of(id), bucket(begin), int(begin));
        let found: Vec<Entry> = cql.rows(entry::TAIL, place).await?;
        for entry in found {
            if entry.seq()? != next {
                // Nothing that this server writes leaves a hole.
                return Err(odd("log"));
            }
            next += 1;
            entries.push(entry);
        }
        // Only a full bucket is followed by another one.
        if next == begin || !next.is_multiple_of(BUCKET_ENTRIES) {
            return Ok(entries);
        }
    }
}
