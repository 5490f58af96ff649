//! Making up for what the bridge lost: the store is asked what happened, and the sockets are
//! told how far the logs reach. What a socket then lacks it reads from the store itself.

use bedside_protocol::{ConversationId, Timestamp, UserId};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    mem,
    time::Duration,
};

use crate::{
    node::Shared,
    ports::store::{Active, StoreResult},
};

/// The clocks of nodes may differ by so much, and an entry may wait for so long before it is
/// stored.
pub(super) const MARGIN_MS: i64 = 10_000;

/// People that the store is asked about at a time.
const USERS_AT_A_TIME: usize = 200;

/// Before the store is asked again after it failed.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// For whom something may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// Everybody on this node.
    All,
    /// These people.
    These(HashSet<UserId>),
}

#[derive(Clone, Debug)]
struct Need {
    whom: Whom,
    since: Timestamp,
}

/// An event that came while something before it may be missing.
struct Held {
    first: u64,
    last: u64,
    users: HashSet<UserId>,
}

#[derive(Default)]
struct State {
    need: Option<Need>,
    /// How often something was needed: what is needed while it is looked up needs another look.
    needed: u64,
    is_running: bool,
    held: HashMap<ConversationId, Held>,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Healing {
    state: Mutex<State>,
}

impl Healing {
    /// Something may be missing from `since` on. True when the caller is to run [`Self::run`].
    pub(super) fn need(&self, whom: Whom, since: Timestamp) -> bool {
        let mut state = self.state.lock();
        state.needed += 1;
        state.need = Some(match state.need.take() {
            None => Need { whom, since },
            Some(old) => Need {
                whom: old.whom.and(whom),
                since: old.since.min(since),
            },
        });
        !mem::replace(&mut state.is_running, true)
    }

    /// Keeps an event back when something before it may be missing for everybody: shown at once
    /// it would hide the hole. False when there is no need to.
    pub(super) fn holds(&self, id: ConversationId, seq: u64, users: &[UserId]) -> bool {
        let mut state = self.state.lock();
        let is_for_all = |need: &Need| need.whom == Whom::All;
        if !state.is_running || !state.need.as_ref().is_some_and(is_for_all) {
            return false;
        }
        let held = state.held.entry(id).or_insert_with(|| Held {
            first: seq,
            last: seq,
            users: HashSet::new(),
        });
        held.first = held.first.min(seq);
        held.last = held.last.max(seq);
        held.users.extend(users.iter().cloned());
        true
    }

    /// Heals until nothing is missing any more, however often the store fails.
    pub(super) async fn run(&self, shared: &Shared) {
        // Whatever happens here, the next one who needs it can begin again.
        let mut running = Running(Some(self));
        loop {
            let (need, no) = {
                let mut state = self.state.lock();
                match state.need.clone() {
                    Some(need) => (need, state.needed),
                    None => {
                        state.is_running = false;
                        running.0 = None;
                        return;
                    }
                }
            };
            let found = find(shared, &need).await;
            match found {
                Ok(found) => self.done(shared, no, found),
                Err(fault) => {
                    tracing::warn!(error = %fault, "what the bridge lost cannot be read yet");
                    tokio::time::sleep(shared.clock.wait(AGAIN_AFTER)).await;
                }
            }
        }
    }

    fn done(&self, shared: &Shared, no: u64, found: Vec<Active>) {
        let mut reached: HashMap<ConversationId, u64> = HashMap::new();
        for active in found {
            let (id, head) = (active.conversation_id, active.head.seq);
            reached.insert(id, active.from_seq);
            let pushed = active.from_seq.saturating_sub(1);
            announce(shared, id, pushed, head, &active.members);
            shared.directory.refresh_live(id, head);
        }
        let mut state = self.state.lock();
        // More may be needed by now; then what is held waits for that.
        if state.needed != no {
            return;
        }
        state.need = None;
        // Locked to the end: whatever came in between would be shown first, and hide the hole.
        for (id, held) in mem::take(&mut state.held) {
            let first = reached.get(&id).copied().unwrap_or(held.first);
            let users: Vec<_> = held.users.into_iter().collect();
            let pushed = first.min(held.first).saturating_sub(1);
            announce(shared, id, pushed, held.last, &users);
        }
    }
}

struct Running<'a>(Option<&'a Healing>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(healing) = self.0 {
            healing.state.lock().is_running = false;
        }
    }
}

impl Whom {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::These(mut these), Self::These(others)) => {
                these.extend(others);
                Self::These(these)
            }
            _ => Self::All,
        }
    }
}

fn announce(shared: &Shared, id: ConversationId, pushed: u64, head: u64, users: &[UserId]) {
    for user_id in users {
        let sessions = &shared.sessions;
        sessions.each_of(user_id, |outbox| outbox.announce(id, pushed, head));
    }
}

async fn find(shared: &Shared, need: &Need) -> StoreResult<Vec<Active>> {
    let users: Vec<UserId> = match &need.whom {
        Whom::All => shared.sessions.online(),
        Whom::These(these) => these.iter().cloned().collect(),
    };
    let mut found = Vec::new();
    for some in users.chunks(USERS_AT_A_TIME) {
        found.extend(shared.store.active_since(some.to_vec(), need.since).await?);
    }
    Ok(found)
}
