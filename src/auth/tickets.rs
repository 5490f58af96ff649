//! Single-use tickets: how a browser, which cannot set headers on a WebSocket, says who it is
//! without putting its token into a URL.

use bedside_protocol::{
    CommandError, Timestamp, UserId,
    limits::{TICKET_TTL_MS, TICKETS_PER_USER_MAX},
};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{
    Identity,
    random::{RANDOM_TEXT_LEN, random_text},
};

/// Unused tickets of all users together. One more drops the oldest of all.
pub const TICKETS_MAX: usize = 100_000;

/// Tickets are kept hashed, so that neither a memory dump nor the time that a look-up takes
/// gives one away.
type Hash = [u8; 32];

/// The unused tickets of this process: each good for 30 s and for one use.
#[derive(Debug, Default)]
pub struct Tickets(Mutex<Unused>);

#[derive(Debug, Default)]
struct Unused {
    tickets: HashMap<Hash, Ticket>,
    /// Each user's tickets, the oldest first.
    by_user: HashMap<UserId, VecDeque<Hash>>,
    /// All tickets by when they run out, to sweep them.
    by_end: BTreeSet<(Timestamp, Hash)>,
}

#[derive(Debug)]
struct Ticket {
    identity: Identity,
    ends_at: Timestamp,
}

impl Tickets {
    /// Makes a ticket that stands for `identity`, and drops the user's oldest unused one when
    /// there are 16 already.
    ///
    /// # Errors
    /// `unavailable` when the system gives no randomness.
    pub fn issue(&self, identity: Identity, now: Timestamp) -> Result<String, CommandError> {
        let text = random_text()
            .map_err(|_| CommandError::unavailable("the system gives no randomness", 1_000))?;
        let ttl_ms = i64::try_from(TICKET_TTL_MS).unwrap_or(i64::MAX);
        let ticket = Ticket {
            identity,
            ends_at: now.plus_millis(ttl_ms),
        };
        self.0.lock().add(hash(&text), ticket, now);
        Ok(text)
    }

    /// Uses a ticket up. None for one that is unknown, used, or run out, and for one whose
    /// token has run out since.
    pub fn redeem(&self, text: &str, now: Timestamp) -> Option<Identity> {
        if text.len() != RANDOM_TEXT_LEN {
            return None;
        }
        let ticket = self.0.lock().remove(&hash(text))?;
        (now < ticket.ends_at && ticket.identity.is_live(now)).then_some(ticket.identity)
    }

    /// How many are unused, run-out ones that were not swept yet included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().tickets.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Unused {
    fn add(&mut self, hash: Hash, ticket: Ticket, now: Timestamp) {
        self.sweep(now);
        let own = self
            .by_user
            .entry(ticket.identity.user_id.clone())
            .or_default();
        own.push_back(hash);
        let one_too_many = own.len() > TICKETS_PER_USER_MAX;
        let oldest_own = own.front().copied().filter(|_| one_too_many);
        self.by_end.insert((ticket.ends_at, hash));
        self.tickets.insert(hash, ticket);
        if let Some(oldest) = oldest_own {
            self.remove(&oldest);
        }
    }

    /// Drops what has run out, and the oldest while there are too many.
    fn sweep(&mut self, now: Timestamp) {
        while let Some((ends_at, hash)) = self.by_end.first().copied() {
            if ends_at > now && self.tickets.len() < TICKETS_MAX {
                break;
            }
            self.remove(&hash);
        }
    }

    fn remove(&mut self, hash: &Hash) -> Option<Ticket> {
        let ticket = self.tickets.remove(hash)?;
        self.by_end.remove(&(ticket.ends_at, *hash));
        let user_id = &ticket.identity.user_id;
        if let Some(own) = self.by_user.get_mut(user_id) {
            own.retain(|other| other != hash);
            if own.is_empty() {
                self.by_user.remove(user_id);
            }
        }
        Some(ticket)
    }
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_actors::ports::identity::TokenStamp;
    use bedside_protocol::Roles;

    fn ticket(n: usize, ends_at: Timestamp) -> (Hash, Ticket) {
        let identity = Identity {
            user_id: UserId::new(&format!("u{n}")).expect("an id"),
            roles: Roles::NONE,
            name: "".into(),
            email: "".into(),
            scopes: [].into(),
            expires_at: ends_at.plus_millis(1_000_000),
            stamp: TokenStamp::default(),
        };
        (hash(&n.to_string()), Ticket { identity, ends_at })
    }

    #[test]
    fn all_tickets_together_are_bounded_and_no_index_leaks() {
        let start = Timestamp::from_millis(1_000_000);
        let mut unused = Unused::default();
        for n in 0..TICKETS_MAX + 10 {
            let at = start.plus_millis(n as i64 / 10_000);
            let (hash, ticket) = ticket(n, at.plus_millis(30_000));
            unused.add(hash, ticket, at);
        }
        assert_eq!(unused.tickets.len(), TICKETS_MAX);
        assert_eq!(unused.by_end.len(), TICKETS_MAX);
        assert_eq!(unused.by_user.len(), TICKETS_MAX);
        unused.sweep(start.plus_millis(60_000));
        assert_eq!(
            (
                unused.tickets.len(),
                unused.by_end.len(),
                unused.by_user.len()
            ),
            (0, 0, 0)
        );
    }
}
