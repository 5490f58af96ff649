//! The port: each call names what runs.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    Access, Active, Append, AppendSink, ConversationKey, Conversations, Counts, Created, Loaded,
    LogPage, LogRange, NewConversation, PersonRecord, Preferences, Receipts, Relation, Revision,
    Select, SentRecord, Store, StoreResult,
};
use bedside_protocol::{ClientMsgId, ConversationId, MessageId, Roles, Timestamp, UserId};
use std::sync::Arc;

use super::{CqlStore, create, listing, load, log, lookups, marks, people, shared, writer};

#[async_trait]
impl Store for CqlStore {
    fn epoch(&self) -> &str {
        &self.core.epoch
    }

    fn connect(&self, sinks: Vec<Arc<dyn AppendSink>>) {
        if self.core.sinks.set(sinks).is_err() {
            tracing::error!("a store was connected twice");
        }
    }

    fn append(&self, lane: usize, append: Append) {
        writer::append(&self.core, lane, append);
    }

    async fn put_receipts(
        &self,
        key: ConversationKey,
        user_id: UserId,
        receipts: Receipts,
    ) -> StoreResult<()> {
        self.run(async move |core| {
            let id = core.keys.id(key)?;
            marks::put_receipts(&core, id, &user_id, receipts).await
        })
        .await
    }

    async fn put_preferences(
        &self,
        key: ConversationKey,
        user_id: UserId,
        preferences: Preferences,
    ) -> StoreResult<()> {
        self.run(async move |core| {
            let id = core.keys.id(key)?;
            marks::put_preferences(&core, id, &user_id, preferences).await
        })
        .await
    }

    async fn create_conversation(&self, new: NewConversation) -> StoreResult<Created> {
        self.run(async move |core| create::conversation(&core, &new, None).await)
            .await
    }

    async fn load(
        &self,
        conversation_id: ConversationId,
        after_writes: bool,
    ) -> StoreResult<Option<Loaded>> {
        self.run(async move |core| {
            if after_writes {
                writer::settled(&core, conversation_id).await;
                core.ends.begin_anew(conversation_id);
            }
            load::load(&core, conversation_id).await
        })
        .await
    }

    async fn direct_of(&self, a: UserId, b: UserId) -> StoreResult<Option<ConversationId>> {
        self.run(async move |core| lookups::direct_of(&core.cql, &a, &b).await)
            .await
    }

    async fn read_log(
        &self,
        conversation_id: ConversationId,
        range: LogRange,
    ) -> StoreResult<LogPage> {
        self.run(async move |core| shared::read(&core, conversation_id, range).await)
            .await
    }

    async fn conversations(&self, user_id: UserId, select: Select) -> StoreResult<Conversations> {
        self.run(async move |core| listing::conversations(&core, &user_id, select).await)
            .await
    }

    async fn access(
        &self,
        user_id: UserId,
        conversation_id: ConversationId,
    ) -> StoreResult<Option<Access>> {
        self.run(async move |core| listing::access(&core, &user_id, conversation_id).await)
            .await
    }

    async fn active_since(
        &self,
        user_ids: Vec<UserId>,
        since: Timestamp,
    ) -> StoreResult<Vec<Active>> {
        self.run(async move |core| listing::active_since(&core, &user_ids, since).await)
            .await
    }

    async fn unread_total(&self, user_id: UserId) -> StoreResult<u64> {
        self.run(async move |core| listing::unread_total(&core.cql, &user_id).await)
            .await
    }

    async fn counts_at(
        &self,
        conversation_id: ConversationId,
        seq: u64,
        user_id: UserId,
    ) -> StoreResult<Counts> {
        self.run(async move |core| {
            lookups::counts_at(&core.cql, conversation_id, seq, &user_id).await
        })
        .await
    }

    async fn find_message(
        &self,
        message_id: MessageId,
    ) -> StoreResult<Option<(ConversationId, u64)>> {
        self.run(async move |core| lookups::find_message(&core.cql, message_id).await)
            .await
    }

    async fn find_sent(
        &self,
        conversation_id: ConversationId,
        sender_id: UserId,
        client_msg_id: ClientMsgId,
    ) -> StoreResult<Option<SentRecord>> {
        self.run(async move |core| {
            lookups::find_sent(&core.cql, conversation_id, &sender_id, &client_msg_id).await
        })
        .await
    }

    async fn revisions(
        &self,
        conversation_id: ConversationId,
        seq: u64,
    ) -> StoreResult<Vec<Revision>> {
        self.run(async move |core| log::revisions(&core.cql, conversation_id, seq).await)
            .await
    }

    async fn put_person(&self, person: PersonRecord) -> StoreResult<()> {
        self.run(async move |core| people::put_person(&core.cql, &person).await)
            .await
    }

    async fn put_last_seen(&self, user_id: UserId, at: Timestamp) -> StoreResult<()> {
        self.run(async move |core| people::put_last_seen(&core.cql, &user_id, at).await)
            .await
    }

    async fn people(&self, user_ids: Vec<UserId>) -> StoreResult<Vec<PersonRecord>> {
        self.run(async move |core| people::people(&core.cql, &user_ids).await)
            .await
    }

    async fn people_with_roles(
        &self,
        roles: Roles,
        after: Option<UserId>,
        limit: usize,
    ) -> StoreResult<Vec<PersonRecord>> {
        self.run(async move |core| {
            people::people_with_roles(&core.cql, roles, after.as_ref(), limit).await
        })
        .await
    }

    async fn put_relation(&self, relation: Relation) -> StoreResult<()> {
        self.run(async move |core| people::put_relation(&core.cql, &relation).await)
            .await
    }

    async fn delete_relation(&self, patient_id: UserId, user_id: UserId) -> StoreResult<bool> {
        self.run(async move |core| people::delete_relation(&core.cql, &patient_id, &user_id).await)
            .await
    }

    async fn relations_of(&self, user_id: UserId) -> StoreResult<Vec<Relation>> {
        self.run(async move |core| people::relations_of(&core.cql, &user_id).await)
            .await
    }

    async fn sharing_with(&self, user_id: UserId, others: Vec<UserId>) -> StoreResult<Vec<UserId>> {
        self.run(async move |core| people::sharing_with(&core.cql, &user_id, others).await)
            .await
    }

    async fn ready(&self) -> StoreResult<()> {
        let now = Timestamp::now().to_string();
        self.set_meta("probe", &now).await
    }

    async fn close(&self) {
        self.shut().await;
    }
}
