//! The contract suite on SQLite, and what only a store on disk has to keep.

#![expect(
    clippy::disallowed_methods,
    reason = "threads and processes of real time read and write here, not an arbiter's"
)]

mod crash;
mod filing;
mod full;
mod migration;
mod private;
mod random;
mod refused;
mod reopen;
mod scratch;
mod tampered;
mod wal;

use bedside::adapters::sqlite::{Options, SqliteStore};
use bedside_actors::testkit::store_contract::{Fixture, Opened};
use scratch::Scratch;
use std::{path::Path, sync::Arc};

fn open() -> Opened {
    open_with(&Options::default())
}

fn open_with(options: &Options) -> Opened {
    let dir = Scratch::new();
    let store = SqliteStore::open(dir.path(), options).expect("a new store");
    Opened {
        store,
        guard: Box::new(dir),
    }
}

bedside_actors::store_contract!(crate::open);

/// The same while slices of the fold ride along with nearly every commit.
mod folding {
    use super::*;

    fn open() -> Opened {
        open_with(&Options {
            fold_rows: 3,
            ..Options::default()
        })
    }

    bedside_actors::store_contract!(super::open);
}

/// Opens the store of a directory and listens to it.
fn listen(dir: &Path, options: &Options) -> (Arc<SqliteStore>, Fixture) {
    let store = SqliteStore::open(dir, options).expect("the store of the directory");
    (store.clone(), Fixture::new(store))
}

/// The database of a directory, without the store.
fn raw(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join("bedside.db")).expect("the database")
}
