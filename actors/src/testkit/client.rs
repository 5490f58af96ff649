//! A client without a socket: talks to a [`Node`] through an outbox, as a transport does.

use bedside_protocol::{
    CloseCode, Command, CommandError, CommandFrame, ConversationId, Event, EventFrame, Reply, Role,
    Roles, ServerFrame, Timestamp, UserId, WireFormat,
    codec::{decode_server_frame, encode_error, encode_event, encode_reply},
    message::MessageSend,
};
use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use crate::{
    audit::AuditKey,
    node::{Node, NodeConfig},
    outbox::{Drained, ENCODER_SLOTS, Encoder, Outbox},
    ports::{
        clock::SystemClock,
        identity::{Identities, SessionIdentity, TokenStamp, Verification, Verified},
        store::Store,
    },
    session::SessionHandle,
};

/// Longer than anything here takes, shorter than anyone wants to wait for a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plain JSON, without any framing.
struct Plain;

static PLAIN: Plain = Plain;

impl Encoder for Plain {
    fn slot(&self) -> usize {
        ENCODER_SLOTS - 1
    }
    fn event(&self, frame: &EventFrame) -> Bytes {
        encode_event(WireFormat::Json, frame).into()
    }
    fn reply(&self, reply_to: u64, reply: &Reply) -> Bytes {
        encode_reply(WireFormat::Json, reply_to, reply).into()
    }
    fn error(&self, reply_to: Option<u64>, error: &CommandError) -> Bytes {
        encode_error(WireFormat::Json, reply_to, error).into()
    }
}

/// Takes `user:role` for a token.
pub struct PlainIdentities;

impl Identities for PlainIdentities {
    fn verify(&self, token: &str, _: Timestamp) -> Verification {
        plain(token).into()
    }
}

fn plain(token: &str) -> Verified {
    let refused = |why| CommandError::new(bedside_protocol::ErrorCode::Unauthorized, why);
    let (user, role) = token
        .split_once(':')
        .ok_or_else(|| refused("not user:role"))?;
    let role = Role::parse(role).ok_or_else(|| refused("role"))?;
    Ok(identity(user, role))
}

/// An identity for tests.
///
/// # Panics
/// When `user` is no user id.
#[must_use]
pub fn identity(user: &str, role: Role) -> SessionIdentity {
    SessionIdentity {
        user_id: UserId::new(user).expect("a test's user id"),
        name: Arc::from(user),
        email: Arc::from(""),
        roles: Roles::from(role),
        expires_at: None,
        stamp: TokenStamp::default(),
    }
}

/// A configuration for tests: one arbiter, nothing passivated, a hash that is not keyed.
#[must_use]
pub fn config() -> NodeConfig {
    NodeConfig {
        arbiters: 1,
        edit_window: Duration::from_secs(900),
        passivate_after: Duration::from_secs(300),
        attachment_hosts: vec!["files.example".to_owned()],
        body_hash: Arc::new(|send: &MessageSend| {
            use std::hash::{DefaultHasher, Hash, Hasher};
            let mut hasher = DefaultHasher::new();
            (
                &send.text,
                send.reply_to_seq,
                format!("{:?}", send.attachments),
            )
                .hash(&mut hasher);
            let mut hash = [0; 16];
            hash[..8].copy_from_slice(&hasher.finish().to_le_bytes());
            hash
        }),
        audit_key: AuditKey::derived_from(b"a test"),
        on_command: None,
    }
}

/// A node for tests.
#[must_use]
pub fn node(config: NodeConfig, store: Arc<dyn Store>) -> Arc<Node> {
    Node::start(
        config,
        store,
        Arc::new(SystemClock),
        Arc::new(PlainIdentities),
    )
}

/// What a client was told about one conversation: seq to event name.
pub type Seen = Vec<(u64, Event)>;

/// One signed-in device.
pub struct Client {
    session: SessionHandle,
    outbox: Arc<Outbox>,
    next_id: u64,
    replies: HashMap<u64, Result<serde_json::Value, CommandError>>,
    /// Every event that came, in order, but for those that a wait took out.
    pub events: VecDeque<EventFrame>,
    closed: Option<CloseCode>,
}

impl Client {
    /// Signs in and takes the welcome.
    pub async fn open(node: &Arc<Node>, user: &str, role: Role) -> Self {
        Self::open_as(node, identity(user, role)).await
    }

    /// Signs in and does not wait for the welcome.
    #[must_use]
    pub fn knock(node: &Arc<Node>, identity: SessionIdentity) -> Self {
        let outbox = Outbox::new(&PLAIN, identity.roles);
        let session = node.open_session(identity, outbox.clone());
        Self {
            session,
            outbox,
            next_id: 0,
            replies: HashMap::new(),
            events: VecDeque::new(),
            closed: None,
        }
    }

    /// Signs in as `identity` and takes the welcome.
    pub async fn open_as(node: &Arc<Node>, identity: SessionIdentity) -> Self {
        let mut client = Self::knock(node, identity);
        client
            .wait_for(|frame| matches!(frame.event, Event::SessionWelcome(_)))
            .await;
        client
    }

    /// Sends a command; the id of its reply.
    ///
    /// # Panics
    /// When the session's mailbox is full.
    pub fn post(&mut self, command: Command) -> u64 {
        self.try_post(command).expect("room in the mailbox")
    }

    /// Sends a command, if the session's mailbox takes it.
    pub fn try_post(&mut self, command: Command) -> Option<u64> {
        let frame = CommandFrame {
            id: Some(self.next_id + 1),
            command,
        };
        self.session.command(frame).ok()?;
        self.next_id += 1;
        Some(self.next_id)
    }

    /// Sends a command as soon as the session's mailbox takes it.
    pub async fn post_when_room(&mut self, command: Command) -> u64 {
        self.next_id += 1;
        let frame = CommandFrame {
            id: Some(self.next_id),
            command,
        };
        self.session.command_when_room(frame).await;
        self.next_id
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// What it was refused with.
    pub async fn ask(&mut self, command: Command) -> Result<serde_json::Value, CommandError> {
        let id = self.post(command);
        self.answer(id).await
    }

    /// Waits for the answer to a posted command.
    ///
    /// # Errors
    /// What it was refused with.
    pub async fn answer(&mut self, id: u64) -> Result<serde_json::Value, CommandError> {
        while !self.replies.contains_key(&id) {
            assert!(self.read().await, "closed while waiting for a reply");
        }
        self.replies.remove(&id).expect("it was just seen")
    }

    /// Sends a text; its seq.
    ///
    /// # Errors
    /// What it was refused with.
    pub async fn say(&mut self, to: ConversationId, text: &str) -> Result<u64, CommandError> {
        let reply = self.ask(say(to, text)).await?;
        Ok(reply["seq"].as_u64().expect("a seq"))
    }

    /// The answer to a posted command; none when the socket was closed before it came.
    pub async fn answer_or_cut(
        &mut self,
        id: u64,
    ) -> Option<Result<serde_json::Value, CommandError>> {
        while !self.replies.contains_key(&id) {
            if !self.read().await {
                return None;
            }
        }
        self.replies.remove(&id)
    }

    /// Waits until the server closes the socket; why it did.
    pub async fn close_code(&mut self) -> CloseCode {
        while self.read().await {}
        self.closed.expect("it was just closed")
    }

    /// Takes in what is there, without waiting for more.
    pub async fn glance(&mut self) {
        while let Ok(true) = tokio::time::timeout(Duration::ZERO, self.read()).await {}
    }

    /// Waits for an event and takes it out.
    pub async fn wait_for(&mut self, wanted: impl Fn(&EventFrame) -> bool) -> EventFrame {
        loop {
            if let Some(i) = self.events.iter().position(&wanted) {
                return self.events.remove(i).expect("it was just found");
            }
            assert!(self.read().await, "closed while waiting for an event");
        }
    }

    /// Waits until the events of a conversation reach `seq`, batches counted; all that came, in
    /// order.
    pub async fn see(&mut self, id: ConversationId, seq: u64) -> Seen {
        loop {
            let seen = self.seen(id);
            if seen.last().is_some_and(|(last, _)| *last >= seq) {
                return seen;
            }
            assert!(self.read().await, "closed while waiting for seq {seq}");
        }
    }

    /// What came of a conversation so far, in the order in which it came.
    #[must_use]
    pub fn seen(&self, id: ConversationId) -> Seen {
        let mut seen = Vec::new();
        for frame in self.events.iter().filter(|f| f.conversation_id == Some(id)) {
            match (&frame.event, frame.seq) {
                (Event::SyncBatch(batch), _) => {
                    seen.extend(batch.events.iter().map(|e| (e.seq, e.event.clone())));
                }
                (event, Some(seq)) => seen.push((seq, event.clone())),
                _ => {}
            }
        }
        seen
    }

    /// Reads what came until `poll` has nothing more; false when the outbox was closed.
    async fn read(&mut self) -> bool {
        let mut frames = VecDeque::new();
        let drained = tokio::time::timeout(
            PATIENCE,
            std::future::poll_fn(|cx| match self.outbox.poll_drain(cx, &mut frames, 64) {
                Poll::Ready(drained) => Poll::Ready(drained),
                Poll::Pending => Poll::Pending,
            }),
        )
        .await
        .expect("nothing came in 20 s");
        match drained {
            Drained::Closed(code) => {
                self.closed = Some(code);
                return false;
            }
            Drained::Holes(holes) => self.session.fill_holes(holes),
            Drained::Frames => {}
        }
        for bytes in frames {
            match decode_server_frame(WireFormat::Json, &bytes).expect("a frame of the protocol") {
                ServerFrame::Reply { reply_to, data } => {
                    self.replies.insert(reply_to, Ok(data));
                }
                ServerFrame::Error { reply_to, error } => {
                    self.replies.insert(reply_to.unwrap_or(0), Err(error));
                }
                ServerFrame::Event(frame) => self.events.push_back(frame),
            }
        }
        true
    }

    /// The outbox, for tests that look inside.
    #[must_use]
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }
}

/// A `message.send`.
#[must_use]
pub fn say(to: ConversationId, text: &str) -> Command {
    Command::MessageSend(MessageSend {
        conversation_id: Some(to),
        text: text.to_owned(),
        ..MessageSend::default()
    })
}
