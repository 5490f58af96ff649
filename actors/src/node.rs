//! One server: everything that its transports call.

mod consultations;
mod conversations;
mod denials;
mod glass;
mod media;
mod notifications;
mod people;

pub use self::{
    consultations::{ConsultationFilter, ConsultationRequest},
    glass::{BrokenGlass, GLASS_MS, GLASS_REASON_BYTES_MAX},
    media::MediaPass,
    notifications::Publication,
};

use actix_rt::{Arbiter, ArbiterHandle};
use bedside_protocol::{
    CloseCode, Command, CommandError, ConversationId, MessageSend, Reply, UserId,
    consultation::{ConsultationEnd, ConsultationRef},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

use crate::{
    audit::{AuditKey, Trail},
    caller::{Caller, Responder},
    cluster::{self, Cluster},
    consultation::Rooms,
    conversation::{Act, Ask},
    denials::{Gate, Guarded},
    directory::Directory,
    outbox::Outbox,
    ports::{
        clock::Clock,
        identity::{Identities, SessionIdentity},
        store::{BodyHash, NotificationMark, Store},
    },
    presence::PresenceTable,
    rates::{self, Rates},
    resume,
    session::{Opening, SessionActor, SessionHandle},
    sessions::{Sessions, Subscriptions},
};

/// Makes the keyed hash of a message's first body.
pub type BodyHasher = Arc<dyn Fn(&MessageSend) -> BodyHash + Send + Sync>;

/// Called with each command that reaches a conversation. Panics in it are as panics of the
/// actor: how tests show that supervision works.
pub type CommandHook = Arc<dyn Fn(&ConversationId, &Command) + Send + Sync>;

/// The name, in the audit log, of a server that is no node of a cluster.
pub const ALONE: &str = "alone";

/// How long [`Node::execute`] waits for an answer.
pub const EXECUTE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long [`Node::settle`] waits for answers, and how often it looks.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(8);
const SETTLE_LOOK: Duration = Duration::from_millis(5);
/// What clients are told to wait that send to a server which is about to stop.
const LEAVING_RETRY_MS: u64 = 1_000;

/// What a node is made of.
pub struct NodeConfig {
    /// Arbiters that conversations are spread over: one per core.
    pub arbiters: usize,
    /// How long after sending a message may be edited.
    pub edit_window: Duration,
    /// How long a conversation may be idle before its actor ends.
    pub passivate_after: Duration,
    /// Hosts that attachment URLs may name. (`https` only; the server never fetches them.)
    pub attachment_hosts: Vec<String>,
    /// Makes the keyed hash by which retries are told from other messages.
    pub body_hash: BodyHasher,
    /// Signs the ends of the audit log's chains.
    pub audit_key: AuditKey,
    /// Fault injection; none outside of tests.
    pub on_command: Option<CommandHook>,
}

/// What all actors of a node share.
pub(crate) struct Shared {
    pub(crate) config: NodeConfig,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Lets in nobody whom `gate` keeps out.
    pub(crate) identities: Arc<dyn Identities>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) trail: Arc<Trail>,
    pub(crate) directory: Directory,
    pub(crate) sessions: Sessions,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) presence: PresenceTable,
    pub(crate) rooms: Rooms,
    pub(crate) rates: Rates,
    pub(crate) cluster: Option<Arc<Cluster>>,
    /// Sockets' commands are not taken any more.
    is_leaving: AtomicBool,
}

impl Shared {
    /// Whether commands of sockets are still taken.
    ///
    /// # Errors
    /// `unavailable`, once the server is about to stop.
    pub(crate) fn stay(&self) -> Result<(), CommandError> {
        if self.is_leaving.load(Ordering::SeqCst) {
            let why = "the server is about to stop";
            return Err(CommandError::unavailable(why, LEAVING_RETRY_MS));
        }
        Ok(())
    }

    /// Takes one command or request from what a user may do.
    ///
    /// # Errors
    /// `rate_limited`, with how long to wait.
    pub(crate) fn allow(&self, user_id: &UserId) -> Result<(), CommandError> {
        let elsewhere = |cluster: &Arc<Cluster>| {
            let slot = self.sessions.find(user_id);
            let key = slot.map_or_else(|| cluster.user_key(user_id), |slot| slot.key(cluster));
            cluster.whereabouts.count(key)
        };
        let nodes = 1 + self.cluster.as_ref().map_or(0, elsewhere);
        self.rates.take(user_id, nodes).map_err(rates::refusal)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

/// One server. Cheap to share; make it inside a running actix `System`.
pub struct Node {
    pub(crate) shared: Arc<Shared>,
    /// What was last written of each person, as a hash of their claims.
    known: Arc<Mutex<HashMap<UserId, u64>>>,
    arbiters: Vec<ArbiterHandle>,
}

impl Node {
    /// Starts the node's arbiters and actors.
    #[must_use]
    pub fn start(
        config: NodeConfig,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        identities: Arc<dyn Identities>,
    ) -> Arc<Self> {
        Self::start_in(config, store, clock, identities, None)
    }

    /// The same, as part of a cluster.
    #[must_use]
    pub fn start_in(
        config: NodeConfig,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        identities: Arc<dyn Identities>,
        cluster: Option<Arc<Cluster>>,
    ) -> Arc<Self> {
        let arbiters: Vec<_> = (0..config.arbiters.max(1))
            .map(|_| Arbiter::new().handle())
            .collect();
        let gate = Arc::<Gate>::default();
        let guarded = Guarded {
            identities,
            gate: gate.clone(),
        };
        let name = cluster
            .as_ref()
            .map_or(ALONE, |cluster| cluster.me().as_str());
        let trail = Trail::new(name.to_owned(), config.audit_key.clone());
        arbiters[0].spawn(Trail::run(
            Arc::downgrade(&trail),
            Arc::downgrade(&store),
            clock.clone(),
        ));
        let shared = Arc::new(Shared {
            config,
            store,
            clock,
            identities: Arc::new(guarded),
            gate,
            trail,
            directory: Directory::new(arbiters.clone()),
            sessions: Sessions::default(),
            subscriptions: Subscriptions::default(),
            presence: PresenceTable::default(),
            rooms: Rooms::default(),
            rates: Rates::default(),
            cluster,
            is_leaving: AtomicBool::new(false),
        });
        shared.directory.connect(&shared);
        shared.presence.connect(&shared, &arbiters);
        if let Some(cluster) = &shared.cluster {
            // Of its own: a room of 1,000 must not delay the signs of life.
            let arbiter = Arbiter::new().handle();
            let inbox = Arc::new(cluster::Mailbox(Arc::downgrade(cluster)));
            cluster.connect(&shared, arbiter, inbox);
        }
        Arc::new(Self {
            shared,
            known: Arc::default(),
            arbiters,
        })
    }

    /// Opens a session for a verified identity. Its actor runs on the calling arbiter; the first
    /// frame in the outbox is `session.welcome`, once the person is in the directory.
    pub fn open_session(
        self: &Arc<Self>,
        identity: SessionIdentity,
        outbox: Arc<Outbox>,
    ) -> SessionHandle {
        let opening = Opening::default();
        self.open_session_of(identity, opening, outbox)
    }

    /// The same for a client of which more is known.
    pub fn open_session_of(
        self: &Arc<Self>,
        identity: SessionIdentity,
        opening: Opening,
        outbox: Arc<Outbox>,
    ) -> SessionHandle {
        SessionActor::open(self.clone(), identity, opening, outbox)
    }

    /// Takes one request from what a user may do in a second, on all nodes and sockets together.
    /// Commands of sockets are counted by themselves.
    ///
    /// # Errors
    /// `rate_limited`, with how long to wait.
    pub fn allow(&self, user_id: &UserId) -> Result<(), CommandError> {
        self.shared.allow(user_id)
    }

    /// Does one command for a caller without a socket, within 10 s. Every command but
    /// `session.*`, `sync.resume`, `conversation.subscribe`/`unsubscribe`, `presence.watch` and
    /// `consultation.join`/`leave`.
    ///
    /// # Errors
    /// Whatever the command is refused with.
    pub async fn execute(
        self: &Arc<Self>,
        caller: Caller,
        command: Command,
    ) -> Result<Reply, CommandError> {
        if caller.roles.is_empty() {
            return Err(CommandError::forbidden("your role has no rights here"));
        }
        match command {
            Command::ConversationCreate(create) => self.create_conversation(&caller, create).await,
            Command::MessageHistory(history) => {
                resume::history(&self.shared, &caller, history).await
            }
            Command::PresenceSet(set) => {
                self.shared.presence.set_status(caller.user_id, set.status);
                Ok(Reply::Empty(bedside_protocol::reply::Empty {}))
            }
            Command::MessageSend(send) => {
                send.validate()?;
                let (id, send) = self.resolve(&caller, send).await?;
                self.ask(caller, id, Command::MessageSend(send)).await
            }
            Command::ConsultationStart(ConsultationRef { consultation_id })
            | Command::ConsultationEnd(ConsultationEnd {
                consultation_id, ..
            }) => {
                let id = self.consultation_chat(consultation_id).await?;
                self.ask(caller, id, command).await
            }
            Command::NotificationAck(r) => {
                self.mark_notification(&caller, r, NotificationMark::Acked)
                    .await
            }
            Command::NotificationRead(r) => {
                self.mark_notification(&caller, r, NotificationMark::Read)
                    .await
            }
            other => match conversation_of(&other) {
                Some(id) => self.ask(caller, id, other).await,
                None => Err(CommandError::invalid("not a command for this way in")),
            },
        }
    }

    async fn resolve(
        self: &Arc<Self>,
        caller: &Caller,
        mut send: MessageSend,
    ) -> Result<(ConversationId, MessageSend), CommandError> {
        let id = match (
            send.conversation_id,
            send.to_user_id.take(),
            send.consultation_id.take(),
        ) {
            (Some(id), _, _) => id,
            (None, Some(to), _) => self.direct_with(caller, to).await?,
            (None, None, Some(id)) => self.consultation_chat(id).await?,
            (None, None, None) => return Err(CommandError::invalid("conversation_id is missing")),
        };
        send.conversation_id = Some(id);
        Ok((id, send))
    }

    async fn ask(
        &self,
        caller: Caller,
        id: ConversationId,
        act: impl Into<Act>,
    ) -> Result<Reply, CommandError> {
        let (responder, answer) = Responder::channel();
        self.shared.directory.send(
            id,
            Ask {
                caller,
                act: act.into(),
                responder,
                since: Instant::now(),
            },
        );
        match tokio::time::timeout(EXECUTE_TIMEOUT, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(CommandError::unavailable(
                "no answer in time; whether it was done is unknown",
                1_000,
            )),
        }
    }

    /// Where everything is kept, for what the facade only reads.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// This node's part in a cluster, if it is in one.
    #[must_use]
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.shared.cluster.as_ref()
    }

    /// What is written down for auditors.
    #[must_use]
    pub fn trail(&self) -> &Arc<Trail> {
        &self.shared.trail
    }

    /// What time it is.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// Who tokens speak for, if they are let in.
    #[must_use]
    pub fn identities(&self) -> &Arc<dyn Identities> {
        &self.shared.identities
    }

    /// Closes every socket of this user, on all nodes; how many there were on this one. Whether they may come
    /// back is up to the code, and to their token.
    pub fn end_sessions(&self, user_id: &UserId, code: CloseCode) -> u64 {
        if let Some(cluster) = &self.shared.cluster {
            cluster.end_sessions(user_id, code);
        }
        let sessions = &self.shared.sessions;
        sessions.each_of(user_id, |outbox| outbox.close(code))
    }

    /// Whether it was told to [settle](Self::settle).
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.shared.is_leaving.load(Ordering::SeqCst)
    }

    /// Takes no more commands from sockets, and waits until those that it took are answered, but
    /// no longer than 8 s: what is stored in these moments is acknowledged too.
    pub async fn settle(&self) {
        self.shared.is_leaving.store(true, Ordering::SeqCst);
        let until = Instant::now() + SETTLE_TIMEOUT;
        // Each counts a command before it asks whether they are taken.
        let mut waiting = self.shared.sessions.all();
        loop {
            waiting.retain(|outbox| outbox.owes_answers());
            if waiting.is_empty() {
                return;
            }
            if Instant::now() >= until {
                tracing::warn!(
                    sockets = waiting.len(),
                    "some commands are not answered yet"
                );
                return;
            }
            tokio::time::sleep(SETTLE_LOOK).await;
        }
    }

    /// Ends every session with 1001, once what waits for its client is written.
    pub fn dismiss(&self) {
        for outbox in self.shared.sessions.all() {
            outbox.close(CloseCode::GoingAway);
        }
    }

    /// Ends every session, lets what waits be committed, and closes the store.
    pub async fn shut_down(&self) {
        self.dismiss();
        if let Some(cluster) = &self.shared.cluster {
            cluster.leave().await;
        }
        self.shared.trail.flush(&*self.shared.clock).await;
        self.shared.store.close().await;
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

/// Which conversation's actor a command goes to.
pub(crate) fn conversation_of(command: &Command) -> Option<ConversationId> {
    match command {
        Command::ConversationUpdate(c) => Some(c.conversation_id),
        Command::ConversationSet(c) => Some(c.conversation_id),
        Command::ConversationSubscribe(c) | Command::MemberLeave(c) => Some(c.conversation_id),
        Command::MemberAdd(c) => Some(c.conversation_id),
        Command::MemberRemove(c) => Some(c.conversation_id),
        Command::MessageSend(c) => c.conversation_id,
        Command::MessageEdit(c) => Some(c.conversation_id),
        Command::MessageDelete(c) => Some(c.conversation_id),
        Command::MessageReact(c) => Some(c.conversation_id),
        Command::ReceiptDeliver(c) | Command::ReceiptRead(c) => Some(c.conversation_id),
        Command::TypingSet(c) => Some(c.conversation_id),
        Command::SessionHello(_)
        | Command::SessionRefresh(_)
        | Command::SyncResume(_)
        | Command::ConversationCreate(_)
        | Command::ConversationUnsubscribe(_)
        | Command::MessageHistory(_)
        | Command::PresenceSet(_)
        | Command::PresenceWatch(_)
        | Command::ConsultationJoin(_)
        | Command::ConsultationLeave(_)
        | Command::ConsultationStart(_)
        | Command::ConsultationEnd(_)
        | Command::NotificationAck(_)
        | Command::NotificationRead(_) => None,
    }
}
