//! A store that lies: slow, refusing before or after it has stored, or gone with its process.
//!
//! The disk ([`MemoryStore`]) outlives it, so a test restarts a server by killing one [`Liar`]
//! and making another over the same disk; several over one disk are servers that share a store.
//! Appends go through a thread of their own, as they do in a real store: `append` returns at once
//! and the answer comes later.

use async_trait::async_trait;
use bedside_protocol::{
    ClientMsgId, Consultation, ConsultationId, ConversationId, MessageId, NotificationId, Roles,
    Timestamp, UserId,
};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

use crate::ports::store::{
    Active, Append, AppendSink, Appended, AuditEntry, AuditHead, AuditRange, AuditStore,
    ConsultationSelect, ConsultationStore, ConversationKey, Conversations, Counts, Created,
    DenialRecord, DenialStore, Denials, DenialsVersion, Glass, GlassStore, Listed, Loaded, Located,
    LogPage, LogRange, NewConsultation, NewConversation, NewNotification, NotificationMark,
    NotificationRecord, NotificationStore, NumberedStore, Numbers, PersonRecord, Preferences,
    Receipts, Relation, Revision, Select, SentRecord, Store, StoreError, StoreResult,
    memory::MemoryStore,
};

/// What becomes of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Stored, and said so.
    Store,
    /// Not stored; "outcome unknown".
    Lose,
    /// Stored; "outcome unknown".
    StoreAndDeny,
    /// Not stored: the disk is full.
    Full,
    /// Not stored: as if another server had been quicker.
    Fence,
}

type Fates = Box<dyn FnMut(&Append) -> Fate + Send>;
type Moods = Box<dyn FnMut(&'static str) -> bool + Send>;

/// What stays when a process dies.
pub struct Disk {
    memory: MemoryStore,
    answer: Arc<Mutex<Option<Appended>>>,
    /// One append at a time, so that its answer is known when it returns.
    gate: Mutex<()>,
}

struct Catch(Arc<Mutex<Option<Appended>>>);

impl AppendSink for Catch {
    fn appended(&self, mut batch: Vec<Appended>) {
        *self.0.lock() = batch.pop();
    }
}

impl Disk {
    /// An empty one.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let memory = MemoryStore::new();
        let answer = Arc::default();
        memory.connect(vec![Arc::new(Catch(Arc::clone(&answer)))]);
        Arc::new(Self {
            memory,
            answer,
            gate: Mutex::default(),
        })
    }

    /// What it holds, without any lies.
    #[must_use]
    pub fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    fn append(&self, append: Append) -> StoreResult<()> {
        let _gate = self.gate.lock();
        self.memory.append(0, append);
        let answer = self.answer.lock().take();
        answer
            .expect("memory answers at once, because appends come one by one")
            .result
    }
}

enum Work {
    Append(usize, Append),
    /// Everything before it is done; of this conversation it begins anew.
    Barrier(Option<ConversationId>, oneshot::Sender<()>),
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    held: bool,
    dead: bool,
    /// The writer is at it.
    busy: bool,
    closed: bool,
    /// Before each turn of the writer.
    delay: Duration,
    /// Before everything but appends.
    read_delay: Duration,
}

struct Inner {
    disk: Arc<Disk>,
    queue: Mutex<Queue>,
    turn: Condvar,
    sinks: OnceLock<Vec<Arc<dyn AppendSink>>>,
    /// Where an append failed last: nothing behind it is stored before the next load.
    broken: Mutex<HashMap<ConversationId, u64>>,
    /// No other server writes to this disk.
    alone: AtomicBool,
    fates: Mutex<Option<Fates>>,
    moods: Mutex<Option<Moods>>,
    stalled: Mutex<Vec<&'static str>>,
    unanswered: Mutex<Vec<&'static str>>,
    unstalled: Notify,
}

/// See the module's text.
pub struct Liar(Arc<Inner>);

impl Liar {
    /// One that tells the truth until it is told to lie.
    #[must_use]
    pub fn new(disk: &Arc<Disk>) -> Arc<Self> {
        let inner = Arc::new(Inner {
            disk: disk.clone(),
            queue: Mutex::default(),
            turn: Condvar::new(),
            sinks: OnceLock::new(),
            broken: Mutex::default(),
            alone: AtomicBool::new(false),
            fates: Mutex::default(),
            moods: Mutex::default(),
            stalled: Mutex::default(),
            unanswered: Mutex::default(),
            unstalled: Notify::new(),
        });
        let writer = inner.clone();
        std::thread::spawn(move || while writer.turn() {});
        Arc::new(Self(inner))
    }

    /// From now on it is a store that no other server writes to.
    pub fn be_alone(&self) {
        self.0.alone.store(true, Ordering::Relaxed);
    }

    /// Decides on each append from now on.
    pub fn fates(&self, fates: impl FnMut(&Append) -> Fate + Send + 'static) {
        *self.0.fates.lock() = Some(Box::new(fates));
    }

    /// Asked with the name of each other operation: whether it fails as unavailable.
    pub fn moods(&self, moods: impl FnMut(&'static str) -> bool + Send + 'static) {
        *self.0.moods.lock() = Some(Box::new(moods));
    }

    /// Tells the truth from now on.
    pub fn be_honest(&self) {
        *self.0.fates.lock() = None;
        *self.0.moods.lock() = None;
        self.slow(Duration::ZERO);
        self.slow_reads(Duration::ZERO);
        self.release();
        self.unstall();
    }

    /// Each turn of the writer takes at least so long.
    pub fn slow(&self, delay: Duration) {
        self.0.queue.lock().delay = delay;
    }

    /// Everything but appends takes at least so long.
    pub fn slow_reads(&self, delay: Duration) {
        self.0.queue.lock().read_delay = delay;
    }

    /// Commits nothing until [`Self::release`].
    pub fn hold(&self) {
        self.0.queue.lock().held = true;
    }

    /// Commits again.
    pub fn release(&self) {
        self.0.queue.lock().held = false;
        self.0.turn.notify_all();
    }

    /// Appends that wait for their commit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.queue.lock().work.len()
    }

    /// The process dies: nothing more is stored and nobody is answered. Returns when it is dead,
    /// so that its successor finds all that it has written.
    pub fn kill(&self) {
        let mut queue = self.0.queue.lock();
        queue.dead = true;
        queue.work.clear();
        self.0.turn.notify_all();
        while queue.busy {
            self.0.turn.wait(&mut queue);
        }
    }

    async fn after_writes(&self, of: Option<ConversationId>) {
        let (sender, done) = oneshot::channel();
        self.0.push(Work::Barrier(of, sender));
        // An error means that the process is dead.
        let _ = done.await;
    }

    /// Operations of this name hang until [`Self::unstall`].
    pub fn stall(&self, name: &'static str) {
        self.0.stalled.lock().push(name);
    }

    /// Operations of this name are done, but not answered until [`Self::unstall`].
    pub fn stall_answer(&self, name: &'static str) {
        self.0.unanswered.lock().push(name);
    }

    /// Lets them go on.
    pub fn unstall(&self) {
        self.0.stalled.lock().clear();
        self.0.unanswered.lock().clear();
        self.0.unstalled.notify_waiters();
    }

    async fn pass(&self, name: &'static str) -> StoreResult<()> {
        let delay = self.0.queue.lock().read_delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.wait_out(&self.0.stalled, name).await;
        let is_dead = self.0.queue.lock().dead;
        let is_moody = self
            .0
            .moods
            .lock()
            .as_mut()
            .is_some_and(|moods| moods(name));
        if is_dead || is_moody {
            return Err(unavailable());
        }
        Ok(())
    }

    async fn wait_out(&self, stalled: &Mutex<Vec<&'static str>>, name: &'static str) {
        loop {
            let unstalled = self.0.unstalled.notified();
            if !stalled.lock().contains(&name) {
                return;
            }
            unstalled.await;
        }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.kill();
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("a lie".to_owned())
}

impl Inner {
    fn push(&self, work: Work) {
        let mut queue = self.queue.lock();
        if !queue.dead {
            queue.work.push_back(work);
            self.turn.notify_all();
        }
    }

    /// Commits all that waits, in order; false when the process has died.
    fn turn(&self) -> bool {
        let work = {
            let mut queue = self.queue.lock();
            while !queue.dead && (queue.held || queue.work.is_empty()) {
                self.turn.wait(&mut queue);
            }
            let delay = queue.delay;
            if !delay.is_zero() && !queue.dead {
                self.turn.wait_for(&mut queue, delay);
            }
            if queue.dead {
                return false;
            }
            queue.busy = true;
            std::mem::take(&mut queue.work)
        };
        let lives = self.commit_all(work);
        self.queue.lock().busy = false;
        self.turn.notify_all();
        lives
    }

    fn commit_all(&self, work: VecDeque<Work>) -> bool {
        for work in work {
            let (lane, append) = match work {
                Work::Append(lane, append) => (lane, append),
                Work::Barrier(of, done) => {
                    if let Some(id) = of {
                        self.broken.lock().remove(&id);
                    }
                    let _ = done.send(());
                    continue;
                }
            };
            let (conversation_id, seq) = (append.conversation_id, append.seq);
            let attempt = append.attempt;
            let result = self.commit_next(append);
            if self.queue.lock().dead {
                return false;
            }
            if let Some(sink) = self.sinks.get().and_then(|sinks| sinks.get(lane)) {
                sink.appended(vec![Appended {
                    conversation_id,
                    seq,
                    attempt,
                    result,
                }]);
            }
        }
        true
    }

    fn commit_next(&self, append: Append) -> StoreResult<()> {
        let (id, seq) = (append.conversation_id, append.seq);
        let mut broken = self.broken.lock();
        if broken.get(&id).is_some_and(|at| *at < seq) {
            return Err(StoreError::Conflict);
        }
        let result = self.commit(append);
        match result {
            Ok(()) => broken.remove(&id),
            Err(_) => broken.insert(id, seq),
        };
        result
    }

    fn commit(&self, append: Append) -> StoreResult<()> {
        if self.queue.lock().closed {
            return Err(unavailable());
        }
        let fate = match self.fates.lock().as_mut() {
            Some(fates) => fates(&append),
            None => Fate::Store,
        };
        match fate {
            Fate::Store => self.disk.append(append),
            Fate::Lose => Err(unavailable()),
            Fate::StoreAndDeny => self.disk.append(append).and(Err(unavailable())),
            Fate::Full => Err(StoreError::Full),
            Fate::Fence => Err(StoreError::Conflict),
        }
    }
}

macro_rules! relay_part {
    ($port:ident; $($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl $port for Liar {
            $(async fn $name(&self, $($arg: $ty),*) -> StoreResult<$out> {
                self.pass(stringify!($name)).await?;
                let done = self.0.disk.memory.$name($($arg),*).await;
                self.wait_out(&self.0.unanswered, stringify!($name)).await;
                done
            })*
        }
    };
}

relay_part! {
    ConsultationStore;
    create_consultation(new: NewConsultation) -> ();
    consultation(id: ConsultationId) -> Option<Consultation>;
    consultations(select: ConsultationSelect) -> Vec<Consultation>;
}

relay_part! {
    AuditStore;
    append_audit(entries: Vec<AuditEntry>, head: AuditHead) -> ();
    audit_nodes() -> Vec<String>;
    audit_head(node: String) -> Option<AuditHead>;
    audit_entries(node: String, range: AuditRange) -> Vec<AuditEntry>;
}

relay_part! {
    DenialStore;
    deny(record: DenialRecord) -> ();
    unblock(user_id: UserId) -> bool;
    denials_version() -> DenialsVersion;
    denials() -> Denials;
}

relay_part! {
    GlassStore;
    put_glass(glass: Glass) -> ();
    glass(user_id: UserId, conversation_id: ConversationId) -> Option<Glass>;
}

relay_part! {
    NotificationStore;
    put_notifications(new: Vec<NewNotification>) -> Vec<bool>;
    notifications(user_id: UserId, before: Option<NotificationId>, limit: usize)
        -> Vec<NotificationRecord>;
    unread_notifications(user_id: UserId) -> u64;
    mark_notification(
        id: NotificationId,
        user_id: UserId,
        mark: NotificationMark,
        at: Timestamp
    ) -> bool;
    prune_notifications(before: Timestamp, limit: usize) -> usize;
    settings(user_id: UserId) -> Option<String>;
    put_settings(user_id: UserId, settings: String, at: Timestamp) -> ();
}

relay_part! {
    NumberedStore;
    locate(conversation_id: ConversationId, numbers: Numbers) -> Located;
    listed(user_id: UserId) -> Vec<Listed>;
}

macro_rules! relay {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        #[async_trait]
        impl Store for Liar {
            fn epoch(&self) -> &str {
                self.0.disk.memory.epoch()
            }

            fn connect(&self, sinks: Vec<Arc<dyn AppendSink>>) {
                assert!(self.0.sinks.set(sinks).is_ok(), "one node per liar");
            }

            fn append(&self, lane: usize, append: Append) {
                self.0.push(Work::Append(lane, append));
            }

            async fn load(
                &self,
                conversation_id: ConversationId,
                after_writes: bool,
            ) -> StoreResult<Option<Loaded>> {
                if after_writes {
                    self.after_writes(Some(conversation_id)).await;
                }
                self.pass("load").await?;
                let loaded = self.0.disk.memory.load(conversation_id, after_writes).await;
                let is_alone = self.0.alone.load(Ordering::Relaxed);
                Ok(loaded?.map(|loaded| Loaded {
                    attempts: loaded.attempts.filter(|_| !is_alone),
                    ..loaded
                }))
            }

            async fn close(&self) {
                self.after_writes(None).await;
                self.0.queue.lock().closed = true;
            }

            $(async fn $name(&self, $($arg: $ty),*) -> StoreResult<$out> {
                self.pass(stringify!($name)).await?;
                self.0.disk.memory.$name($($arg),*).await
            })*
        }
    };
}

relay! {
    put_receipts(key: ConversationKey, user_id: UserId, receipts: Receipts) -> ();
    put_preferences(key: ConversationKey, user_id: UserId, preferences: Preferences) -> ();
    create_conversation(new: NewConversation) -> Created;
    direct_of(a: UserId, b: UserId) -> Option<ConversationId>;
    read_log(conversation_id: ConversationId, range: LogRange) -> LogPage;
    conversations(user_id: UserId, select: Select) -> Conversations;
    active_since(user_ids: Vec<UserId>, since: Timestamp) -> Vec<Active>;
    unread_total(user_id: UserId) -> u64;
    counts_at(conversation_id: ConversationId, seq: u64, user_id: UserId) -> Counts;
    find_message(message_id: MessageId) -> Option<(ConversationId, u64)>;
    find_sent(conversation_id: ConversationId, sender_id: UserId, client_msg_id: ClientMsgId)
        -> Option<SentRecord>;
    revisions(conversation_id: ConversationId, seq: u64) -> Vec<Revision>;
    put_person(person: PersonRecord) -> ();
    put_last_seen(user_id: UserId, at: Timestamp) -> ();
    people(user_ids: Vec<UserId>) -> Vec<PersonRecord>;
    people_with_roles(roles: Roles, after: Option<UserId>, limit: usize) -> Vec<PersonRecord>;
    put_relation(relation: Relation) -> ();
    delete_relation(patient_id: UserId, user_id: UserId) -> bool;
    relations_of(user_id: UserId) -> Vec<Relation>;
    sharing_with(user_id: UserId, others: Vec<UserId>) -> Vec<UserId>;
    ready() -> ();
}
