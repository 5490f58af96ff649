//! The port: each call names what runs, and on which thread.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    Active, Append, AppendSink, ConversationKey, Conversations, Counts, Created, Loaded, LogPage,
    LogRange, NewConversation, PersonRecord, Preferences, Receipts, Relation, Revision, Select,
    SentRecord, Store, StoreResult,
};
use bedside_protocol::{ClientMsgId, ConversationId, MessageId, Roles, Timestamp, UserId};
use rusqlite::Connection;
use std::sync::Arc;

use super::{
    SqliteStore,
    fault::Fault,
    pen::find_user,
    queue::Work,
    reads::{active, listing, load, log, lookups, people},
    refuse, too_late,
    unfiled::SentName,
};

#[async_trait]
impl Store for SqliteStore {
    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn connect(&self, sinks: Vec<Arc<dyn AppendSink>>) {
        if self.sinks.set(sinks).is_err() {
            tracing::error!("a store was connected twice");
        }
    }

    fn append(&self, lane: usize, append: Append) {
        let refused = too_late(&append);
        if self.queue.push(Work::Append { lane, append }).is_err() {
            refuse(&self.sinks, lane, refused);
        }
    }

    async fn put_receipts(
        &self,
        key: ConversationKey,
        user_id: UserId,
        receipts: Receipts,
    ) -> StoreResult<()> {
        self.write(move |pen| pen.put_receipts(key, &user_id, receipts))
            .await
    }

    async fn put_preferences(
        &self,
        key: ConversationKey,
        user_id: UserId,
        preferences: Preferences,
    ) -> StoreResult<()> {
        self.write(move |pen| pen.put_preferences(key, &user_id, preferences))
            .await
    }

    async fn create_conversation(&self, new: NewConversation) -> StoreResult<Created> {
        self.write(move |pen| pen.create_conversation(&new)).await
    }

    async fn load(
        &self,
        conversation_id: ConversationId,
        after_writes: bool,
    ) -> StoreResult<Option<Loaded>> {
        if after_writes {
            self.settled().await?;
        }
        self.readers
            .read(move |conn| load::load(conn, conversation_id))
            .await
    }

    async fn direct_of(&self, a: UserId, b: UserId) -> StoreResult<Option<ConversationId>> {
        self.readers
            .read(move |conn| lookups::direct_of(conn, &a, &b))
            .await
    }

    async fn read_log(
        &self,
        conversation_id: ConversationId,
        range: LogRange,
    ) -> StoreResult<LogPage> {
        self.readers
            .read(move |conn| log::read(conn, conversation_id, range))
            .await
    }

    async fn conversations(&self, user_id: UserId, select: Select) -> StoreResult<Conversations> {
        self.readers
            .read(move |conn| listing::conversations(conn, &user_id, select))
            .await
    }

    async fn active_since(
        &self,
        user_ids: Vec<UserId>,
        since: Timestamp,
    ) -> StoreResult<Vec<Active>> {
        self.readers
            .read(move |conn| active::active_since(conn, &user_ids, since))
            .await
    }

    async fn unread_total(&self, user_id: UserId) -> StoreResult<u64> {
        self.readers
            .read(move |conn| listing::unread_total(conn, &user_id))
            .await
    }

    async fn counts_at(
        &self,
        conversation_id: ConversationId,
        seq: u64,
        user_id: UserId,
    ) -> StoreResult<Counts> {
        self.readers
            .read(move |conn| {
                let Some(conv) = lookups::conversation(conn, conversation_id)? else {
                    return Ok(Counts::default());
                };
                let user = find_user(conn, &user_id)?;
                lookups::counts_at(conn, conv, seq, user)
            })
            .await
    }

    async fn find_message(
        &self,
        message_id: MessageId,
    ) -> StoreResult<Option<(ConversationId, u64)>> {
        self.readers
            .read(move |conn| lookups::find_message(conn, message_id))
            .await
    }

    async fn find_sent(
        &self,
        conversation_id: ConversationId,
        sender_id: UserId,
        client_msg_id: ClientMsgId,
    ) -> StoreResult<Option<SentRecord>> {
        let name = SentName {
            conversation_id,
            sender_id,
            client_msg_id,
        };
        // Before the read begins: what is filed meanwhile is then in the table that it sees.
        let unfiled = self.unfiled.position(&name);
        self.readers
            .read(move |conn| lookups::find_sent(conn, &name, unfiled))
            .await
    }

    async fn revisions(
        &self,
        conversation_id: ConversationId,
        seq: u64,
    ) -> StoreResult<Vec<Revision>> {
        self.readers
            .read(move |conn| log::revisions(conn, conversation_id, seq))
            .await
    }

    async fn put_person(&self, person: PersonRecord) -> StoreResult<()> {
        self.write(move |pen| pen.put_person(&person)).await
    }

    async fn put_last_seen(&self, user_id: UserId, at: Timestamp) -> StoreResult<()> {
        self.write(move |pen| pen.put_last_seen(&user_id, at)).await
    }

    async fn people(&self, user_ids: Vec<UserId>) -> StoreResult<Vec<PersonRecord>> {
        self.readers
            .read(move |conn| people::people(conn, &user_ids))
            .await
    }

    async fn people_with_roles(
        &self,
        roles: Roles,
        after: Option<UserId>,
        limit: usize,
    ) -> StoreResult<Vec<PersonRecord>> {
        self.readers
            .read(move |conn| people::with_roles(conn, roles, after.as_ref(), limit))
            .await
    }

    async fn put_relation(&self, relation: Relation) -> StoreResult<()> {
        self.write(move |pen| pen.put_relation(&relation)).await
    }

    async fn delete_relation(&self, patient_id: UserId, user_id: UserId) -> StoreResult<bool> {
        self.write(move |pen| pen.delete_relation(&patient_id, &user_id))
            .await
    }

    async fn relations_of(&self, user_id: UserId) -> StoreResult<Vec<Relation>> {
        self.readers
            .read(move |conn| people::relations_of(conn, &user_id))
            .await
    }

    async fn sharing_with(&self, user_id: UserId, others: Vec<UserId>) -> StoreResult<Vec<UserId>> {
        self.readers
            .read(move |conn| people::sharing_with(conn, &user_id, others))
            .await
    }

    async fn ready(&self) -> StoreResult<()> {
        self.alone(probe).await
    }

    async fn close(&self) {
        let threads = self.shut();
        // Joining blocks, and the last commit may take a while on a slow disk.
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }
}

/// Writes a little, for real, and tries whether there is room for more.
fn probe(conn: &Connection) -> Result<(), Fault> {
    let write = conn.unchecked_transaction()?;
    let sql = "INSERT OR REPLACE INTO store_meta (key, value) VALUES ('probe', ?1)";
    conn.execute_batch("SAVEPOINT room")?;
    write
        .prepare_cached(sql)?
        .execute(["x".repeat(64 * 1024)])?;
    conn.execute_batch("ROLLBACK TO room; RELEASE room")?;
    let now = Timestamp::now().to_string();
    write.prepare_cached(sql)?.execute([now])?;
    Ok(write.commit()?)
}
