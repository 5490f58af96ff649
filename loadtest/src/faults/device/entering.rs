//! Getting in, resuming, and leaving for another node.

use bedside_protocol::{Command, command::SyncResume, reply::Resumed};
use std::time::Duration;
use tokio::time::Instant;

use super::{Asked, Device};
use crate::{peer::Peer, ws::Dial};

/// A node that has not welcomed by then is passed by.
const WELCOME_WITHIN: Duration = Duration::from_secs(2);

/// So many troubles in a row do not keep it from trying at once.
const TROUBLES_BORNE: u32 = 2;

impl Device {
    /// Tries each entry, beginning with the present one, until one lets it in. It pauses when
    /// none does, and first when little went well lately, or until the server wants it back.
    pub(super) async fn enter(&mut self) {
        if let Some(at) = self.life.back_at.take() {
            tokio::time::sleep_until(at).await;
        } else if self.life.troubles > TROUBLES_BORNE {
            let pause = self.patience();
            tokio::time::sleep(pause).await;
        }
        while !self.orders.borrow().stop {
            for _ in 0..self.entries.len() {
                if self.try_to_enter().await {
                    return;
                }
                self.life.at = (self.life.at + 1) % self.entries.len();
            }
            let pause = self.patience();
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_to_enter(&mut self) -> bool {
        let dial = Dial::new(self.entries[self.life.at]);
        let opening = Peer::open(&dial, &self.user.token);
        let Ok(Ok(peer)) = tokio::time::timeout(WELCOME_WITHIN, opening).await else {
            return false;
        };
        let was_in = std::mem::replace(&mut self.life.has_been_in, true);
        let resume = {
            let mut memory = self.memory();
            memory.on_new_socket();
            memory.counts.reconnects += u64::from(was_in);
            SyncResume {
                positions: (memory.seen.iter().map(|(id, seen)| (*id, seen.position()))).collect(),
                store_epoch: None,
                cursor: None,
            }
        };
        self.life.peer = Some(peer);
        self.ask(&Command::SyncResume(resume), Asked::Resume);
        true
    }

    /// All that came before has been replayed; what is open is posted again.
    pub(super) fn on_resumed(&mut self, resumed: &Resumed) {
        if !resumed.gone.is_empty() {
            self.memory()
                .problem("a conversation is gone after a fault".to_owned());
        }
        let to_page = self.memory().on_resumed();
        for id in to_page {
            self.page(id);
        }
        for own in &self.conversations {
            let position = self.memory().position(own.id);
            self.board.on_position(own.id, self.number, position);
        }
        self.life.is_in = true;
        if let Some(since) = self.life.away_since.take() {
            self.board.on_back(since.elapsed());
        }
        self.life.again.clear();
        let open: Vec<_> = self.memory().open.iter().copied().collect();
        for name in open {
            self.post_again(name);
        }
    }

    /// Gives the socket up without a word; the next one may be elsewhere.
    pub(super) fn leave(&mut self, is_disappointed: bool) {
        let life = &mut self.life;
        life.peer = None;
        life.is_in = false;
        life.asked.clear();
        life.deadlines.clear();
        life.again.clear();
        life.pages.clear();
        life.refusals = 0;
        if is_disappointed {
            life.away_since.get_or_insert_with(Instant::now);
            life.troubles += 1;
            life.at = (life.at + 1) % self.entries.len();
        }
        self.board.set_idle(self.number, false);
    }
}
