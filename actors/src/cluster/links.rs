//! What came from each peer, and what did not: plain state, no clock of its own.

use bedside_protocol::{NodeId, Timestamp};
use std::{collections::HashMap, sync::Arc};
use tokio::time::Instant;

use crate::ports::bus::Peer;

/// What a message tells about the link that it came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is the next one.
    Next,
    /// It is the first one of a peer, or of a peer's new life.
    New,
    /// Something before it is missing, from this time on.
    Gap(Timestamp),
    /// It is of a life that is over, or came before: not to be looked at.
    Old,
}

/// One direction of one link.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// The `link_seq` that comes next; none before the first.
    next: Option<u64>,
}

impl Link {
    /// Whether the message is the next one; false leaves a gap.
    fn take(&mut self, link_seq: u64) -> Option<bool> {
        let expected = self.next.unwrap_or(link_seq);
        if link_seq < expected {
            return None;
        }
        self.next = Some(link_seq + 1);
        Some(link_seq == expected)
    }
}

#[derive(Debug)]
struct State {
    peer: Arc<Peer>,
    own: Link,
    all: Link,
    heard_at: Instant,
    /// It was found to be gone since then.
    is_silent: bool,
    /// It said good-bye: what this life says after that is of no use.
    has_left: bool,
    /// Everything up to this time came, as far as is known.
    whole_until: Timestamp,
}

/// Every peer that was heard of lately.
#[derive(Debug, Default)]
pub(super) struct Links {
    peers: HashMap<NodeId, State>,
}

impl Links {
    /// Takes note of a message.
    pub(super) fn heard(
        &mut self,
        from: &Peer,
        to_all: bool,
        link_seq: u64,
        at: (Instant, Timestamp),
    ) -> (Heard, Arc<Peer>) {
        let (heard_at, now) = at;
        let known = self.peers.get(&from.node);
        let is_over = |state: &State| {
            let life = state.peer.incarnation;
            from.incarnation < life || (from.incarnation == life && state.has_left)
        };
        if known.is_some_and(is_over) {
            return (Heard::Old, Arc::new(from.clone()));
        }
        let is_new = known.is_none_or(|state| state.peer.incarnation < from.incarnation);
        if is_new {
            let state = State {
                peer: Arc::new(from.clone()),
                // Each life of a receiver is a link of its own, so nothing came before 1.
                own: Link { next: Some(1) },
                all: Link { next: None },
                heard_at,
                is_silent: false,
                has_left: false,
                whole_until: now,
            };
            self.peers.insert(from.node.clone(), state);
        }
        let Some(state) = self.peers.get_mut(&from.node) else {
            return (Heard::Old, Arc::new(from.clone()));
        };
        let link = if to_all {
            &mut state.all
        } else {
            &mut state.own
        };
        let heard = match link.take(link_seq) {
            None => Heard::Old,
            Some(false) => Heard::Gap(state.whole_until),
            Some(true) if is_new => Heard::New,
            Some(true) => Heard::Next,
        };
        if heard != Heard::Old {
            state.heard_at = heard_at;
            state.is_silent = false;
            state.whole_until = now;
        }
        (heard, state.peer.clone())
    }

    /// A peer says what it sent to this node last. When that did not come: from when on.
    pub(super) fn sent_last(
        &mut self,
        node: &NodeId,
        link_seq: u64,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let state = self.peers.get_mut(node)?;
        let next = state.own.next.unwrap_or(1);
        if link_seq < next {
            return None;
        }
        state.own.next = Some(link_seq + 1);
        let since = state.whole_until;
        state.whole_until = now;
        Some(since)
    }

    /// Those who are there: heard of since `since`.
    pub(super) fn live(&self, since: Instant) -> Vec<Arc<Peer>> {
        let live = self.peers.values();
        let live = live.filter(|state| state.heard_at >= since && !state.is_silent);
        live.map(|state| state.peer.clone()).collect()
    }

    /// Until when everything of a peer came.
    pub(super) fn whole_until(&self, node: &NodeId) -> Option<Timestamp> {
        self.peers.get(node).map(|state| state.whole_until)
    }

    /// A peer said good-bye.
    pub(super) fn leave(&mut self, node: &NodeId) {
        if let Some(state) = self.peers.get_mut(node) {
            state.is_silent = true;
            state.has_left = true;
        }
    }

    /// A peer is not there until it is heard of again.
    pub(super) fn silence(&mut self, node: &NodeId) {
        if let Some(state) = self.peers.get_mut(node) {
            state.is_silent = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn peer(incarnation: u64) -> Peer {
        Peer {
            node: NodeId::new("a").expect("a name"),
            incarnation,
        }
    }

    fn at(seconds: i64) -> (Instant, Timestamp) {
        (Instant::now(), Timestamp::from_millis(seconds * 1_000))
    }

    fn hear(links: &mut Links, life: u64, to_all: bool, seq: u64, seconds: i64) -> Heard {
        links.heard(&peer(life), to_all, seq, at(seconds)).0
    }

    #[test]
    fn a_hole_is_seen_by_what_comes_after_it() {
        let mut links = Links::default();
        assert_eq!(hear(&mut links, 1, false, 1, 1), Heard::New);
        assert_eq!(hear(&mut links, 1, false, 2, 2), Heard::Next);
        let since = Timestamp::from_millis(2_000);
        assert_eq!(hear(&mut links, 1, false, 4, 9), Heard::Gap(since));
        assert_eq!(hear(&mut links, 1, false, 3, 9), Heard::Old);
        assert_eq!(hear(&mut links, 1, false, 5, 9), Heard::Next);
    }

    #[test]
    fn a_lost_first_message_is_a_hole_but_for_those_to_all() {
        let mut links = Links::default();
        assert_eq!(hear(&mut links, 1, true, 70, 1), Heard::New);
        assert_eq!(hear(&mut links, 1, true, 71, 1), Heard::Next);
        let since = Timestamp::from_millis(1_000);
        assert_eq!(hear(&mut links, 1, false, 2, 3), Heard::Gap(since));
    }

    #[test]
    fn a_lost_tail_is_seen_by_what_the_peer_says() {
        let mut links = Links::default();
        hear(&mut links, 1, false, 1, 1);
        let node = peer(1).node;
        let now = Timestamp::from_millis(5_000);
        assert_eq!(links.sent_last(&node, 1, now), None);
        let since = Timestamp::from_millis(1_000);
        assert_eq!(links.sent_last(&node, 3, now), Some(since));
        assert_eq!(links.sent_last(&node, 3, now), None);
        assert_eq!(hear(&mut links, 1, false, 4, 6), Heard::Next);
    }

    #[test]
    fn a_new_life_starts_anew_and_ends_the_old_one() {
        let mut links = Links::default();
        hear(&mut links, 1, false, 1, 1);
        assert_eq!(hear(&mut links, 2, false, 1, 2), Heard::New);
        assert_eq!(hear(&mut links, 1, false, 2, 3), Heard::Old);
        let live = links.live(Instant::now() - Duration::from_secs(60));
        assert_eq!(live, [Arc::new(peer(2))]);
        links.silence(&peer(2).node);
        assert!(
            links
                .live(Instant::now() - Duration::from_secs(60))
                .is_empty()
        );
        assert_eq!(hear(&mut links, 2, false, 2, 3), Heard::Next);
        assert_eq!(
            links.live(Instant::now() - Duration::from_secs(60)).len(),
            1
        );
    }
}
