//! The sessions that can be found by their id: those that poll, and those that did. Shared by
//! all workers, because each request may come to another one.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::mpsc;

use super::polling::Request;

const SHARDS: usize = 16;

/// What finds a session.
pub(super) type Requests = mpsc::Sender<Request>;

/// The sessions of one server.
pub(super) struct Registry {
    shards: [Mutex<HashMap<Arc<str>, Entry>>; SHARDS],
    hasher: RandomState,
    sessions: AtomicUsize,
    sessions_max: usize,
}

struct Entry {
    /// None once a WebSocket carries the session.
    requests: Option<Requests>,
    /// A WebSocket is about to.
    claimed: bool,
}

/// Where a session is.
#[derive(Debug)]
pub(super) enum Found {
    /// Nowhere.
    Nowhere,
    /// It polls.
    Polling(Requests),
    /// A WebSocket carries it.
    Upgraded,
}

/// What a WebSocket that wants to carry a session gets.
#[derive(Debug)]
pub(super) enum Claimed {
    /// There is no such session.
    Nowhere,
    /// It has a WebSocket, or one is about to carry it.
    Taken,
    /// It may.
    Granted(Claim),
}

impl Registry {
    pub(super) fn new(sessions_max: usize) -> Arc<Self> {
        Arc::new(Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            sessions: AtomicUsize::new(0),
            sessions_max,
        })
    }

    fn shard(&self, sid: &str) -> &Mutex<HashMap<Arc<str>, Entry>> {
        &self.shards[self.hasher.hash_one(sid) as usize % SHARDS]
    }

    /// Adds a session that polls; none when there are too many.
    pub(super) fn add(self: &Arc<Self>, sid: Arc<str>, requests: Requests) -> Option<Registered> {
        let registered = Registered {
            registry: Arc::clone(self),
            sid,
            polls: true,
        };
        // Counted first and looked at after, so that two at once cannot both take the last place.
        if self.sessions.fetch_add(1, Ordering::AcqRel) >= self.sessions_max {
            return None;
        }
        let entry = Entry {
            requests: Some(requests),
            claimed: false,
        };
        let shard = self.shard(&registered.sid);
        shard.lock().insert(Arc::clone(&registered.sid), entry);
        Some(registered)
    }

    pub(super) fn find(&self, sid: &str) -> Found {
        match self.shard(sid).lock().get(sid) {
            None => Found::Nowhere,
            Some(Entry {
                requests: Some(requests),
                ..
            }) => Found::Polling(requests.clone()),
            Some(_) => Found::Upgraded,
        }
    }

    /// Claims a session for a WebSocket.
    pub(super) fn claim(self: &Arc<Self>, sid: &str) -> Claimed {
        match self.shard(sid).lock().get_mut(sid) {
            None => Claimed::Nowhere,
            Some(Entry {
                requests: Some(requests),
                claimed: claimed @ false,
            }) => {
                *claimed = true;
                Claimed::Granted(Claim {
                    registry: Arc::clone(self),
                    sid: sid.into(),
                    requests: requests.clone(),
                })
            }
            Some(_) => Claimed::Taken,
        }
    }

    /// How many sessions poll.
    pub(super) fn polling(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }
}

/// A session's entry, gone on drop.
pub(super) struct Registered {
    registry: Arc<Registry>,
    sid: Arc<str>,
    polls: bool,
}

impl Registered {
    /// From now on a WebSocket carries the session.
    pub(super) fn upgraded(&mut self) {
        let mut shard = self.registry.shard(&self.sid).lock();
        if let Some(entry) = shard.get_mut(&self.sid) {
            entry.requests = None;
        }
        self.polls = false;
        self.registry.sessions.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.shard(&self.sid).lock().remove(&self.sid);
        if self.polls {
            self.registry.sessions.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// A WebSocket's right to carry a session, given back on drop.
pub(super) struct Claim {
    registry: Arc<Registry>,
    sid: Box<str>,
    /// How the session is told.
    pub(super) requests: Requests,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(entry) = self.registry.shard(&self.sid).lock().get_mut(&*self.sid) {
            entry.claimed = false;
        }
    }
}

// The ids are as good as passwords.

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({} sessions)", self.polling())
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registered")
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Requests {
        mpsc::channel(1).0
    }

    #[test]
    fn a_session_is_found_until_it_ends() {
        let registry = Registry::new(10);
        let session = registry.add("a".into(), requests());
        assert!(session.is_some());
        assert!(matches!(registry.find("a"), Found::Polling(_)));
        assert!(matches!(registry.find("b"), Found::Nowhere));
        drop(session);
        assert!(matches!(registry.find("a"), Found::Nowhere));
        assert_eq!(registry.polling(), 0);
    }

    #[test]
    fn one_websocket_at_a_time_may_claim_a_session() {
        let registry = Registry::new(10);
        let mut session = registry.add("a".into(), requests()).expect("there is room");
        let first = registry.claim("a");
        assert!(matches!(first, Claimed::Granted(_)));
        assert!(matches!(registry.claim("a"), Claimed::Taken));
        drop(first);
        let second = registry.claim("a");
        assert!(matches!(second, Claimed::Granted(_)));
        session.upgraded();
        drop(second);
        assert!(matches!(registry.claim("a"), Claimed::Taken));
        assert!(matches!(registry.find("a"), Found::Upgraded));
        assert!(matches!(registry.claim("b"), Claimed::Nowhere));
    }

    #[test]
    fn what_polls_is_bounded_and_what_does_not_is_not_counted() {
        let registry = Registry::new(1);
        let mut first = registry.add("a".into(), requests()).expect("there is room");
        assert!(registry.add("b".into(), requests()).is_none());
        assert!(matches!(registry.find("b"), Found::Nowhere));
        first.upgraded();
        let second = registry.add("b".into(), requests());
        assert!(second.is_some());
        drop((first, second));
        assert_eq!(registry.polling(), 0);
    }
}
