//! Wires what clients may ask any node for.

use bedside_actors::{cluster::Cluster, ports::identity::SessionIdentity};
use bedside_protocol::Timestamp;
use std::sync::Arc;

use crate::{
    auth::Tickets,
    peer_calls::{
        PeerCalls, Peers,
        everywhere::Everywhere,
        tickets::{RedeemHere, SharedTickets},
    },
    socketio::{clinic::Clinic, engine::EngineEdge},
    ws::Redeeming,
};

/// The tickets of one server, or of one node of several.
pub(super) struct TicketOffice {
    own: Arc<Tickets>,
    shared: Option<SharedTickets>,
}

impl TicketOffice {
    pub(super) fn new(own: Arc<Tickets>, cluster: Option<&Arc<Cluster>>) -> Arc<Self> {
        let shared = cluster.map(|cluster| {
            let peers: Arc<dyn Peers> = cluster.clone();
            SharedTickets::new(peers, redeem_here(&own))
        });
        Arc::new(Self { own, shared })
    }

    pub(super) fn own(&self) -> &Tickets {
        &self.own
    }

    /// A ticket that was made here, as clients get it.
    pub(super) fn name(&self, ticket: String) -> String {
        match &self.shared {
            Some(shared) => shared.name(&ticket),
            None => ticket,
        }
    }

    pub(super) fn redeem(&self, ticket: &str) -> Redeeming {
        match &self.shared {
            Some(shared) => shared.redeem(ticket),
            None => redeemed(&self.own, ticket).into(),
        }
    }
}

fn redeem_here(own: &Arc<Tickets>) -> Arc<RedeemHere> {
    let own = Arc::clone(own);
    Arc::new(move |ticket| redeemed(&own, ticket))
}

fn redeemed(own: &Tickets, ticket: &str) -> Option<SessionIdentity> {
    let redeemed = own.redeem(ticket, Timestamp::now());
    redeemed.map(SessionIdentity::from)
}

/// Makes this server one of several that serve the same clients.
pub(super) fn join(
    cluster: &Arc<Cluster>,
    engine: &EngineEdge,
    clinic: &Arc<Clinic>,
    tickets: &TicketOffice,
) {
    let peers: Arc<dyn Peers> = cluster.clone();
    clinic.join(&Everywhere::new(Arc::clone(&peers)));
    engine.join(peers);
    cluster.serve(Arc::new(PeerCalls {
        engine: engine.clone(),
        redeem: redeem_here(&tickets.own),
        clinic: Some(Arc::clone(clinic)),
    }));
}
