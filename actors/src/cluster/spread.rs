//! To which other nodes an event goes, gathered while it is pushed to the members' own sockets.

use bedside_protocol::{
    ConversationId, SessionId, UserId,
    node::{Audience, Delivery, NodeMessage, WireEvent},
};
use std::sync::Arc;

use super::Cluster;
use crate::{outbox::SharedEvent, ports::bus::Peer, sessions::UserSlot};

/// People by the node that they are on. A server that runs alone gathers nobody.
pub(crate) struct Spread<'a> {
    cluster: Option<&'a Cluster>,
    to: Vec<(Arc<Peer>, Vec<UserId>)>,
}

impl<'a> Spread<'a> {
    pub(crate) const fn new(cluster: Option<&'a Cluster>) -> Self {
        Self {
            cluster,
            to: Vec::new(),
        }
    }

    /// Adds somebody, for each other node that they are on.
    pub(crate) fn add(&mut self, slot: &UserSlot) {
        let Some(cluster) = self.cluster else {
            return;
        };
        let key = slot.key(cluster);
        cluster.whereabouts.each(key, |peer| {
            let user_id = slot.user_id().clone();
            match self.to.iter_mut().find(|(to, _)| Arc::ptr_eq(to, peer)) {
                Some((_, users)) => users.push(user_id),
                None => self.to.push((peer.clone(), vec![user_id])),
            }
        });
    }

    /// Sends them the event.
    pub(crate) fn send(self, event: &SharedEvent, audience: Audience, origin: Option<SessionId>) {
        let Some(cluster) = self.cluster else {
            return;
        };
        for (peer, to) in self.to {
            let delivery = Delivery {
                frame: WireEvent(event.frame().clone()),
                to,
                audience,
                origin,
            };
            let message = NodeMessage::Deliver(Box::new(delivery));
            cluster.outbound.push(&peer, &message, None);
        }
    }

    /// Tells them how far a log goes, each of them up to what `last` says.
    pub(crate) fn announce(self, id: ConversationId, pushed: u64, last: impl Fn(&UserId) -> u64) {
        let Some(cluster) = self.cluster else {
            return;
        };
        for (peer, users) in self.to {
            let to = users.into_iter().map(|user_id| {
                let last = last(&user_id);
                (user_id, last)
            });
            let message = NodeMessage::Announce {
                conversation_id: id,
                pushed,
                to: to.collect(),
            };
            cluster.outbound.push(&peer, &message, None);
        }
    }
}
