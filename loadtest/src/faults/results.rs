//! What came of the rounds, as a table and as JSON.

use serde::Serialize;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use super::{judge::Verdict, memory::Memory, nemesis::Nemesis};
use crate::report::{Percentiles, median};

/// What came of one round.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// What was done.
    pub fault: Nemesis,
    /// To which process.
    pub victim: String,
    /// From the end of the fault until everyone was whole, milliseconds.
    pub whole_ms: f64,
    /// From the end of the fault until one new message was acknowledged in each conversation,
    /// milliseconds.
    pub probes_ms: f64,
    /// How long the round was, the judging included.
    pub seconds: f64,
    /// From the first post of a send to its acknowledgement, before the fault, milliseconds.
    pub before: Percentiles,
    /// The same from the beginning of the fault until everyone was whole.
    pub during: Percentiles,
    /// Devices that lost their socket.
    pub lost_sockets: u64,
    /// From the loss of a socket until the next one has resumed, milliseconds.
    pub away: Percentiles,
    /// What was found after it.
    pub verdict: Verdict,
}

impl Round {
    /// What happened, in a line.
    #[must_use]
    pub fn line(&self, turn: usize) -> String {
        let found = if self.verdict.is_good() {
            "all is well".to_owned()
        } else {
            format!("{:?}", self.verdict)
        };
        format!(
            "{turn} {} {}: whole after {:.0} ms; acknowledged within p50 {:.0} p99 {:.0} ms before, \
             p50 {:.0} p99 {:.0} max {:.0} ms during; {} away for p50 {:.0} max {:.0} ms; {:.0} s; \
             {found}",
            self.fault,
            self.victim,
            self.whole_ms,
            self.before.p50,
            self.before.p99,
            self.during.p50,
            self.during.p99,
            self.during.max,
            self.lost_sockets,
            self.away.p50,
            self.away.max,
            self.seconds,
        )
    }
}

/// All rounds of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Kind {
    /// What was done.
    pub fault: Nemesis,
    /// How often.
    pub rounds: usize,
    /// Shortest, median and longest time until everyone was whole, milliseconds.
    pub whole_ms: [f64; 3],
    /// How long devices were without a socket: the median round's half, and the longest of all,
    /// milliseconds.
    pub away_ms: [f64; 2],
}

/// What came of all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    /// Where chance started.
    pub seed: u64,
    /// New messages a second that were asked for.
    pub rate: f64,
    /// Devices.
    pub devices: usize,
    /// Conversations.
    pub conversations: usize,
    /// Different messages.
    pub sent: usize,
    /// Of these, acknowledged.
    pub acknowledged: usize,
    /// Messages that are stored in the end.
    pub stored: usize,
    /// Sends posted again for want of an answer.
    pub retries: u64,
    /// Acknowledged sends posted once more.
    pub repeats: u64,
    /// Commands refused for now.
    pub refused: u64,
    /// Sockets given up because they were silent.
    pub silent: u64,
    /// Sockets opened after the first of each device.
    pub reconnects: u64,
    /// Log entries that came by resume or page.
    pub resumed: u64,
    /// Conversations too far behind to be replayed.
    pub resets: u64,
    /// Entries that came more than once, which is allowed.
    pub again: u64,
    /// Events that overtook the answer to an own message.
    pub late_acks: u64,
    /// New messages left out because too many were open.
    pub left_out: u64,
    /// By kind of fault.
    pub kinds: Vec<Kind>,
    /// One by one.
    pub rounds: Vec<Round>,
    /// What was found at the very end.
    pub verdict: Verdict,
    /// Why it did not come to its end.
    pub broken: Option<String>,
}

impl Results {
    pub(super) fn count(&mut self, memories: &[Arc<Mutex<Memory>>]) {
        for memory in memories {
            let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            let counts = &memory.counts;
            self.sent += memory.sent.len();
            self.acknowledged += memory.acks.len();
            self.retries += counts.retries;
            self.repeats += counts.repeats;
            self.refused += counts.refused;
            self.silent += counts.silent;
            self.reconnects += counts.reconnects;
            self.resumed += counts.resumed;
            self.resets += counts.resets;
            self.again += counts.again;
            self.left_out += counts.left_out;
            self.late_acks += counts.late_acks;
        }
        self.kinds = Nemesis::ALL
            .iter()
            .filter_map(|fault| self.kind(*fault))
            .collect();
    }

    fn kind(&self, fault: Nemesis) -> Option<Kind> {
        let rounds = self.rounds.iter().filter(|round| round.fault == fault);
        let halves = median(rounds.clone().map(|round| round.away.p50).collect());
        let longest = rounds.clone().map(|round| round.away.max).reduce(f64::max);
        let whole: Vec<_> = rounds.map(|round| round.whole_ms).collect();
        let least = whole.iter().copied().reduce(f64::min)?;
        let most = whole.iter().copied().reduce(f64::max)?;
        Some(Kind {
            fault,
            rounds: whole.len(),
            whole_ms: [least, median(whole).unwrap_or(0.0), most],
            away_ms: [halves.unwrap_or(0.0), longest.unwrap_or(0.0)],
        })
    }

    /// What the server did wrong, in words; empty when all is well.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<_> = self.broken.iter().cloned().collect();
        let worst = self.rounds.iter().map(|round| &round.verdict);
        for verdict in worst.chain([&self.verdict]).filter(|v| !v.is_good()) {
            problems.extend(verdict.problems.iter().cloned());
        }
        let mut known = HashSet::new();
        problems.retain(|problem| known.insert(problem.clone()));
        problems
    }

    /// What happened, on one page.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = format!(
            "seed {}, {} devices in {} conversations, {} messages/s\n\n\
             | fault | rounds | whole after: least, median, most (ms) | without a socket: p50, max \
             (ms) |\n|---|---|---|---|\n",
            self.seed, self.devices, self.conversations, self.rate
        );
        for kind in &self.kinds {
            let [least, median, most] = kind.whole_ms;
            let [half, longest] = kind.away_ms;
            text += &format!(
                "| {} | {} | {least:.0}, {median:.0}, {most:.0} | {half:.0}, {longest:.0} |\n",
                kind.fault, kind.rounds
            );
        }
        let found = &self.verdict;
        text += &format!(
            "\nsent {}, acknowledged {}, stored {}\n\
             lost {}, duplicated {}, out of order {}, unanswered {}\n\
             receipts wrong {}, unread counts wrong {}, anything else {}\n\
             {} posted again, {} acknowledged ones repeated, {} refused for now, \
             {} left out\n\
             {} reconnects ({} from a silent node), {} entries resumed, {} resets, {} came again, \
             {} answers overtaken",
            self.sent,
            self.acknowledged,
            self.stored,
            found.lost,
            found.duplicated,
            found.out_of_order,
            found.unanswered,
            found.receipts,
            found.unread,
            found.other,
            self.retries,
            self.repeats,
            self.refused,
            self.left_out,
            self.reconnects,
            self.silent,
            self.resumed,
            self.resets,
            self.again,
            self.late_acks,
        );
        text
    }
}
