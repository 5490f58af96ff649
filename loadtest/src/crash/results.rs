//! What came of the rounds.

use serde::Serialize;

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    /// Where chance started.
    pub seed: u64,
    /// Rounds that were finished.
    pub rounds: usize,
    /// Kills while clients were coming back.
    pub second_kills: usize,
    /// Different messages that were posted.
    pub sent: usize,
    /// Of these, acknowledged in the end.
    pub acked: usize,
    /// Messages in the store in the end.
    pub stored: usize,
    /// Sends posted twice at once.
    pub doubles: u64,
    /// Sends posted again after a crash, because no answer had come.
    pub resent: u64,
    /// Those of them that had been stored: only the answer was lost.
    pub stored_unacked: u64,
    /// Acknowledged sends posted once more.
    pub repeated: u64,
    /// Log entries that came by resume or history instead of live.
    pub resumed: u64,
    /// Conversations that were too far behind to be replayed.
    pub resets: u64,
    /// Entries that came more than once.
    pub again: u64,
    /// From the start of the process until it listened: median and longest, milliseconds.
    pub ready_ms: [f64; 2],
    /// From a member's welcome until it had all that was stored: median over those who lacked
    /// something, and longest, milliseconds.
    pub seen_ms: [f64; 2],
    /// Returns with something missing.
    pub returns_behind: usize,
    /// What was wrong; empty when all is well.
    pub problems: Vec<String>,
}

impl Results {
    /// What happened, on one page.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} rounds (+{} kills while clients came back), seed {}\n\
             sent {} = acknowledged {} = stored {}; {} posted twice at once\n\
             {} resent after a crash, {} of which had been stored; {} acknowledged ones repeated\n\
             {} entries resumed, {} resets, {} entries came again\n\
             start to listening: median {:.0} ms, longest {:.0} ms\n\
             welcome to all seen: {} returns lacked something, median {:.0} ms, longest {:.0} ms\n\
             {} problems",
            self.rounds,
            self.second_kills,
            self.seed,
            self.sent,
            self.acked,
            self.stored,
            self.doubles,
            self.resent,
            self.stored_unacked,
            self.repeated,
            self.resumed,
            self.resets,
            self.again,
            self.ready_ms[0],
            self.ready_ms[1],
            self.returns_behind,
            self.seen_ms[0],
            self.seen_ms[1],
            self.problems.len()
        )
    }
}
