//! Sessions that another node has: a balancer sends the requests of one session to any node.
//!
//! An id of a session names the node whose memory has it, so whoever gets a request about it can
//! pass it on.
//!
//! ```text
//! requests   polls and posts of clients, brought to the node that has their session
//! attempts     ... which carries each out once, however often the call had to be made
//! relay      a WebSocket for a session of another node: its bytes are brought there
//! guests       ... which serves it as one of its own
//! lease      how long what another node asked for is kept
//! ```
//!
//! Calls get lost with the bridge that carries them. Everything here may therefore be asked again:
//! a poll has a random number and its answer is kept, and the bytes of a WebSocket are counted. So
//! a session outlives a bridge that is down for a moment.

mod attempts;
mod guests;
mod lease;
mod relay;
mod requests;

use bedside_protocol::NodeId;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

use super::{EngineEdge, config::Config, fault::Fault, sid};
use crate::peer_calls::{
    Peers,
    wire::{Answer, Call, Refused},
};
use attempts::Attempts;
use guests::Guests;

pub(super) use relay::relay;

/// The longest that another node may have us keep a call, whatever it says.
const HOLD_MAX: Duration = Duration::from_secs(60);

/// What a call may take besides the time for which the other node may keep it.
const MARGIN: Duration = Duration::from_secs(2);

/// What one node has of the sessions of others, and others of its own.
pub(super) struct Far {
    peers: Arc<dyn Peers>,
    /// How long a call is kept while there is nothing to answer.
    hold: Duration,
    /// For how long a node that cannot be reached is tried again.
    patience: Duration,
    /// Requests that are passed on at once.
    requests: Semaphore,
    attempts: Arc<Attempts>,
    guests: Arc<Guests>,
}

/// The node that has a session.
pub(super) struct There {
    far: Arc<Far>,
    node: NodeId,
}

/// Why there is no answer from the node that has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It refuses, or is gone.
    Fault(Fault),
    /// It cannot be reached now, or is too busy.
    Unreachable,
}

impl Far {
    pub(super) fn new(peers: Arc<dyn Peers>, config: &Config, sockets_max: usize) -> Self {
        Self {
            peers,
            hold: config.far_hold,
            patience: config.far_patience,
            // A poll and a post for each session, if all poll elsewhere.
            requests: Semaphore::new(2 * config.polling_sessions_max),
            attempts: Arc::new(Attempts::new(config.far_patience + MARGIN)),
            guests: Arc::new(Guests::new(sockets_max)),
        }
    }

    /// An id for a session that is here.
    pub(super) fn name(&self, random: &str) -> String {
        sid::named(random, self.peers.me())
    }

    /// The node that has this session, when it is another one.
    pub(super) fn there(self: &Arc<Self>, sid: &str) -> Option<There> {
        let node = sid::node_of(sid).filter(|node| node != self.peers.me())?;
        Some(There {
            far: Arc::clone(self),
            node,
        })
    }

    /// The thread that calls this can serve WebSockets that other nodes bring.
    pub(super) fn serve_here(&self) {
        self.guests.serve_here();
    }
}

impl EngineEdge {
    /// Answers a call of another node that is about sessions.
    pub(crate) async fn answer(&self, call: Call) -> Answer {
        let Some(far) = self.0.far.get() else {
            return Answer::Refused(Refused::Unknown);
        };
        match call {
            Call::Poll(attempt) => attempts::poll(&self.0, &far.attempts, &attempt).await,
            Call::Post(attempt, body) => {
                attempts::post(&self.0, &far.attempts, &attempt, body).await
            }
            Call::Release(sid) => attempts::release(&self.0, &sid).await,
            Call::Abandon(attempt) => {
                far.attempts.abandon(&attempt);
                Answer::Done
            }
            Call::Open(open) if far.there(&open.sid).is_none() => far.guests.open(self, open),
            // Nobody passes on what was passed on.
            Call::Open(_) => Answer::Fault(Fault::UnknownSession as u8),
            Call::Push(push, bytes) => far.guests.push(push, bytes).await,
            Call::Pull(pull) => far.guests.pull(pull).await,
            Call::Close(stream) => {
                far.guests.close(stream);
                Answer::Done
            }
            Call::Redeem(_) | Call::Tell(..) | Call::Sitters(_) | Call::Shown(..) => {
                Answer::Refused(Refused::Unknown)
            }
        }
    }
}

fn hold(ms: u32) -> Duration {
    Duration::from_millis(ms.into()).min(HOLD_MAX)
}
