//! What time it is.

use bedside_protocol::Timestamp;
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// Tells the time of day.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// How long a wait of this nominal length takes: as long, but for a test in a hurry.
    fn wait(&self, nominal: Duration) -> Duration {
        nominal
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is moved. For tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `at`.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.as_millis()))
    }

    /// Moves it on.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// The machine's clock, with every wait this many times shorter. For tests.
#[derive(Clone, Copy, Debug)]
pub struct HurriedClock(pub u32);

impl Clock for HurriedClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn wait(&self, nominal: Duration) -> Duration {
        nominal / self.0
    }
}
