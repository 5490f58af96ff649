//! The port: each call names what runs.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    Active, Append, AppendSink, AuditRecord, ConversationKey, Conversations, Counts, Created,
    Loaded, LogPage, LogRange, NewConversation, PersonRecord, Preferences, Receipts, Relation,
    Revision, Select, SentRecord, Store, StoreResult,
};
use bedside_protocol::{ClientMsgId, ConversationId, MessageId, Roles, Timestamp, UserId};
use std::sync::Arc;

use super::{CqlStore, create, not_there_yet, people};

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

    fn append(&self, _lane: usize, _append: Append) {}

    async fn put_receipts(
        &self,
        _key: ConversationKey,
        _user_id: UserId,
        _receipts: Receipts,
    ) -> StoreResult<()> {
        not_there_yet()
    }

    async fn put_preferences(
        &self,
        _key: ConversationKey,
        _user_id: UserId,
        _preferences: Preferences,
    ) -> StoreResult<()> {
        not_there_yet()
    }

    async fn create_conversation(&self, new: NewConversation) -> StoreResult<Created> {
        self.run(async move |core| create::conversation(&core, &new, None).await)
            .await
    }

    async fn load(
        &self,
        _conversation_id: ConversationId,
        _after_writes: bool,
    ) -> StoreResult<Option<Loaded>> {
        not_there_yet()
    }

    async fn direct_of(&self, _a: UserId, _b: UserId) -> StoreResult<Option<ConversationId>> {
        not_there_yet()
    }

    async fn read_log(
        &self,
        _conversation_id: ConversationId,
        _range: LogRange,
    ) -> StoreResult<LogPage> {
        not_there_yet()
    }

    async fn conversations(&self, _user_id: UserId, _select: Select) -> StoreResult<Conversations> {
        not_there_yet()
    }

    async fn active_since(
        &self,
        _user_ids: Vec<UserId>,
        _since: Timestamp,
    ) -> StoreResult<Vec<Active>> {
        not_there_yet()
    }

    async fn unread_total(&self, _user_id: UserId) -> StoreResult<u64> {
        not_there_yet()
    }

    async fn counts_at(
        &self,
        _conversation_id: ConversationId,
        _seq: u64,
        _user_id: UserId,
    ) -> StoreResult<Counts> {
        not_there_yet()
    }

    async fn find_message(
        &self,
        _message_id: MessageId,
    ) -> StoreResult<Option<(ConversationId, u64)>> {
        not_there_yet()
    }

    async fn find_sent(
        &self,
        _conversation_id: ConversationId,
        _sender_id: UserId,
        _client_msg_id: ClientMsgId,
    ) -> StoreResult<Option<SentRecord>> {
        not_there_yet()
    }

    async fn revisions(
        &self,
        _conversation_id: ConversationId,
        _seq: u64,
    ) -> StoreResult<Vec<Revision>> {
        not_there_yet()
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

    async fn audit(&self, record: AuditRecord) -> StoreResult<()> {
        self.run(async move |core| people::audit(&core.cql, &record).await)
            .await
    }

    async fn ready(&self) -> StoreResult<()> {
        let now = Timestamp::now().to_string();
        self.set_meta("probe", &now).await
    }

    async fn close(&self) {}
}
