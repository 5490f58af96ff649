//! What the cases share: a store with ears, and a room that numbers entries as an actor does.

use bedside_protocol::{
    ClientMsgId, ConversationId, ConversationKind, Event, LoggedEvent, MemberRole, Message,
    MessageId, MessageType, Timestamp, UserId,
    event::{Change, ConversationChanged},
};
use parking_lot::Mutex;
use std::{any::Any, collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::Notify;

use crate::ports::store::{
    Append, AppendBody, AppendSink, Appended, Attempt, ChangeEffect, ConversationKey, Loaded,
    LogPage, LogRange, NewConversation, NewMember, Store, StoreResult,
};

/// A store for one test, and what must live as long as it (its directory, say).
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Dropped after the store is closed.
    pub guard: Box<dyn Any>,
}

/// A store whose answers are heard. It has two lanes.
#[derive(Clone)]
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn Store>,
    heard: Arc<Heard>,
    start: Timestamp,
}

#[derive(Default)]
struct Heard {
    answers: Mutex<Vec<(usize, Appended)>>,
    changed: Notify,
}

struct Lane {
    lane: usize,
    heard: Arc<Heard>,
}

impl AppendSink for Lane {
    fn appended(&self, batch: Vec<Appended>) {
        let batch = batch.into_iter().map(|appended| (self.lane, appended));
        self.heard.answers.lock().extend(batch);
        self.heard.changed.notify_waiters();
    }
}

/// Parses a user id.
///
/// # Panics
/// When it is not one.
#[must_use]
pub fn user(id: &str) -> UserId {
    UserId::new(id).expect("a valid user id, because the case wrote it")
}

/// Parses a client id.
///
/// # Panics
/// When it is not one.
#[must_use]
pub fn client_id(id: &str) -> ClientMsgId {
    ClientMsgId::new(id).expect("a valid client id, because the case wrote it")
}

/// A whole window, oldest first, without bounds.
pub const EVERYTHING: LogRange = LogRange {
    from_seq: 1,
    to_seq: u64::MAX,
    newest_first: false,
    limit: usize::MAX,
    bytes_max: usize::MAX,
};

impl Fixture {
    /// Listens to a store that nobody listens to yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        let heard = Arc::new(Heard::default());
        let lanes = (0..2).map(|lane| {
            let heard = heard.clone();
            Arc::new(Lane { lane, heard }) as Arc<dyn AppendSink>
        });
        store.connect(lanes.collect());
        // Recent, because a store may forget the client ids of last week.
        let start = Timestamp::from_millis(Timestamp::now().as_millis() - 3_600_000);
        Self {
            store,
            heard,
            start,
        }
    }

    /// A store that somebody else listens to.
    #[must_use]
    pub fn deaf(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            heard: Arc::default(),
            start: Timestamp::now(),
        }
    }

    /// `n` seconds into the case.
    #[must_use]
    pub fn at(&self, n: i64) -> Timestamp {
        self.start.plus_millis(n * 1_000)
    }

    /// A member who came in at the start.
    #[must_use]
    pub fn member(&self, id: &str, first_seq: u64) -> NewMember {
        NewMember {
            user_id: user(id),
            member_role: MemberRole::Member,
            first_seq,
            joined_at: self.at(0),
        }
    }

    /// A conversation to be made by the first of `members`.
    #[must_use]
    pub fn new_conversation(&self, kind: ConversationKind, members: &[&str]) -> NewConversation {
        let by = user(members[0]);
        let mut event = ConversationChanged::new(Change::Created, Some(by.clone()), self.at(0));
        event.kind = Some(kind);
        event.title = Some("Ward 4".to_owned());
        event.member_ids = members.iter().map(|id| user(id)).collect();
        NewConversation {
            conversation_id: ConversationId::new(),
            kind,
            title: "Ward 4".to_owned(),
            patient_id: None,
            created_by: by,
            created_at: self.at(0),
            members: members.iter().map(|id| self.member(id, 1)).collect(),
            event,
        }
    }

    /// Makes a conversation of any kind.
    pub async fn room_of(&self, kind: ConversationKind, members: &[&str]) -> Room {
        let new = self.new_conversation(kind, members);
        let id = new.conversation_id;
        let made = self.store.create_conversation(new).await;
        assert!(made.expect("a new conversation").created);
        let loaded = self.store.load(id, true).await.expect("a load");
        Room::of(self.clone(), id, &loaded.expect("it was just made"))
    }

    /// Makes a care team.
    pub async fn room(&self, members: &[&str]) -> Room {
        self.room_of(ConversationKind::CareTeam, members).await
    }

    /// All answers so far, once there are `count` of them.
    pub async fn answers(&self, count: usize) -> Vec<(usize, Appended)> {
        let all = async {
            loop {
                let changed = self.heard.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let answers = self.heard.answers.lock().clone();
                if answers.len() >= count {
                    return answers;
                }
                changed.await;
            }
        };
        let within = tokio::time::timeout(Duration::from_secs(20), all).await;
        within.expect("every append is answered")
    }

    /// Appends and waits for the answer.
    pub async fn append(&self, lane: usize, append: Append) -> StoreResult<()> {
        let (id, seq) = (append.conversation_id, append.seq);
        let before = self.heard.answers.lock().len();
        self.store.append(lane, append);
        let mut count = before + 1;
        loop {
            let answers = self.answers(count).await;
            let mine = answers[before..]
                .iter()
                .find(|(_, a)| a.conversation_id == id && a.seq == seq);
            if let Some((_, appended)) = mine {
                return appended.result.clone();
            }
            count = answers.len() + 1;
        }
    }
}

/// A conversation as its actor sees it: it knows the next seq and the counts.
#[derive(Clone)]
pub struct Room {
    fixture: Fixture,
    /// The conversation.
    pub id: ConversationId,
    /// The store's name of it.
    pub key: ConversationKey,
    /// Where its appends are answered.
    pub lane: usize,
    /// Its head.
    pub seq: u64,
    /// Countable messages in it.
    pub ord: u64,
    /// Countable messages per sender.
    pub sender_ords: HashMap<UserId, u64>,
}

impl Room {
    /// A conversation that is there already.
    #[must_use]
    pub fn of(fixture: Fixture, id: ConversationId, loaded: &Loaded) -> Self {
        Self {
            fixture,
            id,
            key: loaded.key,
            lane: 0,
            seq: loaded.head.seq,
            ord: loaded.head.ord,
            sender_ords: loaded.sender_ords.clone(),
        }
    }

    /// The next entry, with nothing counted yet; `at` is its seq in seconds.
    #[must_use]
    pub fn entry(&self, by: Option<&str>, body: AppendBody) -> Append {
        let by = by.map(user);
        Append {
            conversation_id: self.id,
            key: self.key,
            seq: self.seq + 1,
            attempt: Attempt::next(),
            at: self.fixture.at(self.seq as i64 + 1),
            ord: self.ord,
            sender_ord: by
                .as_ref()
                .and_then(|by| self.sender_ords.get(by).copied())
                .unwrap_or(0),
            by,
            body,
        }
    }

    /// The next entry as a text, counted.
    #[must_use]
    pub fn text(&self, by: &str, text: &str) -> (Append, Message) {
        let mut append = self.entry(Some(by), unsaid());
        append.ord += 1;
        append.sender_ord += 1;
        let message = Message {
            message_id: MessageId::new(),
            sender_id: Some(user(by)),
            message_type: MessageType::Text,
            text: text.to_owned(),
            attachments: Vec::new(),
            reply_to_seq: None,
            client_msg_id: Some(client_id(&format!("c{}", append.seq))),
            composed_at: None,
            created_at: append.at,
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
        };
        append.body = saying(&message);
        (append, message)
    }

    /// Counts an entry as stored.
    pub fn took(&mut self, append: &Append) {
        self.seq = append.seq;
        self.ord = append.ord;
        if let Some(by) = append.by.clone() {
            self.sender_ords.insert(by, append.sender_ord);
        }
    }

    /// Appends an entry that must be taken; its seq.
    pub async fn put(&mut self, append: Append) -> u64 {
        let stored = self.fixture.append(self.lane, append.clone()).await;
        assert_eq!(stored, Ok(()), "seq {}", append.seq);
        self.took(&append);
        append.seq
    }

    /// Says something; the message as sent.
    pub async fn say(&mut self, by: &str, text: &str) -> Message {
        let (append, message) = self.text(by, text);
        self.put(append).await;
        message
    }

    /// Puts an entry that is not counted.
    pub async fn put_body(&mut self, by: Option<&str>, body: AppendBody) -> u64 {
        let append = self.entry(by, body);
        self.put(append).await
    }

    /// Tries an entry that is not counted, and does not count it as stored.
    pub async fn try_body(&self, by: Option<&str>, body: AppendBody) -> StoreResult<()> {
        let append = self.entry(by, body);
        self.fixture.append(self.lane, append).await
    }

    /// The log, or a stretch of it.
    pub async fn read(&self, range: LogRange) -> LogPage {
        let page = self.fixture.store.read_log(self.id, range).await;
        page.expect("a page of the log")
    }

    /// One event of the log.
    pub async fn event(&self, seq: u64) -> Event {
        let page = self.read(EVERYTHING).await;
        let found = page.events.into_iter().find(|logged| logged.seq == seq);
        found
            .map(|LoggedEvent { event, .. }| event)
            .expect("an entry at this seq")
    }

    /// The message at a seq, as it stands now.
    pub async fn message(&self, seq: u64) -> Message {
        match self.event(seq).await {
            Event::MessageCreated(message) => message,
            other => panic!("no message at {seq}: {}", other.name()),
        }
    }
}

fn unsaid() -> AppendBody {
    change(Change::Updated, ChangeEffect::Title(String::new()))
}

/// The body of a plain message.
#[must_use]
pub fn saying(message: &Message) -> AppendBody {
    AppendBody::Message {
        message: Arc::new(message.clone()),
        body_hash: [7; 16],
    }
}

/// A change with its effect.
#[must_use]
pub fn change(change: Change, effect: ChangeEffect) -> AppendBody {
    AppendBody::Change {
        event: Box::new(ConversationChanged::new(
            change,
            None,
            Timestamp::from_millis(1),
        )),
        effect,
    }
}

/// An edit of a message at `target_seq`.
#[must_use]
pub fn edit(target_seq: u64, message: &Message, text: &str) -> AppendBody {
    AppendBody::Edit {
        target_seq,
        message_id: message.message_id,
        text: Arc::from(text),
    }
}

/// A delete of a message at `target_seq`.
#[must_use]
pub fn delete(target_seq: u64, message: &Message) -> AppendBody {
    AppendBody::Delete {
        target_seq,
        message_id: message.message_id,
    }
}

/// A reaction on a message at `target_seq`.
#[must_use]
pub fn react(target_seq: u64, message: &Message, emoji: &str, on: bool) -> AppendBody {
    AppendBody::React {
        target_seq,
        message_id: message.message_id,
        emoji: Arc::from(emoji),
        on,
    }
}
