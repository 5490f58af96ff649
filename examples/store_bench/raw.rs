//! The loop alone: the store's tables, INSERT and checkpoint policy, with nothing checked,
//! nothing filed and nobody told but the driver.

use bedside_protocol::ConversationId;
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, MAIN_DB, wal::CheckpointMode};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
};

use crate::{INSERT, Result, Setup, Target, drive, insert_row, prepare};

const PAGE_BYTES: u64 = 8_192;
const CHECKPOINT_PAGES: u64 = (16 << 20) / PAGE_BYTES;
const GROUP_MAX: usize = 1_024;

/// The loop alone.
pub(crate) fn raw(setup: &Setup) -> Result<()> {
    let targets = prepare(setup)?;
    let body = "x".repeat(300);
    let queue = Arc::new((
        Mutex::new(Vec::<(ConversationId, i64, u64)>::new()),
        Condvar::new(),
    ));
    let stop = Arc::new(AtomicBool::new(false));
    let (done, committed) = mpsc::channel();
    let (for_writer, ends, dir) = (queue.clone(), stop.clone(), setup.dir.clone());
    let writer = std::thread::spawn(move || {
        let wrote = raw_writer(&dir, &body, &for_writer, &ends, &done);
        if let Err(error) = wrote {
            println!("raw: {error}");
        }
    });
    let push = |target: &Target| {
        queue.0.lock().push((target.id, target.key, target.seq));
        queue.1.notify_one();
    };
    let driven = drive(setup, "raw", targets, push, &committed);
    stop.store(true, Ordering::Relaxed);
    queue.1.notify_one();
    drop(committed);
    writer.join().map_err(|_| "the writer panicked")?;
    driven
}

type RawQueue = (Mutex<Vec<(ConversationId, i64, u64)>>, Condvar);

fn raw_writer(
    dir: &Path,
    body: &str,
    queue: &RawQueue,
    stop: &AtomicBool,
    done: &mpsc::Sender<Vec<ConversationId>>,
) -> Result<()> {
    let open = || -> Result<Connection> {
        let conn = Connection::open(dir.join("bedside.db"))?;
        conn.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
             PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY;",
        )?;
        Ok(conn)
    };
    let mut conn = open()?;
    let pages = Arc::new(AtomicU64::new(0));
    let counted = pages.clone();
    conn.wal_hook(Some(move |_: &mut _, frames| {
        counted.store(u64::try_from(frames).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))?;
    let copier = open()?;
    let (ask, asked) = mpsc::channel::<()>();
    let (copied, is_copied) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        while asked.recv().is_ok() {
            let _ = copier.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE);
            let _ = copied.send(());
        }
    });
    let mut begin = conn.prepare("BEGIN IMMEDIATE")?;
    let mut commit = conn.prepare("COMMIT")?;
    let mut insert = conn.prepare(INSERT)?;
    let mut copying = false;
    while !stop.load(Ordering::Relaxed) {
        let rows = {
            let mut rows = queue.0.lock();
            while rows.is_empty() && !stop.load(Ordering::Relaxed) {
                queue.1.wait(&mut rows);
            }
            std::mem::take(&mut *rows)
        };
        for group in rows.chunks(GROUP_MAX) {
            begin.execute([])?;
            for (_, key, seq) in group {
                insert_row(&mut insert, *key, *seq, body)?;
            }
            commit.execute([])?;
            if done
                .send(group.iter().map(|(id, ..)| *id).collect())
                .is_err()
            {
                return Ok(());
            }
        }
        if copying && is_copied.try_recv().is_ok() {
            copying = false;
            conn.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)?;
            pages.store(0, Ordering::Relaxed);
        } else if !copying && pages.load(Ordering::Relaxed) >= CHECKPOINT_PAGES {
            copying = ask.send(()).is_ok();
        }
    }
    Ok(())
}
