//! So many at once, and so many a minute on average.

use std::time::Duration;
use tokio::time::Instant;

/// A token bucket.
pub(crate) struct Budget {
    left: f64,
    most: f64,
    since: Instant,
}

/// What [`Budget::take`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// One was taken.
    One,
    /// One was taken, and it was the last for now.
    Last,
    /// There was none.
    None,
}

impl Budget {
    /// A full one: `most` at once, and as many in every further minute.
    pub(crate) fn per_minute(most: u32) -> Self {
        Self {
            left: f64::from(most),
            most: f64::from(most),
            since: Instant::now(),
        }
    }

    /// Whether there is none now.
    pub(crate) fn is_spent(&mut self) -> bool {
        self.fill();
        self.left < 1.0
    }

    /// How long until there is one.
    pub(crate) fn wait(&mut self) -> Duration {
        self.fill();
        Duration::from_secs_f64((1.0 - self.left).max(0.0) * 60.0 / self.most)
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let minutes = now.duration_since(self.since).as_secs_f64() / 60.0;
        self.left = (self.left + minutes * self.most).min(self.most);
        self.since = now;
    }

    pub(crate) fn take(&mut self) -> Taken {
        self.fill();
        if self.left < 1.0 {
            return Taken::None;
        }
        self.left -= 1.0;
        if self.left < 1.0 {
            Taken::Last
        } else {
            Taken::One
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_spent_and_comes_back() {
        let mut budget = Budget::per_minute(3);
        assert_eq!(budget.take(), Taken::One);
        assert_eq!(budget.take(), Taken::One);
        assert_eq!(budget.take(), Taken::Last);
        assert_eq!(budget.take(), Taken::None);
        assert!(budget.is_spent());
        assert_eq!(budget.wait().as_secs_f64().round(), 20.0);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(budget.take(), Taken::Last);
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(budget.take(), Taken::One);
    }
}
