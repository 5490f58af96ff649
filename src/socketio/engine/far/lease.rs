//! How long something is kept for another node, which may be gone without a word.

use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Renews a lease. What is leased ends when this is dropped.
pub(super) struct Lease(watch::Sender<Instant>);

/// Sees a lease run out.
pub(super) struct Term(watch::Receiver<Instant>);

impl Lease {
    pub(super) fn new(lasts: Duration) -> (Self, Term) {
        let (sender, receiver) = watch::channel(Instant::now() + lasts);
        (Self(sender), Term(receiver))
    }

    /// It runs for so long from now on, if it would have run out before.
    pub(super) fn renew(&self, lasts: Duration) {
        let until = Instant::now() + lasts;
        self.0
            .send_if_modified(|before| std::mem::replace(before, until.max(*before)) < until);
    }
}

impl Term {
    pub(super) async fn runs_out(&mut self) {
        loop {
            let until = *self.0.borrow_and_update();
            tokio::select! {
                () = sleep_until(until) => return,
                renewed = self.0.changed() => if renewed.is_err() {
                    return;
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_runs_out_unless_it_is_renewed() {
        let start = Instant::now();
        let (lease, mut term) = Lease::new(3 * SECOND);
        assert!(timeout(2 * SECOND, term.runs_out()).await.is_err());
        lease.renew(3 * SECOND);
        lease.renew(SECOND);
        term.runs_out().await;
        assert_eq!(start.elapsed(), 5 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_whoever_renews_it() {
        let start = Instant::now();
        let (lease, mut term) = Lease::new(SECOND);
        drop(lease);
        term.runs_out().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
