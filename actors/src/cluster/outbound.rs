//! What waits to go to other nodes. Whatever is said in one turn goes in one envelope.

use bedside_protocol::{NodeId, limits, node::NodeMessage};
use parking_lot::Mutex;
use std::{collections::HashMap, mem};
use tokio::sync::Notify;

use crate::ports::bus::{Bus, Peer, To};

/// An envelope is closed once it holds so many bytes: two of the largest messages.
const ENVELOPE_BYTES: usize = 2 * limits::MESSAGE_FRAME_BYTES_MAX;

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The requests in it.
    asks: Vec<u64>,
}

#[derive(Default)]
struct Queue {
    full: Vec<Batch>,
    open: Batch,
    /// The `link_seq` of the last envelope.
    sent: u64,
}

#[derive(Default)]
struct Queues {
    peers: HashMap<Peer, Queue>,
    all: Queue,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Outbound {
    queues: Mutex<Queues>,
    waiting: Notify,
}

impl Queue {
    fn push(&mut self, message: &NodeMessage, request: Option<u64>) {
        message.write(&mut self.open.bytes);
        self.open.asks.extend(request);
        if self.open.bytes.len() >= ENVELOPE_BYTES {
            self.full.push(mem::take(&mut self.open));
        }
    }

    fn take(&mut self) -> Vec<(u64, Batch)> {
        let mut batches = mem::take(&mut self.full);
        if !self.open.bytes.is_empty() {
            batches.push(mem::take(&mut self.open));
        }
        let numbered = batches.into_iter().map(|batch| {
            self.sent += 1;
            (self.sent, batch)
        });
        numbered.collect()
    }
}

impl Outbound {
    /// Puts a message for a peer into its queue; `request` is the ask that it carries.
    pub(super) fn push(&self, to: &Peer, message: &NodeMessage, request: Option<u64>) {
        let mut queues = self.queues.lock();
        match queues.peers.get_mut(to) {
            Some(queue) => queue.push(message, request),
            None => {
                let queue = queues.peers.entry(to.clone()).or_default();
                queue.push(message, request);
            }
        }
        drop(queues);
        self.waiting.notify_one();
    }

    /// Puts a message for all peers into their queue.
    pub(super) fn push_all(&self, message: &NodeMessage) {
        self.queues.lock().all.push(message, None);
        self.waiting.notify_one();
    }

    /// Waits until something waits.
    pub(super) async fn waiting(&self) {
        self.waiting.notified().await;
    }

    /// Hands what waits to the bus. Returns the asks that it did not take.
    pub(super) fn flush(&self, bus: &dyn Bus) -> Vec<u64> {
        // Held to the end, so that two flushes cannot turn the order around.
        let mut queues = self.queues.lock();
        let mut refused = Vec::new();
        for (peer, queue) in &mut queues.peers {
            let to = To::Peer(peer.clone());
            for (link_seq, batch) in queue.take() {
                if !bus.publish(&to, link_seq, batch.bytes.into()) {
                    refused.extend(batch.asks);
                }
            }
        }
        for (link_seq, batch) in queues.all.take() {
            // One that is lost here is seen as missing: the number was used.
            bus.publish(&To::All, link_seq, batch.bytes.into());
        }
        refused
    }

    /// The last `link_seq` to each peer.
    pub(super) fn sent(&self) -> Vec<(NodeId, u64, u64)> {
        let queues = self.queues.lock();
        let peers = queues.peers.iter();
        peers
            .map(|(peer, queue)| (peer.node.clone(), peer.incarnation, queue.sent))
            .collect()
    }

    /// Forgets the lives of a node before this one: they are over for good. One that may come
    /// back must find its numbers going on.
    pub(super) fn forget_before(&self, life: &Peer) {
        let is_over = |peer: &Peer| peer.node == life.node && peer.incarnation < life.incarnation;
        self.queues.lock().peers.retain(|peer, _| !is_over(peer));
    }
}
