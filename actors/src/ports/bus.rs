//! What the nodes of a cluster need of the bridge between them.
//!
//! A bus loses messages, and says so only sometimes. It never makes them up, changes them or
//! turns their order around: what one peer publishes, to whomever, arrives in the order in which
//! it was published, or not at all. Whatever must not be lost is in the store; see `cluster`.

use async_trait::async_trait;
use bedside_protocol::{NodeId, UserId};
use bytes::Bytes;
use std::{fmt, sync::Arc, time::Duration};

/// One life of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its name.
    pub node: NodeId,
    /// Differs for each start of the process; grows with time.
    pub incarnation: u64,
}

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// This peer.
    Peer(Peer),
    /// All peers but the sender.
    All,
}

/// A message from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub from: Peer,
    /// Whether it was for all.
    pub to_all: bool,
    /// Its place among what this peer sent to this node, or to all: 1, 2, 3 ... Each of the two
    /// counts for itself.
    pub link_seq: u64,
    /// What it says.
    pub body: Bytes,
}

/// Who hears of what a bus brings. Called on a thread of the bus; must not block or panic.
pub trait Inbox: Send + Sync {
    /// A message came.
    fn received(&self, message: Received);

    /// Nobody was there to take what was published for this peer.
    fn undelivered(&self, to: &Peer);

    /// The connection is there, and what peers publish from now on arrives.
    fn up(&self);

    /// The connection is lost; so is, maybe, what was on its way in either direction.
    fn down(&self);
}

/// A keyed hash of a user's id: what stands for them outside of the nodes' memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey(pub [u8; 16]);

/// Why the bus did not do it. The text is for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusError(pub String);

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the bridge is unavailable: {}", self.0)
    }
}

impl std::error::Error for BusError {}

/// The bridge between nodes, and the little that they share through it.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Who this node is. The same for as long as the process lives.
    fn me(&self) -> &Peer;

    /// Connects, and goes on trying for as long as the process lives. Called once.
    fn start(&self, inbox: Arc<dyn Inbox>);

    /// Takes a message on its way and returns at once. Those of one receiver keep their order,
    /// and their `link_seq`s must ascend. False when it cannot be sent now (no connection, or
    /// too many wait): then it was not taken, and never will be.
    fn publish(&self, to: &To, link_seq: u64, body: Bytes) -> bool;

    /// What stands for this user in what is shared.
    fn user_key(&self, user_id: &UserId) -> UserKey;

    /// Says that this node is there, for so long; a node that stops saying so is gone with all
    /// that it shares.
    async fn renew(&self, lease: Duration) -> Result<(), BusError>;

    /// All nodes whose lease runs, this one too.
    async fn peers(&self) -> Result<Vec<Peer>, BusError>;

    /// Changes what this node says of the people on it: an opaque value each, or none for
    /// somebody who is not here any more.
    async fn put_presence(&self, changes: Vec<(UserKey, Option<Bytes>)>) -> Result<(), BusError>;

    /// Replaces all that this node says of the people on it, as after the bridge lost it.
    async fn replace_presence(&self, all: Vec<(UserKey, Bytes)>) -> Result<(), BusError>;

    /// What a peer says of the people on it.
    async fn presence_of(&self, peer: &Peer) -> Result<Vec<(UserKey, Bytes)>, BusError>;

    /// Takes back the lease and all that this node shares, as far as it can within a second.
    async fn leave(&self);
}
