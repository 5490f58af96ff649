//! Appending to logs.
//!
//! Every conversation has a lane: entries wait in it, and one group of them at a time is written,
//! as one conditional batch of one partition. While it is written others gather for the next one.
//!
//! # Why the log is dense, and nobody's entry is lost
//!
//! 1. *A place is taken once.* An entry is only ever written by `INSERT ... IF NOT EXISTS` at
//!    (conversation, bucket, seq), and never deleted. A batch of them is applied as a whole or
//!    not at all, because it stays within one partition. That holds for any number of writers,
//!    paused, late or confused ones too, and rests on no clock, lease or third party.
//! 2. *No place is skipped.* An entry is only tried at seq when this process knows that seq - 1
//!    is stored: its own batch was applied, or a serial read saw it ([`End::At`]). What is known
//!    stays true, since nothing is deleted. If nothing is known, the log is walked to its end
//!    first (`settle.rs`), and only end + 1 is tried. So every entry that is ever applied, even
//!    by a try that comes back from the dead, has its predecessor below it.
//! 3. *An answer is the truth.* `Ok` follows only on `applied`, or on a serial read that finds
//!    this try's `attempt` at its place; `Conflict` only on somebody else's attempt there. When
//!    nobody can tell (a time-out, a lost connection, a write time-out), the place is read at
//!    LOCAL_SERIAL, which finishes or buries rounds that are half done. Ours: applied. Foreign:
//!    refused. Empty: the same batch with the same attempts is tried again; should an earlier
//!    try land after all, the next read finds our own attempts. When that takes too long it is
//!    `Unavailable`, which means: unknown.
//! 4. *Nothing overtakes a failure.* Once an entry failed, entries above it are refused
//!    ([`End::FailedAt`]) until a load after writes has told the actor where the log really ends,
//!    even when somebody else has filled the place that they count on. An entry at or below the
//!    one that failed counts on nothing that failed: it is tried, if the log really ends there.
//! 5. *What was answered can be found.* Everything that an entry changes, and then
//!    `conversation_heads`, is written before the answer (`filing.rs`). So every acknowledged seq
//!    is at or below `conversation_heads.last_seq` read at LOCAL_QUORUM. An entry that was applied
//!    and never acknowledged may be above it: whoever loads the conversation or writes to it next
//!    files it first.

use bedside_actors::ports::store::{Append, AppendBody, Appended, StoreError, StoreResult};
use bedside_protocol::ConversationId;
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    Core, closed, conversation,
    entry::{self, Effect, Entry, bucket},
    filing, marks,
    memory::End,
    settle, target,
    values::{EntryKind, user_id},
};

/// Entries of one batch. A load looks back on as many for their client ids.
const BATCH_MAX: usize = 64;

/// What waits, per conversation. A conversation is in it while somebody drives its lane.
#[derive(Default)]
pub(super) struct Lanes(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    lanes: HashMap<ConversationId, VecDeque<Work>>,
    closed: bool,
}

enum Work {
    Append {
        /// Who hears what became of it.
        sink: usize,
        append: Append,
    },
    /// Told when everything before it is settled.
    After(oneshot::Sender<()>),
}

impl Lanes {
    #[expect(
        clippy::result_large_err,
        reason = "it gives back what it was given, on a path that is rarely taken"
    )]
    /// Hands work in. True when nobody drives the lane yet; refused once the store is closed.
    fn push(&self, id: ConversationId, work: Work) -> Result<bool, Work> {
        let mut waiting = self.0.lock();
        if waiting.closed {
            return Err(work);
        }
        let is_new = !waiting.lanes.contains_key(&id);
        waiting.lanes.entry(id).or_default().push_back(work);
        Ok(is_new)
    }

    /// The next group: messages that follow each other within a bucket, or one other entry. None
    /// when the lane is empty, which is then nobody's any more.
    fn take(&self, id: ConversationId) -> Option<Vec<Work>> {
        let mut waiting = self.0.lock();
        let lane = waiting.lanes.get_mut(&id)?;
        let Some(first) = lane.pop_front() else {
            waiting.lanes.remove(&id);
            return None;
        };
        let mut group = vec![first];
        while group.len() < BATCH_MAX
            && let (Some(last), Some(next)) = (group.last(), lane.front())
            && go_together(last, next)
        {
            group.extend(lane.pop_front());
        }
        Some(group)
    }

    /// Takes nothing more; whether all that was taken is settled.
    fn close(&self) -> bool {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        waiting.lanes.is_empty()
    }
}

fn go_together(last: &Work, next: &Work) -> bool {
    let message = |work: &Work| match work {
        Work::Append { append, .. } if matches!(append.body, AppendBody::Message { .. }) => {
            Some(append.seq)
        }
        _ => None,
    };
    match (message(last), message(next)) {
        (Some(last), Some(next)) => next == last + 1 && bucket(next) == bucket(last),
        _ => false,
    }
}

/// Hands an entry to its lane.
pub(super) fn append(core: &Arc<Core>, sink: usize, append: Append) {
    let id = append.conversation_id;
    core.counters.waiting.fetch_add(1, Ordering::Relaxed);
    let work = Work::Append { sink, append };
    match core.lanes.push(id, work) {
        Ok(true) => {
            let core = core.clone();
            core.handle
                .clone()
                .spawn(async move { drive(&core, id).await });
        }
        Ok(false) => {}
        Err(refused) => answer(core, vec![refused], &Err(closed())),
    }
}

/// Waits until everything that was handed in for a conversation is settled.
pub(super) async fn settled(core: &Core, id: ConversationId) {
    let (done, settled) = oneshot::channel();
    // In a lane that nobody drives nothing is waiting.
    let is_new = {
        let mut waiting = core.lanes.0.lock();
        match waiting.lanes.get_mut(&id) {
            Some(lane) => {
                lane.push_back(Work::After(done));
                false
            }
            None => true,
        }
    };
    if !is_new {
        let _ = settled.await;
    }
}

/// Lets what is waiting be written, and takes nothing more.
pub(super) async fn close(core: &Core) {
    while !core.lanes.close() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn drive(core: &Arc<Core>, id: ConversationId) {
    while let Some(group) = core.lanes.take(id) {
        let appends: Vec<&Append> = group.iter().filter_map(Work::append).collect();
        let result = write(core, id, &appends).await;
        answer(core, group, &result);
    }
}

impl Work {
    const fn append(&self) -> Option<&Append> {
        match self {
            Self::Append { append, .. } => Some(append),
            Self::After(_) => None,
        }
    }
}

fn answer(core: &Core, group: Vec<Work>, result: &StoreResult<()>) {
    let mut heard: HashMap<usize, Vec<Appended>> = HashMap::new();
    for work in group {
        match work {
            Work::Append { sink, append } => {
                core.counters.waiting.fetch_sub(1, Ordering::Relaxed);
                heard.entry(sink).or_default().push(Appended {
                    conversation_id: append.conversation_id,
                    seq: append.seq,
                    attempt: append.attempt,
                    result: result.clone(),
                });
            }
            Work::After(done) => drop(done.send(())),
        }
    }
    for (sink, batch) in heard {
        if let Some(sink) = core.sinks.get().and_then(|sinks| sinks.get(sink)) {
            sink.appended(batch);
        }
    }
}

/// Writes a group that goes together, and remembers where the log ends.
async fn write(core: &Core, id: ConversationId, group: &[&Append]) -> StoreResult<()> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return Ok(());
    };
    let written = async {
        follows(core, id, first.seq).await?;
        let entries = group.iter().map(|append| Entry::of(append));
        let entries = entries.collect::<StoreResult<Vec<_>>>()?;
        stored_and_filed(core, entries).await
    };
    // A bug must not leave the lane without a driver.
    let written = AssertUnwindSafe(written).catch_unwind().await;
    let written = written.unwrap_or_else(|_| Err(StoreError::Unavailable("a bug".to_owned())));
    match &written {
        Ok(()) => core.ends.stored(id, last.seq),
        Err(error) => {
            if *error == StoreError::Conflict {
                core.counters.conflict();
            }
            core.ends.failed(id, first.seq);
        }
    }
    written
}

/// Makes sure that the entry before this one is stored and filed, and that this one counts on
/// nothing that failed.
async fn follows(core: &Core, id: ConversationId, seq: u64) -> StoreResult<()> {
    let end = match core.ends.get(id) {
        Some(End::At(end)) => end,
        Some(End::FailedAt(failed)) if seq > failed => return Err(StoreError::Conflict),
        _ => {
            let tail = settle::settle(core, id).await?;
            // A log begins with its conversation, so one without an entry takes none.
            tail.ok_or(StoreError::Conflict)?.head.seq
        }
    };
    if seq == end + 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

async fn stored_and_filed(core: &Core, mut entries: Vec<Entry>) -> StoreResult<()> {
    let until = core.cql.until();
    if let [entry] = entries.as_mut_slice() {
        check(core, entry).await?;
        match local_target(core, entry).await? {
            Some(target) => {
                target::keep_revision(&core.cql, entry, &target).await?;
                let update = target::update(entry, &target)?;
                // Its target has the text now.
                entry.effect = None.into();
                store(core, &entries, Some(&update), until).await?;
            }
            None => store(core, &entries, None, until).await?,
        }
    } else {
        store(core, &entries, None, until).await?;
    }
    core.counters.batch(entries.len());
    loop {
        match filing::file(core, &entries).await {
            Err(StoreError::Unavailable(_)) if Instant::now() < until => core.cql.pause().await,
            filed => return filed,
        }
    }
}

/// What has to hold before an entry may be written, besides its place.
async fn check(core: &Core, entry: &Entry) -> StoreResult<()> {
    match (entry.kind()?, entry.effect()?) {
        (_, Some(Effect::EndMember(id))) => {
            let row = marks::member(&core.cql, entry.id(), &user_id(&id)?).await?;
            let row = row.ok_or(StoreError::Conflict)?;
            if marks::window_end(row.last_seq)?.is_some() {
                return Err(StoreError::Conflict);
            }
        }
        (EntryKind::ConsultationStarted | EntryKind::ConsultationEnded, _) => {
            let standing = conversation::standing(&core.cql, entry.id()).await?;
            standing
                .and_then(|(_, one)| one)
                .ok_or(StoreError::Conflict)?;
        }
        _ => {}
    }
    Ok(())
}

/// The message that an entry changes, when both are in one bucket and can be written together.
/// A target in an older bucket is only made sure of: it is changed when the entry is filed.
async fn local_target(core: &Core, entry: &Entry) -> StoreResult<Option<Entry>> {
    let Some(target_seq) = entry.target()? else {
        return Ok(None);
    };
    let target = target::find(&core.cql, entry).await?;
    Ok((bucket(target_seq) == entry.bucket).then_some(target))
}

/// Tries once to write entries, and what one of them makes of its target.
async fn put(core: &Core, entries: &[Entry], update: Option<&target::Update>) -> StoreResult<bool> {
    match (update, entries) {
        (Some(update), [entry]) => {
            let queries = [entry::INSERT, target::UPDATE];
            core.cql.apply_together(&queries, (entry, update)).await
        }
        _ => {
            let queries = vec![entry::INSERT; entries.len()];
            core.cql.apply_together(&queries, entries).await
        }
    }
}

/// Who wrote the places of a batch.
#[derive(PartialEq, Eq)]
enum Places {
    Mine,
    Foreign,
    Empty,
}

/// Tries a batch until it is known what became of it, or for too long.
async fn store(
    core: &Core,
    entries: &[Entry],
    update: Option<&target::Update>,
    until: Instant,
) -> StoreResult<()> {
    loop {
        let tried = put(core, entries, update).await;
        if tried == Ok(true) {
            return Ok(());
        }
        if tried.is_err() {
            core.counters.outcome_unknown();
        }
        match (places(core, entries).await, tried) {
            (Ok(Places::Mine), _) => return Ok(()),
            (Ok(Places::Foreign), _) | (Ok(Places::Empty), Ok(_)) => {
                return Err(StoreError::Conflict);
            }
            (Ok(Places::Empty), Err(error)) | (Err(error), _) => {
                if Instant::now() >= until {
                    return Err(error);
                }
            }
        }
        core.cql.pause().await;
    }
}

/// The first place speaks for all: a batch is applied as a whole, and nobody else writes above a
/// place that is empty.
async fn places(core: &Core, entries: &[Entry]) -> StoreResult<Places> {
    let Some(first) = entries.first() else {
        return Ok(Places::Empty);
    };
    let stored = core.cql.first::<Entry>(entry::ONE, first.place()).await?;
    Ok(match stored {
        None => Places::Empty,
        Some(stored) if stored.attempt() == first.attempt() => Places::Mine,
        Some(_) => Places::Foreign,
    })
}
