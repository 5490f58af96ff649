//! When a client is pinged, and when it is given up on.

use std::time::Duration;
use tokio::time::Instant;

use super::config::Config;

/// The heartbeat of one session. Its beats are fixed when the session opens and do not drift
/// with when answers come.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// When the next ping is due; once that is sent, when its answer is.
    at: Instant,
    awaiting: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Nothing,
    Ping,
    Dead,
}

impl Heartbeat {
    pub(super) fn starting(now: Instant, config: &Config) -> Self {
        Self {
            at: now + config.ping_interval,
            awaiting: false,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.at
    }

    /// The client answered.
    pub(super) fn on_pong(&mut self, config: &Config) {
        if self.awaiting {
            self.awaiting = false;
            // From when it was pinged; the two are the other way round in odd settings.
            self.at = self.at + config.ping_interval - config.ping_timeout;
        }
    }

    /// What is due. While `deaf` we do not read what the client sends, so its answer may wait.
    pub(super) fn on_deadline(&mut self, now: Instant, deaf: bool, config: &Config) -> Beat {
        if now < self.at {
            return Beat::Nothing;
        }
        if !self.awaiting {
            self.awaiting = true;
            self.at = (self.at + config.ping_timeout).max(now + least(config.ping_timeout));
            return Beat::Ping;
        }
        if deaf {
            self.at = now + config.ping_timeout;
            return Beat::Nothing;
        }
        Beat::Dead
    }
}

/// A server that stood still must not blame its clients: some time they have in any case.
fn least(timeout: Duration) -> Duration {
    timeout / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(200),
            ..Config::default()
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[tokio::test(start_paused = true)]
    async fn beats_do_not_drift() {
        let (start, config) = (Instant::now(), config());
        let mut heartbeat = Heartbeat::starting(start, &config);
        for beat in 1..5 {
            let due = start + ms(300 * beat);
            assert_eq!(heartbeat.deadline(), due);
            assert_eq!(
                heartbeat.on_deadline(due - ms(1), false, &config),
                Beat::Nothing
            );
            assert_eq!(
                heartbeat.on_deadline(due + ms(7), false, &config),
                Beat::Ping
            );
            assert_eq!(heartbeat.deadline(), due + ms(200));
            heartbeat.on_pong(&config);
            heartbeat.on_pong(&config);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_the_end_unless_nobody_listens() {
        let (start, config) = (Instant::now(), config());
        let mut heartbeat = Heartbeat::starting(start, &config);
        assert_eq!(
            heartbeat.on_deadline(start + ms(300), false, &config),
            Beat::Ping
        );
        let late = start + ms(500);
        assert_eq!(heartbeat.on_deadline(late, true, &config), Beat::Nothing);
        assert_eq!(heartbeat.deadline(), late + ms(200));
        assert_eq!(
            heartbeat.on_deadline(late + ms(200), false, &config),
            Beat::Dead
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stood_still_gives_its_clients_time() {
        let (start, config) = (Instant::now(), config());
        let mut heartbeat = Heartbeat::starting(start, &config);
        let late = start + ms(9_000);
        assert_eq!(heartbeat.on_deadline(late, false, &config), Beat::Ping);
        assert_eq!(
            heartbeat.on_deadline(late + ms(49), false, &config),
            Beat::Nothing
        );
        assert_eq!(
            heartbeat.on_deadline(late + ms(50), false, &config),
            Beat::Dead
        );
    }
}
