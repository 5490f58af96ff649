//! The in-memory twin of a store: simple, obviously right, and gone with the process.
//!
//! Tests of actors run on it, and the contract suite holds it and the real stores to the same
//! promises (but for the first: nothing here survives anything).

mod audit;
mod consultations;
mod denials;
mod glass;
mod log;
mod notifications;
mod numbered;
mod views;

use async_trait::async_trait;
use bedside_protocol::{
    ClientMsgId, ConversationId, ConversationKind, MessageId, Roles, Timestamp, UserId,
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, OnceLock},
};

use self::{
    audit::Audit,
    consultations::Consultations,
    denials::Denied,
    log::{Log, What},
    notifications::Notifications,
};
use super::{
    Active, Append, AppendSink, Appended, ConversationKey, Conversations, Counts, Created, Glass,
    Loaded, LogPage, LogRange, NewConversation, PersonRecord, Preferences, Receipts, Relation,
    Revision, Select, SentRecord, Store, StoreError, StoreResult,
};

/// A store in memory.
pub struct MemoryStore {
    epoch: String,
    state: Mutex<State>,
    answers: Mutex<Answers>,
    sinks: OnceLock<Vec<Arc<dyn AppendSink>>>,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// A conversation's key is its place here.
    logs: Vec<Log>,
    by_id: HashMap<ConversationId, usize>,
    pairs: HashMap<(UserId, UserId), ConversationId>,
    people: BTreeMap<UserId, PersonRecord>,
    last_seen: HashMap<UserId, Timestamp>,
    relations: BTreeMap<(UserId, UserId), Relation>,
    audit: Audit,
    consultations: Consultations,
    denied: Denied,
    glasses: HashMap<(UserId, ConversationId), Glass>,
    notifications: Notifications,
    settings: HashMap<UserId, String>,
}

/// Answers on their way to the sinks, in the order of the appends.
#[derive(Default)]
struct Answers {
    waiting: VecDeque<(usize, Appended)>,
    /// Somebody is handing them out; what is added meanwhile is handed out by them too.
    busy: bool,
}

impl State {
    fn writable(&mut self) -> StoreResult<&mut Self> {
        if self.closed {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        Ok(self)
    }

    fn log(&self, id: ConversationId) -> Option<&Log> {
        self.by_id.get(&id).map(|key| &self.logs[*key])
    }

    fn log_mut(&mut self, key: ConversationKey) -> StoreResult<&mut Log> {
        let key = usize::try_from(key.0).map_err(|_| StoreError::Conflict)?;
        self.logs.get_mut(key).ok_or(StoreError::Conflict)
    }

    fn member(&mut self, key: ConversationKey, id: &UserId) -> StoreResult<&mut log::MemberRow> {
        let log = self.log_mut(key)?;
        log.members.get_mut(id).ok_or(StoreError::Conflict)
    }

    fn append(&mut self, append: Append) -> StoreResult<()> {
        let change = self.consultations.change_by(&append)?;
        self.log_mut(append.key)?.append(append)?;
        if let Some(change) = change {
            self.consultations.apply(change);
        }
        Ok(())
    }

    fn create_conversation(&mut self, new: NewConversation) -> StoreResult<Created> {
        let conversation_id = new.conversation_id;
        let pair = match (new.kind, new.members.as_slice()) {
            (ConversationKind::Direct, [a, b]) => Some(pair(a.user_id.clone(), b.user_id.clone())),
            (ConversationKind::Direct, _) => return Err(StoreError::Conflict),
            _ => None,
        };
        if let Some(existing) = pair.as_ref().and_then(|pair| self.pairs.get(pair)) {
            return Ok(Created {
                conversation_id: *existing,
                created: false,
            });
        }
        if self.by_id.contains_key(&conversation_id) {
            return Err(StoreError::Conflict);
        }
        self.pairs.extend(pair.map(|pair| (pair, conversation_id)));
        self.by_id.insert(conversation_id, self.logs.len());
        self.logs.push(Log::new(new));
        Ok(Created {
            conversation_id,
            created: true,
        })
    }
}

fn pair(a: UserId, b: UserId) -> (UserId, UserId) {
    if a <= b { (a, b) } else { (b, a) }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self {
            epoch: ConversationId::new().to_string(),
            state: Mutex::default(),
            answers: Mutex::default(),
            sinks: OnceLock::new(),
        }
    }

    /// Hands out what waits, one caller at a time and without a lock, so that answers keep
    /// their order and a sink may append again.
    fn hand_out(&self) {
        loop {
            let next = {
                let mut answers = self.answers.lock();
                if answers.busy {
                    return;
                }
                let next = answers.waiting.pop_front();
                answers.busy = next.is_some();
                next
            };
            let Some((lane, appended)) = next else { return };
            if let Some(sink) = self.sinks.get().and_then(|sinks| sinks.get(lane)) {
                sink.appended(vec![appended]);
            }
            self.answers.lock().busy = false;
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn connect(&self, sinks: Vec<Arc<dyn AppendSink>>) {
        let _ = self.sinks.set(sinks);
    }

    fn append(&self, lane: usize, append: Append) {
        let (conversation_id, seq) = (append.conversation_id, append.seq);
        let attempt = append.attempt;
        {
            let mut state = self.state.lock();
            let result = state.writable().and_then(|state| state.append(append));
            let appended = Appended {
                conversation_id,
                seq,
                attempt,
                result,
            };
            // Still under the state's lock, because the answers must have the appends' order.
            self.answers.lock().waiting.push_back((lane, appended));
        }
        self.hand_out();
    }

    async fn put_receipts(
        &self,
        key: ConversationKey,
        user_id: UserId,
        receipts: Receipts,
    ) -> StoreResult<()> {
        let mut state = self.state.lock();
        let row = state.writable()?.member(key, &user_id)?;
        row.receipts = row.receipts.merge(receipts);
        Ok(())
    }

    async fn put_preferences(
        &self,
        key: ConversationKey,
        user_id: UserId,
        preferences: Preferences,
    ) -> StoreResult<()> {
        let mut state = self.state.lock();
        state.writable()?.member(key, &user_id)?.preferences = preferences;
        Ok(())
    }

    async fn create_conversation(&self, new: NewConversation) -> StoreResult<Created> {
        self.state.lock().writable()?.create_conversation(new)
    }

    async fn load(
        &self,
        conversation_id: ConversationId,
        _after_writes: bool,
    ) -> StoreResult<Option<Loaded>> {
        let state = self.state.lock();
        let key = state.by_id.get(&conversation_id);
        Ok(key.map(|key| views::load(&state, *key)))
    }

    async fn direct_of(&self, a: UserId, b: UserId) -> StoreResult<Option<ConversationId>> {
        Ok(self.state.lock().pairs.get(&pair(a, b)).copied())
    }

    async fn read_log(
        &self,
        conversation_id: ConversationId,
        range: LogRange,
    ) -> StoreResult<LogPage> {
        let state = self.state.lock();
        let log = state.log(conversation_id);
        Ok(log.map_or_else(LogPage::default, |log| views::page(log, range)))
    }

    async fn conversations(&self, user_id: UserId, select: Select) -> StoreResult<Conversations> {
        let state = self.state.lock();
        let logs: Vec<&Log> = match &select {
            Select::Ids(ids) => ids.iter().filter_map(|id| state.log(*id)).collect(),
            Select::Page { .. } => state.logs.iter().collect(),
        };
        let all = logs.into_iter();
        let mut rows: Vec<_> = all
            .filter_map(|log| views::conversation(&state, log, &user_id))
            .collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.last_activity_at), row.conversation_id));
        rows.dedup_by_key(|row| row.conversation_id);
        let limit = match select {
            Select::Ids(_) => rows.len(),
            Select::Page {
                after,
                limit,
                without,
            } => {
                rows.retain(|row| {
                    let place = (std::cmp::Reverse(row.last_activity_at), row.conversation_id);
                    after.is_none_or(|(at, id)| place > (std::cmp::Reverse(at), id))
                        && !without.contains(&row.conversation_id)
                });
                limit
            }
        };
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Conversations { rows, has_more })
    }

    async fn active_since(
        &self,
        user_ids: Vec<UserId>,
        since: Timestamp,
    ) -> StoreResult<Vec<Active>> {
        let state = self.state.lock();
        let active = state.logs.iter().filter_map(|log| {
            let head = log.head();
            let members: Vec<_> = user_ids
                .iter()
                .filter(|user_id| log.members.contains_key(*user_id))
                .cloned()
                .collect();
            let mut newest_first = log.range(1, head.seq).rev();
            let older = newest_first.find(|(_, entry)| entry.at < since);
            let from_seq = older.map_or(1, |(seq, _)| seq + 1);
            (from_seq <= head.seq && !members.is_empty()).then_some(Active {
                conversation_id: log.id,
                head,
                from_seq,
                members,
            })
        });
        Ok(active.collect())
    }

    async fn unread_total(&self, user_id: UserId) -> StoreResult<u64> {
        let state = self.state.lock();
        let mine = state
            .logs
            .iter()
            .filter_map(|log| views::mine(log, &user_id));
        Ok(mine
            .filter(|me| me.last_seq.is_none() && !me.archived)
            .map(|me| me.unread_count)
            .sum())
    }

    async fn counts_at(
        &self,
        conversation_id: ConversationId,
        seq: u64,
        user_id: UserId,
    ) -> StoreResult<Counts> {
        let state = self.state.lock();
        let log = state.logs.iter().find(|log| log.id == conversation_id);
        Ok(log.map_or_else(Counts::default, |log| Counts {
            ord: log.head_at(seq).ord,
            sender_ord: log.sender_ord(&user_id, seq),
        }))
    }

    async fn find_message(
        &self,
        message_id: MessageId,
    ) -> StoreResult<Option<(ConversationId, u64)>> {
        let state = self.state.lock();
        let place = state.logs.iter().find_map(|log| {
            let mut entries = log.range(1, u64::MAX);
            let found = entries.find(|(_, entry)| {
                matches!(&entry.what, What::Message { message, .. } if message.message_id == message_id)
            });
            found.map(|(seq, _)| (log.id, seq))
        });
        Ok(place)
    }

    async fn find_sent(
        &self,
        conversation_id: ConversationId,
        sender_id: UserId,
        client_msg_id: ClientMsgId,
    ) -> StoreResult<Option<SentRecord>> {
        let state = self.state.lock();
        let Some(log) = state.log(conversation_id) else {
            return Ok(None);
        };
        let mut newest_first = log.range(1, u64::MAX).rev().filter_map(views::sent);
        Ok(newest_first
            .find(|sent| sent.sender_id == sender_id && sent.client_msg_id == client_msg_id))
    }

    async fn revisions(
        &self,
        conversation_id: ConversationId,
        seq: u64,
    ) -> StoreResult<Vec<Revision>> {
        let state = self.state.lock();
        let log = state.log(conversation_id);
        Ok(log
            .and_then(|log| log.revisions.get(&seq).cloned())
            .unwrap_or_default())
    }

    async fn put_person(&self, mut person: PersonRecord) -> StoreResult<()> {
        let mut guard = self.state.lock();
        let state = guard.writable()?;
        match person.last_seen_at {
            Some(at) => {
                state.last_seen.insert(person.user_id.clone(), at);
            }
            None => person.last_seen_at = state.last_seen.get(&person.user_id).copied(),
        }
        if let Some(known) = state.people.get(&person.user_id) {
            for (new, known) in [
                (&mut person.name, &known.name),
                (&mut person.email, &known.email),
            ] {
                if new.is_empty() {
                    new.clone_from(known);
                }
            }
        }
        state.people.insert(person.user_id.clone(), person);
        Ok(())
    }

    async fn put_last_seen(&self, user_id: UserId, at: Timestamp) -> StoreResult<()> {
        let mut guard = self.state.lock();
        let state = guard.writable()?;
        if let Some(person) = state.people.get_mut(&user_id) {
            person.last_seen_at = Some(at);
        }
        state.last_seen.insert(user_id, at);
        Ok(())
    }

    async fn people(&self, user_ids: Vec<UserId>) -> StoreResult<Vec<PersonRecord>> {
        let state = self.state.lock();
        let known = user_ids.iter().filter_map(|id| state.people.get(id));
        Ok(known.cloned().collect())
    }

    async fn people_with_roles(
        &self,
        roles: Roles,
        after: Option<UserId>,
        limit: usize,
    ) -> StoreResult<Vec<PersonRecord>> {
        let state = self.state.lock();
        let matching = state.people.values().filter(|person| {
            person.roles.bits() & roles.bits() != 0
                && after.as_ref().is_none_or(|after| person.user_id > *after)
        });
        Ok(matching.take(limit).cloned().collect())
    }

    async fn put_relation(&self, relation: Relation) -> StoreResult<()> {
        let key = (relation.patient_id.clone(), relation.user_id.clone());
        let mut state = self.state.lock();
        state.writable()?.relations.insert(key, relation);
        Ok(())
    }

    async fn delete_relation(&self, patient_id: UserId, user_id: UserId) -> StoreResult<bool> {
        let mut state = self.state.lock();
        let relations = &mut state.writable()?.relations;
        Ok(relations.remove(&(patient_id, user_id)).is_some())
    }

    async fn relations_of(&self, user_id: UserId) -> StoreResult<Vec<Relation>> {
        let state = self.state.lock();
        let all = state.relations.values();
        Ok(all
            .filter(|r| r.patient_id == user_id || r.user_id == user_id)
            .cloned()
            .collect())
    }

    async fn sharing_with(&self, user_id: UserId, others: Vec<UserId>) -> StoreResult<Vec<UserId>> {
        let state = self.state.lock();
        let present = |log: &Log, id: &UserId| {
            let row = log.members.get(id);
            row.is_some_and(|row| row.last_seq.is_none())
        };
        let shares = |other: &UserId| {
            state.logs.iter().any(|log| {
                !matches!(
                    log.kind,
                    ConversationKind::Broadcast | ConversationKind::Direct
                ) && present(log, &user_id)
                    && present(log, other)
            })
        };
        Ok(others.into_iter().filter(shares).collect())
    }

    async fn ready(&self) -> StoreResult<()> {
        self.state.lock().writable().map(|_| ())
    }

    async fn close(&self) {
        self.state.lock().closed = true;
    }
}
