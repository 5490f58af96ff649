//! What is known of conversations and people: looked up once, and shared by all clients.
//!
//! Events name a conversation and ids; the seeds' clients want to be told whose conversation it
//! is and what people are called. What is not known is found out by one look-up, however many
//! clients wait for it. While the store cannot be read they wait, as the fill of a hole does.

use bedside_actors::ports::store::{Loaded, LogRange, Store, StoreResult};
use bedside_protocol::{
    ConsultationId, Conversation, ConversationId, ConversationKind, Event, MessageId, UserId,
};
use futures_util::future::{BoxFuture, FutureExt as _, WeakShared};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::Instant;

use super::marks::ReadMarks;
use crate::{recent::Recent, seeds::chat::ChatUser};

/// Conversations, and so on, that are remembered.
const REMEMBERED_MAX: usize = 100_000;
/// How long a person's name may be out of date.
const PERSON_TTL: Duration = Duration::from_secs(60);
/// Entries of a log that are looked through for the last message at or below one of them.
const LOOK_BACK: usize = 64;
/// The same, bytes of text: one message always fits.
const LOOK_BACK_BYTES: usize = 1;

/// What never changes about a conversation.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) kind: ConversationKind,
    /// The two of a direct one.
    pub(super) pair: Option<(UserId, UserId)>,
    /// The consultation whose chat it is.
    pub(super) consultation_id: Option<ConsultationId>,
}

impl Facts {
    fn of(loaded: &Loaded) -> Self {
        let consultation = loaded.consultation.as_ref();
        let members = loaded.members.iter().map(|member| &member.user_id);
        Self {
            kind: loaded.kind,
            pair: pair(loaded.kind, members),
            consultation_id: consultation.map(|it| it.consultation_id),
        }
    }

    /// The other one of a direct conversation.
    pub(super) fn other(&self, me: &UserId) -> Option<&UserId> {
        let (one, other) = self.pair.as_ref()?;
        Some(if one == me { other } else { one })
    }
}

/// Ready when something that was not known is.
pub(super) type Learning = BoxFuture<'static, ()>;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Question {
    Facts(ConversationId),
    Person(UserId),
    Last(ConversationId, u64),
}

type Flight = WeakShared<Learning>;

/// See the module's text.
pub(super) struct Faces {
    store: Arc<dyn Store>,
    marks: Arc<ReadMarks>,
    facts: Recent<ConversationId, Option<Arc<Facts>>>,
    people: Recent<UserId, (Arc<ChatUser>, Instant)>,
    directs: Recent<(UserId, UserId), ConversationId>,
    consultations: Recent<ConsultationId, ConversationId>,
    lasts: Recent<(ConversationId, u64), Option<MessageId>>,
    flights: Mutex<HashMap<Question, Flight>>,
}

impl Faces {
    pub(super) fn new(store: Arc<dyn Store>, marks: Arc<ReadMarks>) -> Self {
        Self {
            store,
            marks,
            facts: Recent::new(REMEMBERED_MAX),
            people: Recent::new(REMEMBERED_MAX),
            directs: Recent::new(REMEMBERED_MAX),
            consultations: Recent::new(REMEMBERED_MAX),
            lasts: Recent::new(REMEMBERED_MAX),
            flights: Mutex::default(),
        }
    }

    // Conversations

    /// What is known of a conversation: none when nothing is yet, `Some(None)` when there is no
    /// such conversation.
    pub(super) fn facts(&self, id: ConversationId) -> Option<Option<Arc<Facts>>> {
        self.facts.get(&id)
    }

    /// Finds out what [`Self::facts`] tells. What members have read is taken for what they had
    /// read before `seq`, if it is given.
    pub(super) fn learn_facts(self: &Arc<Self>, id: ConversationId, seq: Option<u64>) -> Learning {
        self.once(Question::Facts(id), |faces| {
            async move {
                let loaded = faces.insist(|store| store.load(id, false)).await;
                if let (Some(loaded), Some(seq)) = (&loaded, seq) {
                    faces.marks.seed(id, loaded, seq);
                }
                faces.note(id, loaded.as_ref().map(Facts::of));
            }
            .boxed()
        })
    }

    /// What is known of a conversation, after a look if need be; none when there is none.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn find_facts(&self, id: ConversationId) -> StoreResult<Option<Arc<Facts>>> {
        if let Some(known) = self.facts(id) {
            return Ok(known);
        }
        let loaded = self.store.load(id, false).await?;
        self.note(id, loaded.as_ref().map(Facts::of));
        Ok(self.facts(id).flatten())
    }

    /// Takes over what a list told.
    pub(super) fn note_row(&self, row: &Conversation) {
        let members = row.members.iter().map(|member| &member.user_id);
        let pair = pair(row.kind, members);
        if row.kind == ConversationKind::Direct && pair.is_none() {
            return;
        }
        let facts = Facts {
            kind: row.kind,
            pair,
            consultation_id: row.consultation_id,
        };
        self.note(row.conversation_id, Some(facts));
    }

    fn note(&self, id: ConversationId, facts: Option<Facts>) {
        if let Some(facts) = &facts {
            if let Some((a, b)) = &facts.pair {
                self.directs.put(ordered(a, b), id);
            }
            if let Some(consultation_id) = facts.consultation_id {
                self.consultations.put(consultation_id, id);
            }
        }
        self.facts.put(id, facts.map(Arc::new));
    }

    /// The direct conversation of two people, if it is known.
    pub(super) fn direct(&self, a: &UserId, b: &UserId) -> Option<ConversationId> {
        self.directs.get(&ordered(a, b))
    }

    pub(super) fn note_direct(&self, a: &UserId, b: &UserId, id: ConversationId) {
        self.directs.put(ordered(a, b), id);
    }

    /// The conversation of a consultation, if it is known.
    pub(super) fn consultation(&self, id: ConsultationId) -> Option<ConversationId> {
        self.consultations.get(&id)
    }

    pub(super) fn note_consultation(&self, id: ConsultationId, conversation_id: ConversationId) {
        self.consultations.put(id, conversation_id);
    }

    // People

    /// What somebody is called, if it is known.
    pub(super) fn person(&self, id: &UserId) -> Option<Arc<ChatUser>> {
        let (person, since) = self.people.get(id)?;
        (since.elapsed() < PERSON_TTL).then_some(person)
    }

    /// Finds out what [`Self::person`] tells.
    pub(super) fn learn_person(self: &Arc<Self>, id: &UserId) -> Learning {
        let id = id.clone();
        self.once(Question::Person(id.clone()), |faces| {
            async move {
                let found = faces.insist(|store| store.people(vec![id.clone()])).await;
                let person = found
                    .into_iter()
                    .next()
                    .map_or_else(|| ChatUser::unknown(id.clone()), ChatUser::from);
                faces.people.put(id, (Arc::new(person), Instant::now()));
            }
            .boxed()
        })
    }

    // Messages

    /// The last message at or below `seq`, if it is known which that is.
    pub(super) fn last_message(&self, id: ConversationId, seq: u64) -> Option<Option<MessageId>> {
        self.lasts.get(&(id, seq))
    }

    pub(super) fn note_message(&self, id: ConversationId, seq: u64, message_id: MessageId) {
        self.lasts.put((id, seq), Some(message_id));
    }

    /// Finds out what [`Self::last_message`] tells.
    pub(super) fn learn_last_message(self: &Arc<Self>, id: ConversationId, seq: u64) -> Learning {
        self.once(Question::Last(id, seq), |faces| {
            async move {
                let last = faces.find_last(id, seq).await;
                faces.lasts.put((id, seq), last);
            }
            .boxed()
        })
    }

    async fn find_last(&self, id: ConversationId, seq: u64) -> Option<MessageId> {
        let mut to_seq = seq;
        let mut limit = 1;
        while to_seq > 0 {
            let range = LogRange {
                from_seq: 1,
                to_seq,
                newest_first: true,
                limit,
                bytes_max: LOOK_BACK_BYTES,
            };
            let page = self.insist(|store| store.read_log(id, range)).await;
            let found = page
                .events
                .iter()
                .rev()
                .find_map(|entry| match &entry.event {
                    Event::MessageCreated(message) => Some(message.message_id),
                    _ => None,
                });
            if found.is_some() {
                return found;
            }
            to_seq = page.events.first()?.seq - 1;
            limit = LOOK_BACK;
        }
        None
    }

    // How it is found out

    /// Asks a question at most once at a time: who asks meanwhile waits for the same answer.
    fn once(
        self: &Arc<Self>,
        question: Question,
        ask: impl FnOnce(Arc<Self>) -> Learning,
    ) -> Learning {
        let mut flights = self.flights.lock();
        if let Some(flight) = flights.get(&question).and_then(WeakShared::upgrade) {
            return flight.boxed();
        }
        let (faces, landed) = (Arc::clone(self), question.clone());
        let asking = ask(Arc::clone(self));
        let flight = async move {
            asking.await;
            faces.flights.lock().remove(&landed);
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            if flights.len() == flights.capacity() {
                // Nobody waits any more for those whose clients have gone.
                flights.retain(|_, flight| flight.upgrade().is_some());
            }
            flights.insert(question, weak);
        }
        flight.boxed()
    }

    /// Asks the store until it answers.
    async fn insist<'a, T>(
        &'a self,
        ask: impl Fn(&'a dyn Store) -> BoxFuture<'a, StoreResult<T>> + Send,
    ) -> T
    where
        T: Send,
    {
        let mut failures = 0_u32;
        loop {
            match ask(&*self.store).await {
                Ok(found) => return found,
                Err(fault) => {
                    tracing::error!(error = %fault, "what a client is shown could not be read");
                    failures += 1;
                    let wait = Duration::from_millis(50 << failures.min(6));
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

fn ordered(a: &UserId, b: &UserId) -> (UserId, UserId) {
    if a <= b {
        (a.clone(), b.clone())
    } else {
        (b.clone(), a.clone())
    }
}

fn pair<'a>(
    kind: ConversationKind,
    mut members: impl Iterator<Item = &'a UserId>,
) -> Option<(UserId, UserId)> {
    match (kind, members.next(), members.next()) {
        (ConversationKind::Direct, Some(one), Some(other)) => Some((one.clone(), other.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_actors::ports::store::memory::MemoryStore;

    #[tokio::test]
    async fn questions_of_clients_that_are_gone_do_not_pile_up() {
        let store = Arc::new(MemoryStore::new());
        let faces = Arc::new(Faces::new(store, Arc::default()));
        let id = ConversationId::new();
        let never = || std::future::pending().boxed();
        let waited_for = faces.once(Question::Facts(id), |_| never());
        for seq in 0..10_000 {
            drop(faces.once(Question::Last(id, seq), |_| never()));
        }
        let flights = faces.flights.lock();
        assert!(flights.len() < 100, "{}", flights.len());
        assert!(flights.contains_key(&Question::Facts(id)));
        drop(flights);
        drop(waited_for);
    }
}
