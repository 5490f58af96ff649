//! Lists by number.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    Listed, Located, NumberedStore, Numbers, StoreResult, numbered::locate,
};
use bedside_protocol::{ConversationId, UserId};

use super::{
    SqliteStore,
    reads::{listing, load::head_at, lookups},
};

#[async_trait]
impl NumberedStore for SqliteStore {
    async fn locate(
        &self,
        conversation_id: ConversationId,
        numbers: Numbers,
    ) -> StoreResult<Located> {
        self.readers
            .read(move |conn| {
                let conv = lookups::conversation(conn, conversation_id)?;
                locate(numbers, |seq| match conv {
                    Some(conv) => Ok(head_at(conn, conv, seq)?.ord),
                    None => Ok(0),
                })
            })
            .await
    }

    async fn listed(&self, user_id: UserId) -> StoreResult<Vec<Listed>> {
        self.readers
            .read(move |conn| listing::listed(conn, &user_id))
            .await
    }
}
