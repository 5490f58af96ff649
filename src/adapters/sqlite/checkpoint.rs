//! Moves the write-ahead log into the database file, without letting the writer wait for it.
//!
//! In two phases: a thread of its own copies most of it (`PASSIVE`) while the writer goes on;
//! then the writer itself copies the little that came meanwhile. Then everything is copied,
//! and SQLite begins the log anew with the next write, overwriting the file in place, which
//! is twice as quick to sync as growing it. That is why it is never truncated while running.
//!
//! A reader that holds an old state keeps the log from beginning anew, and it grows. At a hard
//! limit the writer waits for such readers, shortly; the pool's own reads are short enough for
//! that to help.

use rusqlite::{Connection, MAIN_DB, wal::CheckpointMode};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{open::PAGE_BYTES, queue::Queue};

/// How long the writer waits for the thread, and for readers, at the hard limit.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the last checkpoint waits for readers that are still at it.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// Sizes, in pages of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) start_pages: u64,
    pub(super) hard_pages: u64,
}

/// What others may know.
#[derive(Default)]
pub(super) struct Counters {
    /// Pages in the log now.
    pub(super) wal_pages: AtomicU64,
    /// How often the hard limit was met.
    pub(super) hard_limit_hits: AtomicU64,
    /// Commits by their number of writes: bucket `n` for up to 2^n, the last for all above.
    commits: [AtomicU64; COMMIT_BUCKETS.len() + 1],
    /// Writes in all commits.
    writes: AtomicU64,
}

/// Upper bounds of the buckets of commit sizes.
pub const COMMIT_BUCKETS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

impl Counters {
    pub(super) fn committed(&self, writes: usize) {
        let bucket = COMMIT_BUCKETS
            .iter()
            .position(|bound| writes as f64 <= *bound)
            .unwrap_or(COMMIT_BUCKETS.len());
        self.commits[bucket].fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(writes as u64, Ordering::Relaxed);
    }

    pub(super) fn commit_sizes(&self) -> (Vec<u64>, f64) {
        let counts = self.commits.iter().map(|n| n.load(Ordering::Relaxed));
        (counts.collect(), self.writes.load(Ordering::Relaxed) as f64)
    }
}

/// The writer's side.
pub(super) struct Checkpoints {
    limits: Limits,
    counters: Arc<Counters>,
    /// Asks the thread to copy.
    requests: mpsc::Sender<()>,
    /// Its answers.
    copied: mpsc::Receiver<()>,
    copying: bool,
    /// The last thing that was done copied everything.
    all_copied: bool,
    /// Not before the log has this many pages.
    copy_at: u64,
    restart_at: u64,
}

impl Checkpoints {
    /// What is counted.
    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Starts the thread, on a connection of its own.
    pub(super) fn start(
        limits: Limits,
        counters: Arc<Counters>,
        conn: Connection,
        queue: Arc<Queue>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (requests, asked) = mpsc::channel();
        let (done, copied) = mpsc::channel();
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned());
        let thread = thread.spawn(move || copy_when_asked(&asked, &conn, &done, &queue))?;
        let checkpoints = Self {
            limits,
            counters,
            requests,
            copied,
            copying: false,
            all_copied: false,
            copy_at: limits.start_pages,
            restart_at: limits.hard_pages,
        };
        Ok((checkpoints, thread))
    }

    /// To be called between the writer's transactions.
    pub(super) fn step(&mut self, conn: &Connection) {
        let pages = self.counters.wal_pages.load(Ordering::Relaxed);
        if pages < self.limits.start_pages {
            self.copy_at = self.limits.start_pages;
            self.restart_at = self.limits.hard_pages;
        } else if self.all_copied {
            // A reader kept the log from beginning anew all the same.
            self.copy_at = pages + self.limits.start_pages / 4;
        }
        self.all_copied &= pages == 0;
        let at_limit = pages >= self.restart_at;
        if self.copying {
            let done = if at_limit {
                self.copied.recv_timeout(PATIENCE).is_ok()
            } else {
                self.copied.try_recv().is_ok()
            };
            if done {
                self.copying = false;
                self.finish(conn, pages);
            }
        } else if at_limit {
            self.restart(conn, pages);
        } else if pages >= self.copy_at {
            self.copying = self.requests.send(()).is_ok();
        }
    }

    /// Copies what came while the thread did; the next write then begins the log anew.
    fn finish(&mut self, conn: &Connection, pages: u64) {
        match checkpoint(conn, CheckpointMode::PASSIVE) {
            Ok((log, copied)) if log == copied => self.begins_anew(),
            // A reader is in the way. Asking again before there is more to copy is idle work.
            Ok(_) => self.copy_at = pages + self.limits.start_pages / 4,
            Err(error) => {
                tracing::warn!(%error, pages, "a checkpoint failed");
                self.copy_at = pages + self.limits.start_pages / 4;
            }
        }
    }

    /// Waits for readers, and if that does not help, not again before the log is much larger:
    /// writes come first.
    fn restart(&mut self, conn: &Connection, pages: u64) {
        let hits = &self.counters.hard_limit_hits;
        hits.fetch_add(1, Ordering::Relaxed);
        let waited = conn
            .busy_timeout(PATIENCE)
            .and_then(|()| checkpoint(conn, CheckpointMode::RESTART));
        match waited {
            Ok(_) => self.begins_anew(),
            Err(error) => {
                let bytes = pages * PAGE_BYTES;
                tracing::warn!(%error, bytes, "a long reader keeps the write-ahead log growing");
                self.restart_at = pages + pages / 4;
            }
        }
    }

    /// All is copied, so the next write goes to the beginning of the log.
    fn begins_anew(&mut self) {
        self.counters.wal_pages.store(0, Ordering::Relaxed);
        self.all_copied = true;
    }
}

/// Pages in the log, and how many of them are copied.
fn checkpoint(conn: &Connection, mode: CheckpointMode) -> rusqlite::Result<(i32, i32)> {
    conn.wal_checkpoint_v2(Some(MAIN_DB), mode)
}

fn copy_when_asked(
    asked: &mpsc::Receiver<()>,
    conn: &Connection,
    done: &mpsc::Sender<()>,
    queue: &Queue,
) {
    yield_to_others();
    while asked.recv().is_ok() {
        if let Err(error) = checkpoint(conn, CheckpointMode::PASSIVE) {
            tracing::warn!(%error, "a checkpoint failed");
        }
        let _ = done.send(());
        // An idle writer would not notice by itself.
        queue.nudge();
    }
}

/// Copying is not urgent; appends are. Halves their longest waits when cores are short.
fn yield_to_others() {
    // Elsewhere than on Linux this would be about the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(10) {
        tracing::debug!(%error, "checkpoints run at ordinary priority");
    }
}

/// Copies everything, so that the next start has nothing to recover.
pub(super) fn at_close(conn: &Connection) {
    let truncated = conn
        .busy_timeout(LAST_PATIENCE)
        .and_then(|()| checkpoint(conn, CheckpointMode::TRUNCATE));
    if let Err(error) = truncated {
        tracing::warn!(%error, "the last checkpoint failed; the next start does it");
    }
}
