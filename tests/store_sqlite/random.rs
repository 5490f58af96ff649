//! Random writes: SQLite and the in-memory twin end up the same, in everything that is read.

use bedside::adapters::sqlite::{Options, SqliteStore};
use bedside_actors::{
    ports::store::{
        Append, AppendBody, ChangeEffect, ConsultationSelect, ConversationKey, LogRange,
        Preferences, Select, Store, memory::MemoryStore,
    },
    testkit::store_contract::{
        self, Fixture, Room, consultations,
        fixture::{EVERYTHING, change, client_id, delete, edit, react, user},
        receipts,
    },
};
use bedside_protocol::{ConsultationStatus, ConversationState, Message, event::Change};
use proptest::prelude::*;
use std::sync::Arc;

use crate::scratch::Scratch;

const PEOPLE: [&str; 4] = ["d1", "p1", "n1", "f1"];

#[derive(Clone, Debug)]
enum Step {
    Say(usize, usize),
    System(usize),
    Edit(usize, u64),
    Delete(usize, u64),
    React(usize, u64, usize, bool),
    Put(usize, usize, u64),
    End(usize, usize),
    State(usize),
    Consult(usize, u64, bool),
    Receipts(usize, usize, u64, u64),
    Archive(usize, usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let (room, who, seq) = (0..3usize, 0..4usize, 1..40u64);
    prop_oneof![
        6 => (room.clone(), who.clone()).prop_map(|(r, w)| Step::Say(r, w)),
        1 => room.clone().prop_map(Step::System),
        2 => (room.clone(), seq.clone()).prop_map(|(r, s)| Step::Edit(r, s)),
        1 => (room.clone(), seq.clone()).prop_map(|(r, s)| Step::Delete(r, s)),
        2 => (room.clone(), seq.clone(), who.clone(), any::<bool>())
            .prop_map(|(r, s, w, on)| Step::React(r, s, w, on)),
        2 => (room.clone(), who.clone(), seq.clone()).prop_map(|(r, w, s)| Step::Put(r, w, s)),
        1 => (room.clone(), who.clone()).prop_map(|(r, w)| Step::End(r, w)),
        1 => room.clone().prop_map(Step::State),
        2 => (room.clone(), seq.clone(), any::<bool>())
            .prop_map(|(r, n, on)| Step::Consult(r, n, on)),
        2 => (room.clone(), who.clone(), seq.clone(), seq)
            .prop_map(|(r, w, a, b)| Step::Receipts(r, w, a, b)),
        1 => (room, who, any::<bool>()).prop_map(|(r, w, on)| Step::Archive(r, w, on)),
    ]
}

/// Whose chat the last room is.
const CONSULTATION: u64 = 7;

/// The same store twice; rooms have the same ids in both.
struct Twins {
    memory: Fixture,
    sqlite: Fixture,
    /// As in memory, and the key in SQLite.
    rooms: Vec<(Room, ConversationKey)>,
    sent: Vec<(usize, u64, Message)>,
}

impl Twins {
    async fn new(sqlite: Arc<SqliteStore>) -> Self {
        let memory = Fixture::new(Arc::new(MemoryStore::new()));
        let sqlite = Fixture::new(sqlite);
        let mut rooms = Vec::new();
        for n in 0..3 {
            let kind = bedside_protocol::ConversationKind::CareTeam;
            let new = memory.new_conversation(kind, &PEOPLE[..=n]);
            let held = consultations::new(&memory, CONSULTATION, "p1", "d1");
            let id = match n {
                2 => held.conversation.conversation_id,
                _ => new.conversation_id,
            };
            let mut loads = Vec::new();
            for fx in [&memory, &sqlite] {
                let made = match n {
                    2 => fx.store.create_consultation(held.clone()).await,
                    _ => fx.store.create_conversation(new.clone()).await.map(drop),
                };
                assert_eq!(made, Ok(()));
                let loaded = fx.store.load(id, true).await.expect("a load");
                loads.push(loaded.expect("known"));
            }
            let room = Room::of(memory.clone(), id, &loads[0]);
            rooms.push((room, loads[1].key));
        }
        Self {
            memory,
            sqlite,
            rooms,
            sent: Vec::new(),
        }
    }

    /// Appends to both; they must agree on whether it is taken.
    async fn append(&mut self, room: usize, append: Append) -> bool {
        let mut for_sqlite = append.clone();
        for_sqlite.key = self.rooms[room].1;
        let a = self.memory.append(0, append.clone()).await;
        let b = self.sqlite.append(0, for_sqlite).await;
        assert_eq!(a, b, "{append:?}");
        if a.is_ok() {
            self.rooms[room].0.took(&append);
        }
        a.is_ok()
    }

    async fn body(&mut self, room: usize, by: Option<&str>, body: AppendBody) {
        let append = self.rooms[room].0.entry(by, body);
        self.append(room, append).await;
    }

    /// The n-th message that was sent to a room.
    fn message(&self, room: usize, n: u64) -> Option<(u64, Message)> {
        let mut sent = self.sent.iter().filter(|(r, ..)| *r == room);
        let (_, seq, message) = sent.nth(usize::try_from(n).ok()?)?;
        Some((*seq, message.clone()))
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Say(room, who) => {
                let by = PEOPLE[who];
                let (append, message) = self.rooms[room].0.text(by, &format!("by {by}"));
                let seq = append.seq;
                if self.append(room, append).await {
                    self.sent.push((room, seq, message));
                }
            }
            Step::System(room) => {
                let (mut append, mut message) = self.rooms[room].0.text("d1", "system");
                append.ord -= 1;
                (append.by, append.sender_ord) = (None, 0);
                message.sender_id = None;
                append.body = store_contract::fixture::saying(&message);
                self.append(room, append).await;
            }
            Step::Edit(room, n) => {
                if let Some((seq, message)) = self.message(room, n) {
                    self.body(room, Some("d1"), edit(seq, &message, &format!("{n}")))
                        .await;
                }
            }
            Step::Delete(room, n) => {
                if let Some((seq, message)) = self.message(room, n) {
                    self.body(room, Some("d1"), delete(seq, &message)).await;
                }
            }
            Step::React(room, n, who, on) => {
                if let Some((seq, message)) = self.message(room, n) {
                    let emoji = if n % 2 == 0 { "👍" } else { "🎉" };
                    let body = react(seq, &message, emoji, on);
                    self.body(room, Some(PEOPLE[who]), body).await;
                }
            }
            Step::Put(room, who, first_seq) => {
                let first_seq = first_seq.min(self.rooms[room].0.seq + 1);
                let member = self.memory.member(PEOPLE[who], first_seq);
                let effect = ChangeEffect::PutMember(member);
                self.body(room, Some("d1"), change(Change::MemberAdded, effect))
                    .await;
            }
            Step::End(room, who) => {
                let effect = ChangeEffect::EndMember(user(PEOPLE[who]));
                self.body(room, None, change(Change::MemberLeft, effect))
                    .await;
            }
            Step::State(room) => {
                let effect = ChangeEffect::State(ConversationState::ReadOnly);
                self.body(room, None, change(Change::State, effect)).await;
            }
            Step::Consult(room, n, on) => {
                let at = &self.rooms[room].0;
                let body = if on {
                    consultations::start(at, CONSULTATION, "d1", &self.memory)
                } else {
                    let notes = format!("{n}");
                    let notes = (n % 3 == 0).then_some(notes.as_str());
                    let over = (ConsultationStatus::Completed, notes);
                    consultations::end(at, CONSULTATION, Some("d1"), over, &self.memory)
                };
                self.body(room, Some("d1"), body).await;
            }
            Step::Receipts(room, who, read, delivered) => {
                let receipts = receipts::read_up_to(read, delivered);
                let (room, key) = &self.rooms[room];
                let a = self
                    .memory
                    .store
                    .put_receipts(room.key, user(PEOPLE[who]), receipts);
                let b = self
                    .sqlite
                    .store
                    .put_receipts(*key, user(PEOPLE[who]), receipts);
                assert_eq!(a.await, b.await);
            }
            Step::Archive(room, who, archived) => {
                let preferences = Preferences {
                    archived,
                    ..Preferences::default()
                };
                let (room, key) = &self.rooms[room];
                let who = || user(PEOPLE[who]);
                let a = self
                    .memory
                    .store
                    .put_preferences(room.key, who(), preferences);
                let b = self.sqlite.store.put_preferences(*key, who(), preferences);
                assert_eq!(a.await, b.await);
            }
        }
    }

    /// Everything that can be read is the same in both.
    async fn compare(&self) {
        let (a, b) = (&self.memory.store, &self.sqlite.store);
        for (room, _) in &self.rooms {
            let pages = [EVERYTHING, backwards(room.seq, 5)];
            for range in pages {
                let page = a.read_log(room.id, range).await;
                assert_eq!(page, b.read_log(room.id, range).await);
            }
            let (mut loads, mut consultations) = (Vec::new(), Vec::new());
            for store in [a, b] {
                let loaded = store.load(room.id, true).await.expect("a load");
                let mut loaded = loaded.expect("known");
                loaded.key = ConversationKey(0);
                consultations.push(loaded.consultation.take());
                let ords: std::collections::BTreeMap<_, _> = loaded.sender_ords.drain().collect();
                loads.push(format!("{loaded:?} {ords:?}"));
            }
            assert_eq!(loads[0], loads[1]);
            assert_eq!(consultations[0], consultations[1]);
            for seq in 0..=room.seq + 1 {
                let revisions = a.revisions(room.id, seq).await;
                assert_eq!(revisions, b.revisions(room.id, seq).await);
                let id = || client_id(&format!("c{seq}"));
                for who in PEOPLE.map(user) {
                    let found = a.find_sent(room.id, who.clone(), id()).await;
                    assert_eq!(found, b.find_sent(room.id, who.clone(), id()).await);
                    let counts = a.counts_at(room.id, seq, who.clone()).await;
                    assert_eq!(counts, b.counts_at(room.id, seq, who).await);
                }
            }
        }
        for (.., message) in &self.sent {
            let place = a.find_message(message.message_id).await;
            assert_eq!(place, b.find_message(message.message_id).await);
        }
        for who in PEOPLE.map(user) {
            let select = || Select::Page {
                after: None,
                limit: 2,
                without: Vec::new(),
            };
            let listed = a.conversations(who.clone(), select()).await;
            assert_eq!(listed, b.conversations(who.clone(), select()).await);
            let listed = a.listed(who.clone()).await;
            assert_eq!(listed, b.listed(who.clone()).await);
            let total = a.unread_total(who.clone()).await;
            assert_eq!(total, b.unread_total(who.clone()).await);
            let held = || ConsultationSelect {
                member_id: Some(who.clone()),
                limit: 5,
                ..ConsultationSelect::default()
            };
            let listed = a.consultations(held()).await;
            assert_eq!(listed, b.consultations(held()).await);
            let others = || PEOPLE.map(user).to_vec();
            let shares = a.sharing_with(who.clone(), others()).await;
            assert_eq!(shares, b.sharing_with(who, others()).await);
        }
    }
}

fn backwards(to_seq: u64, limit: usize) -> LogRange {
    LogRange {
        to_seq,
        newest_first: true,
        limit,
        ..EVERYTHING
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sqlite_and_memory_agree(
        steps in prop::collection::vec(step(), 1..120),
        fold_rows in prop_oneof![Just(2usize), Just(7), Just(16_384)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let dir = Scratch::new();
            let options = Options { fold_rows, readers: 1, ..Options::default() };
            let store = SqliteStore::open(dir.path(), &options).expect("a new store");
            let mut twins = Twins::new(store.clone()).await;
            for step in steps {
                twins.step(step).await;
            }
            twins.compare().await;
            store.close().await;
        });
    }

    #[test]
    fn watermarks_only_grow(writes in prop::collection::vec((0u64..40, 0u64..40), 1..30)) {
        let writes: Vec<_> = writes.iter().map(|(r, d)| receipts::read_up_to(*r, *d)).collect();
        let case = async |fx: Fixture| receipts::watermarks_after(&fx, &writes).await;
        store_contract::run(crate::open, case);
    }
}
