//! What has to be true of the logs, of what everyone saw, and of receipts and counts. Plain
//! data in, a verdict out: the tests beside it feed it histories that are wrong.

use bedside_protocol::ConversationId;
use serde::Serialize;
use std::collections::{HashMap, HashSet};

use super::memory::{Memory, number_of};
use crate::crash::Entry;

/// Problems that are told word by word.
const PROBLEMS_MAX: usize = 20;

/// A log as it is stored: each entry with its seq.
pub(super) type Log = Vec<(u64, Entry)>;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Acknowledged and not stored, or stored and not seen by a member.
    pub lost: usize,
    /// A `client_msg_id` that is in the logs more than once, or that nobody sent.
    pub duplicated: usize,
    /// Holes in a log, entries in another place than was acknowledged or seen, events that came
    /// past a hole.
    pub out_of_order: usize,
    /// Sends that are not acknowledged though all is calm.
    pub unanswered: usize,
    /// Watermarks that went down or are below what was acknowledged.
    pub receipts: usize,
    /// Unread counts that the log does not bear out.
    pub unread: usize,
    /// Anything else: another text, a final refusal, an acknowledgement that changed.
    pub other: usize,
    /// Some of it in words.
    pub problems: Vec<String>,
}

impl Verdict {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_good(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn say(&mut self, text: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        }
    }
}

/// One member's view of one conversation, as REST gives it.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) device: usize,
    pub(super) id: ConversationId,
    pub(super) head_seq: u64,
    pub(super) read_up_to_seq: u64,
    pub(super) unread_count: u64,
}

/// Judges what is stored and what everyone saw of it. The n-th memory is device n's.
pub(super) fn judge(logs: &HashMap<ConversationId, Log>, memories: &[&Memory]) -> Verdict {
    let mut verdict = Verdict::default();
    judge_logs(logs, memories, &mut verdict);
    for memory in memories {
        judge_acks(logs, memory, &mut verdict);
        judge_sight(logs, memory, &mut verdict);
        let counts = &memory.counts;
        verdict.out_of_order += (counts.holes + counts.changed_entries) as usize;
        verdict.receipts += counts.receipts_back as usize;
        verdict.unanswered += memory.open.len();
        let known = counts.holes + counts.changed_entries + counts.receipts_back;
        verdict.other += counts.problems.saturating_sub(known) as usize;
        for problem in &memory.problems {
            verdict.say(problem.clone());
        }
        if let Some(name) = memory.open.iter().next() {
            let open = memory.open.len();
            verdict.say(format!("{open} sends are open, as {name:016x}"));
        }
    }
    verdict
}

/// Dense, nothing twice, nothing that nobody sent.
fn judge_logs(logs: &HashMap<ConversationId, Log>, memories: &[&Memory], verdict: &mut Verdict) {
    let mut names = HashSet::new();
    for (id, log) in logs {
        for (at, (seq, entry)) in (1..).zip(log) {
            if at != *seq {
                verdict.out_of_order += 1;
                verdict.say(format!("{id}: seq {seq} is stored where {at} belongs"));
            }
            let Entry::Message { name, .. } = entry else {
                continue;
            };
            if !names.insert(*name) {
                verdict.duplicated += 1;
                verdict.say(format!("{id}: {name:016x} is stored twice"));
            }
            let sender = memories.get(number_of(*name));
            if sender.and_then(|sender| sender.destination(*name)) != Some(*id) {
                verdict.duplicated += 1;
                verdict.say(format!("{id}: {name:016x} was never sent there"));
            }
        }
    }
}

/// All that was acknowledged is stored where it was said to be.
fn judge_acks(logs: &HashMap<ConversationId, Log>, memory: &Memory, verdict: &mut Verdict) {
    for ack in memory.acks.values() {
        let log = logs.get(&ack.conversation).map_or(&[][..], Vec::as_slice);
        let expected = Entry::Message {
            name: ack.name,
            message_id: ack.message_id,
        };
        let place = usize::try_from(ack.seq).ok().and_then(|s| s.checked_sub(1));
        if place.and_then(|at| log.get(at)) == Some(&(ack.seq, expected)) {
            continue;
        }
        let elsewhere = |(_, entry): &&(u64, Entry)| matches!(entry, Entry::Message { name, .. } if *name == ack.name);
        match log.iter().find(elsewhere) {
            Some((seq, _)) => {
                verdict.out_of_order += 1;
                let (id, name) = (ack.conversation, ack.name);
                let said = ack.seq;
                verdict.say(format!(
                    "{id}: {name:016x} was acknowledged as seq {said} and is stored as {seq}"
                ));
            }
            None => {
                verdict.lost += 1;
                let (id, name) = (ack.conversation, ack.name);
                verdict.say(format!("{id}: {name:016x} was acknowledged and is lost"));
            }
        }
    }
}

/// What a member saw is the log, all of it.
fn judge_sight(logs: &HashMap<ConversationId, Log>, memory: &Memory, verdict: &mut Verdict) {
    for (id, seen) in &memory.seen {
        let log = logs.get(id).map_or(&[][..], Vec::as_slice);
        let same = seen.log.iter().zip(log).take_while(|(a, (_, b))| *a == b);
        let same = same.count();
        if same < seen.log.len() {
            verdict.out_of_order += seen.log.len() - same;
            let user = &memory.user;
            verdict.say(format!(
                "{id}: {user} has another entry than the log at {}",
                same + 1
            ));
        } else if same < log.len() {
            verdict.lost += log.len() - same;
            let user = &memory.user;
            verdict.say(format!("{id}: {user} has {same} entries of {}", log.len()));
        }
    }
}

/// Watermarks are what was acknowledged, have not gone down since `before`, and the unread
/// counts follow from them and the log. `before` is brought up to date.
pub(super) fn judge_views(
    logs: &HashMap<ConversationId, Log>,
    memories: &[&Memory],
    views: &[View],
    before: &mut HashMap<(usize, ConversationId), u64>,
    verdict: &mut Verdict,
) {
    for view in views {
        let Some(memory) = memories.get(view.device) else {
            continue;
        };
        let (id, user) = (view.id, &memory.user);
        let acknowledged = memory.read.get(&id).copied().unwrap_or(0);
        let earlier = before.entry((view.device, id)).or_default();
        let least = acknowledged.max(*earlier);
        *earlier = view.read_up_to_seq.max(*earlier);
        if view.read_up_to_seq < least {
            verdict.receipts += 1;
            let is = view.read_up_to_seq;
            verdict.say(format!(
                "{id}: {user} had read up to {least}, stored is {is}"
            ));
        }
        let log = logs.get(&id).map_or(&[][..], Vec::as_slice);
        let unread = log.iter().filter(|(seq, entry)| {
            let by_other =
                matches!(entry, Entry::Message { name, .. } if memory.destination(*name).is_none());
            by_other && *seq > view.read_up_to_seq
        });
        let unread = unread.count() as u64;
        if view.unread_count != unread || view.head_seq != log.len() as u64 {
            verdict.unread += 1;
            let (says, head) = (view.unread_count, view.head_seq);
            verdict.say(format!(
                "{id}: {user} is told {says} unread at head {head}; the log of {} says {unread}",
                log.len()
            ));
        }
    }
}

#[cfg(test)]
mod tests;
