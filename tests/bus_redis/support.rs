//! Servers, nodes and what they hear.

mod node;
mod server;

pub(crate) use node::{KEY, Node, Options, Seen, next_name, peer};
pub(crate) use server::{Certificate, Redis, Setup};

use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long anything may take. The machine may be slow and busy; nothing takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
