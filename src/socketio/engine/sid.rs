//! Ids that nobody can guess.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bedside_protocol::NodeId;

/// Between an id and the node that has what it names; neither has it in it.
const SEPARATOR: char = '.';
/// The longest id that may name a node, in bytes: there is some room for a prefix.
const BYTES_MAX: usize = 256;

/// 18 bytes from the operating system as 24 characters of base64url.
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// An id that says which node has what it names.
pub(super) fn named(id: &str, node: &NodeId) -> String {
    format!("{id}{SEPARATOR}{node}")
}

/// The node that an id names. None for ids that name none.
pub(super) fn node_of(id: &str) -> Option<NodeId> {
    let (_, node) = id.rsplit_once(SEPARATOR)?;
    NodeId::new(node).ok().filter(|_| id.len() <= BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_node() {
        let node = NodeId::new("ward-1").expect("a name");
        let id = named("node1.AbC-_9", &node);
        assert_eq!(id, "node1.AbC-_9.ward-1");
        assert_eq!(node_of(&id), Some(node));
        for other in ["", "AbC-_9", "a.", "a.B", "a.b/", ".", "a. "] {
            assert_eq!(node_of(other), None, "{other}");
        }
        let long = format!("{}.a", "a".repeat(BYTES_MAX));
        assert_eq!(node_of(&long), None);
    }

    #[test]
    fn ids_fit_in_a_url_and_differ() {
        let (one, other) = (random_id(), random_id());
        let one = one.expect("there is randomness");
        assert_eq!(one.len(), 24);
        assert!(
            one.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        assert_ne!(one, other.expect("there is randomness"));
    }
}
