//! Several nodes as one server.
//!
//! Each conversation is placed on one of the nodes that are there (`placement.rs`), and commands
//! for it are passed on to that node (`asks.rs`), whose actor tells the other nodes what happens
//! (`spread.rs`) as far as members are on them (`whereabouts.rs`). All of that is for speed. What
//! is right never rests on it: the store refuses an entry whose place is taken, so two actors of
//! one conversation do no harm, and whatever the bridge loses is seen (`links.rs`) and read from
//! the store (`healing.rs`).
//!
//! While the bridge is down each node looks after all conversations of its own clients, and asks
//! the store once a second what the others have added.

mod asks;
mod firsts;
mod healing;
mod inbox;
mod links;
mod outbound;
mod pace;
mod placement;
mod rooms;
mod spread;
mod told;
mod whereabouts;

pub(crate) use self::{
    asks::result_of,
    inbox::{Mailbox, forget_whom_it_ends},
    spread::Spread,
    whereabouts::Said,
};

use actix_rt::ArbiterHandle;
use async_trait::async_trait;
use bedside_protocol::{
    CloseCode, CommandError, ConsultationId, ConversationId, NodeId, Timestamp, UserId,
    node::{Blob, Denied, Here, NodeMessage, RoomMove},
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

use self::{
    asks::{Asks, Waiting},
    firsts::Firsts,
    healing::{Healing, MARGIN_MS, Whom},
    links::Links,
    outbound::Outbound,
    rooms::Elsewhere,
    told::Told,
    whereabouts::Whereabouts,
};
use crate::{
    conversation::Ask,
    counters::COUNTERS,
    node::Shared,
    ports::bus::{Bus, Peer, UserKey},
};

/// A peer that went without a good-bye may still write for its own clients; so long the store
/// is asked what it added.
const MISSED_FOR_MS: i64 = 60_000;

/// Why a peer did not answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// It is not there, or the bridge is down: it was not done.
    Unreachable,
    /// No answer in time: whether it was done is unknown.
    TimedOut,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the node cannot be reached",
            Self::TimedOut => "the node did not answer in time",
        })
    }
}

impl std::error::Error for CallError {}

/// Answers what other nodes call for on behalf of their clients.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Answers one call. Bounded by its caller's deadline; must not panic.
    async fn call(&self, body: Bytes) -> Bytes;
}

/// What is known of the other nodes right now.
#[derive(Default)]
struct View {
    /// Whether the bridge is there.
    is_up: bool,
    /// Since when it is not.
    down_since: Timestamp,
    live: Vec<Arc<Peer>>,
    /// When who is there changed last.
    changed_at: Timestamp,
    /// Who went without a good-bye, and when: they may still write, and may come back.
    missing: HashMap<NodeId, Timestamp>,
}

impl View {
    /// Whether somebody went so lately that they may still be writing for their own clients.
    fn misses_anybody(&self, now: Timestamp) -> bool {
        let mut went = self.missing.values();
        went.any(|at| now.millis_since(*at) < MISSED_FOR_MS)
    }
}

/// This node's part in a cluster.
pub struct Cluster {
    bus: Arc<dyn Bus>,
    calls: RwLock<Option<Arc<dyn Calls>>>,
    shared: OnceLock<Weak<Shared>>,
    arbiter: OnceLock<ArbiterHandle>,
    view: RwLock<View>,
    links: Mutex<Links>,
    outbound: Outbound,
    asks: Asks,
    /// Calls of this node's that wait for their answer, with the peer that is to give it.
    called: Mutex<HashMap<u64, (NodeId, oneshot::Sender<Bytes>)>>,
    last_call: AtomicU64,
    /// It has said good-bye.
    has_left: AtomicBool,
    pub(crate) whereabouts: Whereabouts,
    /// Who is on this node, as the others were told.
    here: Mutex<HashMap<UserId, Said>>,
    /// What of it was not told yet.
    untold: Mutex<HashMap<UserId, Here>>,
    has_untold: Notify,
    /// People whose first socket was opened since the last beat, and between the two before.
    opened: Mutex<[HashSet<UserId>; 2]>,
    pub(crate) elsewhere: Elsewhere,
    healing: Healing,
    pub(crate) told: Told,
    pub(crate) firsts: Firsts,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({})", self.bus.me().node)
    }
}

impl Cluster {
    /// Part of a cluster whose nodes this bus connects.
    #[must_use]
    pub fn new(bus: Arc<dyn Bus>) -> Arc<Self> {
        Arc::new(Self {
            bus,
            calls: RwLock::default(),
            shared: OnceLock::new(),
            arbiter: OnceLock::new(),
            view: RwLock::default(),
            links: Mutex::default(),
            outbound: Outbound::default(),
            asks: Asks::default(),
            called: Mutex::default(),
            last_call: AtomicU64::new(0),
            has_left: AtomicBool::new(false),
            whereabouts: Whereabouts::default(),
            here: Mutex::default(),
            untold: Mutex::default(),
            has_untold: Notify::new(),
            opened: Mutex::default(),
            elsewhere: Elsewhere::default(),
            healing: Healing::default(),
            told: Told::default(),
            firsts: Firsts::default(),
        })
    }

    /// This node's name.
    #[must_use]
    pub fn me(&self) -> &NodeId {
        &self.bus.me().node
    }

    /// The other nodes that are there, by name.
    #[must_use]
    pub fn peers(&self) -> Vec<NodeId> {
        let view = self.view.read();
        let mut names: Vec<_> = view.live.iter().map(|peer| peer.node.clone()).collect();
        names.sort();
        names
    }

    /// Whether somebody has a socket on another node, as far as this one knows.
    #[must_use]
    pub fn is_elsewhere(&self, user_id: &UserId) -> bool {
        self.whereabouts.count(self.user_key(user_id)) > 0
    }

    /// Whether the bridge between the nodes is there.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.view.read().is_up
    }

    /// Names who answers the calls of other nodes. Until then they are not answered.
    pub fn serve(&self, calls: Arc<dyn Calls>) {
        *self.calls.write() = Some(calls);
    }

    /// Has another node do something for a client of this one.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(
        &self,
        node: &NodeId,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        let peer = self.live_peer(node).ok_or(CallError::Unreachable)?;
        let request = self.last_call.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, answer) = oneshot::channel();
        self.called.lock().insert(request, (node.clone(), sender));
        let message = NodeMessage::Call {
            request,
            body: Blob(body.into()),
        };
        self.outbound.push(&peer, &message, None);
        let answer = tokio::time::timeout(deadline, answer).await;
        self.called.lock().remove(&request);
        match answer {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) => Err(CallError::Unreachable),
            Err(_) => Err(CallError::TimedOut),
        }
    }

    fn live_peer(&self, node: &NodeId) -> Option<Arc<Peer>> {
        let view = self.view.read();
        let peer = view.live.iter().find(|peer| peer.node == *node);
        peer.filter(|_| view.is_up).cloned()
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.get()?.upgrade()
    }

    /// The peer that a conversation is placed on; none for this node.
    fn placed_on(&self, id: ConversationId) -> Option<Arc<Peer>> {
        let view = self.view.read();
        if !view.is_up {
            return None;
        }
        let peers = view.live.iter().map(|peer| &peer.node);
        let node = placement::place(id, peers.chain([self.me()]))?;
        view.live.iter().find(|peer| peer.node == *node).cloned()
    }

    /// Whether a conversation is placed on this node.
    pub(crate) fn is_placed_here(&self, id: ConversationId) -> bool {
        self.placed_on(id).is_none()
    }

    /// Who is there has changed, or may have without this node.
    fn stir(&self) {
        if let Some(shared) = self.shared() {
            self.view.write().changed_at = shared.clock.now();
        }
    }

    /// Passes a command on to where its conversation is placed. Gives it back when that is here.
    pub(crate) fn pass_on(&self, id: ConversationId, ask: Ask) -> Option<Ask> {
        let Some(peer) = self.placed_on(id) else {
            return Some(ask);
        };
        match self.asks.keep(&peer, id, ask) {
            Ok(message) => {
                let request = message.request;
                let message = NodeMessage::Ask(Box::new(message));
                self.outbound.push(&peer, &message, Some(request));
                COUNTERS.asks_passed_on.add(1);
                None
            }
            // Looking after it here does no harm, it only costs more.
            Err(ask) => Some(ask),
        }
    }

    /// A conversation was just made: whoever it is placed on shows it. False when that is here.
    pub(crate) fn made_elsewhere(&self, id: ConversationId) -> bool {
        self.tell_placed_on(id, &NodeMessage::Made(id))
    }

    /// What memberships of a conversation rest on has changed. False when only this node needs
    /// to look at it.
    pub(crate) fn recheck_elsewhere(&self, id: ConversationId) -> bool {
        self.tell_placed_on(id, &NodeMessage::Recheck(id))
    }

    fn tell_placed_on(&self, id: ConversationId, message: &NodeMessage) -> bool {
        let peer = self.placed_on(id);
        if let Some(peer) = &peer {
            self.outbound.push(peer, message, None);
        }
        peer.is_some()
    }

    /// What somebody and each of these others may see of each other has changed.
    pub(crate) fn unrelated(&self, one: &UserId, others: Vec<UserId>) {
        if !others.is_empty() {
            let message = NodeMessage::Unrelated(one.clone(), others);
            self.outbound.push_all(&message);
        }
    }

    /// All sockets of somebody are to be closed, on all nodes.
    pub(crate) fn end_sessions(&self, user_id: &UserId, code: CloseCode) {
        let message = NodeMessage::end_sessions(user_id.clone(), code);
        self.outbound.push_all(&message);
    }

    /// What is let in has changed.
    pub(crate) fn denied(&self, denied: Denied) {
        self.outbound.push_all(&NodeMessage::Denied(denied));
    }

    /// What stands for somebody in what nodes share.
    pub(crate) fn user_key(&self, user_id: &UserId) -> UserKey {
        self.bus.user_key(user_id)
    }

    /// Tells the others that somebody is here, or is not any more, and what they set.
    pub(crate) fn tell_presence(&self, here: Here) {
        let said = Said {
            status: here.status,
            at: here.status_at,
        };
        {
            let mut all = self.here.lock();
            let before = if here.is_here {
                all.insert(here.user_id.clone(), said)
            } else {
                all.remove(&here.user_id)
            };
            if here.is_here && before.is_none() {
                self.opened.lock()[0].insert(here.user_id.clone());
            }
        }
        self.untold.lock().insert(here.user_id.clone(), here);
        self.has_untold.notify_one();
    }

    /// Tells the others who came into a room here, or went.
    pub(crate) fn tell_rooms(&self, id: ConsultationId, moves: Vec<(UserId, bool)>) {
        let moves: Vec<_> = moves
            .into_iter()
            .map(|(user_id, is_in)| RoomMove {
                consultation_id: id,
                user_id,
                is_in,
            })
            .collect();
        if !moves.is_empty() {
            self.outbound.push_all(&NodeMessage::Rooms(moves));
        }
    }

    /// Something may be missing for these people from `since` on.
    fn heal(self: &Arc<Self>, whom: Whom, since: Timestamp) {
        if self.healing.need(whom, since) {
            let own = self.clone();
            self.spawn(async move {
                if let Some(shared) = own.shared() {
                    own.healing.run(&shared).await;
                }
            });
        }
    }

    /// The same for everybody here, with room for clocks that differ.
    fn heal_all(self: &Arc<Self>, since: Timestamp) {
        self.heal(Whom::All, since.plus_millis(-MARGIN_MS));
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(arbiter) = self.arbiter.get() {
            arbiter.spawn(task);
        }
    }

    /// Looks after commands here that another node did not answer. `is_undone` says that it
    /// certainly did nothing about them.
    fn take_back(self: &Arc<Self>, waiting: Vec<Waiting>, is_undone: bool) {
        let Some(shared) = self.shared() else {
            return;
        };
        COUNTERS.asks_taken_back.add(waiting.len() as u64);
        let now = shared.clock.now();
        for Waiting {
            conversation_id,
            mut ask,
            since,
            ..
        } in waiting
        {
            ask.responder = ask.responder.again(self, before(now, since.elapsed()));
            if is_undone || asks::may_repeat(&ask.act) {
                // One that was left behind here may know nothing of what happened since.
                shared.directory.refresh_live(conversation_id, u64::MAX);
                shared.directory.send_here(conversation_id, ask);
            } else {
                ask.responder.err(CommandError::unavailable(
                    "the node that looks after it did not answer; whether it was done is unknown",
                    200,
                ));
            }
        }
    }

    /// Says good-bye to the other nodes.
    pub(crate) async fn leave(&self) {
        self.has_left.store(true, Ordering::SeqCst);
        self.outbound.push_all(&NodeMessage::Leaving);
        self.outbound.flush(&*self.bus);
        self.bus.leave().await;
    }
}

/// When something began that took so long until now, by the clock of whichever node: those differ
/// by a few milliseconds.
fn before(now: Timestamp, elapsed: Duration) -> Timestamp {
    const CLOCKS_DIFFER_MS: i64 = 50;
    let elapsed_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
    now.plus_millis(elapsed_ms.saturating_add(CLOCKS_DIFFER_MS).saturating_neg())
}
