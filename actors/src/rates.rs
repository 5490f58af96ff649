//! How fast one connection and one user may go: token buckets, so many commands a second on
//! average and so many at once.

use bedside_protocol::{CommandError, ErrorCode, UserId, limits};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};
use tokio::time::Instant;

use crate::counters::COUNTERS;

/// Locks, so that users do not wait for each other.
const SHARDS: usize = 16;
/// Users of one shard before those who have been quiet are forgotten.
const QUIET_FORGOTTEN_AT: usize = 256;

/// What whoever goes too fast is told.
pub(crate) fn refusal(retry_after_ms: u64) -> CommandError {
    COUNTERS.rate_limited.add(1);
    CommandError {
        retry_after_ms,
        ..CommandError::new(ErrorCode::RateLimited, "too many commands")
    }
}

/// What a bucket takes and how it is filled again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    per_second: f64,
    at_once: f64,
}

impl Rate {
    /// Of one connection.
    pub(crate) fn of_connection() -> Self {
        Self {
            per_second: f64::from(limits::COMMANDS_PER_SECOND),
            at_once: f64::from(limits::COMMANDS_BURST),
        }
    }

    /// Of one user on one of `nodes` nodes: each gives its share, so that together they give no
    /// more than one would.
    fn of_user(nodes: u32) -> Self {
        let share = 1.0 / f64::from(nodes.max(1));
        Self {
            per_second: f64::from(limits::USER_COMMANDS_PER_SECOND) * share,
            at_once: f64::from(limits::USER_COMMANDS_BURST) * share,
        }
    }
}

/// A token bucket.
pub(crate) struct Allowance {
    left: f64,
    since: Instant,
}

impl Allowance {
    /// A full one.
    pub(crate) fn full(rate: Rate) -> Self {
        Self {
            left: rate.at_once,
            since: Instant::now(),
        }
    }

    /// Takes one; else how long until there is one, milliseconds.
    pub(crate) fn take(&mut self, rate: Rate) -> Result<(), u64> {
        self.fill(rate);
        if self.left >= 1.0 {
            self.left -= 1.0;
            Ok(())
        } else {
            Err(((1.0 - self.left) / rate.per_second * 1_000.0).ceil() as u64)
        }
    }

    fn fill(&mut self, rate: Rate) {
        let now = Instant::now();
        let filled = now.duration_since(self.since).as_secs_f64() * rate.per_second;
        self.left = (self.left + filled).min(rate.at_once);
        self.since = now;
    }
}

/// The buckets of all users that are not full.
#[derive(Default)]
pub(crate) struct Rates {
    shards: [Mutex<HashMap<UserId, Allowance>>; SHARDS],
    hasher: RandomState,
}

impl Rates {
    /// Takes one from a user who is on so many nodes; else how long until there is one,
    /// milliseconds.
    pub(crate) fn take(&self, user_id: &UserId, nodes: u32) -> Result<(), u64> {
        let rate = Rate::of_user(nodes);
        let shard = self.hasher.hash_one(user_id) as usize % SHARDS;
        let mut shard = self.shards[shard].lock();
        if let Some(allowance) = shard.get_mut(user_id) {
            return allowance.take(rate);
        }
        if shard.len() >= QUIET_FORGOTTEN_AT && shard.len() == shard.capacity() {
            let whole = Rate::of_user(1);
            shard.retain(|_, allowance| {
                allowance.fill(whole);
                allowance.left < whole.at_once
            });
        }
        let mut allowance = Allowance::full(rate);
        let taken = allowance.take(rate);
        shard.insert(user_id.clone(), allowance);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: usize) -> UserId {
        UserId::new(&format!("u{n}")).expect("an id")
    }

    #[test]
    fn a_user_has_so_many_at_once_and_others_have_their_own() {
        let rates = Rates::default();
        let burst = limits::USER_COMMANDS_BURST as usize;
        let taken = (0..2 * burst).take_while(|_| rates.take(&user(1), 1).is_ok());
        let taken = taken.count();
        assert!((burst..2 * burst).contains(&taken), "{taken}");
        let wait_ms = rates.take(&user(1), 1).expect_err("none is left");
        assert!((1..=1_000).contains(&wait_ms), "{wait_ms}");
        assert_eq!(rates.take(&user(2), 1), Ok(()));
    }

    #[test]
    fn nodes_share_what_a_user_has() {
        let rates = Rates::default();
        let share = limits::USER_COMMANDS_BURST as usize / 4;
        let taken = (0..4 * share).take_while(|_| rates.take(&user(1), 4).is_ok());
        let taken = taken.count();
        assert!((share..2 * share).contains(&taken), "{taken}");
    }

    #[tokio::test]
    async fn who_was_quiet_is_forgotten() {
        let rates = Rates::default();
        // At their rate it takes less than a second until one bucket is full again.
        let begun = Instant::now();
        let mut n = 0;
        while begun.elapsed().as_millis() < 50 || n < 100_000 {
            let _ = rates.take(&user(n), 1);
            n += 1;
        }
        let kept: usize = rates.shards.iter().map(|shard| shard.lock().len()).sum();
        assert!(kept < n, "{kept} of {n}");
    }
}
