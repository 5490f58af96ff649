//! What waits for the writer thread.

use bedside_actors::ports::store::{Append, StoreError, StoreResult};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use std::time::Duration;
use tokio::sync::oneshot;

use super::{
    fault::{Fault, closed},
    pen::Pen,
};

/// One thing to do.
pub(super) enum Work {
    /// An entry of a log, and the lane that hears what became of it.
    Append { lane: usize, append: Append },
    /// Another write.
    Job(Box<dyn Job>),
    /// To be called once everything before it is settled.
    After(Box<dyn FnOnce() + Send>),
    /// To be done outside of any transaction, alone.
    Alone(Box<dyn FnOnce(&Connection) + Send>),
}

/// A write whose type of answer the writer need not know.
pub(super) trait Job: Send {
    fn run(&mut self, pen: &mut Pen<'_>) -> Result<(), Fault>;
    /// Called after the commit, with what became of it.
    fn answer(self: Box<Self>, outcome: StoreResult<()>);
}

/// A write, and who waits for it.
struct Asked<F, T> {
    write: Option<F>,
    value: Option<T>,
    done: oneshot::Sender<StoreResult<T>>,
}

impl<F, T> Job for Asked<F, T>
where
    F: FnOnce(&mut Pen<'_>) -> Result<T, Fault> + Send,
    T: Send,
{
    fn run(&mut self, pen: &mut Pen<'_>) -> Result<(), Fault> {
        if let Some(write) = self.write.take() {
            self.value = Some(write(pen)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: StoreResult<()>) {
        let value = self.value.ok_or_else(closed);
        // Nobody may wait any more: a closed socket. It is written all the same.
        let _ = self.done.send(outcome.and(value));
    }
}

/// Work for a write, and where its answer comes.
pub(super) fn ask<F, T>(write: F) -> (Work, oneshot::Receiver<StoreResult<T>>)
where
    F: FnOnce(&mut Pen<'_>) -> Result<T, Fault> + Send + 'static,
    T: Send + 'static,
{
    let (done, answer) = oneshot::channel();
    let asked = Asked {
        write: Some(write),
        value: None,
        done,
    };
    (Work::Job(Box::new(asked)), answer)
}

/// What the writer finds.
pub(super) enum Taken {
    /// All that was waiting.
    Work(Vec<Work>),
    /// Nothing came for a while.
    Idle,
    /// Somebody else wants the writer to look around.
    Nudge,
    /// Nothing is waiting and nothing will come.
    End,
}

/// The writer's queue. Its length is bounded by those who wait for answers: a conversation has
/// at most `CONVERSATION_PENDING_MAX` entries in it.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    work: Vec<Work>,
    nudged: bool,
    closing: bool,
    closed: bool,
}

impl Queue {
    /// Hands work in; refused once the writer has gone.
    pub(super) fn push(&self, work: Work) -> StoreResult<()> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(closed());
        }
        state.work.push(work);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn nudge(&self) {
        self.state.lock().nudged = true;
        self.changed.notify_one();
    }

    /// Lets the writer finish what is waiting, then go.
    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.changed.notify_one();
    }

    /// The writer is gone: what it left, and nothing is taken from now on.
    pub(super) fn abandon(&self) -> Vec<Work> {
        let mut state = self.state.lock();
        state.closed = true;
        std::mem::take(&mut state.work)
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().work.len()
    }

    /// Takes all that is there, or waits for some. It never waits for company: a commit takes
    /// what came while the one before it was written.
    pub(super) fn take(&self, patience: Duration) -> Taken {
        let mut state = self.state.lock();
        loop {
            if !state.work.is_empty() {
                return Taken::Work(std::mem::take(&mut state.work));
            }
            if std::mem::take(&mut state.nudged) {
                return Taken::Nudge;
            }
            if state.closing {
                state.closed = true;
                return Taken::End;
            }
            if self.changed.wait_for(&mut state, patience).timed_out() && state.work.is_empty() {
                return Taken::Idle;
            }
        }
    }
}

/// What somebody who waits hears when the writer went without answering.
pub(super) async fn answer<T>(waiting: oneshot::Receiver<StoreResult<T>>) -> StoreResult<T> {
    waiting
        .await
        .unwrap_or_else(|_| Err::<T, StoreError>(closed()))
}
