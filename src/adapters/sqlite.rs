//! Durable storage in one SQLite file: the store of a server that runs alone.
//!
//! ```text
//!  append, put_*  ──► queue ──► writer thread ──► one COMMIT for all that waited ──► sinks
//!                                  │  ▲                                         └──► oneshots
//!                                  ▼  │ copied
//!                              checkpoint thread
//!  load, read_*, find_*  ──► reader threads, each on a read-only connection
//! ```
//!
//! Read [`writer`](self) first: `queue.rs` (what waits), `writer.rs` (a commit), `pen.rs` and
//! `changes.rs` (an entry), `fold.rs` and `unfiled.rs` (what is filed later), `checkpoint.rs` (the write-ahead
//! log), `store.rs`, `audit.rs`, `consultations.rs`, `denials.rs`, `glass.rs` and `notifications.rs` (the port), `reads/` (one file per
//! kind of question).
//!
//! The file can be looked at with the `sqlite3` tool while the server runs. For a copy use
//! `VACUUM INTO`, or `.backup` within a read transaction: alone it starts again at each commit.

mod audit;
mod changes;
mod checkpoint;
mod consultations;
mod denials;
mod fault;
mod fold;
mod glass;
mod notifications;
mod numbered;
mod open;
mod pen;
mod queue;
mod readers;
mod reads;
mod schema;
mod store;
mod unfiled;
mod values;
mod writer;
mod writes;

pub use self::{checkpoint::COMMIT_BUCKETS, open::OpenError};

use bedside_actors::ports::store::{Append, Appended, StoreError, StoreResult};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

use self::{
    checkpoint::{Checkpoints, Counters, Limits},
    fault::Fault,
    fold::Fold,
    open::PAGE_BYTES,
    pen::Pen,
    queue::{Queue, Work},
    readers::Readers,
    unfiled::Unfiled,
    writer::{Sinks, Writer},
};

/// How a store is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that read. Default 3.
    pub readers: usize,
    /// The write-ahead log is copied into the database from this size on. Default 16 MiB:
    /// fewer copies of one page than with less, shorter stalls than with more.
    pub checkpoint_bytes: u64,
    /// At this size of the write-ahead log the writer waits for readers that keep it from
    /// beginning anew. Default 256 MiB.
    pub wal_bytes_max: u64,
    /// The database grows no larger than this; then writes fail as on a full disk. Default:
    /// no bound but the disk's.
    pub db_bytes_max: Option<u64>,
    /// Entries that wait before look-ups are filled while the writer is busy. Default 16,384.
    pub fold_rows: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 3,
            checkpoint_bytes: 16 << 20,
            wal_bytes_max: 256 << 20,
            db_bytes_max: None,
            fold_rows: fold::GENERATION_ROWS,
        }
    }
}

/// What a store counts, for metrics.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Writes that wait for the writer.
    pub waiting: usize,
    /// Bytes of the write-ahead log that are in use.
    pub wal_bytes: u64,
    /// How often the write-ahead log met its limit.
    pub wal_limit_hits: u64,
    /// Commits by their number of writes, one count per bucket of [`COMMIT_BUCKETS`] and one
    /// above; and the writes in all of them.
    pub commit_sizes: (Vec<u64>, f64),
}

/// A store in one SQLite file.
pub struct SqliteStore {
    epoch: String,
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    unfiled: Arc<Unfiled>,
    sinks: Sinks,
    counters: Arc<Counters>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the store of a directory, or makes one there.
    ///
    /// # Errors
    /// See [`OpenError`], whose texts say what to do.
    pub fn open(dir: &Path, options: &Options) -> Result<Arc<Self>, OpenError> {
        let lock = open::lock(dir)?;
        let path = dir.join("bedside.db");
        let sql = |error| OpenError::sql(&path, &error);
        let fault = |fault: Fault| match fault {
            Fault::Sql(error) => OpenError::sql(&path, &error),
            other => OpenError::Damaged(path.clone(), StoreError::from(&other).to_string()),
        };
        let mut conn = open::writer(&path, schema::VERSION)?;
        if let Some(bytes) = options.db_bytes_max {
            limit_size(&conn, bytes).map_err(sql)?;
        }
        let epoch = epoch(&conn).map_err(fault)?;
        let mut fold = Fold::new(options.fold_rows);
        fold.catch_up(&conn).map_err(fault)?;

        let counters = Arc::new(Counters::default());
        let pages = counters.clone();
        conn.wal_hook(Some(move |_: &mut _, frames| {
            let frames = u64::try_from(frames).unwrap_or(0);
            pages.wal_pages.store(frames, Ordering::Relaxed);
            Ok(())
        }))
        .map_err(sql)?;

        let queue = Arc::new(Queue::default());
        let limits = Limits {
            start_pages: (options.checkpoint_bytes / PAGE_BYTES).max(1),
            hard_pages: (options.wal_bytes_max / PAGE_BYTES).max(2),
        };
        let io = |error| OpenError::Failed(dir.to_owned(), format!("no thread: {error}"));
        let readers = (0..options.readers.max(1)).map(|_| open::reader(&path));
        let (readers, mut threads) =
            Readers::start(readers.collect::<Result<_, _>>()?).map_err(io)?;
        let copier = open::checkpointer(&path)?;
        let (checkpoints, copying) =
            Checkpoints::start(limits, counters.clone(), copier, queue.clone()).map_err(io)?;
        let sinks = Sinks::default();
        let unfiled = fold.unfiled();
        let parts = WriterParts {
            conn,
            lock,
            fold,
            checkpoints,
            copying,
            sinks: sinks.clone(),
            queue: queue.clone(),
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        threads.push(thread.spawn(move || parts.run()).map_err(io)?);
        Ok(Arc::new(Self {
            epoch,
            queue,
            readers,
            unfiled,
            sinks,
            counters,
            threads: Mutex::new(threads),
        }))
    }

    /// A small fact that was kept with [`set_meta`](Self::set_meta).
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn meta(&self, key: &str) -> StoreResult<Option<String>> {
        let key = key.to_owned();
        self.readers
            .read(move |conn| writes::meta(conn, &key))
            .await
    }

    /// Keeps a small fact about the store.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn set_meta(&self, key: &str, value: &str) -> StoreResult<()> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.write(move |pen| pen.set_meta(&key, &value)).await
    }

    /// Changes how large the database may grow.
    ///
    /// # Errors
    /// When the store is closed.
    pub async fn set_db_bytes_max(&self, bytes: u64) -> StoreResult<()> {
        self.alone(move |conn| Ok(limit_size(conn, bytes)?)).await
    }

    /// Gives the store another epoch, as after a restore from a back-up: clients forget their
    /// positions. Counts from the next opening.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn rotate_epoch(&self) -> StoreResult<()> {
        self.alone(|conn| {
            conn.execute("DELETE FROM store_meta WHERE key = 'epoch'", [])?;
            epoch(conn).map(|_| ())
        })
        .await
    }

    /// What it counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            waiting: self.queue.len(),
            wal_bytes: self.counters.wal_pages.load(Ordering::Relaxed) * PAGE_BYTES,
            wal_limit_hits: self.counters.hard_limit_hits.load(Ordering::Relaxed),
            commit_sizes: self.counters.commit_sizes(),
        }
    }

    /// Writes in the next commit, and answers after it.
    async fn write<T, F>(&self, write: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Pen<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let (work, answer) = queue::ask(write);
        self.queue.push(work)?;
        queue::answer(answer).await
    }

    /// Does something on the writer's connection, outside of its commits.
    async fn alone<T, F>(&self, act: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (done, answer) = oneshot::channel();
        let act = Box::new(move |conn: &Connection| {
            let _ = done.send(act(conn).map_err(|fault| StoreError::from(&fault)));
        });
        self.queue.push(Work::Alone(act))?;
        queue::answer(answer).await
    }

    /// Waits until everything handed in before is settled.
    async fn settled(&self) -> StoreResult<()> {
        let (done, settled) = oneshot::channel();
        let call = Box::new(move || drop(done.send(Ok(()))));
        self.queue.push(Work::After(call))?;
        queue::answer(settled).await
    }

    /// Lets the threads finish; they are gone when the handles are joined.
    fn shut(&self) -> Vec<JoinHandle<()>> {
        self.queue.close();
        self.readers.close();
        std::mem::take(&mut *self.threads.lock())
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        for thread in self.shut() {
            let _ = thread.join();
        }
    }
}

/// What the writer thread takes with it.
struct WriterParts {
    conn: Connection,
    lock: File,
    fold: Fold,
    checkpoints: Checkpoints,
    copying: JoinHandle<()>,
    sinks: Sinks,
    queue: Arc<Queue>,
}

impl WriterParts {
    fn run(self) {
        let work = || match Writer::new(&self.conn, self.fold, self.checkpoints, self.sinks.clone())
        {
            Ok(writer) => writer.run(&self.queue),
            Err(error) => tracing::error!(%error, "the store's writer did not start"),
        };
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("a bug ended the store's writer");
        }
        // Ordinarily nothing. Whoever waits for other work hears it when that is dropped.
        for work in self.queue.abandon() {
            if let Work::Append { lane, append } = work {
                refuse(&self.sinks, lane, too_late(&append));
            }
        }
        // It ends with the writer, which asked it. A copy that it is still making would keep the
        // last checkpoint from its lock, and SQLite does not wait for that one.
        let _ = self.copying.join();
        checkpoint::at_close(&self.conn);
        drop(self.conn);
        // Only now may another process open it.
        drop(self.lock);
    }
}

/// Answers an append that the writer will never see.
fn refuse(sinks: &Sinks, lane: usize, refused: Appended) {
    if let Some(sink) = sinks.get().and_then(|sinks| sinks.get(lane)) {
        sink.appended(vec![refused]);
    }
}

/// The answer to an append that comes too late.
fn too_late(append: &Append) -> Appended {
    Appended {
        conversation_id: append.conversation_id,
        seq: append.seq,
        attempt: append.attempt,
        result: Err(fault::closed()),
    }
}

fn limit_size(conn: &Connection, bytes: u64) -> rusqlite::Result<()> {
    let pages = i64::try_from(bytes / PAGE_BYTES).unwrap_or(i64::MAX);
    let pages = pages.clamp(1, 0xffff_fffe);
    conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}

/// The store's epoch, made when the store is.
fn epoch(conn: &Connection) -> Result<String, Fault> {
    let sql = "INSERT OR IGNORE INTO store_meta (key, value)
        VALUES ('epoch', lower(hex(randomblob(16))))";
    if writes::meta(conn, "epoch")?.is_none() {
        conn.execute(sql, [])?;
    }
    writes::meta(conn, "epoch")?.ok_or(Fault::Value("epoch"))
}
