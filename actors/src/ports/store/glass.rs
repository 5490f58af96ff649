//! What the actors need of durable storage for administrators who may read a conversation for a
//! while ("break-glass").

use async_trait::async_trait;
use bedside_protocol::{ConversationId, Timestamp, UserId};

use super::StoreResult;

/// Somebody may read a conversation until some time, without being in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glass {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Who may read it.
    pub user_id: UserId,
    /// Since when.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Durable storage of who may read what in an emergency.
#[async_trait]
pub trait GlassStore: Send + Sync {
    /// Keeps it in place of what was kept of this user and conversation before.
    async fn put_glass(&self, glass: Glass) -> StoreResult<()>;

    /// What was kept last of this user and conversation; it may be over.
    async fn glass(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> StoreResult<Option<Glass>>;
}
