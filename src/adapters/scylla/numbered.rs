//! Lists by number.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    Listed, Located, NumberedStore, Numbers, StoreResult, numbered::locate,
};
use bedside_protocol::{ConversationId, UserId};
use std::collections::HashMap;

use super::{
    CqlStore,
    cql::Cql,
    listing::{Membership, memberships},
    lookups,
};

#[async_trait]
impl NumberedStore for CqlStore {
    async fn locate(
        &self,
        conversation_id: ConversationId,
        numbers: Numbers,
    ) -> StoreResult<Located> {
        self.run(async move |core| located(&core.cql, conversation_id, numbers).await)
            .await
    }

    async fn listed(&self, user_id: UserId) -> StoreResult<Vec<Listed>> {
        self.run(async move |core| {
            let mut all = memberships(&core.cql, &user_id).await?;
            all.sort_unstable_by_key(Membership::place);
            Ok(all.iter().map(listed).collect())
        })
        .await
    }
}

/// The search asks for one count after the other and cannot wait for any, so it begins again with
/// each that was read.
async fn located(cql: &Cql, id: ConversationId, numbers: Numbers) -> StoreResult<Located> {
    let mut known: HashMap<u64, u64> = HashMap::new();
    loop {
        let search = locate(numbers, |seq| known.get(&seq).copied().ok_or(seq));
        match search {
            Ok(located) => return Ok(located),
            Err(seq) => {
                let head = lookups::head_at(cql, id, seq).await?;
                known.insert(seq, head.ord);
            }
        }
    }
}

const fn listed(one: &Membership) -> Listed {
    Listed {
        conversation_id: one.conversation_id,
        kind: one.kind,
        last_activity_at: one.head.at,
        last_seq: one.last_seq,
        pinned: one.preferences.pinned,
        archived: one.preferences.archived,
    }
}
