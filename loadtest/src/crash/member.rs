//! One person's device: sends, is cut off, comes back, resumes, and keeps what it saw.

use bedside_protocol::{
    ConversationId, ErrorCode, Event, EventFrame, event::LoggedEvent, reply::MessageSent,
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tokio::time::Instant;

use super::ledger::{Ack, Entry};
use crate::{
    Outcome, fault,
    peer::{self, Got, Peer},
    rng::Rng,
    world::User,
};

/// Texts are as long as the benchmark's.
pub(super) const TEXT_BYTES: usize = 300;

/// A send that is not acknowledged yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    pub(super) conversation: ConversationId,
    pub(super) name: u64,
}

/// What one device knows of one conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The log as it came, seq 1 first, without holes.
    pub(super) log: Vec<Entry>,
    /// Acknowledged sends of its own whose turn in the log is still to come.
    pub(super) ahead: BTreeMap<u64, Entry>,
    /// When the last of it came.
    pub(super) last_at: Option<Instant>,
}

/// One person's device.
pub(super) struct Member {
    pub(super) user: User,
    pub(super) rng: Rng,
    pub(super) conversations: Vec<ConversationId>,
    pub(super) seen: HashMap<ConversationId, Seen>,
    /// Posted and not acknowledged; at most one, but for what a crash left.
    pub(super) open: Vec<Sending>,
    pub(super) acks: Vec<Ack>,
    /// Names of all its sends, whether they arrived or not.
    pub(super) sent: Vec<Sending>,
    next_name: u64,
    pub(super) store_epoch: Option<String>,
    pub(super) peer: Option<Peer>,
    /// Stays away for this round.
    pub(super) is_away: bool,
    /// How long after the last welcome it had all that was stored, if it lacked any.
    pub(super) seen_after: Option<Duration>,
    pub(super) counts: Counts,
    pub(super) problems: Vec<String>,
}

/// What happened to a member.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Sends posted twice at once.
    pub(super) doubles: u64,
    /// Sends posted again after a crash.
    pub(super) resent: u64,
    /// Those of them that had been stored: only the acknowledgement was lost.
    pub(super) stored_unacked: u64,
    /// Acknowledged sends posted once more, to see whether the answer stays the same.
    pub(super) repeated: u64,
    /// Log entries that came by resume or history instead of live.
    pub(super) resumed: u64,
    /// Times that the server asked to page instead of replaying.
    pub(super) resets: u64,
    /// Entries that came more than once.
    pub(super) again: u64,
}

impl Member {
    pub(super) fn new(
        number: usize,
        user: User,
        conversations: Vec<ConversationId>,
        seed: u64,
    ) -> Self {
        Self {
            user,
            rng: Rng::new(seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9)),
            seen: conversations
                .iter()
                .map(|id| (*id, Seen::default()))
                .collect(),
            conversations,
            open: Vec::new(),
            acks: Vec::new(),
            sent: Vec::new(),
            next_name: (seed << 48) | ((number as u64) << 32),
            store_epoch: None,
            peer: None,
            is_away: false,
            seen_after: None,
            counts: Counts::default(),
            problems: Vec::new(),
        }
    }

    /// Sends, one after the other, until the server is gone. 1 in 16 is posted twice at once.
    pub(super) async fn talk(&mut self) -> Outcome<()> {
        while self.peer.is_some() {
            self.next_name += 1;
            let sending = Sending {
                conversation: self.conversations[self.rng.below(self.conversations.len())],
                name: self.next_name,
            };
            self.sent.push(sending);
            self.open.push(sending);
            let times = if self.rng.one_in(16) { 2 } else { 1 };
            self.counts.doubles += times - 1;
            self.deliver(sending, times).await?;
        }
        Ok(())
    }

    /// Posts a send so many times at once and reads until all are answered or the server is
    /// gone; asks again when told to.
    async fn deliver(&mut self, sending: Sending, times: u64) -> Outcome<()> {
        let text = peer::text_of(sending.name, TEXT_BYTES);
        let command = peer::say(sending.conversation, sending.name, text);
        let Some(peer) = &mut self.peer else {
            return Ok(());
        };
        let mut open: Vec<u64> = (0..times).map(|_| peer.post(&command)).collect();
        let mut fresh = 0;
        while !open.is_empty() {
            let Some(id) = self.read_one().await? else {
                return Ok(());
            };
            let Some(at) = open.iter().position(|o| *o == id) else {
                continue;
            };
            open.swap_remove(at);
            match self.peer.as_mut().and_then(|peer| peer.take_answer(id)) {
                Some(Ok(data)) => {
                    let sent: MessageSent = serde_json::from_value(data)?;
                    fresh += u64::from(!sent.duplicate);
                    self.on_ack(sending, &sent);
                }
                Some(Err(error)) if error.code.retryable() => {
                    let wait = Duration::from_millis(error.retry_after_ms.max(5));
                    tokio::time::sleep(wait).await;
                    let Some(peer) = &mut self.peer else {
                        return Ok(());
                    };
                    open.push(peer.post(&command));
                }
                Some(Err(error)) => self.problem(format!("a send was refused: {error}")),
                None => return fault("an answer that is not there"),
            }
        }
        if fresh > 1 {
            self.problem(format!(
                "{:016x} was taken as new {fresh} times",
                sending.name
            ));
        }
        Ok(())
    }

    /// Reads one frame: the number of an answer, 0 for anything else, none at the end.
    pub(super) async fn read_one(&mut self) -> Outcome<Option<u64>> {
        let Some(peer) = &mut self.peer else {
            return Ok(None);
        };
        match peer.read().await? {
            Got::Answer(id) => Ok(Some(id)),
            Got::Event(frame) => {
                self.on_event(*frame);
                Ok(Some(0))
            }
            Got::Closed(_) => {
                self.peer = None;
                Ok(None)
            }
        }
    }

    /// Takes in the events that came while an answer was awaited.
    pub(super) fn take_kept(&mut self) {
        let kept = self
            .peer
            .as_mut()
            .map(|peer| std::mem::take(&mut peer.events));
        for (_, frame) in kept.into_iter().flatten() {
            self.on_event(frame);
        }
    }

    fn on_ack(&mut self, sending: Sending, sent: &MessageSent) {
        let ack = Ack {
            conversation: sending.conversation,
            seq: sent.seq,
            name: sending.name,
            message_id: sent.message_id,
        };
        if sent.conversation_id != sending.conversation {
            self.problem("acknowledged for another conversation".to_owned());
        }
        let was_open = self.open.len();
        self.open.retain(|open| open.name != sending.name);
        if self.open.len() < was_open {
            self.acks.push(ack);
        } else if let Some(first) = self.acks.iter().rfind(|first| first.name == ack.name)
            && (first.seq, first.message_id) != (ack.seq, ack.message_id)
        {
            self.problem(format!("{:016x} was acknowledged in two ways", ack.name));
        }
        // To the sending socket the reply is the delivery.
        let entry = Entry::Message {
            name: sending.name,
            message_id: sent.message_id,
        };
        self.place(sending.conversation, sent.seq, entry, true);
    }

    pub(super) fn on_event(&mut self, frame: EventFrame) {
        let Some(id) = frame
            .conversation_id
            .filter(|id| self.seen.contains_key(id))
        else {
            return;
        };
        match (frame.seq, frame.event) {
            (_, Event::SyncBatch(batch)) => {
                self.counts.resumed += batch.events.len() as u64;
                for LoggedEvent { seq, event } in batch.events {
                    let entry = self.entry(&event);
                    self.place(id, seq, entry, false);
                }
            }
            (Some(seq), event) => {
                let entry = self.entry(&event);
                self.place(id, seq, entry, false);
            }
            _ => {}
        }
    }

    /// What is kept of an event, after a look at its body.
    pub(super) fn entry(&mut self, event: &Event) -> Entry {
        let entry = Entry::of(event);
        if let (Entry::Message { name, .. }, Event::MessageCreated(message)) = (entry, event)
            && message.text != peer::text_of(name, TEXT_BYTES)
        {
            self.problem(format!("{name:016x} came with another text"));
        }
        entry
    }

    /// Puts an entry where it belongs. Events come in the order of the log; only an own
    /// acknowledgement may come before what others said just before it.
    pub(super) fn place(&mut self, id: ConversationId, seq: u64, entry: Entry, is_ack: bool) {
        let seen = self.seen.entry(id).or_default();
        let next = seen.log.len() as u64 + 1;
        if seq < next {
            self.counts.again += u64::from(!is_ack);
            if seen.log[(seq - 1) as usize] != entry {
                self.problem(format!("{id} seq {seq} changed"));
            }
            return;
        }
        if seq > next {
            if is_ack {
                seen.ahead.insert(seq, entry);
            } else if let Some(missing) = (next..seq).find(|s| !seen.ahead.contains_key(s)) {
                let text = format!("{id}: seq {seq} came though {missing} had not");
                return self.problem(text);
            }
        }
        if seq == next || !is_ack {
            seen.ahead.insert(seq, entry);
        }
        while let Some(entry) = seen.ahead.remove(&(seen.log.len() as u64 + 1)) {
            seen.log.push(entry);
            seen.last_at = Some(Instant::now());
        }
    }

    /// After a crash: resends what was not acknowledged, repeats something that was.
    pub(super) async fn mend(&mut self) -> Outcome<()> {
        self.resend().await?;
        self.repeat_one().await?;
        self.take_kept();
        Ok(())
    }

    /// Posts again what was not acknowledged, and compares with what the log says.
    async fn resend(&mut self) -> Outcome<()> {
        for sending in self.open.clone() {
            let stored = self.find(sending);
            self.counts.resent += 1;
            self.counts.stored_unacked += u64::from(stored.is_some());
            self.deliver(sending, 1).await?;
            let seq = self
                .acks
                .last()
                .filter(|ack| ack.name == sending.name)
                .map(|ack| ack.seq);
            if stored.is_some() && seq != stored {
                self.problem(format!(
                    "{:016x} is stored at {stored:?} and acknowledged at {seq:?}",
                    sending.name
                ));
            }
        }
        Ok(())
    }

    /// Posts an acknowledged send once more, and the same name with another text.
    async fn repeat_one(&mut self) -> Outcome<()> {
        if self.acks.is_empty() {
            return Ok(());
        }
        // Half of the time one of the newest, which the server may know by heart.
        let newest = self.acks.len().min(64);
        let back = if self.rng.one_in(2) {
            newest
        } else {
            self.acks.len()
        };
        let ack = self.acks[self.acks.len() - 1 - self.rng.below(back)];
        self.counts.repeated += 1;
        let same = peer::say(
            ack.conversation,
            ack.name,
            peer::text_of(ack.name, TEXT_BYTES),
        );
        let Some(peer) = &mut self.peer else {
            return Ok(());
        };
        let sent: MessageSent = peer.ask(&same).await?;
        let expected = (ack.seq, ack.message_id, true);
        if (sent.seq, sent.message_id, sent.duplicate) != expected {
            self.problem(format!(
                "{:016x} was acknowledged as seq {} and is now {sent:?}",
                ack.name, ack.seq
            ));
        }
        let Some(peer) = &mut self.peer else {
            return Ok(());
        };
        let id = peer.post(&peer::say(
            ack.conversation,
            ack.name,
            "another text".to_owned(),
        ));
        match peer.answer(id).await? {
            Err(error) if error.code == ErrorCode::Conflict || error.code.retryable() => {}
            other => self.problem(format!("a used name with another text got {other:?}")),
        }
        Ok(())
    }

    fn find(&self, sending: Sending) -> Option<u64> {
        let log = &self.seen.get(&sending.conversation)?.log;
        let at = log.iter().rposition(
            |entry| matches!(entry, Entry::Message { name, .. } if *name == sending.name),
        )?;
        Some(at as u64 + 1)
    }

    /// Cut off without a word.
    pub(super) fn vanish(&mut self) {
        self.peer = None;
    }

    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(format!("{}: {text}", self.user.id));
    }
}
