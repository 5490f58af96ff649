//! What a node asks of another one for a client of its own: "any node serves any client".
//!
//! A balancer sends each request of a client to whichever node it likes. What has to be in one
//! node's memory - a session of long polling, an unused ticket - names that node, and a node that
//! gets a request about it passes the request on in a call.
//!
//! ```text
//! wire         how calls and answers are written     (pure)
//! tickets      tickets that another node made
//! everywhere   what all nodes are asked or told at once
//! ```
//!
//! Sessions of Engine.IO are in `socketio/engine/far.rs`.

pub mod everywhere;
pub mod tickets;
pub mod wire;

use async_trait::async_trait;
use bedside_actors::cluster::{CallError, Calls, Cluster};
use bedside_protocol::NodeId;
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

use self::wire::{Answer, Call, Refused};
use crate::socketio::{clinic::Clinic, engine::EngineEdge};

/// The other nodes, as the ways in see them.
#[async_trait]
pub trait Peers: Send + Sync {
    /// This node.
    fn me(&self) -> &NodeId;

    /// The other nodes that are there.
    fn others(&self) -> Vec<NodeId>;

    /// Whether it is certain that there is no such node, or none any more. A node that merely
    /// cannot be reached may still have what a client asks for.
    fn is_gone(&self, node: &NodeId) -> bool {
        let _ = node;
        false
    }

    /// Has another node answer a call.
    ///
    /// # Errors
    /// See [`CallError`].
    async fn call(
        &self,
        node: &NodeId,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, CallError>;
}

#[async_trait]
impl Peers for Cluster {
    fn me(&self) -> &NodeId {
        Self::me(self)
    }

    fn others(&self) -> Vec<NodeId> {
        self.peers()
    }

    fn is_gone(&self, node: &NodeId) -> bool {
        self.is_up() && node != Self::me(self) && !self.peers().contains(node)
    }

    async fn call(
        &self,
        node: &NodeId,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        Self::call(self, node, body, deadline).await
    }
}

/// Answers the calls of other nodes: to be given to [`Cluster::serve`].
pub struct PeerCalls {
    /// Whose sessions clients may ask for.
    pub engine: EngineEdge,
    /// Redeems tickets that were made here.
    pub redeem: Arc<tickets::RedeemHere>,
    /// Whose rooms clients sit in, if there are any.
    pub clinic: Option<Arc<Clinic>>,
}

impl PeerCalls {
    async fn answer(&self, body: Bytes) -> Answer {
        match (Call::decode(body), &self.clinic) {
            (Ok(Call::Redeem(ticket)), _) => {
                Answer::Redeemed((self.redeem)(&ticket).map(|who| Box::new(who.into())))
            }
            (Ok(Call::Tell(told, argument)), Some(clinic)) => clinic.told(&told, &argument),
            (Ok(Call::Sitters(room)), Some(clinic)) => Answer::Sitters(clinic.sitters(room)),
            (Ok(Call::Shown(user_id, id)), Some(clinic)) => {
                Answer::Shown(clinic.shown(&user_id, id))
            }
            (Ok(call), _) => self.engine.answer(call).await,
            (Err(refused), _) => Answer::Refused(refused),
        }
    }
}

#[async_trait]
impl Calls for PeerCalls {
    async fn call(&self, body: Bytes) -> Bytes {
        let answer = self.answer(body).await;
        answer
            .encode()
            .or_else(|_| Answer::Refused(Refused::TooLarge).encode())
            .unwrap_or_default()
    }
}
