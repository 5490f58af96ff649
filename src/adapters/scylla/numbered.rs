//! Lists by number.

use async_trait::async_trait;
use bedside_actors::ports::store::{Listed, Located, NumberedStore, Numbers, StoreResult};
use bedside_protocol::{ConversationId, UserId};

use super::{CqlStore, not_there_yet};

#[async_trait]
impl NumberedStore for CqlStore {
    async fn locate(
        &self,
        _conversation_id: ConversationId,
        _numbers: Numbers,
    ) -> StoreResult<Located> {
        not_there_yet()
    }

    async fn listed(&self, _user_id: UserId) -> StoreResult<Vec<Listed>> {
        not_there_yet()
    }
}
