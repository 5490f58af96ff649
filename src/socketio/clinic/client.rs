//! One client in one namespace, as far as all namespaces are alike: its session, what it asked
//! for, and what is being found out for it.

use bedside_actors::{
    audit::Whence,
    caller::Caller,
    outbox::{Ambient, Outbox},
    ports::{identity::SessionIdentity, store::Store},
    session::{Opening, SessionHandle},
};
use bedside_protocol::{
    Command, CommandError, CommandFrame, Conversation, ConversationId, Message, Presence, UserId,
    command::Receipt,
};
use futures_util::future::{BoxFuture, FutureExt as _};
use serde::Serialize;
use serde_json::Value as Json;
use std::{
    cell::RefCell,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    asked::{About, Asked, AskedTable, What},
    audit::{self, Entry},
    delivery::Delivery,
    faces::{Facts, Learning},
    hall::Hall,
    input::{Impostor, Input},
};
use crate::{budget::Budget, peer_calls::wire::Seated};

/// What an answer of our own weighs, for the outbox's bound on bytes.
const ANSWER_BYTES: usize = 256;

/// What has to be found out before something can be done, and what follows then.
pub(super) type Job = BoxFuture<'static, Step>;

/// What follows from a [`Job`].
pub(super) enum Step {
    /// The session is asked.
    Command(Command, Asked),
    /// It is done, there is nothing to say but this.
    Done(Asked, Json),
    /// It is refused.
    Refused(Asked, CommandError),
    /// The client may join a chat, if need be without being seen there. At other nodes these are
    /// in it.
    Join(Asked, ConversationId, Unseen, Vec<Seated>),
    /// The client's direct conversations, newest activity first; none when they could not be
    /// read.
    Directs(Option<Vec<Conversation>>),
}

/// Whether those in a chat do not see each other.
pub(super) type Unseen = bool;

/// What has to be found out before the next thing can be shown.
pub(super) type Missing = BoxFuture<'static, Found>;

/// What was found out, for what is shown next.
pub(super) enum Found {
    /// It is known now.
    Learned,
    /// It is in the audit log now.
    Audited,
    /// The message, if there is one.
    Message(Option<Box<Message>>),
    /// Those who are watched now.
    Watched(Vec<Presence>),
}

/// Something of our own for the client, behind what waits already.
pub(super) enum Note {
    /// It went well.
    Answer(i64, Json),
    /// It is refused.
    Refused(Option<i64>, CommandError, Option<Entry>),
    /// An event.
    Emit(&'static str, Json),
    /// Everything before this came before it.
    Mark,
}

/// See the module's text.
pub(super) struct Client {
    pub(super) hall: Arc<Hall>,
    pub(super) caller: Caller,
    pub(super) namespace: &'static str,
    pub(super) outbox: Arc<Outbox>,
    pub(super) asked: AskedTable,
    pub(super) delivery: Delivery,
    /// The conversation of the last event, which is likely that of the next one: saves a look at
    /// what all share.
    pub(super) near: RefCell<Option<(ConversationId, Option<Arc<Facts>>)>>,
    /// For the item at the front.
    pub(super) found: Option<Found>,
    handle: Arc<SessionHandle>,
    whence: Whence,
    audits: Budget,
    /// A command that waits for room in the session's mailbox.
    blocked: Option<BoxFuture<'static, ()>>,
    /// Nothing is read behind it, so that the client's events keep their order.
    job: Option<Job>,
    /// Nobody waits for it.
    aside: Option<Job>,
    /// Who is to be told that the client may be read again.
    ready: Option<Waker>,
}

impl Client {
    pub(super) fn open(
        hall: &Arc<Hall>,
        identity: SessionIdentity,
        whence: &Whence,
        namespace: &'static str,
        ambient: Ambient,
    ) -> Self {
        let outbox = Outbox::raw(identity.roles, ambient);
        let caller = Caller {
            user_id: identity.user_id.clone(),
            name: identity.name.clone(),
            roles: identity.roles,
            origin: Some(Arc::clone(&outbox).into()),
        };
        let opening = Opening {
            whence: whence.clone(),
            grace: hall.grace,
        };
        let handle = hall
            .node
            .open_session_of(identity, opening, Arc::clone(&outbox));
        Self {
            hall: Arc::clone(hall),
            whence: whence.clone(),
            caller,
            namespace,
            outbox,
            asked: AskedTable::default(),
            delivery: Delivery::default(),
            near: RefCell::default(),
            found: None,
            handle: Arc::new(handle),
            audits: Budget::per_minute(audit::PER_CLIENT_A_MINUTE),
            blocked: None,
            job: None,
            aside: None,
            ready: None,
        }
    }

    pub(super) fn me(&self) -> &UserId {
        &self.caller.user_id
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(self.hall.node.store())
    }

    // Asking

    /// Asks the session.
    pub(super) fn command(&mut self, command: Command, asked: Asked) {
        let bytes = match &command {
            Command::MessageSend(send) => send.text.len(),
            _ => 0,
        };
        let frame = CommandFrame {
            id: Some(self.asked.add(asked, bytes)),
            command,
        };
        let before = self.blocked.take();
        let frame = match before {
            Some(_) => frame,
            None => match self.handle.command(frame) {
                Ok(()) => return,
                Err(frame) => frame,
            },
        };
        let handle = Arc::clone(&self.handle);
        let blocked = async move {
            if let Some(before) = before {
                before.await;
            }
            handle.command_when_room(frame).await;
        };
        self.blocked = Some(blocked.boxed());
    }

    /// Asks for something that nobody waits for.
    pub(super) fn command_quietly(&mut self, command: Command) {
        let asked = Asked {
            event: "",
            ack: None,
            about: About::Nothing,
            what: What::Quiet,
        };
        self.command(command, asked);
    }

    /// Finds something out before anything else is read.
    pub(super) fn find_out(&mut self, job: Job) {
        debug_assert!(self.job.is_none(), "read while something was found out");
        self.job = Some(job);
    }

    /// Finds something out, and goes on meanwhile. One at a time.
    pub(super) fn find_out_aside(&mut self, job: Job) {
        self.aside = Some(job);
    }

    pub(super) fn fill_holes(&self, holes: Vec<ConversationId>) {
        self.handle.fill_holes(holes);
    }

    // Answering

    /// It went well; `answer` is for who waits for one.
    pub(super) fn done<T: Serialize>(&self, ack: Option<i64>, answer: &T) {
        if let Some(ack) = ack {
            let answer = serde_json::to_value(answer)
                .expect("encoded, because what is answered is plain data");
            self.note(Note::Answer(ack, answer));
        }
    }

    /// It is refused.
    pub(super) fn refuse(&mut self, asked: &Asked, error: CommandError) {
        let entry = self.entry_of(asked, &error);
        self.note(Note::Refused(asked.ack, error, entry));
    }

    /// It is refused, as what could not be understood is.
    pub(super) fn reject(&self, ack: Option<i64>, error: CommandError) {
        self.note(Note::Refused(ack, error, None));
    }

    /// Somebody else was named as who does it.
    pub(super) fn refuse_impostor(&mut self, input: &Input, impostor: &Impostor) {
        let claimed = match &impostor.claimed {
            Some(claimed) => format!("user {claimed}"),
            None => "no user id".to_owned(),
        };
        let entry = Entry {
            action: audit::IDENTITY_MISMATCH,
            subject: input.about().to_string(),
            detail: format!(
                "socketio {} {}: {} was {claimed}",
                self.namespace, input.event, impostor.field
            ),
        };
        let entry = entry.within(&mut self.audits);
        let error = CommandError::forbidden(format!("{}: not you", impostor.field));
        self.note(Note::Refused(input.ack, error, entry));
    }

    /// The audit entry about a refusal, if it deserves one.
    pub(super) fn entry_of(&mut self, asked: &Asked, error: &CommandError) -> Option<Entry> {
        if !asked.is_suspicious(error) {
            return None;
        }
        let entry = Entry {
            action: audit::ACCESS_REFUSED,
            subject: asked.about.to_string(),
            detail: format!(
                "socketio {} {}: {}",
                self.namespace, asked.event, error.code
            ),
        };
        entry.within(&mut self.audits)
    }

    /// Writes an audit entry before anything else is shown.
    pub(super) fn audit(&self, entry: Entry) -> Missing {
        let now = self.hall.node.clock().now();
        let record = entry.by(Some(self.me().clone()), now);
        let trail = Arc::clone(self.hall.node.trail());
        let write = audit::write(trail, record, self.whence.clone());
        write.map(|()| Found::Audited).boxed()
    }

    /// An event of our own, for this client.
    pub(super) fn emit(&self, event: &'static str, argument: Json) {
        self.note(Note::Emit(event, argument));
    }

    /// Has [`Dialect::marked`](super::peer::Dialect::marked) called behind what waits already.
    pub(super) fn mark(&self) {
        self.note(Note::Mark);
    }

    fn note(&self, note: Note) {
        self.outbox.note(Arc::new(note), ANSWER_BYTES, false);
    }

    // Being polled

    /// Ready when the client may be read, after [`Self::poll_step`] and [`Self::poll_commands`].
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.blocked.is_none() && self.job.is_none() && !self.asked.is_full() {
            // Who takes no answers is asked for no more commands. A closed outbox takes all.
            return self.outbox.poll_room(cx).map(|_| ());
        }
        // What it waits for may be noticed by whoever writes to the client.
        self.ready = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next thing that was found out.
    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Option<Step> {
        let jobs = [&mut self.job, &mut self.aside];
        let step = jobs.into_iter().find_map(|job| {
            let Poll::Ready(step) = job.as_mut()?.poll_unpin(cx) else {
                return None;
            };
            *job = None;
            Some(step)
        })?;
        self.wake_reader();
        Some(step)
    }

    /// Sends the receipts that are due, and moves on what waits for the session.
    pub(super) fn poll_commands(&mut self, cx: &mut Context<'_>) {
        if let Some(blocked) = &mut self.blocked {
            if blocked.poll_unpin(cx).is_pending() {
                return;
            }
            self.blocked = None;
            self.wake_reader();
        }
        while !self.asked.is_full()
            && let Poll::Ready(due) = self.delivery.poll_due(cx)
        {
            for (conversation_id, up_to_seq) in due {
                self.command_quietly(Command::ReceiptDeliver(Receipt {
                    conversation_id,
                    up_to_seq,
                }));
            }
        }
    }

    /// There may be room again.
    pub(super) fn wake_reader(&mut self) {
        if let Some(waker) = self.ready.take() {
            waker.wake();
        }
    }
}

/// Something that is not known yet, as what is missing.
pub(super) fn learn(learning: Learning) -> Missing {
    learning.map(|()| Found::Learned).boxed()
}
