//! The one thread that writes: everything that waits goes into one commit, and is answered
//! after it.

use bedside_actors::ports::store::{AppendSink, Appended, StoreError, StoreResult};
use bedside_protocol::Timestamp;
use rusqlite::Connection;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    checkpoint::Checkpoints,
    fault::Fault,
    fold::{Fold, prune},
    pen::Pen,
    queue::{Queue, Taken, Work},
};

/// Rows of one transaction: bounds how long the first of them waits for the last.
const GROUP_MAX: usize = 1_024;
/// A pause of the appends that is worth filing in.
const IDLE: Duration = Duration::from_millis(50);
/// Between two slices of filing.
const IDLE_SLICE: Duration = Duration::from_millis(1);
/// How long until the writer looks again for client ids to forget, or tries again what failed.
const LATER: Duration = Duration::from_secs(60);

/// Who hears what became of appends, by lane.
pub(super) type Sinks = Arc<OnceLock<Vec<Arc<dyn AppendSink>>>>;

/// What the thread is made of.
pub(super) struct Writer<'c> {
    pen: Pen<'c>,
    fold: Fold,
    checkpoints: Checkpoints,
    sinks: Sinks,
    /// Client ids may wait to be forgotten.
    prune: bool,
    /// How long nothing must have come before the writer looks for other things to do.
    patience: Duration,
}

impl<'c> Writer<'c> {
    pub(super) fn new(
        conn: &'c Connection,
        fold: Fold,
        checkpoints: Checkpoints,
        sinks: Sinks,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            pen: Pen::new(conn)?,
            fold,
            checkpoints,
            sinks,
            prune: true,
            patience: IDLE,
        })
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue) {
        loop {
            match queue.take(self.patience) {
                Taken::Work(work) => {
                    self.work(work);
                    self.patience = IDLE;
                }
                Taken::Idle => self.idle(),
                Taken::Nudge => {}
                Taken::End => return,
            }
            self.checkpoints.step(self.pen.conn);
        }
    }

    fn work(&mut self, work: Vec<Work>) {
        let mut group = Vec::new();
        for item in work {
            if let Work::Alone(act) = item {
                self.commit(std::mem::take(&mut group));
                act(self.pen.conn);
                continue;
            }
            group.push(item);
            if group.len() == GROUP_MAX {
                self.commit(std::mem::take(&mut group));
                self.checkpoints.step(self.pen.conn);
            }
        }
        self.commit(group);
    }

    /// Writes a group in one transaction and answers all of it.
    fn commit(&mut self, mut group: Vec<Work>) {
        if group.is_empty() {
            return;
        }
        let mut outcomes = Vec::with_capacity(group.len());
        // A panic is a bug; it must not leave those who wait without an answer.
        let write = AssertUnwindSafe(|| self.write(&mut group, &mut outcomes));
        let committed = match catch_unwind(write).unwrap_or(Err(Fault::Panicked)) {
            Ok(()) => {
                self.checkpoints.counters().committed(group.len());
                self.fold.committed();
                self.fold.add(self.pen.committed());
                Ok(())
            }
            Err(fault) => {
                self.roll_back();
                let error = StoreError::from(&fault);
                tracing::error!(%error, entries = group.len(), "a commit failed");
                Err(error)
            }
        };
        self.answer(group, outcomes, &committed);
    }

    fn write(
        &mut self,
        group: &mut [Work],
        outcomes: &mut Vec<StoreResult<()>>,
    ) -> Result<(), Fault> {
        let writes = |work: &Work| !matches!(work, Work::After(_));
        if !group.iter().any(writes) {
            return Ok(());
        }
        let conn = self.pen.conn;
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for work in group.iter_mut() {
            let done = match work {
                Work::Append { append, .. } => self.pen.append(append),
                Work::Job(job) => self.pen.atomically(|pen| job.run(pen)),
                Work::After(_) | Work::Alone(_) => Ok(()),
            };
            match done {
                // A full disk may undo the whole transaction, whatever the statement.
                Err(fault) if !fault.spares_the_transaction() || conn.is_autocommit() => {
                    return Err(fault);
                }
                done => outcomes.push(done.map_err(|fault| StoreError::from(&fault))),
            }
        }
        self.fold.ride_along(conn, group.len())?;
        conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn roll_back(&mut self) {
        self.fold.rolled_back();
        self.pen.rolled_back();
        if !self.pen.conn.is_autocommit()
            && let Err(error) = self.pen.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be undone");
        }
    }

    fn answer(
        &self,
        group: Vec<Work>,
        outcomes: Vec<StoreResult<()>>,
        committed: &StoreResult<()>,
    ) {
        let sinks = self.sinks.get().map_or(&[][..], Vec::as_slice);
        let mut lanes: Vec<Vec<Appended>> = sinks.iter().map(|_| Vec::new()).collect();
        let mut afters = Vec::new();
        let mut outcomes = outcomes.into_iter();
        for work in group {
            // Of a failed commit nothing is stored, whatever its entries said before.
            let outcome = outcomes.next().unwrap_or(Ok(()));
            let outcome = outcome.and_then(|()| committed.clone());
            match work {
                Work::Append { lane, append } => match lanes.get_mut(lane) {
                    Some(batch) => batch.push(Appended {
                        conversation_id: append.conversation_id,
                        seq: append.seq,
                        attempt: append.attempt,
                        result: outcome,
                    }),
                    None => tracing::error!(lane, "nobody hears the appends of a lane"),
                },
                Work::Job(job) => job.answer(outcome),
                Work::After(call) => afters.push(call),
                Work::Alone(_) => {}
            }
        }
        for (sink, batch) in sinks.iter().zip(lanes) {
            if !batch.is_empty() {
                sink.appended(batch);
            }
        }
        for call in afters {
            call();
        }
    }

    /// Files what waits, a slice at a time, so that an append never waits for more than one;
    /// then forgets what is too old.
    fn idle(&mut self) {
        let conn = self.pen.conn;
        let done = if self.fold.is_behind() {
            // There may be something to forget once this is filed.
            self.prune = true;
            self.fold.file_idle(conn)
        } else {
            prune(conn, Timestamp::now()).map(|more| self.prune = more)
        };
        let more = done.is_ok() && (self.prune || self.fold.is_behind());
        self.patience = if more { IDLE_SLICE } else { LATER };
        if let Err(fault) = done {
            let error = StoreError::from(&fault);
            tracing::warn!(%error, "filing look-ups failed; it will be tried again");
        }
    }
}
