//! Health data is for its owner's eyes.

use bedside::adapters::sqlite::{Options, SqliteStore};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::scratch::Scratch;

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).expect("is there");
    metadata.permissions().mode() & 0o777
}

#[test]
fn nobody_else_may_look_into_the_data_directory() {
    let scratch = Scratch::new();
    let dir = scratch.path().join("data");
    let store = SqliteStore::open(&dir, &Options::default()).expect("a new store");
    assert_eq!(mode(&dir), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(&dir).expect("is there") {
        let path = entry.expect("is there").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 4, "the lock, the database, its log and its index");
    drop(store);
}
