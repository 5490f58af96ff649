//! How fast one session may go.

use bedside_protocol::limits;
use tokio::time::Instant;

/// A token bucket: so many commands a second on average, so many at once.
pub(super) struct Allowance {
    left: f64,
    since: Instant,
}

impl Allowance {
    /// A full one.
    pub(super) fn new() -> Self {
        Self {
            left: f64::from(limits::COMMANDS_BURST),
            since: Instant::now(),
        }
    }

    /// Takes one; else how long until there is one, milliseconds.
    pub(super) fn take(&mut self) -> Result<(), u64> {
        let now = Instant::now();
        let per_second = f64::from(limits::COMMANDS_PER_SECOND);
        self.left = (self.left + now.duration_since(self.since).as_secs_f64() * per_second)
            .min(f64::from(limits::COMMANDS_BURST));
        self.since = now;
        if self.left >= 1.0 {
            self.left -= 1.0;
            Ok(())
        } else {
            Err(((1.0 - self.left) / per_second * 1_000.0).ceil() as u64)
        }
    }
}
