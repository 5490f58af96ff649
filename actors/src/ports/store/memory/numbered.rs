//! Lists by number, in memory.

use async_trait::async_trait;
use bedside_protocol::{ConversationId, UserId};
use std::{cmp::Reverse, convert::Infallible};

use super::{MemoryStore, views};
use crate::ports::store::{Listed, Located, NumberedStore, Numbers, StoreResult, numbered::locate};

#[async_trait]
impl NumberedStore for MemoryStore {
    async fn locate(
        &self,
        conversation_id: ConversationId,
        numbers: Numbers,
    ) -> StoreResult<Located> {
        let state = self.state.lock();
        let log = state.log(conversation_id);
        let ord_at = |seq| Ok::<_, Infallible>(log.map_or(0, |log| log.head_at(seq).ord));
        match locate(numbers, ord_at) {
            Ok(located) => Ok(located),
        }
    }

    async fn listed(&self, user_id: UserId) -> StoreResult<Vec<Listed>> {
        let state = self.state.lock();
        let mine = state.logs.iter().filter_map(|log| {
            let me = views::mine(log, &user_id)?;
            Some(Listed {
                conversation_id: log.id,
                kind: log.kind,
                last_activity_at: log.head_at(me.last_seq.unwrap_or(u64::MAX)).at,
                last_seq: me.last_seq,
                pinned: me.pinned,
                archived: me.archived,
            })
        });
        let mut listed: Vec<_> = mine.collect();
        listed.sort_by_key(|one| (Reverse(one.last_activity_at), one.conversation_id));
        Ok(listed)
    }
}
