//! What waits to be written into a node's chain, and the one task that writes it.

use bedside_protocol::{ConversationId, Timestamp, UserId};
use parking_lot::Mutex;
use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

use super::{
    chain::{AuditKey, link},
    routine::history_read,
    whence::Whence,
};
use crate::{
    counters::COUNTERS,
    ports::{
        clock::Clock,
        store::{AuditEntry, AuditHash, AuditRange, AuditRecord, Store, StoreError, StoreResult},
    },
};

/// Records that may wait. One more is not written, and counted; a record says how many were not.
/// Those that somebody waits for are taken up to twice as many.
pub const QUEUE_MAX: usize = 16_384;
/// Entries that are stored at once.
const BATCH_MAX: usize = 128;
/// Readings that are remembered, so that each is written once an hour.
const READINGS_MAX: usize = 65_536;
const HOUR_MS: i64 = 3_600_000;
/// Before the store is asked again after it failed.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long the end of a server waits for what is to be written.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long a record that must not be lost is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

struct Waiting {
    record: AuditRecord,
    ip: Option<String>,
    agent: Option<String>,
    /// Who waits for it. It is not tried again then: they are told, and try themselves.
    done: Option<oneshot::Sender<StoreResult<()>>>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Waiting>,
    /// Records that found no room and are not accounted for yet.
    lost: u64,
    /// The hour that is running, and who read what in it.
    readings: (i64, HashSet<(UserId, ConversationId)>),
    /// Something was handed in and may not be stored yet.
    is_busy: bool,
}

/// A node's audit log, as it is written. See [`crate::audit`].
pub struct Trail {
    node: String,
    key: AuditKey,
    state: Mutex<State>,
    has_work: Notify,
    is_idle: Notify,
}

impl Trail {
    /// That of a node of this name, whose heads are signed with `key`.
    #[must_use]
    pub fn new(node: String, key: AuditKey) -> Arc<Self> {
        Arc::new(Self {
            node,
            key,
            state: Mutex::default(),
            has_work: Notify::new(),
            is_idle: Notify::new(),
        })
    }

    /// Has it written soon. Never waits; when too many wait already, it is counted and lost.
    pub fn note(&self, record: AuditRecord) {
        self.push(record, (None, None), None);
    }

    /// The same, with the client's address and what it calls itself.
    pub fn note_from(&self, record: AuditRecord, whence: &Whence) {
        self.push(record, whence.written(), None);
    }

    /// Writes it: with success it is stored. For what must not be done without its record.
    ///
    /// # Errors
    /// What the store says, or that it said nothing for 3 s; it may be stored all the same.
    pub async fn write(&self, record: AuditRecord) -> StoreResult<()> {
        self.write_from(record, &Whence::default()).await
    }

    /// The same, with the client's address and what it calls itself.
    ///
    /// # Errors
    /// As above.
    pub async fn write_from(&self, record: AuditRecord, whence: &Whence) -> StoreResult<()> {
        let (done, written) = oneshot::channel();
        self.push(record, whence.written(), Some(done));
        let gone = |_| {
            Err(StoreError::Unavailable(
                "the audit log has ended".to_owned(),
            ))
        };
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(written) => written.unwrap_or_else(gone),
            // A conversation may be waiting, with all who write to it.
            Err(_) => Err(StoreError::Unavailable(
                "the audit log is not written in time".to_owned(),
            )),
        }
    }

    /// Somebody of the staff read a conversation. Written once for each hour of the clock.
    pub(crate) fn read(&self, at: Timestamp, who: &UserId, id: ConversationId) {
        let hour = at.as_millis().div_euclid(HOUR_MS);
        {
            let mut state = self.state.lock();
            let (running, readings) = &mut state.readings;
            if *running != hour || readings.len() >= READINGS_MAX {
                *running = hour;
                readings.clear();
            }
            if !readings.insert((who.clone(), id)) {
                return;
            }
        }
        self.note(history_read(at, who, id));
    }

    /// Records that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state.lock().queue.len()
    }

    fn push(
        &self,
        record: AuditRecord,
        (ip, agent): (Option<String>, Option<String>),
        done: Option<oneshot::Sender<StoreResult<()>>>,
    ) {
        let bound = if done.is_some() {
            2 * QUEUE_MAX
        } else {
            QUEUE_MAX
        };
        let mut state = self.state.lock();
        if state.queue.len() >= bound {
            state.lost += 1;
            COUNTERS.audit_lost.add(1);
            drop(state);
            if let Some(done) = done {
                let full = StoreError::Unavailable("too many audit records wait".to_owned());
                // Who waited may have given up.
                let _ = done.send(Err(full));
            }
            return;
        }
        state.is_busy = true;
        state.queue.push_back(Waiting {
            record,
            ip,
            agent,
            done,
        });
        drop(state);
        self.has_work.notify_one();
    }

    /// Writes what comes, for as long as the trail is there.
    pub(crate) async fn run(trail: Weak<Self>, store: Weak<dyn Store>, clock: Arc<dyn Clock>) {
        let mut writer = Writer::default();
        loop {
            let Some(own) = trail.upgrade() else {
                return;
            };
            let turn = match store.upgrade() {
                Some(store) => writer.turn(&own, &*store, &*clock).await,
                None => return,
            };
            match turn {
                Ok(true) => {}
                Ok(false) => own.rest().await,
                Err(fault) => {
                    tracing::warn!(error = %fault, "the audit log could not be written");
                    tokio::time::sleep(clock.wait(AGAIN_AFTER)).await;
                }
            }
        }
    }

    /// Waits for work.
    async fn rest(&self) {
        self.is_idle.notify_waiters();
        // Not for ever: who runs this looks now and then whether the trail is still wanted.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.has_work.notified()).await;
    }

    /// Waits until all that was to be written is, but not for long.
    pub(crate) async fn flush(&self, clock: &dyn Clock) {
        let written = async {
            loop {
                let idle = self.is_idle.notified();
                if !self.state.lock().is_busy {
                    return;
                }
                self.has_work.notify_one();
                let _ = tokio::time::timeout(Duration::from_millis(50), idle).await;
            }
        };
        let farewell = clock.wait(FAREWELL);
        if tokio::time::timeout(farewell, written).await.is_err() {
            tracing::error!(count = self.waiting(), "audit records were not written");
        }
    }
}

/// The state of the one who writes.
#[derive(Default)]
struct Writer {
    /// The end of the chain; none when that is not known.
    tail: Option<(u64, AuditHash)>,
    /// What was handed to the store without an answer, and whether it is to be tried again.
    unsure: Vec<(AuditEntry, bool)>,
}

impl Writer {
    /// Stores what waits; whether there was anything.
    async fn turn(
        &mut self,
        trail: &Trail,
        store: &dyn Store,
        clock: &dyn Clock,
    ) -> StoreResult<bool> {
        let tail = match self.tail {
            Some(tail) => tail,
            // A chain is not looked at before there is something to be written.
            None if self.unsure.is_empty() && trail.has_rest() => return Ok(false),
            None => self.find_tail(trail, store).await?,
        };
        let (mut entries, mut waiters) = (Vec::new(), Vec::new());
        let mut last = tail;
        for (waiting, done) in trail.take(clock) {
            let client = (waiting.ip, waiting.agent);
            let entry = link(&trail.node, last, waiting.record, client);
            last = (entry.seq, entry.hash);
            entries.push(entry);
            waiters.push(done);
        }
        let Some(head) = entries.last().map(|last| trail.key.head(last)) else {
            return Ok(!trail.has_rest());
        };
        let stored = store.append_audit(entries.clone(), head).await;
        match &stored {
            Ok(()) => {
                self.tail = Some(last);
                COUNTERS.audit_written.add(entries.len() as u64);
            }
            Err(_) => {
                self.tail = None;
                let is_noted = waiters.iter().map(Option::is_none);
                self.unsure = entries.into_iter().zip(is_noted).collect();
            }
        }
        for done in waiters.into_iter().flatten() {
            // Who waited may have given up.
            let _ = done.send(stored.clone());
        }
        stored.map(|()| true)
    }

    /// Reads where the chain ends, and puts back what turns out not to have been stored.
    async fn find_tail(
        &mut self,
        trail: &Trail,
        store: &dyn Store,
    ) -> StoreResult<(u64, AuditHash)> {
        let range = AuditRange {
            from_seq: 1,
            to_seq: u64::MAX,
            newest_first: true,
            limit: 1,
        };
        let found = store.audit_entries(trail.node.clone(), range).await?.pop();
        let tail = found.map_or((0, AuditHash::default()), |e| (e.seq, e.hash));
        let unsure = std::mem::take(&mut self.unsure);
        let stored = unsure.iter().position(|(entry, _)| entry.hash == tail.1);
        let rest = unsure.into_iter().skip(stored.map_or(0, |at| at + 1));
        let again: Vec<_> = rest.filter(|(_, is_noted)| *is_noted).collect();
        let mut state = trail.state.lock();
        for (entry, _) in again.into_iter().rev() {
            state.queue.push_front(Waiting {
                record: entry.record,
                ip: entry.ip,
                agent: entry.agent,
                done: None,
            });
        }
        drop(state);
        self.tail = Some(tail);
        Ok(tail)
    }
}

type Taken = (Waiting, Option<oneshot::Sender<StoreResult<()>>>);

impl Trail {
    /// Whether nothing waits, and all that did is stored.
    fn has_rest(&self) -> bool {
        let mut state = self.state.lock();
        let has_rest = state.queue.is_empty() && state.lost == 0;
        state.is_busy &= !has_rest;
        has_rest
    }

    /// The oldest of what waits, with a record of what was lost before.
    fn take(&self, clock: &dyn Clock) -> Vec<Taken> {
        let mut state = self.state.lock();
        let count = state.queue.len().min(BATCH_MAX);
        let lost = std::mem::take(&mut state.lost);
        let taken = state.queue.drain(..count).map(|mut waiting| {
            let done = waiting.done.take();
            (waiting, done)
        });
        let mut taken: Vec<Taken> = taken.collect();
        if lost > 0 {
            let record = AuditRecord {
                at: clock.now(),
                actor: None,
                action: "audit.lost".into(),
                subject: self.node.clone(),
                detail: format!("count={lost}"),
            };
            let waiting = Waiting {
                record,
                ip: None,
                agent: None,
                done: None,
            };
            taken.push((waiting, None));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody writes what is in this trail, as when the store hangs.
    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_record_is_told_after_three_seconds_that_it_is_not_written() {
        let trail = Trail::new("n1".to_owned(), AuditKey::derived_from(b"a secret"));
        let record = AuditRecord {
            at: Timestamp::from_millis(0),
            actor: None,
            action: "x".into(),
            subject: String::new(),
            detail: String::new(),
        };
        let begun = tokio::time::Instant::now();
        let told = trail.write(record).await;
        assert!(matches!(told, Err(StoreError::Unavailable(_))), "{told:?}");
        assert_eq!(begun.elapsed().as_secs(), PATIENCE.as_secs());
    }
}
