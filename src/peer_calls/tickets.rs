//! Tickets of a cluster: made by REST on one node, redeemed once by a handshake on any.
//!
//! A ticket names the node that made it and stays in that node's memory alone, so "once" needs
//! no agreement between nodes: whoever is handed it has it redeemed there.

use bedside_actors::ports::identity::SessionIdentity;
use bedside_protocol::NodeId;
use futures_util::future::FutureExt as _;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

use super::{
    Peers,
    wire::{Answer, Call},
};
use crate::{
    auth::RANDOM_TEXT_LEN,
    ws::{NotAsked, Redeeming},
};

/// Redeems a ticket that was made here; none when it is not good.
pub type RedeemHere = dyn Fn(&str) -> Option<SessionIdentity> + Send + Sync;

/// How long the other node may take. A client waits for it in the middle of its handshake.
const PATIENCE: Duration = Duration::from_secs(3);
/// Tickets that other nodes are asked about at once: anybody can make one up.
const ASKED_MAX: usize = 256;
/// Between a ticket and the node that made it; no ticket and no node has it in it.
const SEPARATOR: char = '.';

/// See the module's text.
pub struct SharedTickets {
    peers: Arc<dyn Peers>,
    here: Arc<RedeemHere>,
    asked: Arc<Semaphore>,
}

impl SharedTickets {
    /// Tickets that other nodes know of through these calls, and of which these are made here.
    #[must_use]
    pub fn new(peers: Arc<dyn Peers>, here: Arc<RedeemHere>) -> Self {
        Self {
            peers,
            here,
            asked: Arc::new(Semaphore::new(ASKED_MAX)),
        }
    }

    /// A ticket that was made here, as clients get it.
    #[must_use]
    pub fn name(&self, ticket: &str) -> String {
        format!("{ticket}{SEPARATOR}{}", self.peers.me())
    }

    /// Uses a ticket up, wherever it was made.
    pub fn redeem(&self, text: &str) -> Redeeming {
        let Some((ticket, node)) = parts(text) else {
            return Redeeming::Here(None);
        };
        if node == *self.peers.me() {
            return Redeeming::Here((self.here)(ticket));
        }
        if self.peers.is_gone(&node) {
            // Its tickets are gone with it.
            return Redeeming::Here(None);
        }
        let Ok(place) = Arc::clone(&self.asked).try_acquire_owned() else {
            return Redeeming::Elsewhere(async { Err(NotAsked) }.boxed());
        };
        let (peers, call) = (Arc::clone(&self.peers), Call::Redeem(ticket.to_owned()));
        let redeeming = async move {
            let redeemed = ask(&*peers, &node, &call).await;
            drop(place);
            redeemed
        };
        Redeeming::Elsewhere(redeeming.boxed())
    }
}

/// The ticket, as the node that made it knows it, and the node.
fn parts(text: &str) -> Option<(&str, NodeId)> {
    let (ticket, node) = text.split_once(SEPARATOR)?;
    let is_ticket = ticket.len() == RANDOM_TEXT_LEN;
    Some((ticket, NodeId::new(node).ok()?)).filter(|_| is_ticket)
}

/// Asked once and not again: it may have been used up by an answer that got lost.
async fn ask(
    peers: &dyn Peers,
    node: &NodeId,
    call: &Call,
) -> Result<Option<SessionIdentity>, NotAsked> {
    let body = call.encode().map_err(|_| NotAsked)?;
    let answer = peers.call(node, body, PATIENCE).await;
    match Answer::decode(answer.map_err(|_| NotAsked)?) {
        Ok(Answer::Redeemed(redeemed)) => Ok(redeemed.map(|redeemed| (*redeemed).into())),
        _ => Err(NotAsked),
    }
}
