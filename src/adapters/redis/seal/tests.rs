use super::*;
use crate::config::Secret;

fn peer(node: &str, incarnation: u64) -> Peer {
    Peer {
        node: NodeId::new(node).expect("a name"),
        incarnation,
    }
}

fn to(peer: &Peer) -> Destination {
    Destination::Node {
        node: peer.node.clone(),
        incarnation: peer.incarnation,
    }
}

fn keys(key: &str, other: Option<&str>) -> Keys {
    let secret = |text: &str| Secret::new(text.repeat(32));
    Keys::new(&secret(key), other.map(secret).as_ref(), None)
}

/// Two nodes with the same key.
struct Pair {
    keys: Keys,
    a: Peer,
    b: Peer,
    at_b: Opener,
}

fn pair() -> Pair {
    let (a, b) = (peer("a", 10), peer("b", 20));
    Pair {
        keys: keys("k", None),
        at_b: Opener::new(b.clone()),
        a,
        b,
    }
}

impl Pair {
    fn by_a(&self, to: Destination, link_seq: u64) -> Vec<u8> {
        sealed_by(&self.keys, &self.a, to, link_seq)
    }

    fn open(&mut self, bytes: &[u8]) -> Result<u64, Refusal> {
        let received = self.at_b.open(&self.keys, bytes.to_vec())?;
        assert_eq!(&received.body[..], b"Mrs. Weiss is here");
        Ok(received.link_seq)
    }
}

fn sealed_by(keys: &Keys, from: &Peer, to: Destination, link_seq: u64) -> Vec<u8> {
    Outward::new(keys, from, to).seal(link_seq, b"Mrs. Weiss is here")
}

#[test]
fn what_was_sealed_opens_and_cannot_be_read_on_the_way() {
    let mut pair = pair();
    let direct = pair.by_a(to(&pair.b), 1);
    assert!(!direct.windows(5).any(|part| part == b"Weiss"));
    let received = pair.at_b.open(&pair.keys, direct).expect("opens");
    assert_eq!((received.from, received.to_all), (pair.a.clone(), false));
    let all = pair.by_a(Destination::All, 1);
    let received = pair.at_b.open(&pair.keys, all).expect("opens");
    assert!(received.to_all);
    let empty = Outward::new(&pair.keys, &pair.a, Destination::All).seal(2, b"");
    let received = pair.at_b.open(&pair.keys, empty).expect("opens");
    assert!(received.body.is_empty());
}

#[test]
fn no_bit_can_be_changed() {
    let mut pair = pair();
    let good = pair.by_a(to(&pair.b), 1);
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(pair.open(&bad).is_err(), "bit {bit} of byte {at}");
        }
    }
    assert_eq!(pair.open(&good), Ok(1), "and they changed nothing");
}

#[test]
fn a_message_counts_once_and_in_order_on_each_link() {
    let mut pair = pair();
    let direct = |pair: &Pair, seq| pair.by_a(to(&pair.b), seq);
    let (one, two, five) = (direct(&pair, 1), direct(&pair, 2), direct(&pair, 5));
    assert_eq!(pair.open(&two), Ok(2));
    assert_eq!(pair.open(&two), Err(Refusal::Replay));
    assert_eq!(pair.open(&one), Err(Refusal::Replay));
    let all = pair.by_a(Destination::All, 1);
    assert_eq!(pair.open(&all), Ok(1), "the other link counts for itself");
    assert_eq!(pair.open(&all), Err(Refusal::Replay));
    assert_eq!(pair.open(&five), Ok(5), "a hole is for others to see");
}

#[test]
fn a_life_that_is_over_is_not_heard_again() {
    let mut pair = pair();
    let old = pair.by_a(to(&pair.b), 7);
    assert_eq!(pair.open(&old.clone()), Ok(7));
    let again = sealed_by(&pair.keys, &peer("a", 11), to(&pair.b), 1);
    assert_eq!(pair.open(&again), Ok(1), "a new life counts from the start");
    let late = pair.by_a(to(&pair.b), 8);
    assert_eq!(pair.open(&late), Err(Refusal::OldIncarnation));
    let forged = sealed_by(&keys("x", None), &peer("a", 12), to(&pair.b), 1);
    assert_eq!(pair.open(&forged), Err(Refusal::UnknownKey));
    let next = sealed_by(&pair.keys, &peer("a", 11), to(&pair.b), 2);
    assert_eq!(pair.open(&next), Ok(2), "a forged life ends no other");
}

#[test]
fn what_is_for_others_or_from_oneself_is_refused() {
    let mut pair = pair();
    for other in [peer("b", 21), peer("c", 20)] {
        let stray = pair.by_a(to(&other), 1);
        assert_eq!(pair.open(&stray), Err(Refusal::Destination));
    }
    for own in [peer("b", 20), peer("b", 19)] {
        let own = sealed_by(&pair.keys, &own, Destination::All, 1);
        assert_eq!(pair.open(&own), Err(Refusal::Own));
    }
}

#[test]
fn an_envelope_cannot_be_made_without_the_key() {
    let mut pair = pair();
    let foreign = sealed_by(&keys("x", None), &pair.a, to(&pair.b), 1);
    assert_eq!(pair.open(&foreign), Err(Refusal::UnknownKey));
    let mut claimed = foreign;
    claimed[1..5].copy_from_slice(&pair.keys.sealing());
    assert_eq!(pair.open(&claimed), Err(Refusal::Tampered));
    let mut version = pair.by_a(to(&pair.b), 1);
    version[0] = 2;
    assert_eq!(pair.open(&version), Err(Refusal::Version));
    assert_eq!(pair.open(b"PING"), Err(Refusal::Version));
    assert_eq!(pair.open(b""), Err(Refusal::Malformed));
}

#[test]
fn a_message_for_all_cannot_be_passed_off_as_one_for_a_node() {
    let mut pair = pair();
    // The same header but for the destination, which the key and the seal know.
    let all = pair.by_a(Destination::All, 1);
    let direct = pair.by_a(to(&pair.b), 1);
    let (_, all_at) = Header::decode(&all).expect("a header");
    let (_, direct_at) = Header::decode(&direct).expect("a header");
    let mixed = [&direct[..direct_at], &all[all_at..]].concat();
    assert_eq!(pair.open(&mixed), Err(Refusal::Tampered));
}

#[test]
fn two_keys_are_valid_during_a_rotation() {
    let (a, b) = (peer("a", 10), peer("b", 20));
    let old = keys("k", None);
    let ready = keys("k", Some("n"));
    let turned = keys("n", Some("k"));
    let done = keys("n", None);
    let (old, ready, turned, done) = (&old, &ready, &turned, &done);
    // Whoever may run at the same time understands each other.
    for (from, at) in [
        (old, ready),
        (ready, old),
        (ready, turned),
        (turned, ready),
        (turned, done),
        (done, turned),
    ] {
        let bytes = sealed_by(from, &a, to(&b), 1);
        assert!(Opener::new(b.clone()).open(at, bytes).is_ok());
    }
    let bytes = sealed_by(done, &a, to(&b), 1);
    let refused = Opener::new(b.clone()).open(old, bytes).map(|r| r.link_seq);
    assert_eq!(refused, Err(Refusal::UnknownKey));
    // A source that changes its key within one life, as only a test does, is still in order.
    let mut at_b = Opener::new(b.clone());
    for (keys, seq, wanted) in [
        (ready, 1, Ok(1)),
        (turned, 2, Ok(2)),
        (ready, 2, Err(Refusal::Replay)),
    ] {
        let bytes = sealed_by(keys, &a, to(&b), seq);
        assert_eq!(at_b.open(turned, bytes).map(|r| r.link_seq), wanted);
    }
}

#[test]
fn memory_of_sources_is_bounded_and_what_was_forgotten_is_not_replayed() {
    let mut pair = pair();
    let life = |n: usize| u64::try_from(n).expect("small") + 100;
    let first = sealed_by(&pair.keys, &peer("n0", life(0)), Destination::All, 1);
    assert_eq!(pair.open(&first), Ok(1));
    for n in 1..=SOURCES_MAX {
        let from = peer(&format!("n{n}"), life(n));
        let bytes = sealed_by(&pair.keys, &from, Destination::All, 1);
        assert_eq!(pair.open(&bytes), Ok(1));
    }
    assert_eq!(pair.at_b.sources.len(), SOURCES_MAX);
    assert_eq!(pair.open(&first), Err(Refusal::OldIncarnation));
}
