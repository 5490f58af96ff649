//! Which conversations have an actor right now, and how messages reach it.
//!
//! Nobody outside holds a conversation's address: everything goes through [`Directory::send`],
//! under the lock of its shard, so that an actor that retires can be sure that what it finds in
//! its mailbox afterwards was sent before, and passes it on to its successor.

use actix::{Addr, ArbiterHandle, prelude::SendError};
use bedside_protocol::{CommandError, ConversationId, limits};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

use crate::{
    cluster::Cluster,
    conversation::{Ask, Committed, ConversationActor, Handover, Recheck, Refresh},
    counters::COUNTERS,
    node::Shared,
    ports::store::{AppendSink, Appended},
    supervision,
};

const SHARDS: usize = 32;

/// How long a conversation whose actor panicked too often answers `unavailable` before it is
/// tried again.
pub(crate) const CRASH_COOL_DOWN: Duration = Duration::from_secs(5);

struct Live {
    addr: Addr<ConversationActor>,
    generation: u64,
    /// Commands in its mailbox.
    queued: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Entry {
    live: Option<Live>,
    /// After a crash loop: no new actor before this.
    dead_until: Option<Instant>,
    /// Up to where the last actor had pushed, when it did not end in peace.
    pushed_seq: Option<u64>,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<ConversationId, Entry>,
    generations: u64,
}

/// See the module's text.
pub(crate) struct Directory {
    shards: [Mutex<Shard>; SHARDS],
    arbiters: Vec<ArbiterHandle>,
    shared: OnceLock<Weak<Shared>>,
}

impl Directory {
    pub(crate) fn new(arbiters: Vec<ArbiterHandle>) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            arbiters,
            shared: OnceLock::new(),
        }
    }

    /// Tells the directory whom to start actors for, and gives the store its sinks.
    pub(crate) fn connect(&self, shared: &Arc<Shared>) {
        // Set once, by `Node::start`.
        let _ = self.shared.set(Arc::downgrade(shared));
        let sinks = self
            .arbiters
            .iter()
            .map(|arbiter| {
                Arc::new(LaneSink {
                    arbiter: arbiter.clone(),
                    shared: Arc::downgrade(shared),
                }) as Arc<dyn AppendSink>
            })
            .collect();
        shared.store.connect(sinks);
    }

    fn hash(id: ConversationId) -> usize {
        let bytes = id.to_bytes();
        // The low half of a version 7 UUID is random.
        usize::from(bytes[14]) << 8 | usize::from(bytes[15])
    }

    fn shard(&self, id: ConversationId) -> &Mutex<Shard> {
        &self.shards[Self::hash(id) % SHARDS]
    }

    fn lane(&self, id: ConversationId) -> usize {
        Self::hash(id) / SHARDS % self.arbiters.len()
    }

    /// Where the conversation's actor runs, whenever there is one.
    pub(crate) fn arbiter(&self, id: ConversationId) -> &ArbiterHandle {
        &self.arbiters[self.lane(id)]
    }

    /// The address of the conversation's actor, started if need be. With the shard's lock held.
    fn live(
        &self,
        shard: &mut Shard,
        id: ConversationId,
        pushed_seq: Option<u64>,
    ) -> Result<(Addr<ConversationActor>, Arc<AtomicUsize>), CommandError> {
        let entry = shard.entries.entry(id).or_default();
        if let Some(live) = &entry.live {
            return Ok((live.addr.clone(), live.queued.clone()));
        }
        if let Some(until) = entry.dead_until {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(CommandError::unavailable(
                    "this conversation failed repeatedly and rests for a moment",
                    u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
                ));
            }
        }
        let Some(shared) = self.shared.get().and_then(Weak::upgrade) else {
            return Err(CommandError::unavailable("the server is going away", 1_000));
        };
        shard.generations += 1;
        let generation = shard.generations;
        let lane = self.lane(id);
        let pushed = entry.pushed_seq.take().or(pushed_seq);
        let crashed = shared.clone();
        let queued = Arc::new(AtomicUsize::new(0));
        let counted = queued.clone();
        let addr = supervision::start_on(
            &self.arbiters[lane],
            limits::CONVERSATION_MAILBOX_MAX,
            move || crashed.directory.crashed(id, generation),
            move |_| ConversationActor::new(id, shared, lane, generation, pushed, counted),
        );
        entry.dead_until = None;
        entry.live = Some(Live {
            addr: addr.clone(),
            generation,
            queued: queued.clone(),
        });
        Ok((addr, queued))
    }

    fn cluster(&self) -> Option<Arc<Cluster>> {
        self.shared.get()?.upgrade()?.cluster.clone()
    }

    /// Sends a command to the conversation's actor, wherever it is placed.
    pub(crate) fn send(&self, id: ConversationId, ask: Ask) {
        let ask = match self.cluster() {
            Some(cluster) => cluster.pass_on(id, ask),
            None => Some(ask),
        };
        if let Some(ask) = ask {
            self.send_here(id, ask);
        }
    }

    /// Sends a command to the conversation's actor on this node. A full mailbox answers
    /// `unavailable`.
    pub(crate) fn send_here(&self, id: ConversationId, ask: Ask) {
        let mut shard = self.shard(id).lock();
        let (addr, queued) = match self.live(&mut shard, id, None) {
            Ok(live) => live,
            Err(error) => {
                drop(shard);
                return ask.responder.err(error);
            }
        };
        // Counted here: the mailbox grants each clone of its address one more message, so its
        // own bound would never be met.
        let is_full = queued.fetch_add(1, Ordering::SeqCst) >= limits::CONVERSATION_MAILBOX_MAX;
        let refused = if is_full {
            Err(SendError::Full(ask))
        } else {
            addr.try_send(ask)
        };
        if refused.is_err() {
            queued.fetch_sub(1, Ordering::SeqCst);
        }
        drop(shard);
        match refused {
            Ok(()) => {}
            Err(SendError::Full(ask)) => {
                COUNTERS.mailbox_full.add(1);
                ask.responder.err(CommandError::unavailable(
                    "too many commands wait for this conversation",
                    250,
                ));
            }
            // It is just being given up on: dropping the responder answers `unavailable`.
            Err(SendError::Closed(ask)) => drop(ask),
        }
    }

    /// Shows a conversation that was just made to its members.
    pub(crate) fn start_new(&self, id: ConversationId) {
        if !self
            .cluster()
            .is_some_and(|cluster| cluster.made_elsewhere(id))
        {
            self.start_new_here(id);
        }
    }

    /// Starts the actor of a conversation that was just made: it announces all that is there.
    pub(crate) fn start_new_here(&self, id: ConversationId) {
        let mut shard = self.shard(id).lock();
        // One that cannot be started now is started by its first command.
        let _ = self.live(&mut shard, id, Some(0));
    }

    /// Has a conversation look at its relations again, wherever it is placed.
    pub(crate) fn recheck(&self, id: ConversationId) {
        let is_elsewhere = self
            .cluster()
            .is_some_and(|cluster| cluster.recheck_elsewhere(id));
        if !is_elsewhere || self.is_live(id) {
            self.recheck_here(id);
        }
    }

    /// Whether the conversation has an actor on this node.
    fn is_live(&self, id: ConversationId) -> bool {
        let shard = self.shard(id).lock();
        shard
            .entries
            .get(&id)
            .is_some_and(|entry| entry.live.is_some())
    }

    /// The same on this node.
    pub(crate) fn recheck_here(&self, id: ConversationId) {
        let mut shard = self.shard(id).lock();
        if let Ok((addr, _)) = self.live(&mut shard, id, None) {
            supervision::deliver(&addr, Recheck);
        }
    }

    /// Has a conversation look for what other nodes have written, and show it.
    pub(crate) fn refresh(&self, id: ConversationId) {
        let mut shard = self.shard(id).lock();
        match shard.entries.get(&id).and_then(|e| e.live.as_ref()) {
            Some(live) => {
                let since = Instant::now();
                supervision::deliver(&live.addr, Refresh { since, head: None });
            }
            // A new one looks by itself. One that cannot be started now is by its next command.
            None => drop(self.live(&mut shard, id, None)),
        }
    }

    /// The same for one that has an actor.
    pub(crate) fn refresh_live(&self, id: ConversationId, head: u64) {
        let refresh = Refresh {
            since: Instant::now(),
            head: Some(head),
        };
        let shard = self.shard(id).lock();
        if let Some(live) = shard.entries.get(&id).and_then(|entry| entry.live.as_ref()) {
            supervision::deliver(&live.addr, refresh);
        }
    }

    /// The same for all actors.
    pub(crate) fn refresh_all(&self) {
        let refresh = Refresh {
            since: Instant::now(),
            head: None,
        };
        for shard in &self.shards {
            for entry in shard.lock().entries.values() {
                if let Some(live) = &entry.live {
                    supervision::deliver(&live.addr, refresh.clone());
                }
            }
        }
    }

    /// Has the actors of these conversations finish what they are at and end.
    pub(crate) fn hand_over(&self, which: impl Fn(ConversationId) -> bool) {
        for shard in &self.shards {
            for (id, entry) in &shard.lock().entries {
                if let Some(live) = entry.live.as_ref().filter(|_| which(*id)) {
                    supervision::deliver(&live.addr, Handover);
                }
            }
        }
    }

    /// Gives up the actor's place, if it is still its own; nothing new reaches it from then on.
    pub(crate) fn retire(&self, id: ConversationId, generation: u64) -> bool {
        self.retire_if(id, generation, |_| true)
    }

    /// The same, but not while a command waits in the actor's mailbox: its successor would get
    /// later ones before it.
    pub(crate) fn retire_unasked(&self, id: ConversationId, generation: u64) -> bool {
        self.retire_if(id, generation, |live| {
            live.queued.load(Ordering::SeqCst) == 0
        })
    }

    fn retire_if(
        &self,
        id: ConversationId,
        generation: u64,
        may: impl FnOnce(&Live) -> bool,
    ) -> bool {
        let mut shard = self.shard(id).lock();
        let retires = shard
            .entries
            .get(&id)
            .and_then(|entry| entry.live.as_ref())
            .is_some_and(|live| live.generation == generation && may(live));
        if retires {
            shard.entries.remove(&id);
        }
        retires
    }

    /// Called on the actor's arbiter, before the actor is dropped.
    fn crashed(&self, id: ConversationId, generation: u64) {
        let Some(shared) = self.shared.get().cloned() else {
            return;
        };
        let wait = match shared.upgrade() {
            Some(shared) => shared.clock.wait(CRASH_COOL_DOWN),
            None => return,
        };
        let mut shard = self.shard(id).lock();
        if let Some(entry) = shard.entries.get_mut(&id)
            && entry
                .live
                .as_ref()
                .is_some_and(|live| live.generation == generation)
        {
            entry.live = None;
            let until = Instant::now() + wait;
            entry.dead_until = Some(until);
            // What it had stored and not shown must not wait for the next command.
            actix_rt::spawn(async move {
                tokio::time::sleep_until(until).await;
                if let Some(shared) = shared.upgrade() {
                    shared.directory.revive(id);
                }
            });
        }
    }

    fn revive(&self, id: ConversationId) {
        let mut shard = self.shard(id).lock();
        if shard.entries.contains_key(&id) {
            // One that cannot be started now is started by its next command.
            let _ = self.live(&mut shard, id, None);
        }
    }

    /// Remembers up to where an actor that crashed had pushed, so that its successor announces
    /// the rest.
    pub(crate) fn note_pushed(&self, id: ConversationId, _generation: u64, pushed: Option<u64>) {
        let mut shard = self.shard(id).lock();
        if let Some(entry) = shard.entries.get_mut(&id)
            && entry.live.is_none()
        {
            entry.pushed_seq = pushed;
        }
    }

    fn committed(&self, batch: Vec<Appended>) {
        let Some(first) = batch.first() else {
            return;
        };
        let id = first.conversation_id;
        let addr = self
            .shard(id)
            .lock()
            .entries
            .get(&id)
            .and_then(|entry| Some(entry.live.as_ref()?.addr.clone()));
        // Without an actor nobody waits; the next one reads the log.
        if let Some(addr) = addr {
            supervision::deliver(&addr, Committed(batch));
        }
    }
}

/// Brings commits to the conversations of one arbiter: one message per commit and arbiter
/// crosses threads, the rest is local.
struct LaneSink {
    arbiter: ArbiterHandle,
    shared: Weak<Shared>,
}

impl AppendSink for LaneSink {
    fn appended(&self, mut batch: Vec<Appended>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        self.arbiter.spawn_fn(move || {
            // Stable: within a conversation the order of the log is kept.
            batch.sort_by_key(|appended| appended.conversation_id);
            let mut rest = batch.into_iter().peekable();
            while let Some(first) = rest.next() {
                let id = first.conversation_id;
                let mut own = vec![first];
                while let Some(next) = rest.next_if(|next| next.conversation_id == id) {
                    own.push(next);
                }
                shared.directory.committed(own);
            }
        });
    }
}
