//! The contract suite on a CQL ring, and what only a store of several writers has to keep.

#![cfg(feature = "cluster")]
#![expect(
    clippy::disallowed_methods,
    reason = "threads and servers of real time read and write here, not an arbiter's"
)]

mod expiry;
mod migrate;
mod races;
mod ring;

use bedside_actors::testkit::store_contract::Opened;
use ring::Keyspace;

fn open() -> Option<Opened> {
    let keyspace = Keyspace::take()?;
    Some(Opened {
        store: keyspace.open(),
        guard: Box::new(keyspace),
    })
}

bedside_actors::store_contract!(crate::open);
