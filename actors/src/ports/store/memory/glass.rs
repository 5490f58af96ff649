//! Who may read what in an emergency, in memory.

use async_trait::async_trait;
use bedside_protocol::{ConversationId, UserId};

use super::MemoryStore;
use crate::ports::store::{Glass, GlassStore, StoreResult};

#[async_trait]
impl GlassStore for MemoryStore {
    async fn put_glass(&self, glass: Glass) -> StoreResult<()> {
        let place = (glass.user_id.clone(), glass.conversation_id);
        let mut state = self.state.lock();
        state.writable()?.glasses.insert(place, glass);
        Ok(())
    }

    async fn glass(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> StoreResult<Option<Glass>> {
        let state = self.state.lock();
        Ok(state.glasses.get(&(user_id, conversation_id)).cloned())
    }
}
