//! What the disk can do: the floor below every durable send.

use serde::Serialize;
use std::{fs::File, os::unix::fs::FileExt as _, path::Path};
use tokio::time::Instant;

use crate::{
    Outcome,
    report::{self, Percentiles},
};

/// Bytes written before each sync: about one small commit.
const WRITE_BYTES: usize = 16 * 1024;
/// The file is overwritten from its start again after so much.
const FILE_BYTES: u64 = 16 << 20;

/// What syncing took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Floor {
    /// How often it was done.
    pub syncs: usize,
    /// From the begin of the write to the end of the sync, milliseconds.
    pub ms: Percentiles,
}

/// Overwrites 16 KiB in place and syncs, many times over.
///
/// # Errors
/// When the file cannot be written.
pub fn fdatasync_floor(dir: &Path, syncs: usize) -> Outcome<Floor> {
    let path = dir.join("floor");
    let file = File::create(&path)?;
    let block = vec![0x5A_u8; WRITE_BYTES];
    let blocks = FILE_BYTES / WRITE_BYTES as u64;
    for i in 0..blocks {
        file.write_all_at(&block, i * WRITE_BYTES as u64)?;
    }
    file.sync_all()?;
    let mut times = report::nanos();
    for i in 0..syncs as u64 {
        let begun = Instant::now();
        file.write_all_at(&block, i % blocks * WRITE_BYTES as u64)?;
        file.sync_data()?;
        times.saturating_record(begun.elapsed().as_nanos() as u64);
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(Floor {
        syncs,
        ms: Percentiles::of_nanos(&times),
    })
}
