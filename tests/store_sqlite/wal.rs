//! The write-ahead log begins anew again and again, whatever readers do.

use bedside::adapters::sqlite::{Options, SqliteStore};
use bedside_actors::{
    ports::store::Store,
    testkit::store_contract::{Fixture, Room},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{listen, raw, scratch::Scratch};

const KIB: u64 = 1_024;

/// The limit, and what one commit may add before the writer sees that it is passed. The cases
/// write several times as much.
const LARGEST: u64 = 2 * 1_024 * KIB;

/// The same while others read: on a busy machine the writer waits for a reader in vain now and
/// then, and goes on. Without beginning anew it would be 20 MiB.
const LARGEST_WITH_READERS: u64 = 8 * 1_024 * KIB;

fn small() -> Options {
    Options {
        checkpoint_bytes: 256 * KIB,
        wal_bytes_max: 1_024 * KIB,
        ..Options::default()
    }
}

fn wal_bytes(dir: &Path) -> u64 {
    let file = std::fs::metadata(dir.join("bedside.db-wal"));
    file.map_or(0, |file| file.len())
}

/// Writes `rows` texts of 1 KiB; the largest size that the log had.
async fn write(fx: &Fixture, room: &mut Room, dir: &Path, rows: usize) -> u64 {
    let mut largest = 0;
    for _ in 0..rows / 8 {
        let before = fx.answers(0).await.len();
        for n in 0..8 {
            let (append, _) = room.text("d1", &format!("{n:0>1024}"));
            room.took(&append);
            fx.store.append(0, append);
        }
        fx.answers(before + 8).await;
        largest = largest.max(wal_bytes(dir));
    }
    largest
}

#[tokio::test]
async fn it_stays_small_without_readers() {
    let dir = Scratch::new();
    let (store, fx) = listen(dir.path(), &small());
    let mut room = fx.room(&["d1"]).await;
    let largest = write(&fx, &mut room, dir.path(), 1_600).await;
    assert!(largest <= LARGEST, "{largest}");
    store.close().await;
    assert_eq!(wal_bytes(dir.path()), 0, "all is in the database");
}

/// Reads in turns, so that at any time somebody holds an old state.
fn overlapping_readers(dir: &Path, stop: &Arc<AtomicBool>) -> Vec<std::thread::JoinHandle<()>> {
    let reader = |n: u64| {
        let (conn, stop) = (raw(dir), stop.clone());
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5 * n));
            while !stop.load(Ordering::Relaxed) {
                let sql = "BEGIN; SELECT COUNT(*) FROM users";
                conn.execute_batch(sql).expect("read");
                std::thread::sleep(Duration::from_millis(20));
                conn.execute_batch("COMMIT").expect("done");
            }
        })
    };
    (0..4).map(reader).collect()
}

#[tokio::test]
async fn it_stays_under_its_limit_with_readers_in_turns() {
    let dir = Scratch::new();
    let (store, fx) = listen(dir.path(), &small());
    let mut room = fx.room(&["d1"]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let readers = overlapping_readers(dir.path(), &stop);
    let largest = write(&fx, &mut room, dir.path(), 3_200).await;
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().expect("a reader's end");
    }
    assert!(largest <= LARGEST_WITH_READERS, "{largest}");
    store.close().await;
}

#[tokio::test]
async fn a_reader_that_never_ends_stops_no_writes() {
    let dir = Scratch::new();
    let (store, fx): (Arc<SqliteStore>, _) = listen(dir.path(), &small());
    let mut room = fx.room(&["d1"]).await;
    let reader = raw(dir.path());
    reader
        .execute_batch("BEGIN; SELECT COUNT(*) FROM users")
        .expect("a reader");
    let grown = write(&fx, &mut room, dir.path(), 1_200).await;
    assert!(
        grown > 1_024 * KIB,
        "{grown}: the reader should be in the way"
    );
    assert!(store.stats().wal_limit_hits > 0);
    reader.execute_batch("COMMIT").expect("its end");
    write(&fx, &mut room, dir.path(), 400).await;
    assert!(store.stats().wal_bytes < 1_024 * KIB, "it began anew");
    store.close().await;
}
