//! What one device knows: what it sent, what was acknowledged, what it saw. No I/O here.

use bedside_protocol::{
    ConversationId, Event, EventFrame, event::LoggedEvent, event::ReceiptChanged,
    reply::MessageSent,
};
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    crash::{Ack, Entry},
    peer,
};

/// Bytes of a text.
pub(super) const TEXT_BYTES: usize = 300;
/// Problems of one device that are kept word by word.
const PROBLEMS_MAX: usize = 20;

/// Which device a name is of.
pub(super) fn number_of(name: u64) -> usize {
    ((name >> 32) & 0xFFFF) as usize
}

/// What one device knows of one conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The log as it came, seq 1 first, without holes.
    pub(super) log: Vec<Entry>,
    /// What came before its turn.
    ahead: BTreeMap<u64, Entry>,
    /// Whether older pages are being read, so that newer events are early by right.
    is_paging: bool,
    /// The last seq of a hole that is being filled.
    hole_to: u64,
}

impl Seen {
    /// The last seq up to which everything is here.
    pub(super) fn position(&self) -> u64 {
        self.log.len() as u64
    }
}

/// How an entry came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As the answer to an own send, which may come before what others said just before it.
    Ack,
    /// As an event, in the order of the log.
    Event,
    /// In a page that was asked for.
    Page,
}

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Events that came though one of somebody else before them had not.
    pub(super) holes: u64,
    /// Events that came though an own message before them was not acknowledged yet.
    pub(super) late_acks: u64,
    /// Entries that came as something else than before.
    pub(super) changed_entries: u64,
    /// Watermarks that went down.
    pub(super) receipts_back: u64,
    /// Entries that came more than once. Allowed.
    pub(super) again: u64,
    /// Entries that came by resume or page instead of live.
    pub(super) resumed: u64,
    /// Conversations that were too far behind to be replayed.
    pub(super) resets: u64,
    /// Sockets opened after the first.
    pub(super) reconnects: u64,
    /// Sends posted again.
    pub(super) retries: u64,
    /// Acknowledged sends posted once more.
    pub(super) repeats: u64,
    /// "Try again later".
    pub(super) refused: u64,
    /// Sockets given up because an answer did not come.
    pub(super) silent: u64,
    /// Sends left out because too many were open already.
    pub(super) left_out: u64,
    /// All that was wrong, what is counted above included.
    pub(super) problems: u64,
}

/// What one device knows.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) user: String,
    base: u64,
    /// Whether this socket's replay is still to come, so that live events are early by right.
    is_resuming: bool,
    pub(super) seen: HashMap<ConversationId, Seen>,
    /// Where each send went; the n-th has the n-th name.
    pub(super) sent: Vec<ConversationId>,
    /// Names that are not acknowledged.
    pub(super) open: HashSet<u64>,
    pub(super) acks: BTreeMap<u64, Ack>,
    /// Names that were answered as new, not as done before.
    fresh: HashSet<u64>,
    /// The highest own read watermark that was acknowledged.
    pub(super) read: HashMap<ConversationId, u64>,
    /// Watermarks of others as this socket told them.
    told: HashMap<(ConversationId, String), (u64, u64)>,
    pub(super) counts: Counts,
    pub(super) problems: Vec<String>,
}

impl Memory {
    pub(super) fn new(
        number: usize,
        user: String,
        conversations: &[ConversationId],
        seed: u64,
    ) -> Self {
        Self {
            user,
            base: (seed << 48) | ((number as u64) << 32),
            seen: conversations
                .iter()
                .map(|id| (*id, Seen::default()))
                .collect(),
            ..Self::default()
        }
    }

    /// A new send into this conversation.
    pub(super) fn send_to(&mut self, id: ConversationId) -> u64 {
        self.sent.push(id);
        let name = self.base + self.sent.len() as u64;
        self.open.insert(name);
        name
    }

    /// Where the send of this name went, when it is one of this device.
    pub(super) fn destination(&self, name: u64) -> Option<ConversationId> {
        let place = usize::try_from(name.checked_sub(self.base + 1)?).ok()?;
        self.sent.get(place).copied()
    }

    pub(super) fn position(&self, id: ConversationId) -> u64 {
        self.seen.get(&id).map_or(0, Seen::position)
    }

    /// A new socket: what it tells has an order of its own.
    pub(super) fn on_new_socket(&mut self) {
        self.is_resuming = true;
        self.told.clear();
        for seen in self.seen.values_mut() {
            seen.ahead.clear();
            seen.is_paging = false;
            seen.hole_to = 0;
        }
    }

    /// All that was missed has been replayed, but for what is paged. Conversations in which
    /// something is missing nevertheless.
    pub(super) fn on_resumed(&mut self) -> Vec<ConversationId> {
        self.is_resuming = false;
        let early = self.seen.iter().filter_map(|(id, seen)| {
            let (seq, _) = seen.ahead.first_key_value()?;
            (!seen.is_paging).then_some((*id, *seq))
        });
        let early: Vec<_> = early.collect();
        let holes = early.iter();
        holes
            .filter_map(|(id, seq)| self.on_hole(*id, *seq))
            .collect()
    }

    pub(super) fn on_ack(&mut self, name: u64, sent: &MessageSent) {
        let Some(conversation) = self.destination(name) else {
            return;
        };
        let ack = Ack {
            conversation,
            seq: sent.seq,
            name,
            message_id: sent.message_id,
        };
        if sent.conversation_id != conversation {
            self.problem("acknowledged for another conversation".to_owned());
        }
        if !sent.duplicate && !self.fresh.insert(name) {
            self.problem(format!("{name:016x} was taken as new twice"));
        }
        self.open.remove(&name);
        let first = *self.acks.entry(name).or_insert(ack);
        if (first.seq, first.message_id) != (ack.seq, ack.message_id) {
            self.problem(format!(
                "{name:016x} was acknowledged as seq {} and then as seq {}",
                first.seq, ack.seq
            ));
        }
        let entry = Entry::Message {
            name,
            message_id: sent.message_id,
        };
        self.place(conversation, sent.seq, entry, Way::Ack);
    }

    /// Takes an event in. The conversation, when it has to be paged now.
    pub(super) fn on_event(&mut self, frame: EventFrame) -> Option<ConversationId> {
        let id = frame.conversation_id?;
        if !self.seen.contains_key(&id) {
            return None;
        }
        match (frame.seq, frame.event) {
            (_, Event::SyncBatch(batch)) => {
                self.counts.resumed += batch.events.len() as u64;
                return self.take(id, batch.events, Way::Event);
            }
            (_, Event::SyncReset(_)) => {
                self.counts.resets += 1;
                return self.begin_paging(id);
            }
            (_, Event::ReceiptChanged(receipt)) => self.on_receipt(id, &receipt),
            (Some(seq), event) => {
                return self.take(id, vec![LoggedEvent { seq, event }], Way::Event);
            }
            _ => {}
        }
        None
    }

    /// Takes a page in. The conversation, when there is more to read.
    pub(super) fn on_page(
        &mut self,
        id: ConversationId,
        events: Vec<LoggedEvent>,
        has_more: bool,
    ) -> Option<ConversationId> {
        self.counts.resumed += events.len() as u64;
        self.take(id, events, Way::Page);
        let seen = self.seen.get_mut(&id)?;
        seen.is_paging = has_more;
        has_more.then_some(id)
    }

    fn take(
        &mut self,
        id: ConversationId,
        events: Vec<LoggedEvent>,
        way: Way,
    ) -> Option<ConversationId> {
        let mut to_page = None;
        for LoggedEvent { seq, event } in events {
            let entry = Entry::of(&event);
            if let (Entry::Message { name, .. }, Event::MessageCreated(message)) = (entry, &event)
                && message.text != peer::text_of(name, TEXT_BYTES)
            {
                self.problem(format!("{name:016x} came with another text"));
            }
            to_page = self.place(id, seq, entry, way).or(to_page);
        }
        to_page
    }

    fn begin_paging(&mut self, id: ConversationId) -> Option<ConversationId> {
        let seen = self.seen.get_mut(&id)?;
        let began = !std::mem::replace(&mut seen.is_paging, true);
        began.then_some(id)
    }

    /// Puts an entry where it belongs. The conversation, when that shows a hole that the server
    /// ought to have filled.
    pub(super) fn place(
        &mut self,
        id: ConversationId,
        seq: u64,
        entry: Entry,
        way: Way,
    ) -> Option<ConversationId> {
        let seen = self.seen.entry(id).or_default();
        let next = seen.position() + 1;
        if seq < next {
            self.counts.again += u64::from(way == Way::Event);
            let before = usize::try_from(seq).ok().and_then(|s| s.checked_sub(1));
            if before.and_then(|at| seen.log.get(at)) != Some(&entry) {
                self.counts.changed_entries += 1;
                self.problem(format!("{id} seq {seq} came as something else"));
            }
            return None;
        }
        let missing = (next..seq).find(|s| !seen.ahead.contains_key(s));
        seen.ahead.insert(seq, entry);
        let mut filled = Vec::new();
        while let Some(entry) = seen.ahead.remove(&(seen.position() + 1)) {
            seen.log.push(entry);
            if seen.position() <= seen.hole_to {
                filled.push((seen.position(), entry));
            }
        }
        let is_wrong = way == Way::Event && !seen.is_paging && !self.is_resuming;
        for (seq, entry) in filled {
            self.on_filled(id, seq, entry);
        }
        missing.filter(|_| is_wrong)?;
        self.on_hole(id, seq)
    }

    /// Whose fault a hole is shows when it is filled: see [`Self::on_filled`].
    fn on_hole(&mut self, id: ConversationId, seq: u64) -> Option<ConversationId> {
        let seen = self.seen.get_mut(&id)?;
        seen.hole_to = seq - 1;
        self.begin_paging(id)
    }

    /// To the sending socket the answer is the delivery, and on its way from another node it
    /// may be overtaken by an event. What others said is never late.
    fn on_filled(&mut self, id: ConversationId, seq: u64, entry: Entry) {
        if matches!(entry, Entry::Message { name, .. } if self.destination(name).is_some()) {
            self.counts.late_acks += 1;
        } else {
            self.counts.holes += 1;
            self.problem(format!("{id}: seq {seq} came after a later one"));
        }
    }

    fn on_receipt(&mut self, id: ConversationId, receipt: &ReceiptChanged) {
        let now = (receipt.delivered_up_to_seq, receipt.read_up_to_seq);
        let user = receipt.user_id.as_str().to_owned();
        let before = self.told.entry((id, user)).or_default();
        let goes_back = now.0 < before.0 || now.1 < before.1;
        let then = std::mem::replace(before, (before.0.max(now.0), before.1.max(now.1)));
        if goes_back {
            self.counts.receipts_back += 1;
            self.problem(format!("{id}: a receipt went from {then:?} to {now:?}"));
        }
    }

    pub(super) fn problem(&mut self, text: String) {
        self.counts.problems += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(format!("{}: {text}", self.user));
        }
    }
}
