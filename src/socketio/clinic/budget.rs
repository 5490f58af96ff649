//! So many at once, and so many a minute on average.

use tokio::time::Instant;

/// A token bucket.
pub(super) struct Budget {
    left: f64,
    most: f64,
    since: Instant,
}

/// What [`Budget::take`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// One was taken.
    One,
    /// One was taken, and it was the last for now.
    Last,
    /// There was none.
    None,
}

impl Budget {
    /// A full one: `most` at once, and as many in every further minute.
    pub(super) fn per_minute(most: u32) -> Self {
        Self {
            left: f64::from(most),
            most: f64::from(most),
            since: Instant::now(),
        }
    }

    pub(super) fn take(&mut self) -> Taken {
        let now = Instant::now();
        let minutes = now.duration_since(self.since).as_secs_f64() / 60.0;
        self.left = (self.left + minutes * self.most).min(self.most);
        self.since = now;
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
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn it_is_spent_and_comes_back() {
        let mut budget = Budget::per_minute(3);
        assert_eq!(budget.take(), Taken::One);
        assert_eq!(budget.take(), Taken::One);
        assert_eq!(budget.take(), Taken::Last);
        assert_eq!(budget.take(), Taken::None);
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(budget.take(), Taken::Last);
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(budget.take(), Taken::One);
    }
}
