//! Who is on which other node, as far as this one has heard.

use bedside_protocol::{Availability, NodeId, Timestamp};
use parking_lot::RwLock;
use std::{collections::HashMap, sync::Arc};

use crate::ports::bus::{Peer, UserKey};

/// Somebody's presence on one other node.
#[derive(Clone, Debug)]
struct On {
    peer: Arc<Peer>,
    said: Said,
}

/// What somebody set of how available they are, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: Availability,
    pub(crate) at: Timestamp,
}

impl Said {
    /// As it stands in what nodes share.
    pub(super) fn to_bytes(self) -> [u8; 9] {
        let mut bytes = [0; 9];
        bytes[0] = self.status as u8;
        bytes[1..].copy_from_slice(&self.at.as_millis().to_be_bytes());
        bytes
    }

    /// Nonsense is as good as nothing.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let read = || {
            let (status, at) = bytes.split_first()?;
            let status = Availability::ALL.iter().find(|a| **a as u8 == *status)?;
            Some(Self {
                status: *status,
                at: Timestamp::from_millis(i64::from_be_bytes(at.try_into().ok()?)),
            })
        };
        read().unwrap_or_default()
    }
}

#[derive(Default)]
struct Table {
    by_user: HashMap<UserKey, Vec<On>>,
    /// Peers whose whole list is being read.
    reading: HashMap<NodeId, Reading>,
}

#[derive(Default)]
struct Reading {
    /// The read that began last: its list is the newest.
    last: u64,
    /// What the peer said since the first one began: it is newer than any list.
    since: Vec<(UserKey, Option<Said>)>,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Whereabouts {
    table: RwLock<Table>,
}

impl Whereabouts {
    /// Calls `f` with each other node that somebody is on.
    pub(crate) fn each(&self, user: UserKey, mut f: impl FnMut(&Arc<Peer>)) {
        if let Some(on) = self.table.read().by_user.get(&user) {
            on.iter().for_each(|on| f(&on.peer));
        }
    }

    /// On how many other nodes somebody is.
    pub(crate) fn count(&self, user: UserKey) -> u32 {
        let table = self.table.read();
        let on = table.by_user.get(&user);
        on.map_or(0, |on| u32::try_from(on.len()).unwrap_or(u32::MAX - 1))
    }

    /// What somebody who is on another node set last; none for somebody who is on none.
    pub(crate) fn find(&self, user: UserKey) -> Option<Said> {
        let table = self.table.read();
        let said = table.by_user.get(&user)?.iter().map(|on| on.said);
        said.max_by_key(|said| said.at)
    }

    /// A peer says that somebody is on it, or is not any more.
    pub(super) fn note(&self, peer: &Arc<Peer>, user: UserKey, said: Option<Said>) {
        let mut table = self.table.write();
        if let Some(reading) = table.reading.get_mut(&peer.node) {
            reading.since.push((user, said));
        }
        table.note(peer, user, said);
    }

    /// The whole list of a peer is about to be read; the number of this read.
    pub(super) fn begin(&self, node: &NodeId) -> u64 {
        let mut table = self.table.write();
        let reading = table.reading.entry(node.clone()).or_default();
        reading.last += 1;
        reading.last
    }

    /// It was read: it takes the place of what was known. False when another read began after
    /// this one, which knows more.
    pub(super) fn replace(&self, peer: &Arc<Peer>, read: u64, all: Vec<(UserKey, Said)>) -> bool {
        let mut table = self.table.write();
        let reading = table.reading.get(&peer.node);
        if reading.is_none_or(|reading| reading.last != read) {
            return false;
        }
        let reading = table.reading.remove(&peer.node).unwrap_or_default();
        let since = reading.since;
        table.drop_node(&peer.node);
        for (user, said) in all {
            table.note(peer, user, Some(said));
        }
        for (user, said) in since {
            table.note(peer, user, said);
        }
        true
    }

    /// It could not be read.
    pub(super) fn give_up(&self, node: &NodeId, read: u64) {
        let mut table = self.table.write();
        let reading = table.reading.get(node);
        if reading.is_some_and(|reading| reading.last == read) {
            table.reading.remove(node);
        }
    }

    /// A node is gone, with everybody on it.
    pub(super) fn drop_node(&self, node: &NodeId) {
        let mut table = self.table.write();
        table.reading.remove(node);
        table.drop_node(node);
    }
}

impl Table {
    fn note(&mut self, peer: &Arc<Peer>, user: UserKey, said: Option<Said>) {
        let on = self.by_user.entry(user).or_default();
        on.retain(|on| on.peer.node != peer.node);
        if let Some(said) = said {
            on.push(On {
                peer: peer.clone(),
                said,
            });
        }
        if on.is_empty() {
            self.by_user.remove(&user);
        }
    }

    fn drop_node(&mut self, node: &NodeId) {
        self.by_user.retain(|_, on| {
            on.retain(|on| on.peer.node != *node);
            !on.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str) -> Arc<Peer> {
        Arc::new(Peer {
            node: NodeId::new(name).expect("a name"),
            incarnation: 1,
        })
    }

    fn user(n: u8) -> UserKey {
        UserKey([n; 16])
    }

    fn nodes(all: &Whereabouts, n: u8) -> Vec<String> {
        let mut nodes = Vec::new();
        all.each(user(n), |peer| nodes.push(peer.node.to_string()));
        nodes
    }

    fn at(status: Availability, seconds: i64) -> Said {
        Said {
            status,
            at: Timestamp::from_millis(seconds),
        }
    }

    #[test]
    fn the_latest_word_counts() {
        let all = Whereabouts::default();
        all.note(&peer("a"), user(1), Some(at(Availability::Busy, 2)));
        all.note(&peer("b"), user(1), Some(at(Availability::Away, 1)));
        assert_eq!(nodes(&all, 1), ["a", "b"]);
        assert_eq!(all.find(user(1)), Some(at(Availability::Busy, 2)));
        all.note(&peer("a"), user(1), None);
        assert_eq!(all.find(user(1)), Some(at(Availability::Away, 1)));
        all.drop_node(&peer("b").node);
        assert_eq!(all.find(user(1)), None);
    }

    #[test]
    fn a_list_does_not_undo_what_was_said_while_it_was_read() {
        let all = Whereabouts::default();
        let (a, said) = (peer("a"), Some(Said::default()));
        all.note(&a, user(1), said);
        all.note(&a, user(2), said);
        let read = all.begin(&a.node);
        all.note(&a, user(2), None);
        all.note(&a, user(3), said);
        let listed = vec![(user(2), Said::default()), (user(4), Said::default())];
        assert!(all.replace(&a, read, listed));
        let there: Vec<_> = (1..=4).filter(|n| !nodes(&all, *n).is_empty()).collect();
        assert_eq!(there, [3, 4]);
        assert!(!all.replace(&a, read, Vec::new()));
    }

    #[test]
    fn of_two_reads_the_later_one_counts_and_nothing_said_between_is_lost() {
        let all = Whereabouts::default();
        let (a, said) = (peer("a"), Some(Said::default()));
        let first = all.begin(&a.node);
        all.note(&a, user(1), said);
        let second = all.begin(&a.node);
        assert!(!all.replace(&a, first, Vec::new()));
        assert_eq!(nodes(&all, 1), ["a"]);
        assert!(all.replace(&a, second, vec![(user(2), Said::default())]));
        assert_eq!(
            (nodes(&all, 1), nodes(&all, 2)),
            (vec!["a".to_owned()], vec!["a".to_owned()])
        );
    }

    #[test]
    fn what_somebody_set_survives_its_bytes() {
        for status in Availability::ALL {
            let said = at(*status, 1_234);
            assert_eq!(Said::from_bytes(&said.to_bytes()), said);
        }
        assert_eq!(Said::from_bytes(&[9, 9]), Said::default());
    }
}
