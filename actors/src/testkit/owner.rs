//! What the nodes of a cluster tell each other's conversations, without a cluster.

use bedside_protocol::ConversationId;

use crate::node::Node;

/// Tells this node that another one has written to the conversation.
pub fn refresh(node: &Node, id: ConversationId) {
    node.shared.directory.refresh(id);
}

/// Tells this node that the conversation goes on on another one.
pub fn hand_over(node: &Node, id: ConversationId) {
    node.shared.directory.hand_over(|one| one == id);
}
