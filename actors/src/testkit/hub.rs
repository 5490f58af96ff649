//! A bus in memory: nodes of one process, and a hub between them that loses what it is told to.

use async_trait::async_trait;
use bedside_protocol::{NodeId, UserId};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::ports::bus::{Bus, BusError, Inbox, Peer, Received, To, UserKey};

/// Decides on each message: whether it arrives. Asked with sender, receiver and body.
type Losses = Box<dyn FnMut(&NodeId, &NodeId, &Bytes) -> bool + Send>;

#[derive(Default)]
struct State {
    nodes: HashMap<NodeId, Station>,
    down: HashSet<NodeId>,
    /// What a node that is held would have heard or said.
    held: HashMap<NodeId, Vec<Held>>,
    presence: HashMap<NodeId, HashMap<UserKey, Bytes>>,
    losses: Option<Losses>,
}

/// What connects the nodes. See the module's text.
#[derive(Default)]
pub struct Hub {
    state: Mutex<State>,
    lives: AtomicU64,
}

/// A message to or from a node that is held.
struct Held {
    from: Peer,
    to: To,
    link_seq: u64,
    body: Bytes,
}

/// What a node hears, on a task of its own, as from a real bus.
type Word = Box<dyn FnOnce(&dyn Inbox) + Send>;

/// A node that is there.
struct Station {
    me: Peer,
    words: UnboundedSender<Word>,
}

impl Station {
    fn tell(&self, word: impl FnOnce(&dyn Inbox) + Send + 'static) {
        // A node that is gone hears nothing.
        let _ = self.words.send(Box::new(word));
    }
}

/// The bus of one node.
pub struct HubBus {
    me: Peer,
    hub: Weak<Hub>,
}

impl Hub {
    /// One without nodes.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The bus of a node of this name; a second one is the node's next life.
    ///
    /// # Panics
    /// When this is no name.
    #[must_use]
    pub fn bus(self: &Arc<Self>, name: &str) -> Arc<HubBus> {
        let node = NodeId::new(name).expect("a node's name");
        let incarnation = self.lives.fetch_add(1, Ordering::SeqCst) + 1;
        Arc::new(HubBus {
            me: Peer { node, incarnation },
            hub: Arc::downgrade(self),
        })
    }

    /// A node's connection is lost.
    pub fn cut(&self, name: &str) {
        let node = NodeId::new(name).expect("a node's name");
        let mut state = self.state.lock();
        if let Some(station) = state.nodes.get(&node) {
            station.tell(|inbox| inbox.down());
        }
        state.down.insert(node);
    }

    /// It is there again.
    pub fn mend(&self, name: &str) {
        let node = NodeId::new(name).expect("a node's name");
        let mut state = self.state.lock();
        state.down.remove(&node);
        if let Some(station) = state.nodes.get(&node) {
            station.tell(|inbox| inbox.up());
        }
    }

    /// A node is gone without a word.
    pub fn kill(&self, name: &str) {
        let node = NodeId::new(name).expect("a node's name");
        let mut state = self.state.lock();
        state.nodes.remove(&node);
        state.presence.remove(&node);
    }

    /// What a node says from now on is late: it comes when the node is let go.
    ///
    /// # Panics
    /// When this is no name.
    pub fn hold(&self, name: &str) {
        let node = NodeId::new(name).expect("a node's name");
        self.state.lock().held.insert(node, Vec::new());
    }

    /// What it said meanwhile comes now, in order.
    ///
    /// # Panics
    /// When this is no name.
    pub fn let_go(&self, name: &str) {
        let node = NodeId::new(name).expect("a node's name");
        let held = self.state.lock().held.remove(&node);
        for late in held.unwrap_or_default() {
            self.publish(&late.from, &late.to, late.link_seq, &late.body);
        }
    }

    /// From now on only those arrive that `losses` lets through.
    pub fn lose(&self, losses: impl FnMut(&NodeId, &NodeId, &Bytes) -> bool + Send + 'static) {
        self.state.lock().losses = Some(Box::new(losses));
    }

    /// From now on everything arrives.
    pub fn lose_nothing(&self) {
        self.state.lock().losses = None;
    }

    fn publish(&self, from: &Peer, to: &To, link_seq: u64, body: &Bytes) -> bool {
        let mut state = self.state.lock();
        let is_there = state
            .nodes
            .get(&from.node)
            .is_some_and(|own| own.me == *from);
        if !is_there || state.down.contains(&from.node) {
            return false;
        }
        let State {
            nodes,
            down,
            losses,
            held,
            ..
        } = &mut *state;
        if let Some(late) = held.get_mut(&from.node) {
            late.push(Held {
                from: from.clone(),
                to: to.clone(),
                link_seq,
                body: body.clone(),
            });
            return true;
        }
        let mut is_undelivered = matches!(to, To::Peer(_));
        for station in nodes.values() {
            let is_meant = match to {
                To::Peer(peer) => station.me == *peer,
                To::All => station.me != *from,
            };
            if !is_meant || down.contains(&station.me.node) {
                continue;
            }
            is_undelivered = false;
            let mut losses = losses.as_mut();
            let arrives = losses.as_mut();
            if arrives.is_none_or(|losses| losses(&from.node, &station.me.node, body)) {
                let message = Received {
                    from: from.clone(),
                    to_all: *to == To::All,
                    link_seq,
                    body: body.clone(),
                };
                station.tell(move |inbox| inbox.received(message));
            }
        }
        if let (true, To::Peer(peer)) = (is_undelivered, to)
            && let Some(own) = nodes.get(&from.node).filter(|own| own.me == *from)
        {
            let peer = peer.clone();
            own.tell(move |inbox| inbox.undelivered(&peer));
        }
        true
    }
}

impl HubBus {
    fn hub(&self) -> Result<Arc<Hub>, BusError> {
        let hub = self.hub.upgrade();
        let hub = hub.ok_or_else(|| BusError("the hub is gone".to_owned()))?;
        if hub.state.lock().down.contains(&self.me.node) {
            return Err(BusError("cut".to_owned()));
        }
        Ok(hub)
    }
}

#[async_trait]
impl Bus for HubBus {
    fn me(&self) -> &Peer {
        &self.me
    }

    fn start(&self, inbox: Arc<dyn Inbox>) {
        let (words, mut heard) = unbounded_channel::<Word>();
        actix_rt::spawn(async move {
            while let Some(word) = heard.recv().await {
                word(&*inbox);
            }
        });
        if let Some(hub) = self.hub.upgrade() {
            let me = self.me.clone();
            let station = Station { me, words };
            station.tell(|inbox| inbox.up());
            hub.state.lock().nodes.insert(self.me.node.clone(), station);
        }
    }

    fn publish(&self, to: &To, link_seq: u64, body: Bytes) -> bool {
        let hub = self.hub.upgrade();
        hub.is_some_and(|hub| hub.publish(&self.me, to, link_seq, &body))
    }

    fn user_key(&self, user_id: &UserId) -> UserKey {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let half = hasher.hash_one(user_id.as_str()).to_be_bytes();
        let mut key = [0; 16];
        key[..8].copy_from_slice(&half);
        UserKey(key)
    }

    async fn renew(&self, _lease: Duration) -> Result<(), BusError> {
        self.hub().map(|_| ())
    }

    async fn peers(&self) -> Result<Vec<Peer>, BusError> {
        let hub = self.hub()?;
        let state = hub.state.lock();
        Ok(state
            .nodes
            .values()
            .map(|station| station.me.clone())
            .collect())
    }

    async fn put_presence(&self, changes: Vec<(UserKey, Option<Bytes>)>) -> Result<(), BusError> {
        let hub = self.hub()?;
        let mut state = hub.state.lock();
        let own = state.presence.entry(self.me.node.clone()).or_default();
        for (user, value) in changes {
            match value {
                Some(value) => own.insert(user, value),
                None => own.remove(&user),
            };
        }
        Ok(())
    }

    async fn replace_presence(&self, all: Vec<(UserKey, Bytes)>) -> Result<(), BusError> {
        let hub = self.hub()?;
        let mut state = hub.state.lock();
        let node = self.me.node.clone();
        state.presence.insert(node, all.into_iter().collect());
        Ok(())
    }

    async fn presence_of(&self, peer: &Peer) -> Result<Vec<(UserKey, Bytes)>, BusError> {
        let hub = self.hub()?;
        let state = hub.state.lock();
        let all = state.presence.get(&peer.node).into_iter().flatten();
        Ok(all.map(|(user, value)| (*user, value.clone())).collect())
    }

    async fn leave(&self) {
        if let Some(hub) = self.hub.upgrade() {
            let mut state = hub.state.lock();
            if state
                .nodes
                .get(&self.me.node)
                .is_some_and(|own| own.me == self.me)
            {
                state.nodes.remove(&self.me.node);
                state.presence.remove(&self.me.node);
            }
        }
    }
}
