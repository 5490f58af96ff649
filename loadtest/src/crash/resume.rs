//! Coming back after a crash: reconnect, `sync.resume`, page what is too far behind.

use bedside_protocol::{
    Command, CommandError, ConversationId, Event, command::SyncResume, event::LoggedEvent,
    reply::Resumed,
};
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

use super::{Heads, member::Member};
use crate::{
    Outcome, fault,
    peer::{Got, Peer},
    ws::Dial,
};

/// How long a member may take to get in after a restart.
const RETURN_TIMEOUT: Duration = Duration::from_secs(20);
/// Between tries to get in.
const RETRY: Duration = Duration::from_millis(5);
/// Within so long of its welcome a member has what was stored.
const SEEN_WITHIN: Duration = Duration::from_secs(1);
/// How long it is waited for what comes later than that, to tell how late.
const PATIENCE: Duration = Duration::from_secs(5);

impl Member {
    /// Gets in again, resumes, and goes on reading until it has all that is stored. Nobody
    /// sends meanwhile, so nothing but the server itself can bring what is missing.
    pub(super) async fn return_and_see(&mut self, dial: &Dial, mut heads: Heads) -> Outcome<()> {
        let had = self.entries();
        let welcomed_at = self.come_back(dial).await?;
        let known = loop {
            if let Some(known) = heads.borrow_and_update().clone() {
                break known;
            }
            tokio::select! {
                changed = heads.changed() => changed?,
                read = self.read_one() => {
                    read?;
                }
            }
        };
        self.read_up_to(&known, Instant::now() + PATIENCE).await?;
        if self.entries() > had {
            let last_at = self.seen.values().filter_map(|seen| seen.last_at).max();
            let after = last_at
                .unwrap_or(welcomed_at)
                .saturating_duration_since(welcomed_at);
            if after > SEEN_WITHIN {
                self.problem(format!("it took {} ms to see all", after.as_millis()));
            }
            self.seen_after = Some(after);
        }
        for (id, seen) in &self.seen {
            let (has, head) = (seen.log.len() as u64, known.get(id).copied().unwrap_or(0));
            if has < head {
                let text = format!("{}: {id} stays at {has} of {head}", self.user.id);
                self.problems.push(text);
            }
        }
        Ok(())
    }

    fn entries(&self) -> usize {
        self.seen.values().map(|seen| seen.log.len()).sum()
    }

    /// Gets in again and resumes from where it was. Tells when it was welcomed.
    async fn come_back(&mut self, dial: &Dial) -> Outcome<Instant> {
        let deadline = Instant::now() + RETURN_TIMEOUT;
        loop {
            match self.try_to_resume(dial).await {
                Ok(welcomed_at) => return Ok(welcomed_at),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {
                    self.peer = None;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// One try to get in; what it already has stays.
    pub(super) async fn try_to_resume(&mut self, dial: &Dial) -> Outcome<Instant> {
        let mut peer = Peer::open(dial, &self.user.token).await?;
        let welcomed_at = peer.welcomed_at;
        if let Some(before) = &self.store_epoch
            && *before != peer.welcome.store_epoch
        {
            self.problem("the store's epoch changed over a restart".to_owned());
        }
        self.store_epoch = Some(peer.welcome.store_epoch.clone());
        // What was acknowledged ahead of its turn is read again with the rest.
        for seen in self.seen.values_mut() {
            seen.ahead.clear();
        }
        let positions = self
            .seen
            .iter()
            .map(|(id, seen)| (*id, seen.log.len() as u64));
        let id = peer.post(&Command::SyncResume(SyncResume {
            positions: positions.collect(),
            store_epoch: self.store_epoch.clone(),
            cursor: None,
        }));
        self.peer = Some(peer);
        self.wait_for_resume(id).await?;
        Ok(welcomed_at)
    }

    async fn wait_for_resume(&mut self, resume: u64) -> Outcome<()> {
        let mut to_page = Vec::new();
        loop {
            let Some(peer) = &mut self.peer else {
                return fault("gone while resuming");
            };
            match peer.read().await? {
                Got::Closed(_) => {
                    self.peer = None;
                }
                Got::Event(frame) => {
                    if let (Some(id), Event::SyncReset(_)) = (frame.conversation_id, &frame.event) {
                        self.counts.resets += 1;
                        to_page.push(id);
                    }
                    self.on_event(*frame);
                }
                Got::Answer(id) if id == resume => {
                    let answer = peer.take_answer(id);
                    let data = answer
                        .ok_or("no answer")?
                        .map_err(|e: CommandError| e.to_string())?;
                    let resumed: Resumed = serde_json::from_value(data)?;
                    if !resumed.gone.is_empty() {
                        self.problem("a conversation is gone after a crash".to_owned());
                    }
                    break;
                }
                Got::Answer(_) => {}
            }
        }
        for id in to_page {
            self.page(id).await?;
        }
        Ok(())
    }

    /// Reads the log from its position to its end.
    async fn page(&mut self, id: ConversationId) -> Outcome<()> {
        loop {
            let after = self.seen.get(&id).map_or(0, |seen| seen.log.len() as u64);
            let Some(peer) = &mut self.peer else {
                return fault("gone while paging");
            };
            let page = peer.page(id, after).await?;
            self.counts.resumed += page.events.len() as u64;
            for LoggedEvent { seq, event } in page.events {
                let entry = self.entry(&event);
                self.place(id, seq, entry, false);
            }
            self.take_kept();
            if !page.has_more {
                return Ok(());
            }
        }
    }

    /// Reads until every conversation reaches the given head, or until the deadline.
    pub(super) async fn read_up_to(
        &mut self,
        heads: &HashMap<ConversationId, u64>,
        deadline: Instant,
    ) -> Outcome<()> {
        let has_all = |member: &Self| {
            let mut seen = member.seen.iter();
            seen.all(|(id, seen)| seen.log.len() as u64 >= heads.get(id).copied().unwrap_or(0))
        };
        while !has_all(self) && self.peer.is_some() {
            match tokio::time::timeout_at(deadline, self.read_one()).await {
                Ok(read) => {
                    read?;
                }
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }
}
