//! What the bridge's channels and keys are called. No name holds anything of a person: people
//! are fields of a hash, under a keyed hash of their id.

use bedside_actors::ports::bus::Peer;
use bedside_protocol::NodeId;

/// Names of one cluster; others on the same Redis have their own.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(cluster: &str) -> Self {
        Self {
            prefix: format!("bedside:{cluster}"),
        }
    }

    /// The channel that one life of a node listens to.
    pub(super) fn channel(&self, peer: &Peer) -> String {
        let (prefix, node, life) = (&self.prefix, &peer.node, life(peer));
        format!("{prefix}:n:{node}:{life}")
    }

    /// The channel that every node listens to.
    pub(super) fn channel_of_all(&self) -> String {
        format!("{}:all", self.prefix)
    }

    /// Says which life of a node is there; expires.
    pub(super) fn lease(&self, node: &NodeId) -> String {
        format!("{}:node:{node}", self.prefix)
    }

    /// The names of nodes that were there lately, by the time of their last renewal.
    pub(super) fn nodes(&self) -> String {
        format!("{}:nodes", self.prefix)
    }

    /// Who is on one life of a node; expires with its lease.
    pub(super) fn presence(&self, peer: &Peer) -> String {
        let (prefix, node, life) = (&self.prefix, &peer.node, life(peer));
        format!("{prefix}:pres:{node}:{life}")
    }

    /// Where a replacement of that is put together.
    pub(super) fn presence_draft(&self, peer: &Peer) -> String {
        format!("{}:draft", self.presence(peer))
    }
}

/// An incarnation as text that sorts like the number, for Redis compares it.
pub(super) fn life(peer: &Peer) -> String {
    format!("{:020}", peer.incarnation)
}
