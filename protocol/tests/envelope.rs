//! The header of what nodes send to each other.

use bedside_protocol::{
    NodeId,
    envelope::{
        BODY_BYTES_MAX, Destination, ENVELOPE_BYTES_MAX, EnvelopeError, HEADER_BYTES_MAX, Header,
        TAG_BYTES, VERSION,
    },
};
use proptest::prelude::*;

/// `1`, key id, incarnation, link_seq, `6 node-a`, `1`, incarnation, `1 b`.
const GOLDEN_TO_ONE: &str =
    "01deadbeef00064a1b2c3d4e5f0000000000000007066e6f64652d610100064a1b2c3d4e600162";
/// The same up to the destination: `0`.
const GOLDEN_TO_ALL: &str = "01deadbeef00064a1b2c3d4e5f0000000000000007066e6f64652d6100";

fn node(name: &str) -> NodeId {
    NodeId::new(name).expect("a name")
}

fn header(to: Destination) -> Header {
    Header {
        key_id: [0xde, 0xad, 0xbe, 0xef],
        source: node("node-a"),
        incarnation: 0x0006_4a1b_2c3d_4e5f,
        link_seq: 7,
        to,
    }
}

fn to_one() -> Destination {
    Destination::Node {
        node: node("b"),
        incarnation: 0x0006_4a1b_2c3d_4e60,
    }
}

/// The header and a body of nothing but a tag.
fn envelope(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    bytes.extend([0; TAG_BYTES]);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_layout_is_what_other_versions_expect() {
    for (to, golden) in [(to_one(), GOLDEN_TO_ONE), (Destination::All, GOLDEN_TO_ALL)] {
        let header = header(to);
        let bytes = envelope(&header);
        let body_at = bytes.len() - TAG_BYTES;
        assert_eq!(hex(&bytes[..body_at]), golden);
        assert_eq!(Header::decode(&bytes), Ok((header, body_at)));
    }
}

#[test]
fn the_longest_header_is_as_long_as_it_says() {
    let longest = node(&"x".repeat(NodeId::BYTES_MAX));
    let header = Header {
        source: longest.clone(),
        to: Destination::Node {
            node: longest,
            incarnation: u64::MAX,
        },
        ..header(Destination::All)
    };
    assert_eq!(envelope(&header).len(), HEADER_BYTES_MAX + TAG_BYTES);
}

#[test]
fn what_is_cut_off_or_too_long_is_no_envelope() {
    let whole = envelope(&header(to_one()));
    for len in 0..whole.len() {
        assert_eq!(
            Header::decode(&whole[..len]),
            Err(EnvelopeError::Malformed),
            "{len}"
        );
    }
    let mut long = envelope(&header(Destination::All));
    long.resize(long.len() + BODY_BYTES_MAX, 0);
    assert!(Header::decode(&long).is_ok());
    long.push(0);
    assert_eq!(Header::decode(&long), Err(EnvelopeError::Malformed));
    long.resize(ENVELOPE_BYTES_MAX + 1, 0);
    assert_eq!(Header::decode(&long), Err(EnvelopeError::Malformed));
}

#[test]
fn another_version_a_seq_of_nought_and_wrong_names_are_refused() {
    let good = envelope(&header(to_one()));
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Header::decode(&bytes)
    };
    assert_eq!(with(0, VERSION + 1), Err(EnvelopeError::Version));
    assert_eq!(with(20, 0), Err(EnvelopeError::Malformed), "link_seq 0");
    assert_eq!(with(22, b'A'), Err(EnvelopeError::Malformed), "a capital");
    assert_eq!(with(21, 0), Err(EnvelopeError::Malformed), "no name");
    assert_eq!(with(28, 2), Err(EnvelopeError::Malformed), "a third kind");
}

fn names() -> impl Strategy<Value = NodeId> {
    "[a-z0-9-]{1,63}".prop_map(|name| node(&name))
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(
        key_id: [u8; 4],
        source in names(),
        incarnation: u64,
        link_seq in 1..=u64::MAX,
        to in proptest::option::of((names(), any::<u64>())),
    ) {
        let to = to.map_or(Destination::All, |(node, incarnation)| Destination::Node { node, incarnation });
        let header = Header { key_id, source, incarnation, link_seq, to };
        let bytes = envelope(&header);
        prop_assert_eq!(Header::decode(&bytes), Ok((header, bytes.len() - TAG_BYTES)));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_say_the_same_again(mut bytes: Vec<u8>) {
        bytes.insert(0, VERSION);
        if let Ok((header, body_at)) = Header::decode(&bytes) {
            let mut again = Vec::new();
            header.encode(&mut again);
            prop_assert_eq!(again, &bytes[..body_at]);
        }
    }
}
