//! Clients whose token is not good: what they are told, and what an auditor is.
//!
//! A token is looked at before anything else, because a good one is never held up, whatever else
//! came from its address: that costs a signature. What a bucket per address then bounds is what
//! bad ones cost besides: answers that tell what is wrong, and entries in the audit log.

use actix_http::header::{HeaderMap, USER_AGENT};
use bedside_actors::{
    audit::{Trail, Whence},
    node::Node,
    ports::{clock::Clock, store::AuditRecord},
};
use bedside_protocol::{CommandError, ErrorCode, UserId};
use parking_lot::Mutex;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{
    budget::{Budget, Taken},
    recent::Recent,
    server::client_address,
    ws::admission::{Admission, network},
};

/// Entries in the audit log that one address may cause a minute.
const ENTRIES_PER_ADDRESS_A_MINUTE: u32 = 10;
/// The same for all addresses.
const ENTRIES_A_MINUTE: u32 = 600;
/// Addresses whose entries are counted.
const ADDRESSES_MAX: usize = 10_000;

/// Where somebody was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A request.
    Rest,
    /// A native socket.
    Native,
    /// A namespace of Socket.IO.
    SocketIo(&'static str),
}

impl Way {
    /// The action and its subject, as an auditor reads them.
    fn written(self) -> (&'static str, String) {
        match self {
            Self::Rest => ("request.refused", "rest".to_owned()),
            Self::Native => ("connect.refused", "native".to_owned()),
            Self::SocketIo(namespace) => ("connect.refused", format!("socketio {namespace}")),
        }
    }
}

/// See the module's text.
pub struct Strangers {
    admission: Arc<Admission>,
    trail: Arc<Trail>,
    clock: Arc<dyn Clock>,
    proxies: usize,
    by_address: Recent<IpAddr, Arc<Mutex<Budget>>>,
    all: Mutex<Budget>,
}

impl fmt::Debug for Strangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strangers").finish_non_exhaustive()
    }
}

impl Strangers {
    /// Those of one server, which has so many proxies in front.
    #[must_use]
    pub fn new(node: &Node, admission: &Arc<Admission>, proxies: usize) -> Arc<Self> {
        Arc::new(Self {
            admission: Arc::clone(admission),
            trail: Arc::clone(node.trail()),
            clock: Arc::clone(node.clock()),
            proxies,
            by_address: Recent::new(ADDRESSES_MAX),
            all: Mutex::new(Budget::per_minute(ENTRIES_A_MINUTE)),
        })
    }

    /// Who sent a request, as far as it can be believed.
    #[must_use]
    pub fn whence(&self, headers: &HeaderMap, peer: Option<SocketAddr>) -> Whence {
        whence(headers, client_address(headers, peer, self.proxies))
    }

    /// Somebody was not let in: what they are told. `who` is what their token says when it is
    /// good, and `why` what an auditor reads.
    pub fn refused(
        &self,
        way: Way,
        whence: &Whence,
        who: Option<&UserId>,
        why: &str,
        error: CommandError,
    ) -> CommandError {
        // That we cannot tell is nothing that anybody did.
        if error.code == ErrorCode::Unavailable {
            return error;
        }
        self.write(way, whence, who, why);
        // One that has only run out is signed by whom we trust, so nobody guesses there: a clinic
        // in the morning is full of them.
        if error.code != ErrorCode::Unauthorized {
            return error;
        }
        match self.admission.failed(whence.address()) {
            Ok(()) => error,
            Err(wait) => CommandError {
                retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(0).max(1),
                ..CommandError::new(
                    ErrorCode::RateLimited,
                    "too many bad tokens from this address",
                )
            },
        }
    }

    /// Says, in the last one for a while, that it is.
    fn write(&self, way: Way, whence: &Whence, who: Option<&UserId>, why: &str) {
        let full = || Arc::new(Mutex::new(Budget::per_minute(ENTRIES_PER_ADDRESS_A_MINUTE)));
        let network = network(whence.address());
        let own = self.by_address.update(network, |budget| {
            let budget = budget.unwrap_or_else(full);
            (budget.clone(), budget)
        });
        let taken = match own.lock().take() {
            Taken::None => return,
            taken => taken,
        };
        let taken = match (taken, self.all.lock().take()) {
            (_, Taken::None) => return,
            (Taken::One, Taken::One) => "",
            _ => "; more for now are not written",
        };
        let (action, subject) = way.written();
        let record = AuditRecord {
            at: self.clock.now(),
            actor: who.cloned(),
            action: action.into(),
            subject,
            detail: format!("{why}{taken}"),
        };
        self.trail.note_from(record, whence);
    }
}

/// Whoever has this address and sends these headers.
#[must_use]
pub fn whence(headers: &HeaderMap, address: IpAddr) -> Whence {
    let agent = headers
        .get(USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    Whence::new(address, agent)
}
