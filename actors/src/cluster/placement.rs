//! Which node a conversation is placed on: a plain function of its id and of who is there, so
//! that nodes agree without asking each other.
//!
//! Rendezvous hashing: each node has a score for each conversation and the highest one wins. A
//! node that comes takes only its own share, and one that goes leaves only its own behind. Where
//! two nodes disagree for a moment about who is there, two actors write to one log, and the store
//! refuses one of them.

use bedside_protocol::{ConversationId, NodeId};

/// The node with the highest score; none when there are none.
pub(super) fn place<'a>(
    id: ConversationId,
    nodes: impl Iterator<Item = &'a NodeId>,
) -> Option<&'a NodeId> {
    nodes.max_by_key(|node| (score(id, node), *node))
}

/// Spelled out, because nodes of two versions must agree on it.
fn score(id: ConversationId, node: &NodeId) -> u64 {
    let bytes = id.to_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes.iter().chain(node.as_str().as_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // FNV alone hardly mixes its last bytes into the upper half.
    hash ^= hash >> 30;
    hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^= hash >> 27;
    hash = hash.wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn nodes(names: &[&str]) -> Vec<NodeId> {
        let named = names.iter().map(|name| NodeId::new(name).expect("a name"));
        named.collect()
    }

    #[test]
    fn each_node_has_its_share_and_keeps_it() {
        let (three, two) = (nodes(&["n1", "n2", "n3"]), nodes(&["n1", "n2"]));
        let mut shares: HashMap<&NodeId, usize> = HashMap::new();
        for _ in 0..3_000 {
            let id = ConversationId::new();
            let on = place(id, three.iter()).expect("a node");
            *shares.entry(on).or_default() += 1;
            let without = place(id, two.iter()).expect("a node");
            // Only what was on the node that went is placed anew.
            assert!(on == without || on.as_str() == "n3");
            assert_eq!(place(id, three.iter().rev()), Some(on));
        }
        assert!(
            shares.values().all(|n| (850..1_150).contains(n)),
            "{shares:?}"
        );
    }

    #[test]
    fn it_is_the_same_for_all_versions() {
        let id = ConversationId::from_bytes([7; 16]);
        let node = NodeId::new("n1").expect("a name");
        assert_eq!(score(id, &node), 11_141_637_514_485_118_366);
    }
}
