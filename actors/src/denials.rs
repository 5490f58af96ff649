//! Who and what is not let in: what the store says, as each node knows it.
//!
//! Every sign-in is held against a view in memory, so none waits for the store. The view is read
//! when the server starts. After that a change is stored first, then made in the view of the node
//! that was asked, which closes the sockets that are not let in any more, and told to the other
//! nodes, which do the same. Whatever of that gets lost: each node of a cluster asks the store
//! every two seconds whether it has another state than the view, and reads it anew if so. Nodes
//! and their bridge are for speed, therefore; what is right is in the store.
//!
//! A socket that opens while something changes is looked at twice: the view changes before the
//! open sockets are gone through, and a socket is listed as open before it is held against the
//! view for the last time.

use bedside_protocol::{
    CloseCode, CommandError, ErrorCode, Timestamp, UserId, node::Denied as Told,
};
use parking_lot::RwLock;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::Notify;

use crate::{
    node::Shared,
    ports::{
        identity::{Identities, SessionIdentity, TokenId, TokenStamp, Verification, Verified},
        store::{Denial, Denials, DenialsVersion, Store, StoreResult},
    },
};

/// Between two looks at what the store says.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Tries to read it all while it changes; the next look goes on.
const READS_MAX: u32 = 8;

/// Users whose earlier tokens are not good, tokens that are not, and users who are blocked: at
/// most so many of each. One more is refused, because none may be forgotten.
pub const DENIALS_MAX: usize = 100_000;

/// How many there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DenialCounts {
    /// Users whose earlier tokens are not good any more.
    pub users: usize,
    /// Single tokens that are not.
    pub tokens: usize,
    /// Users who are blocked.
    pub blocked: usize,
}

#[derive(Default)]
struct View {
    /// The store's state that this is; none when it may not be any.
    version: Option<DenialsVersion>,
    /// Changes that were heard of. What was read while there was one may lack it.
    heard: u64,
    issued: HashMap<UserId, Timestamp>,
    tokens: HashSet<TokenId>,
    blocked: HashSet<UserId>,
}

impl View {
    fn of(all: Denials) -> Self {
        let mut view = Self::default();
        for record in all.records {
            match record.denial {
                Denial::Issued { user_id, before } => view.before(user_id, before),
                Denial::Token(token_id) => drop(view.tokens.insert(token_id)),
                Denial::Block { user_id, .. } => drop(view.blocked.insert(user_id)),
            }
        }
        view.version = Some(all.version);
        view
    }

    fn before(&mut self, user_id: UserId, before: Timestamp) {
        let known = self.issued.entry(user_id).or_insert(before);
        *known = before.max(*known);
    }

    fn refusal(&self, user_id: &UserId, stamp: &TokenStamp) -> Option<CloseCode> {
        if self.blocked.contains(user_id) {
            return Some(CloseCode::Blocked);
        }
        let is_too_old = |before: &Timestamp| stamp.issued_at.is_none_or(|at| at < *before);
        let is_revoked = self.issued.get(user_id).is_some_and(is_too_old)
            || stamp
                .token_id
                .as_ref()
                .is_some_and(|id| self.tokens.contains(id));
        is_revoked.then_some(CloseCode::Revoked)
    }
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Gate {
    view: RwLock<View>,
    /// Something may have been missed.
    doubts: Notify,
    /// Held by who changes something on this node, from before it is stored until it is heard.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Gate {
    /// Why a token of this user is not let in, as the code that its socket is closed with.
    pub(crate) fn refusal(&self, user_id: &UserId, stamp: &TokenStamp) -> Option<CloseCode> {
        self.view.read().refusal(user_id, stamp)
    }

    /// Whether somebody is let in whose token is good otherwise.
    ///
    /// # Errors
    /// `forbidden` for who is blocked, `unauthorized` for a token that was revoked.
    pub(crate) fn check(&self, identity: &SessionIdentity) -> Result<(), CommandError> {
        match self.refusal(&identity.user_id, &identity.stamp) {
            None => Ok(()),
            Some(CloseCode::Blocked) => Err(CommandError::forbidden("this user is blocked")),
            Some(_) => Err(CommandError::new(
                ErrorCode::Unauthorized,
                "the token was revoked",
            )),
        }
    }

    fn admit(&self, verified: Verified) -> Verified {
        verified.and_then(|identity| self.check(&identity).map(|()| identity))
    }

    pub(crate) fn counts(&self) -> DenialCounts {
        let view = self.view.read();
        DenialCounts {
            users: view.issued.len(),
            tokens: view.tokens.len(),
            blocked: view.blocked.len(),
        }
    }

    /// Whether there is room for one more of this kind, or it is there already.
    pub(crate) fn has_room(&self, denial: &Denial) -> bool {
        let view = self.view.read();
        match denial {
            Denial::Issued { user_id, .. } => {
                view.issued.len() < DENIALS_MAX || view.issued.contains_key(user_id)
            }
            Denial::Token(id) => view.tokens.len() < DENIALS_MAX || view.tokens.contains(id),
            Denial::Block { user_id, .. } => {
                view.blocked.len() < DENIALS_MAX || view.blocked.contains(user_id)
            }
        }
    }

    /// Has the store asked soon whether something was missed.
    pub(crate) fn doubt(&self) {
        self.doubts.notify_one();
    }

    /// Makes a change that stands in the store, and closes what is not let in any more.
    pub(crate) fn hear(&self, shared: &Shared, told: Told) {
        let whose = {
            let mut view = self.view.write();
            view.heard += 1;
            // Of two changes that were told by two nodes the earlier one may come last.
            view.version = None;
            match told {
                Told::Issued { user_id, before } => {
                    view.before(user_id.clone(), before);
                    Some(user_id)
                }
                Told::Token(id) => {
                    view.tokens.extend(TokenId::new(&id));
                    None
                }
                Told::Blocked(user_id) => {
                    view.blocked.insert(user_id.clone());
                    Some(user_id)
                }
                Told::Unblocked(user_id) => {
                    view.blocked.remove(&user_id);
                    return;
                }
                Told::Unknown => {
                    self.doubts.notify_one();
                    return;
                }
            }
        };
        match whose {
            Some(user_id) => {
                let view = self.view.read();
                shared.sessions.each_of(&user_id, |outbox| {
                    if let Some(code) = view.refusal(&user_id, &outbox.stamp()) {
                        outbox.close(code);
                    }
                });
            }
            None => self.close_refused(shared),
        }
    }

    fn close_refused(&self, shared: &Shared) {
        let view = self.view.read();
        shared.sessions.every(|user_id, outbox| {
            if let Some(code) = view.refusal(user_id, &outbox.stamp()) {
                outbox.close(code);
            }
        });
    }

    /// Takes over what the store says, if that is anything new; whether it was.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn look(&self, store: &dyn Store) -> StoreResult<bool> {
        let version = store.denials_version().await?;
        if self.view.read().version == Some(version) {
            return Ok(false);
        }
        for _ in 0..READS_MAX {
            let heard = self.view.read().heard;
            let read = View::of(store.denials().await?);
            let mut view = self.view.write();
            if view.heard == heard {
                *view = View { heard, ..read };
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Verifies tokens, and lets in nobody whom the store keeps out.
pub(crate) struct Guarded {
    pub(crate) identities: Arc<dyn Identities>,
    pub(crate) gate: Arc<Gate>,
}

impl Identities for Guarded {
    fn verify(&self, token: &str, now: Timestamp) -> Verification {
        match self.identities.verify(token, now) {
            Verification::Done(verified) => Verification::Done(self.gate.admit(verified)),
            Verification::Waiting(verified) => {
                let gate = self.gate.clone();
                // Looked at last: whoever is kept out meanwhile is not let in.
                let verified = async move {
                    let verified = verified.await;
                    gate.admit(verified)
                };
                Verification::Waiting(Box::pin(verified))
            }
        }
    }
}

/// Keeps the view of a node in a cluster fresh.
pub(crate) async fn keep_fresh(shared: Weak<Shared>) {
    loop {
        let Some((gate, wait)) = shared
            .upgrade()
            .map(|shared| (shared.gate.clone(), shared.clock.wait(LOOK_EVERY)))
        else {
            return;
        };
        // Either will do.
        let _ = tokio::time::timeout(wait, gate.doubts.notified()).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        match gate.look(&*shared.store).await {
            Ok(true) => gate.close_refused(&shared),
            Ok(false) => {}
            Err(fault) => {
                tracing::warn!(error = %fault, "whom to keep out could not be looked at again");
                // A doubt must not have a store that fails asked without a pause.
                tokio::time::sleep(shared.clock.wait(LOOK_EVERY)).await;
            }
        }
    }
}
