//! Who may read what in an emergency.

use async_trait::async_trait;
use bedside_actors::ports::store::{Glass, GlassStore, StoreResult};
use bedside_protocol::{ConversationId, UserId};
use scylla::value::CqlTimestamp;

use super::{
    CqlStore,
    cql::Query,
    values::{at, odd, time, uuid_of},
};

const PUT: Query = Query::write(
    "INSERT INTO break_glass (user_id, conversation_id, at, until) VALUES (?, ?, ?, ?)",
);
const ONE: Query =
    Query::read("SELECT at, until FROM break_glass WHERE user_id = ? AND conversation_id = ?");

#[async_trait]
impl GlassStore for CqlStore {
    async fn put_glass(&self, glass: Glass) -> StoreResult<()> {
        self.run(async move |core| {
            let times = (at(glass.at), at(glass.until));
            let id = uuid_of(glass.conversation_id);
            let values = (glass.user_id.as_str(), id, times.0, times.1);
            core.cql.write(PUT, values).await
        })
        .await
    }

    async fn glass(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> StoreResult<Option<Glass>> {
        type Row = (Option<CqlTimestamp>, Option<CqlTimestamp>);
        self.run(async move |core| {
            let place = (user_id.as_str(), uuid_of(conversation_id));
            let Some((at, until)) = core.cql.first::<Row>(ONE, place).await? else {
                return Ok(None);
            };
            let read = |value: Option<CqlTimestamp>| value.map(time).ok_or_else(|| odd("glass"));
            Ok(Some(Glass {
                conversation_id,
                at: read(at)?,
                until: read(until)?,
                user_id,
            }))
        })
        .await
    }
}
