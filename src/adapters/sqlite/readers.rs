//! Threads that read, each on a connection of its own, so that no reader waits for a commit.

use bedside_actors::ports::store::{StoreError, StoreResult};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use std::{collections::VecDeque, sync::Arc, thread::JoinHandle};
use tokio::sync::oneshot;

use super::{
    fault::{Fault, closed},
    queue,
};

type Read = Box<dyn FnOnce(&Connection) + Send>;

#[derive(Default)]
struct State {
    reads: VecDeque<Read>,
    closing: bool,
}

/// The pool.
#[derive(Default)]
pub(super) struct Readers {
    state: Mutex<State>,
    changed: Condvar,
}

impl Readers {
    /// Starts one thread per connection.
    pub(super) fn start(
        conns: Vec<Connection>,
    ) -> std::io::Result<(Arc<Self>, Vec<JoinHandle<()>>)> {
        let pool = Arc::new(Self::default());
        let mut threads = Vec::new();
        for conn in conns {
            let pool = pool.clone();
            let thread = std::thread::Builder::new().name("store-reader".to_owned());
            threads.push(thread.spawn(move || pool.run(&conn))?);
        }
        Ok((pool, threads))
    }

    /// Reads in one consistent state of the store.
    pub(super) async fn read<T, F>(&self, read: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        let read: Read = Box::new(move |conn| {
            // Nobody waits any more: a closed socket.
            if done.is_closed() {
                return;
            }
            let found = consistently(conn, read).map_err(|fault| StoreError::from(&fault));
            let _ = done.send(found);
        });
        {
            let mut state = self.state.lock();
            if state.closing {
                return Err(closed());
            }
            state.reads.push_back(read);
        }
        self.changed.notify_one();
        queue::answer(answer).await
    }

    /// Lets the threads finish what is waiting, then go.
    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.changed.notify_all();
    }

    fn run(&self, conn: &Connection) {
        while let Some(read) = self.next() {
            // A panic is a bug; the one who waits hears that the store is unavailable.
            let read = std::panic::AssertUnwindSafe(|| read(conn));
            if std::panic::catch_unwind(read).is_err() {
                tracing::error!("a read panicked");
            }
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
        }
    }

    fn next(&self) -> Option<Read> {
        let mut state = self.state.lock();
        loop {
            if let Some(read) = state.reads.pop_front() {
                return Some(read);
            }
            if state.closing {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }
}

/// Reads within a transaction: several statements see one state.
fn consistently<T>(
    conn: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let found = read(conn);
    conn.prepare_cached("COMMIT")?.execute([])?;
    found
}
