//! Which sockets each user has open on this node.
//!
//! A [`UserSlot`] is held by the user's sessions and by every active conversation that the user
//! is a member of, so that a fan-out reaches a member's sockets without looking anybody up.

use bedside_protocol::{CloseCode, ConversationId, SessionId, UserId, limits};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock, Weak},
};

use crate::{
    cluster::Cluster,
    outbox::{Outbox, SharedEvent},
    ports::bus::UserKey,
};

const SHARDS: usize = 32;

/// One user's sockets.
#[derive(Debug)]
pub struct UserSlot {
    user_id: UserId,
    /// What stands for them in what nodes share, once it was asked for.
    key: OnceLock<UserKey>,
    outboxes: Mutex<Vec<Arc<Outbox>>>,
}

impl UserSlot {
    /// Whose.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// What stands for them in what nodes share.
    pub(crate) fn key(&self, cluster: &Cluster) -> UserKey {
        *self.key.get_or_init(|| cluster.user_key(&self.user_id))
    }

    /// Whether any socket is open.
    #[must_use]
    pub fn is_online(&self) -> bool {
        !self.outboxes.lock().is_empty()
    }

    /// Calls `f` for each socket that is open; how many.
    pub fn each(&self, mut f: impl FnMut(&Arc<Outbox>)) -> u64 {
        let outboxes = self.outboxes.lock();
        outboxes.iter().for_each(&mut f);
        outboxes.len() as u64
    }

    /// Pushes an event to all sockets that `to` lets through, but not to `origin`, which learns
    /// of it by its reply unless it hears itself.
    pub fn event(
        &self,
        event: &Arc<SharedEvent>,
        origin: Option<SessionId>,
        to: impl Fn(&Outbox) -> bool,
    ) -> u64 {
        self.each(|outbox| {
            if !to(outbox) {
                return;
            }
            let is_origin = origin == Some(outbox.session_id());
            if is_origin && !outbox.hears_itself() {
                if let (Some(conversation_id), Some(seq)) =
                    (event.frame().conversation_id, event.frame().seq)
                {
                    outbox.shown(conversation_id, seq);
                }
            } else {
                outbox.event(event);
            }
        })
    }
}

/// All users of this node that are online or in an active conversation.
#[derive(Debug)]
pub struct Sessions {
    hasher: RandomState,
    shards: [Mutex<HashMap<UserId, Arc<UserSlot>>>; SHARDS],
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Sessions {
    fn shard(&self, user_id: &UserId) -> &Mutex<HashMap<UserId, Arc<UserSlot>>> {
        &self.shards[self.hasher.hash_one(user_id) as usize % SHARDS]
    }

    /// The user's slot, made if need be.
    #[must_use]
    pub fn slot(&self, user_id: &UserId) -> Arc<UserSlot> {
        let mut shard = self.shard(user_id).lock();
        if let Some(slot) = shard.get(user_id) {
            return slot.clone();
        }
        let slot = Arc::new(UserSlot {
            user_id: user_id.clone(),
            key: OnceLock::new(),
            outboxes: Mutex::default(),
        });
        shard.insert(user_id.clone(), slot.clone());
        slot
    }

    /// The user's slot, if anyone holds it.
    #[must_use]
    pub fn find(&self, user_id: &UserId) -> Option<Arc<UserSlot>> {
        self.shard(user_id).lock().get(user_id).cloned()
    }

    /// Calls `f` for each socket that the user has open; how many.
    pub fn each_of(&self, user_id: &UserId, f: impl FnMut(&Arc<Outbox>)) -> u64 {
        let Some(slot) = self.find(user_id) else {
            return 0;
        };
        let count = slot.each(f);
        drop(slot);
        // The last socket may have closed meanwhile, and could not drop what was held here.
        self.forget_if_unused(user_id);
        count
    }

    /// Adds a socket. The oldest one of a user who has too many is closed.
    pub fn open(&self, user_id: &UserId, outbox: Arc<Outbox>) {
        let shard = self.slot(user_id);
        let mut outboxes = shard.outboxes.lock();
        if outboxes.len() >= limits::SESSIONS_PER_USER_MAX {
            outboxes.remove(0).close(CloseCode::Replaced);
        }
        outboxes.push(outbox);
    }

    /// Removes a socket; whether it was the user's last.
    pub fn close(&self, user_id: &UserId, session_id: SessionId) -> bool {
        let Some(slot) = self.find(user_id) else {
            return false;
        };
        let mut outboxes = slot.outboxes.lock();
        let before = outboxes.len();
        outboxes.retain(|outbox| outbox.session_id() != session_id);
        let was_last = before > 0 && outboxes.is_empty();
        drop(outboxes);
        drop(slot);
        self.forget_if_unused(user_id);
        was_last
    }

    /// Drops a slot that nobody holds any more.
    pub fn forget_if_unused(&self, user_id: &UserId) {
        let mut shard = self.shard(user_id).lock();
        // Under the shard's lock nobody can take another reference.
        if shard
            .get(user_id)
            .is_some_and(|slot| Arc::strong_count(slot) == 1 && !slot.is_online())
        {
            shard.remove(user_id);
        }
    }

    /// Everybody who has a socket open.
    #[must_use]
    pub fn online(&self) -> Vec<UserId> {
        let mut online = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let there = shard.values().filter(|slot| slot.is_online());
            online.extend(there.map(|slot| slot.user_id.clone()));
        }
        online
    }

    /// Calls `f` for every open socket and whose it is.
    pub fn every(&self, mut f: impl FnMut(&UserId, &Arc<Outbox>)) {
        for shard in &self.shards {
            for slot in shard.lock().values() {
                slot.each(|outbox| f(&slot.user_id, outbox));
            }
        }
    }

    /// Every open socket.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Outbox>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            for slot in shard.lock().values() {
                all.extend(slot.outboxes.lock().iter().cloned());
            }
        }
        all
    }
}

/// Which sockets want to hear of typing in which conversation. Kept outside the conversation's
/// actor, so that it survives the actor.
#[derive(Debug, Default)]
pub struct Subscriptions {
    by_conversation: Mutex<HashMap<ConversationId, Vec<Subscriber>>>,
}

#[derive(Debug, Clone)]
struct Subscriber {
    user_id: UserId,
    outbox: Weak<Outbox>,
}

impl Subscriptions {
    /// Adds a socket.
    pub fn add(&self, conversation_id: ConversationId, user_id: UserId, outbox: &Arc<Outbox>) {
        let mut all = self.by_conversation.lock();
        if outbox.is_closed() {
            // Its end has been cleared up, or waits for this lock to do so.
            return;
        }
        let subscribers = all.entry(conversation_id).or_default();
        subscribers.retain(|s| {
            s.outbox
                .upgrade()
                .is_some_and(|o| o.session_id() != outbox.session_id())
        });
        subscribers.push(Subscriber {
            user_id,
            outbox: Arc::downgrade(outbox),
        });
    }

    /// Removes a socket.
    pub fn remove(&self, conversation_id: ConversationId, session_id: SessionId) {
        let mut all = self.by_conversation.lock();
        if let Some(subscribers) = all.get_mut(&conversation_id) {
            subscribers.retain(|s| {
                s.outbox
                    .upgrade()
                    .is_some_and(|o| o.session_id() != session_id)
            });
            if subscribers.is_empty() {
                all.remove(&conversation_id);
            }
        }
    }

    /// Pushes an ephemeral event to the subscribers that `to` lets through.
    pub fn event(
        &self,
        conversation_id: ConversationId,
        event: &Arc<SharedEvent>,
        to: impl Fn(&UserId) -> bool,
    ) {
        let subscribers = self
            .by_conversation
            .lock()
            .get(&conversation_id)
            .cloned()
            .unwrap_or_default();
        for subscriber in subscribers {
            if to(&subscriber.user_id)
                && let Some(outbox) = subscriber.outbox.upgrade()
            {
                outbox.event(event);
            }
        }
    }
}
