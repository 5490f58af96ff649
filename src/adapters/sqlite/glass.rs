//! Who may read what in an emergency.

use async_trait::async_trait;
use bedside_actors::ports::store::{Glass, GlassStore, StoreResult};
use bedside_protocol::{ConversationId, UserId};
use rusqlite::params;

use super::{SqliteStore, fault::Fault, pen::Pen, values::time};

#[async_trait]
impl GlassStore for SqliteStore {
    async fn put_glass(&self, glass: Glass) -> StoreResult<()> {
        self.write(move |pen| pen.put_glass(&glass)).await
    }

    async fn glass(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> StoreResult<Option<Glass>> {
        let read = self.readers.read(move |conn| {
            let sql = "SELECT at, until FROM break_glass
                WHERE user_id = ?1 AND conversation_id = ?2";
            let mut read = conn.prepare_cached(sql)?;
            let mut rows = read.query(params![user_id.as_str(), conversation_id.to_bytes()])?;
            let Some(row) = rows.next()? else {
                return Ok(None);
            };
            let (at, until) = (time(row, 0)?, time(row, 1)?);
            Ok(Some(Glass {
                conversation_id,
                user_id,
                at,
                until,
            }))
        });
        read.await
    }
}

impl Pen<'_> {
    fn put_glass(&mut self, glass: &Glass) -> Result<(), Fault> {
        let sql = "INSERT INTO break_glass (user_id, conversation_id, at, until)
            VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET at = excluded.at, until = excluded.until";
        let id = glass.conversation_id.to_bytes();
        let times = (glass.at.as_millis(), glass.until.as_millis());
        let values = params![glass.user_id.as_str(), id, times.0, times.1];
        self.conn.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }
}
