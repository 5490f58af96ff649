//! The contract suite on a CQL ring, and what only a store of several writers has to keep.

#![cfg(feature = "cluster")]

mod buckets;
mod expiry;
mod migrate;
mod proxy;
mod races;
mod readers;
mod ring;
mod writers;

use bedside_actors::testkit::store_contract::Opened;
use ring::Keyspace;
use std::future::Future;

fn open() -> Option<Opened> {
    let keyspace = Keyspace::take()?;
    Some(Opened {
        store: keyspace.open(),
        guard: Box::new(keyspace),
    })
}

bedside_actors::store_contract!(crate::open);

/// Runs a test that is no case of the suite.
fn wait(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime, because tests need one");
    runtime.block_on(test);
}
