//! What becomes of what was asked.

use bedside_protocol::{
    CommandError,
    reply::{History, MessageSent, ReceiptTaken, Resumed},
};
use std::time::Duration;
use tokio::time::Instant;

use super::{Asked, Device, REFUSALS_MAX, TWICE_ONE_IN};
use crate::Outcome;

impl Device {
    pub(super) fn on_answer(&mut self, id: u64) {
        let asked = self.life.asked.remove(&id);
        let answer = self.life.peer.as_mut().and_then(|p| p.take_answer(id));
        let (Some(asked), Some(answer)) = (asked, answer) else {
            return;
        };
        match answer {
            Ok(data) => {
                self.life.refusals = 0;
                self.life.troubles = 0;
                if let Err(error) = self.on_done(asked, data) {
                    self.memory().problem(format!("{asked:?} got {error}"));
                }
            }
            Err(error) => self.on_refused(asked, &error),
        }
    }

    fn on_done(&mut self, asked: Asked, data: serde_json::Value) -> Outcome<()> {
        match asked {
            Asked::Send { name, is_repeat } => {
                let sent: MessageSent = serde_json::from_value(data)?;
                if is_repeat && !sent.duplicate {
                    let text = format!("{name:016x} was acknowledged, and is now taken as new");
                    self.memory().problem(text);
                }
                self.memory().on_ack(name, &sent);
                if let Some((begun, is_probe)) = self.life.begun.remove(&name) {
                    let id = sent.conversation_id;
                    self.board.on_acked(id, sent.seq, begun.elapsed(), is_probe);
                    if self.rng.one_in(TWICE_ONE_IN) {
                        let later = Instant::now() + Duration::from_millis(200);
                        self.life.again.push_back((later, name));
                    }
                }
                self.on_progress(Some(sent.conversation_id), None);
            }
            Asked::Page(id) => {
                let page: History = serde_json::from_value(data)?;
                let more = self.memory().on_page(id, page.events, page.has_more);
                self.on_progress(Some(id), more);
            }
            Asked::Read(id, asked) => {
                let taken: ReceiptTaken = serde_json::from_value(data)?;
                let mut memory = self.memory();
                let before = memory.read.get(&id).copied().unwrap_or(0);
                if taken.up_to_seq < asked.max(before) {
                    memory.counts.receipts_back += 1;
                    let up_to = taken.up_to_seq;
                    memory.problem(format!("{id}: read up to {asked}, and it says {up_to}"));
                }
                memory.read.insert(id, taken.up_to_seq.max(before));
            }
            Asked::Resume => {
                let resumed: Resumed = serde_json::from_value(data)?;
                self.on_resumed(&resumed);
            }
        }
        Ok(())
    }

    fn on_refused(&mut self, asked: Asked, error: &CommandError) {
        self.memory().counts.refused += 1;
        if !error.code.retryable() {
            self.memory()
                .problem(format!("{asked:?} was refused for good: {error}"));
        }
        self.life.refusals += 1;
        let wait = self
            .patience()
            .max(Duration::from_millis(error.retry_after_ms));
        let later = Instant::now() + wait;
        match asked {
            // A receipt is not repeated: the next one says more.
            Asked::Read(..) => {}
            Asked::Send { name, .. } => self.life.again.push_back((later, name)),
            Asked::Page(id) => self.life.pages.push_back((later, id)),
            Asked::Resume => return self.leave(true),
        }
        if self.life.refusals >= REFUSALS_MAX {
            self.leave(true);
        }
    }
}
