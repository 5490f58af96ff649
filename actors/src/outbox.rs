//! What waits to be written to one socket, within bounds, and how far each conversation has
//! been shown on it.
//!
//! Producers (conversation actors, presence) push from any thread; the one consumer is the
//! socket's driver. A push never waits: past the bounds the outbox first drops what is ephemeral
//! and then closes with the slow-consumer code, so that the client comes back and resumes by
//! seq. A durable event is never dropped silently.
//!
//! The outbox also keeps promise 6 of the protocol: per conversation it knows the last seq that
//! it has shown. An event that would leave a hole is held back, and the session is asked to fill
//! the hole from the store first.

mod item;
mod positions;
mod weight;

pub use item::{Ambient, Item, Unwatched};

use bedside_protocol::{
    CloseCode, CommandError, ConversationId, EventFrame, Reply, Roles, SessionId, limits,
    node::Audience,
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    any::Any,
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use self::positions::Position;
use crate::{counters::COUNTERS, ports::identity::TokenStamp};

/// How one transport writes frames: complete with whatever framing its wire needs, so that the
/// same bytes can be shared by every socket of that kind.
pub trait Encoder: Send + Sync {
    /// Which of the shared encodings this is: encoders with the same slot write the same bytes.
    fn slot(&self) -> usize;
    /// An event.
    fn event(&self, frame: &EventFrame) -> Bytes;
    /// The answer to a command that went well.
    fn reply(&self, reply_to: u64, reply: &Reply) -> Bytes;
    /// The answer to a command that was refused.
    fn error(&self, reply_to: Option<u64>, error: &CommandError) -> Bytes;
}

/// How many different shared encodings there may be. The native formats have 0 and 1.
pub const ENCODER_SLOTS: usize = 8;

/// An event that is encoded at most once per encoding, however many sockets it goes to.
pub struct SharedEvent {
    frame: EventFrame,
    encoded: [OnceLock<Bytes>; ENCODER_SLOTS],
}

impl SharedEvent {
    /// An event on its way out.
    #[must_use]
    pub fn new(frame: EventFrame) -> Arc<Self> {
        Arc::new(Self {
            frame,
            encoded: Default::default(),
        })
    }

    /// What is shared.
    #[must_use]
    pub fn frame(&self) -> &EventFrame {
        &self.frame
    }

    fn bytes(&self, encoder: &dyn Encoder) -> Bytes {
        self.shared(encoder.slot(), || encoder.event(&self.frame))
    }

    /// The bytes of one shared encoding, made at most once. The same slot always holds the same
    /// encoding; which one is up to the transports.
    pub fn shared(&self, slot: usize, make: impl FnOnce() -> Bytes) -> Bytes {
        self.encoded[slot].get_or_init(make).clone()
    }
}

/// How an outbox keeps what waits.
enum Mode {
    /// As frames of one encoding.
    Encoded(&'static dyn Encoder),
    /// As it is.
    Raw(Ambient),
}

struct Waiting {
    item: Item,
    bytes: usize,
    ephemeral: bool,
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<Waiting>,
    queued_bytes: usize,
    positions: HashMap<ConversationId, Position>,
    holes: Vec<ConversationId>,
    /// Conversations whose typing it hears without a subscription.
    listens: HashSet<ConversationId>,
    stamp: TokenStamp,
    closing: Option<CloseCode>,
    driver: Option<Waker>,
    room: Vec<Waker>,
}

/// The outbox of one socket. See the module's text.
pub struct Outbox {
    session_id: SessionId,
    mode: Mode,
    roles: AtomicU8,
    /// Commands of this socket that are not answered yet.
    owed: AtomicUsize,
    inner: Mutex<Inner>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outbox({})", self.session_id)
    }
}

/// What the driver takes out.
#[derive(Debug, PartialEq, Eq)]
pub enum Drained {
    /// Frames were added to the driver's list.
    Frames,
    /// The session must be told to fill holes in these conversations.
    Holes(Vec<ConversationId>),
    /// Nothing more will come: write a close frame with this code.
    Closed(CloseCode),
}

/// The outbox was closed; nobody reads any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl Outbox {
    /// The outbox of a new socket whose frames are all written by `encoder`.
    #[must_use]
    pub fn new(encoder: &'static dyn Encoder, roles: Roles) -> Arc<Self> {
        Self::with(Mode::Encoded(encoder), roles)
    }

    /// The outbox of a new socket whose transport takes out [items](Item) and writes them
    /// itself. It also gets the events that its own commands make.
    #[must_use]
    pub fn raw(roles: Roles, ambient: Ambient) -> Arc<Self> {
        Self::with(Mode::Raw(ambient), roles)
    }

    fn with(mode: Mode, roles: Roles) -> Arc<Self> {
        Arc::new(Self {
            session_id: SessionId::new(),
            mode,
            roles: AtomicU8::new(roles.bits()),
            owed: AtomicUsize::new(0),
            inner: Mutex::default(),
        })
    }

    /// Whose socket, as the world may know it.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// Whether events of its own commands go to it, and not only their replies.
    #[must_use]
    pub fn hears_itself(&self) -> bool {
        matches!(self.mode, Mode::Raw(_))
    }

    /// What it hears without having subscribed to it.
    #[must_use]
    pub fn ambient(&self) -> Ambient {
        match self.mode {
            Mode::Encoded(_) => Ambient::default(),
            Mode::Raw(ambient) => ambient,
        }
    }

    /// From now on the socket hears typing in this conversation, as far as its user may.
    pub fn listen(&self, conversation_id: ConversationId) {
        self.inner.lock().listens.insert(conversation_id);
    }

    /// Ends what [`Self::listen`] began.
    pub fn unlisten(&self, conversation_id: ConversationId) {
        self.inner.lock().listens.remove(&conversation_id);
    }

    /// Whether it is to hear typing in this conversation.
    #[must_use]
    pub fn listens_to(&self, conversation_id: ConversationId) -> bool {
        self.hears_itself() && self.inner.lock().listens.contains(&conversation_id)
    }

    /// Whether an event for these sockets of its user is for it, without a subscription.
    #[must_use]
    pub(crate) fn is_of(&self, audience: Audience, id: Option<ConversationId>) -> bool {
        let listens = || id.is_some_and(|id| self.listens_to(id));
        match audience {
            Audience::All => true,
            Audience::Staff => self.roles().is_staff(),
            Audience::TypingDirect => self.ambient().direct_typing || listens(),
            Audience::TypingConsultation => self.ambient().consultation_typing || listens(),
            Audience::Typing => listens(),
        }
    }

    /// What the socket's present token grants.
    #[must_use]
    pub fn roles(&self) -> Roles {
        Roles::from_bits(self.roles.load(Ordering::Relaxed))
    }

    /// A new token took the place of the old one.
    pub fn set_roles(&self, roles: Roles) {
        self.roles.store(roles.bits(), Ordering::Relaxed);
    }

    /// By what the socket's present token can be revoked.
    #[must_use]
    pub fn stamp(&self) -> TokenStamp {
        self.inner.lock().stamp.clone()
    }

    /// The socket has this token from now on.
    pub fn set_stamp(&self, stamp: TokenStamp) {
        self.inner.lock().stamp = stamp;
    }

    /// Pushes an event, unless it has been shown; holds it back when it would leave a hole.
    pub fn event(&self, event: &Arc<SharedEvent>) {
        let mut inner = self.inner.lock();
        if inner.closing.is_some() {
            return;
        }
        if let (Some(conversation_id), Some(seq)) = (event.frame.conversation_id, event.frame.seq)
            && !inner.advance(conversation_id, seq)
        {
            return;
        }
        let (item, bytes) = self.item(event);
        inner.push(item, bytes, event.frame.event.is_ephemeral());
    }

    fn item(&self, event: &Arc<SharedEvent>) -> (Item, usize) {
        match self.mode {
            Mode::Encoded(encoder) => {
                let frame = event.bytes(encoder);
                let bytes = frame.len();
                (Item::Frame(frame), bytes)
            }
            Mode::Raw(_) => (
                Item::Event(event.clone()),
                weight::of_event(&event.frame.event),
            ),
        }
    }

    /// A command was taken in, and is answered later.
    pub(crate) fn owe_answer(&self) {
        self.owed.fetch_add(1, Ordering::SeqCst);
    }

    /// It is answered.
    pub(crate) fn answered(&self) {
        self.owed.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether commands of this socket wait for their answers.
    #[must_use]
    pub fn owes_answers(&self) -> bool {
        self.owed.load(Ordering::SeqCst) > 0
    }

    /// Pushes the answer to a command.
    pub fn reply(&self, reply_to: u64, reply: &Reply) {
        let (item, bytes) = match self.mode {
            Mode::Encoded(encoder) => frame(encoder.reply(reply_to, reply)),
            Mode::Raw(_) => (
                Item::Reply(reply_to, Box::new(reply.clone())),
                weight::of_reply(reply),
            ),
        };
        self.inner.lock().push(item, bytes, false);
    }

    /// Pushes a refusal.
    pub fn error(&self, reply_to: Option<u64>, error: &CommandError) {
        let (item, bytes) = match self.mode {
            Mode::Encoded(encoder) => frame(encoder.error(reply_to, error)),
            Mode::Raw(_) => (Item::Error(reply_to, Box::new(error.clone())), weight::BASE),
        };
        self.inner.lock().push(item, bytes, false);
    }

    /// Pushes a note of the transport's own, of about so many bytes, to a raw outbox. An
    /// ephemeral one may be dropped.
    pub fn note(&self, note: Arc<dyn Any + Send + Sync>, bytes: usize, ephemeral: bool) {
        if matches!(self.mode, Mode::Raw(_)) {
            let mut inner = self.inner.lock();
            inner.push(Item::Note(note), bytes, ephemeral);
        }
    }

    /// Closes the socket once what waits is written. The first reason stands.
    pub fn close(&self, code: CloseCode) {
        self.inner.lock().close(code);
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.lock().closing.is_some()
    }

    /// Ready once it was closed, for a driver whose own list is still full: it need not write
    /// all of that first. The task is woken when it is, as by [`Self::poll_drain`].
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<CloseCode> {
        let mut inner = self.inner.lock();
        match inner.closing {
            Some(code) => Poll::Ready(code),
            None => {
                inner.wake_on_change(cx);
                Poll::Pending
            }
        }
    }

    /// Waits until there is room for a large frame.
    ///
    /// # Errors
    /// When the outbox was closed.
    pub async fn room(&self) -> Result<(), Closed> {
        std::future::poll_fn(|cx| self.poll_room(cx)).await
    }

    /// Ready when there is room for a large frame, as [`Self::room`] is. The task is woken when
    /// there is.
    ///
    /// # Errors
    /// When the outbox was closed.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let mut inner = self.inner.lock();
        if inner.closing.is_some() {
            Poll::Ready(Err(Closed))
        } else if inner.queue.len() < limits::OUTBOX_FRAMES_MAX / 4
            && inner.queued_bytes < limits::OUTBOX_BYTES_MAX / 4
        {
            Poll::Ready(Ok(()))
        } else {
            // An actor's futures share its waker and are all polled whenever it is.
            if !inner.room.iter().any(|waker| waker.will_wake(cx.waker())) {
                inner.room.push(cx.waker().clone());
            }
            Poll::Pending
        }
    }

    /// Moves up to `frames_max` waiting frames to the end of `into`. Pending when there is
    /// nothing to do; the task is woken when there is.
    pub fn poll_drain(
        &self,
        cx: &mut Context<'_>,
        into: &mut VecDeque<Bytes>,
        frames_max: usize,
    ) -> Poll<Drained> {
        self.poll_take(cx, frames_max, |item| match item {
            Item::Frame(frame) => into.push_back(frame),
            // An encoded outbox holds nothing else, and a raw one has its own way out.
            other => debug_assert!(false, "{other:?} in an encoded outbox"),
        })
    }

    /// The same for a raw outbox.
    pub fn poll_items(
        &self,
        cx: &mut Context<'_>,
        into: &mut VecDeque<Item>,
        items_max: usize,
    ) -> Poll<Drained> {
        self.poll_take(cx, items_max, |item| into.push_back(item))
    }

    fn poll_take(
        &self,
        cx: &mut Context<'_>,
        items_max: usize,
        mut put: impl FnMut(Item),
    ) -> Poll<Drained> {
        let mut inner = self.inner.lock();
        if !inner.holes.is_empty() && inner.closing.is_none() {
            return Poll::Ready(Drained::Holes(std::mem::take(&mut inner.holes)));
        }
        if inner.queue.is_empty() {
            if let Some(code) = inner.closing {
                return Poll::Ready(Drained::Closed(code));
            }
            inner.wake_on_change(cx);
            return Poll::Pending;
        }
        let count = inner.queue.len().min(items_max);
        let mut taken = 0;
        for waiting in inner.queue.drain(..count) {
            taken += waiting.bytes;
            put(waiting.item);
        }
        inner.queued_bytes -= taken;
        if inner.queue.is_empty() && inner.queue.capacity() > 8 {
            // An idle socket keeps no room for a burst long past.
            inner.queue = VecDeque::new();
        }
        for waker in inner.room.drain(..) {
            waker.wake();
        }
        Poll::Ready(Drained::Frames)
    }
}

fn frame(bytes: Bytes) -> (Item, usize) {
    let weight = bytes.len();
    (Item::Frame(bytes), weight)
}

impl Inner {
    fn push(&mut self, item: Item, bytes: usize, ephemeral: bool) {
        if self.closing.is_some() {
            return;
        }
        if self.is_over() {
            let before = self.queue.len();
            self.queue.retain(|waiting| !waiting.ephemeral);
            let mut dropped = before - self.queue.len();
            if dropped > 0 {
                self.queued_bytes = self.queue.iter().map(|w| w.bytes).sum();
            }
            if self.is_over() {
                if !ephemeral {
                    COUNTERS.outbox_overflows.add(1);
                    // What waits would never be read in time; the client resumes by seq.
                    self.queue = VecDeque::new();
                    self.queued_bytes = 0;
                    self.close(CloseCode::SlowConsumer);
                    return;
                }
                dropped += 1;
                COUNTERS.outbox_ephemeral_dropped.add(dropped as u64);
                return;
            }
            COUNTERS.outbox_ephemeral_dropped.add(dropped as u64);
        }
        self.queued_bytes += bytes;
        self.queue.push_back(Waiting {
            item,
            bytes,
            ephemeral,
        });
        self.wake();
    }

    /// Judged by what waits already, so that one large frame always has its turn.
    fn is_over(&self) -> bool {
        self.queue.len() >= limits::OUTBOX_FRAMES_MAX
            || self.queued_bytes >= limits::OUTBOX_BYTES_MAX
    }

    fn close(&mut self, code: CloseCode) {
        if self.closing.is_none() {
            self.closing = Some(code);
            self.positions = HashMap::new();
            self.holes = Vec::new();
            for waker in self.room.drain(..) {
                waker.wake();
            }
            self.wake();
        }
    }

    fn wake_on_change(&mut self, cx: &Context<'_>) {
        match &mut self.driver {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.driver.take() {
            waker.wake();
        }
    }
}
