//! What waits to be published, within bounds, and the order of each link.

use bedside_actors::ports::bus::{Peer, To};
use bedside_protocol::{
    NodeId,
    envelope::{BODY_BYTES_MAX, Destination},
};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
};
use tokio::sync::Notify;

use super::{keys::Keys, names::Names, seal::Outward};

/// Messages that wait at most.
const LETTERS_MAX: usize = 8_192;
/// Bytes of their envelopes that wait at most.
const LETTERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Nodes to which links are remembered. Of more than that, the one of the oldest life is
/// forgotten, and lives up to that one are refused: no link may begin a second time.
const LINKS_MAX: usize = 1_024;

/// One message on its way.
pub(super) struct Letter {
    /// The node it is for; none for all.
    pub(super) to: Option<Peer>,
    pub(super) channel: Arc<str>,
    pub(super) envelope: Vec<u8>,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// There is no connection.
    Down,
    /// Too many wait.
    Full,
    /// Its `link_seq` does not ascend: sealed, it would use up a nonce for the second time.
    OutOfOrder,
    /// It is too long to be sent.
    TooLong,
}

/// The way to one destination.
struct Link {
    outward: Arc<Outward>,
    channel: Arc<str>,
    incarnation: u64,
    /// The last that was taken.
    link_seq: u64,
}

struct State {
    open: bool,
    letters: VecDeque<Letter>,
    bytes: usize,
    nodes: HashMap<NodeId, Link>,
    all: Link,
    /// No life up to this one gets a new link.
    forgotten: u64,
}

/// The queue of all that is published.
pub(super) struct Outbound {
    state: Mutex<State>,
    wake: Notify,
    me: Peer,
    names: Names,
    keys: Arc<Keys>,
    letters_bytes_max: usize,
}

impl Outbound {
    pub(super) fn new(me: Peer, names: Names, keys: Arc<Keys>) -> Self {
        let all = Link {
            outward: Arc::new(Outward::new(&keys, &me, Destination::All)),
            channel: names.channel_of_all().into(),
            incarnation: 0,
            link_seq: 0,
        };
        Self {
            state: Mutex::new(State {
                open: false,
                letters: VecDeque::new(),
                bytes: 0,
                nodes: HashMap::new(),
                all,
                forgotten: 0,
            }),
            wake: Notify::new(),
            me,
            names,
            keys,
            letters_bytes_max: LETTERS_BYTES_MAX,
        }
    }

    /// From now on messages are taken.
    pub(super) fn open(&self) {
        self.state.lock().open = true;
    }

    /// From now on none are, and those that wait are dropped: so many.
    pub(super) fn close(&self) -> usize {
        let mut state = self.state.lock();
        state.open = false;
        state.bytes = 0;
        let dropped = mem::take(&mut state.letters);
        drop(state);
        dropped.len()
    }

    /// Messages that wait.
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().letters.len()
    }

    /// Takes a message. It is sealed outside of the lock, by the caller's thread; the lock is
    /// what lets each `link_seq` of a link out once.
    pub(super) fn push(&self, to: &To, link_seq: u64, body: &[u8]) -> Result<(), NotTaken> {
        if body.len() > BODY_BYTES_MAX {
            return Err(NotTaken::TooLong);
        }
        let (outward, channel) = {
            let mut state = self.state.lock();
            self.check_room(&state, body.len())?;
            let link = self.link(&mut state, to)?;
            link.check(link_seq)?;
            (link.outward.clone(), link.channel.clone())
        };
        let letter = Letter {
            to: match to {
                To::Peer(peer) => Some(peer.clone()),
                To::All => None,
            },
            channel,
            envelope: outward.seal(link_seq, body),
        };
        let mut state = self.state.lock();
        self.check_room(&state, letter.envelope.len())?;
        let link = self.link(&mut state, to)?;
        link.check(link_seq)?;
        link.link_seq = link_seq;
        state.bytes += letter.envelope.len();
        state.letters.push_back(letter);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    fn check_room(&self, state: &State, bytes: usize) -> Result<(), NotTaken> {
        if !state.open {
            return Err(NotTaken::Down);
        }
        if state.letters.len() >= LETTERS_MAX || state.bytes + bytes > self.letters_bytes_max {
            return Err(NotTaken::Full);
        }
        Ok(())
    }

    fn link<'a>(&self, state: &'a mut State, to: &To) -> Result<&'a mut Link, NotTaken> {
        let To::Peer(peer) = to else {
            return Ok(&mut state.all);
        };
        let known = state.nodes.get(&peer.node).map(|link| link.incarnation);
        match known {
            Some(incarnation) if incarnation > peer.incarnation => {
                return Err(NotTaken::OutOfOrder);
            }
            Some(incarnation) if incarnation == peer.incarnation => {}
            _ if peer.incarnation <= state.forgotten => return Err(NotTaken::OutOfOrder),
            _ => self.begin(state, peer),
        }
        let link = state.nodes.get_mut(&peer.node);
        Ok(link.expect("there, because it was found or made"))
    }

    /// Makes the link to a new life of a node.
    fn begin(&self, state: &mut State, peer: &Peer) {
        if state.nodes.len() >= LINKS_MAX && !state.nodes.contains_key(&peer.node) {
            let oldest = state.nodes.iter().min_by_key(|(_, link)| link.incarnation);
            if let Some((oldest, incarnation)) = oldest.map(|(n, l)| (n.clone(), l.incarnation)) {
                state.nodes.remove(&oldest);
                state.forgotten = state.forgotten.max(incarnation);
            }
        }
        let to = Destination::Node {
            node: peer.node.clone(),
            incarnation: peer.incarnation,
        };
        let link = Link {
            outward: Arc::new(Outward::new(&self.keys, &self.me, to)),
            channel: self.names.channel(peer).into(),
            incarnation: peer.incarnation,
            link_seq: 0,
        };
        state.nodes.insert(peer.node.clone(), link);
    }

    /// The next messages, at least one; waits for it.
    pub(super) async fn next(&self, letters_max: usize, bytes_max: usize) -> Vec<Letter> {
        loop {
            let batch = self.state.lock().batch(letters_max, bytes_max);
            if !batch.is_empty() {
                return batch;
            }
            self.wake.notified().await;
        }
    }
}

impl Link {
    fn check(&self, link_seq: u64) -> Result<(), NotTaken> {
        if link_seq > self.link_seq {
            Ok(())
        } else {
            Err(NotTaken::OutOfOrder)
        }
    }
}

impl State {
    fn batch(&mut self, letters_max: usize, bytes_max: usize) -> Vec<Letter> {
        let mut bytes = 0;
        let fits = |letter: &&Letter| {
            bytes += letter.envelope.len();
            bytes <= bytes_max
        };
        let waiting = self.letters.iter().take(letters_max);
        let count = waiting.take_while(fits).count().max(1);
        let batch: Vec<_> = self
            .letters
            .drain(..count.min(self.letters.len()))
            .collect();
        self.bytes -= batch.iter().map(|l| l.envelope.len()).sum::<usize>();
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn peer(node: &str, incarnation: u64) -> Peer {
        Peer {
            node: NodeId::new(node).expect("a name"),
            incarnation,
        }
    }

    fn outbound() -> Outbound {
        let keys = Arc::new(Keys::new(&Secret::new("k".repeat(32)), None, None));
        let out = Outbound::new(peer("a", 1), Names::new("test"), keys);
        out.open();
        out
    }

    #[test]
    fn each_link_ascends_and_an_old_life_gets_nothing() {
        let out = outbound();
        let to = |node: &str, life| To::Peer(peer(node, life));
        for (to, link_seq, wanted) in [
            (to("b", 5), 1, Ok(())),
            (to("b", 5), 1, Err(NotTaken::OutOfOrder)),
            (to("b", 5), 3, Ok(())),
            (to("b", 5), 2, Err(NotTaken::OutOfOrder)),
            (to("c", 5), 1, Ok(())),
            (To::All, 0, Err(NotTaken::OutOfOrder)),
            (To::All, 1, Ok(())),
            (to("b", 6), 1, Ok(())),
            (to("b", 5), 4, Err(NotTaken::OutOfOrder)),
        ] {
            assert_eq!(out.push(&to, link_seq, b""), wanted, "{to:?} {link_seq}");
        }
        let sent = out.state.lock().batch(100, usize::MAX);
        let channels: Vec<_> = sent.iter().map(|l| l.channel.to_string()).collect();
        assert_eq!(channels.len(), 5);
        assert_eq!(channels[0], "bedside:test:n:b:00000000000000000005");
        assert_eq!(channels[3], "bedside:test:all");
    }

    #[test]
    fn a_full_queue_takes_nothing_and_uses_up_no_seq() {
        let out = outbound();
        let max = u64::try_from(LETTERS_MAX).expect("small");
        for seq in 1..=max {
            assert_eq!(out.push(&To::All, seq, b""), Ok(()));
        }
        assert_eq!(out.push(&To::All, max + 1, b""), Err(NotTaken::Full));
        assert_eq!(out.state.lock().batch(1, usize::MAX).len(), 1);
        assert_eq!(out.push(&To::All, max + 1, b""), Ok(()));
        assert_eq!(out.close(), LETTERS_MAX);
        assert_eq!((out.waiting(), out.state.lock().bytes), (0, 0));
        assert_eq!(out.push(&To::All, max + 2, b""), Err(NotTaken::Down));
        out.open();
        assert_eq!(out.push(&To::All, max + 1, b""), Err(NotTaken::OutOfOrder));
        assert_eq!(out.push(&To::All, max + 2, b""), Ok(()));
    }

    #[test]
    fn bytes_are_bounded_too_and_give_room_again() {
        let out = Outbound {
            letters_bytes_max: 1_000,
            ..outbound()
        };
        out.open();
        assert_eq!(out.push(&To::All, 1, &[0; 400]), Ok(()));
        assert_eq!(out.push(&To::All, 2, &[0; 400]), Ok(()));
        assert_eq!(out.push(&To::All, 3, &[0; 400]), Err(NotTaken::Full));
        assert_eq!(out.state.lock().batch(10, 500).len(), 1, "cut by bytes");
        assert_eq!(out.push(&To::All, 3, &[0; 400]), Ok(()));
        assert_eq!(out.state.lock().batch(10, 10).len(), 1, "one at least");
        let long = vec![0; BODY_BYTES_MAX + 1];
        assert_eq!(out.push(&To::All, 4, &long), Err(NotTaken::TooLong));
    }

    #[test]
    fn links_are_bounded_and_none_begins_twice() {
        let out = outbound();
        let to = |n: usize| To::Peer(peer(&format!("n{n}"), n as u64 + 1));
        for n in 0..=LINKS_MAX {
            assert_eq!(out.push(&to(n), 1, b""), Ok(()));
        }
        assert_eq!(out.state.lock().nodes.len(), LINKS_MAX);
        assert_eq!(out.push(&to(0), 1, b""), Err(NotTaken::OutOfOrder));
        assert_eq!(out.push(&to(1), 2, b""), Ok(()));
    }
}
