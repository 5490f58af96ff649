//! One signed-in socket: who, may they, how fast.
//!
//! The socket itself lives outside, in its transport's driver, and holds a [`SessionHandle`];
//! answers and events go through the [`Outbox`]. So a panic here costs one command.

mod token;
mod whereto;

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message,
    SpawnHandle, Supervised, WrapFuture, prelude::SendError,
};
use bedside_protocol::{
    CloseCode, Command, CommandError, CommandFrame, ConversationId, ErrorCode, Event, EventFrame,
    Person, Reply, Timestamp, UserId,
    command::ConversationRef,
    event::{SessionWelcome, WelcomeLimits},
    limits,
    notification::NotificationRef,
    reply::{self, Empty},
};
use std::{collections::HashSet, rc::Rc, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    audit,
    caller::{Caller, Responder},
    conversation::Ask,
    counters::COUNTERS,
    node::{Node, Shared},
    outbox::{Outbox, SharedEvent},
    ports::{
        identity::{SessionIdentity, TokenStamp},
        store::NotificationMark,
    },
    rates::{self, Allowance, Rate},
    resume,
    supervision::{self, Recover},
};
use whereto::Known;

/// Reads (history, resume, lists) of one session that may wait for their turn.
const READS_MAX: usize = 32;

/// What a session is opened with, besides its identity.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// The client's address and what it calls itself, for the audit log.
    pub whence: audit::Whence,
    /// How long the session outlives its token: its client is told that the token is about to
    /// run out as any is, and closed so much later.
    pub grace: Duration,
}

/// A session as its transport holds it. Dropping it ends the session.
#[derive(Debug)]
pub struct SessionHandle {
    addr: Addr<SessionActor>,
    shared: Arc<Shared>,
    user_id: UserId,
    outbox: Arc<Outbox>,
}

impl SessionHandle {
    /// Hands over a command.
    ///
    /// # Errors
    /// The command, when too many wait: stop reading the socket and use
    /// [`Self::command_when_room`].
    #[expect(
        clippy::result_large_err,
        reason = "it gives back what it was given, on a path that is rarely taken"
    )]
    pub fn command(&self, frame: CommandFrame) -> Result<(), CommandFrame> {
        match self.addr.try_send(Inbound(frame)) {
            Ok(()) => Ok(()),
            Err(SendError::Full(Inbound(frame))) => Err(frame),
            // The actor was given up on; its socket is being closed.
            Err(SendError::Closed(_)) => Ok(()),
        }
    }

    /// Hands over a command once there is room for it.
    pub async fn command_when_room(&self, frame: CommandFrame) {
        // An error means that the actor failed on it or is gone; either way it was answered.
        let _ = self.addr.send(Inbound(frame)).await;
    }

    /// Has what the outbox holds back read from the store.
    pub fn fill_holes(&self, holes: Vec<ConversationId>) {
        supervision::deliver(&self.addr, FillHoles(holes));
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        let session_id = self.outbox.session_id();
        self.outbox.close(CloseCode::Normal);
        if self.shared.sessions.close(&self.user_id, session_id) {
            let now = self.shared.clock.now();
            self.shared.presence.closed(self.user_id.clone(), now);
        }
        self.shared.presence.unwatch_session(session_id);
        self.shared.rooms.end_session(session_id);
        supervision::deliver(&self.addr, End);
    }
}

/// The actor of one session.
pub(crate) struct SessionActor {
    node: Arc<Node>,
    shared: Arc<Shared>,
    caller: Caller,
    email: Arc<str>,
    outbox: Arc<Outbox>,
    expires_at: Option<Timestamp>,
    /// How long the session outlives its token, milliseconds.
    grace_ms: i64,
    whence: audit::Whence,
    stamp: TokenStamp,
    is_welcomed: bool,
    is_expiring_told: bool,
    /// Another token is looked at.
    is_refreshing: bool,
    token_timer: Option<SpawnHandle>,
    allowance: Allowance,
    reads: Rc<Semaphore>,
    reads_waiting: usize,
    filling: HashSet<ConversationId>,
    subscriptions: Vec<ConversationId>,
    known: Known,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Inbound(CommandFrame);

#[derive(Message)]
#[rtype(result = "()")]
struct FillHoles(Vec<ConversationId>);

#[derive(Message)]
#[rtype(result = "()")]
struct End;

impl SessionActor {
    /// Starts the session of a verified identity on the current arbiter.
    pub(crate) fn open(
        node: Arc<Node>,
        identity: SessionIdentity,
        opening: Opening,
        outbox: Arc<Outbox>,
    ) -> SessionHandle {
        let Opening { whence, grace } = opening;
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        let shared = node.shared.clone();
        let user_id = identity.user_id.clone();
        let closing = outbox.clone();
        outbox.set_stamp(identity.stamp.clone());
        let (for_actor, own_outbox) = (shared.clone(), outbox.clone());
        let addr = supervision::start(
            limits::SESSION_MAILBOX_MAX,
            move || closing.close(CloseCode::InternalError),
            move |_| Self {
                caller: Caller {
                    user_id: identity.user_id,
                    name: identity.name,
                    roles: identity.roles,
                    origin: Some(own_outbox.clone().into()),
                },
                email: identity.email,
                outbox: own_outbox,
                expires_at: identity.expires_at,
                grace_ms,
                whence,
                stamp: identity.stamp,
                node,
                shared: for_actor,
                is_welcomed: false,
                is_expiring_told: false,
                is_refreshing: false,
                token_timer: None,
                allowance: Allowance::full(Rate::of_connection()),
                reads: Rc::new(Semaphore::new(1)),
                reads_waiting: 0,
                filling: HashSet::new(),
                subscriptions: Vec::new(),
                known: Known::default(),
            },
        );
        SessionHandle {
            addr,
            shared,
            user_id,
            outbox,
        }
    }

    fn identity(&self) -> SessionIdentity {
        SessionIdentity {
            user_id: self.caller.user_id.clone(),
            name: self.caller.name.clone(),
            email: self.email.clone(),
            roles: self.caller.roles,
            expires_at: self.expires_at,
            stamp: self.stamp.clone(),
        }
    }

    /// The person is in the directory: says welcome and opens the gates.
    fn welcome(&mut self, ctx: &mut Context<Self>) {
        if self.outbox.is_closed() {
            // Cut while the person was written: nobody would ever take it off again.
            return;
        }
        if !self.is_let_in() {
            return;
        }
        let welcome = SessionWelcome {
            session_id: self.outbox.session_id(),
            user: Person {
                user_id: self.caller.user_id.clone(),
                name: self.caller.name.to_string(),
                roles: self.caller.roles,
            },
            store_epoch: self.shared.store.epoch().to_owned(),
            server_time: self.shared.clock.now(),
            token_expires_at: self.expires_at,
            ping_interval_ms: limits::PING_INTERVAL_MS,
            limits: WelcomeLimits {
                text_bytes_max: limits::TEXT_BYTES_MAX as u64,
                frame_bytes_max: limits::MESSAGE_FRAME_BYTES_MAX as u64,
                resume_positions_max: limits::RESUME_POSITIONS_MAX as u64,
                history_page_max: limits::HISTORY_PAGE_MAX as u64,
                edit_window_ms: u64::try_from(self.shared.config.edit_window.as_millis())
                    .unwrap_or(u64::MAX),
            },
        };
        self.push(Event::SessionWelcome(welcome));
        self.is_welcomed = true;
        // Only now may events come: the welcome is always the first frame.
        self.shared
            .sessions
            .open(&self.caller.user_id, self.outbox.clone());
        let opened = audit::session_opened(
            self.shared.clock.now(),
            &self.caller.user_id,
            self.outbox.session_id(),
        );
        self.shared.trail.note_from(opened, &self.whence);
        // Who was kept out since the first look did not find this socket among the open ones.
        self.is_let_in();
        self.shared.presence.opened(self.caller.user_id.clone());
        // That the token is about to end could not be said before.
        self.watch_token(ctx);
    }

    fn push(&self, event: Event) {
        self.outbox
            .event(&SharedEvent::new(EventFrame::plain(event)));
    }

    /// Does a read when its turn comes: one at a time, and only when there is room for its
    /// answer, so that reading much never looks like reading slowly.
    fn read<F>(&mut self, responder: Responder, ctx: &mut Context<Self>, read: F)
    where
        F: Future<Output = Result<Reply, CommandError>> + 'static,
    {
        if self.reads_waiting >= READS_MAX {
            COUNTERS.rate_limited.add(1);
            return responder.err(CommandError {
                retry_after_ms: 200,
                ..CommandError::new(ErrorCode::RateLimited, "too many reads wait already")
            });
        }
        self.reads_waiting += 1;
        let (reads, outbox) = (self.reads.clone(), self.outbox.clone());
        ctx.spawn(
            async move {
                let Ok(_turn) = reads.acquire().await else {
                    return;
                };
                let result = read.await;
                if outbox.room().await.is_ok() {
                    responder.answer(result);
                }
            }
            .into_actor(self)
            .map(|(), actor, _| actor.reads_waiting = actor.reads_waiting.saturating_sub(1)),
        );
    }

    fn to_conversation(&self, id: ConversationId, command: Command, responder: Responder) {
        self.shared.directory.send(
            id,
            Ask {
                caller: self.caller.clone(),
                act: command.into(),
                responder,
                since: Instant::now(),
            },
        );
    }

    fn mark(
        &mut self,
        notification: NotificationRef,
        mark: NotificationMark,
        responder: Responder,
        ctx: &mut Context<Self>,
    ) {
        let (node, caller) = (self.node.clone(), self.caller.clone());
        self.read(responder, ctx, async move {
            node.mark_notification(&caller, notification, mark).await
        });
    }

    fn subscribe(&mut self, id: ConversationId) -> Result<(), CommandError> {
        if !self.subscriptions.contains(&id) {
            if self.subscriptions.len() >= limits::SUBSCRIPTIONS_MAX {
                return Err(CommandError::too_large(
                    "conversation.subscribe: at most 32 conversations at a time",
                ));
            }
            self.subscriptions.push(id);
        }
        Ok(())
    }

    /// Passes it on, and gives the place back when it is refused.
    fn ask_to_subscribe(
        &mut self,
        subscribe: ConversationRef,
        responder: Responder,
        ctx: &mut Context<Self>,
    ) {
        let id = subscribe.conversation_id;
        let (asked, answer) = Responder::channel();
        self.to_conversation(id, Command::ConversationSubscribe(subscribe), asked);
        ctx.spawn(answer.into_actor(self).map(move |answer, actor, _| {
            // Dropped unanswered, the responder says so itself.
            let Ok(answer) = answer else { return };
            if answer.is_err() {
                actor.unsubscribe(id);
            }
            responder.answer(answer);
        }));
    }

    /// Whether there was anything to end.
    fn unsubscribe(&mut self, id: ConversationId) -> bool {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|s| *s != id);
        let session_id = self.outbox.session_id();
        self.shared.subscriptions.remove(id, session_id);
        self.shared.presence.unwatch_conversation(session_id, id);
        self.subscriptions.len() < before
    }
}

impl Actor for SessionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.watch_token(ctx);
        if self.is_welcomed {
            return;
        }
        let written = self.node.identity_written(&self.identity());
        match written {
            None => self.welcome(ctx),
            // Who is welcomed can be found by others.
            Some(written) => ctx.wait(
                written
                    .into_actor(self)
                    .map(|(), actor, ctx| actor.welcome(ctx)),
            ),
        }
    }
}

impl Supervised for SessionActor {
    fn restarting(&mut self, _: &mut Self::Context) {
        // What was spawned is gone with the context.
        self.token_timer = None;
        self.is_refreshing = false;
        self.reads = Rc::new(Semaphore::new(1));
        self.reads_waiting = 0;
        self.filling.clear();
        // Those of a resume, too.
        self.outbox.fill_all_again();
    }
}

impl Recover for SessionActor {
    const NAME: &'static str = "session";
}

impl Handler<Inbound> for SessionActor {
    type Result = ();

    fn handle(&mut self, Inbound(frame): Inbound, ctx: &mut Self::Context) {
        let CommandFrame { id, command } = frame;
        let responder = Responder::socket(self.outbox.clone(), id);
        let allowed = self.shared.stay().and_then(|()| {
            let taken = self.allowance.take(Rate::of_connection());
            taken.map_err(rates::refusal)
        });
        let allowed = allowed.and_then(|()| self.shared.allow(&self.caller.user_id));
        if let Err(error) = allowed {
            return responder.err(error);
        }
        if self
            .expires_at
            .is_some_and(|at| at.plus_millis(self.grace_ms) <= self.shared.clock.now())
            && !matches!(command, Command::SessionRefresh(_))
        {
            responder.err(CommandError::new(
                ErrorCode::TokenExpired,
                "the token has run out",
            ));
            return self.outbox.close(CloseCode::TokenExpired);
        }
        if self.caller.roles.is_empty() && !matches!(command, Command::SessionHello(_)) {
            return responder.err(CommandError::forbidden("your role has no rights here"));
        }
        let (shared, caller) = (self.shared.clone(), self.caller.clone());
        match command {
            // The transport has verified it; here it only gets its reply, after the welcome.
            Command::SessionHello(_) => responder.ok(Reply::Empty(Empty {})),
            Command::SessionRefresh(refresh) => {
                self.refresh(&refresh.token, responder, ctx);
            }
            Command::SyncResume(resume) => {
                let outbox = self.outbox.clone();
                self.read(responder, ctx, async move {
                    resume::resume(&shared, &caller, &outbox, resume).await
                });
            }
            Command::MessageHistory(history) => {
                self.read(responder, ctx, async move {
                    resume::history(&shared, &caller, history).await
                });
            }
            Command::ConversationCreate(create) => {
                let node = self.node.clone();
                self.read(responder, ctx, async move {
                    node.create_conversation(&caller, create).await
                });
            }
            Command::PresenceSet(set) => {
                shared.presence.set_status(caller.user_id, set.status);
                responder.ok(Reply::Empty(Empty {}));
            }
            Command::PresenceWatch(watch) => {
                let node = self.node.clone();
                self.read(responder, ctx, async move {
                    let presence = node.watch_presence(&caller, watch.user_ids).await?;
                    Ok(Reply::Presences(reply::Presences { presence }))
                });
            }
            Command::ConversationSubscribe(r) => match self.subscribe(r.conversation_id) {
                Ok(()) => self.ask_to_subscribe(r, responder, ctx),
                Err(error) => responder.err(error),
            },
            Command::ConversationUnsubscribe(r) => {
                if self.unsubscribe(r.conversation_id) {
                    // A subscription may still be on its way there.
                    self.to_conversation(r.conversation_id, command, responder);
                } else {
                    responder.ok(Reply::Empty(Empty {}));
                }
            }
            Command::MessageSend(send) => self.send(send, responder, ctx),
            Command::ConsultationJoin(r) | Command::ConsultationStart(r) => {
                self.ask_consultation(r.consultation_id, command, responder, ctx);
            }
            Command::ConsultationEnd(ref end) => {
                self.ask_consultation(end.consultation_id, command, responder, ctx);
            }
            Command::ConsultationLeave(r) => {
                let (id, session_id) = (r.consultation_id, self.outbox.session_id());
                shared.rooms.leave_now(id, session_id);
                // A join may still be on its way there.
                self.ask_consultation(id, command, responder, ctx);
            }
            Command::NotificationAck(r) => {
                self.mark(r, NotificationMark::Acked, responder, ctx);
            }
            Command::NotificationRead(r) => {
                self.mark(r, NotificationMark::Read, responder, ctx);
            }
            other => match crate::node::conversation_of(&other) {
                Some(id) => self.to_conversation(id, other, responder),
                None => responder.err(CommandError::invalid("not a command for a session")),
            },
        }
    }
}

impl Handler<FillHoles> for SessionActor {
    type Result = ();

    fn handle(&mut self, FillHoles(holes): FillHoles, ctx: &mut Self::Context) {
        for id in holes {
            if !self.filling.insert(id) {
                continue;
            }
            let (shared, caller, outbox) = (
                self.shared.clone(),
                self.caller.clone(),
                self.outbox.clone(),
            );
            let reads = self.reads.clone();
            ctx.spawn(
                async move { resume::fill_hole(&shared, &caller, &outbox, &reads, id).await }
                    .into_actor(self)
                    .map(move |(), actor, _| {
                        actor.filling.remove(&id);
                    }),
            );
        }
    }
}

impl Handler<End> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: End, ctx: &mut Self::Context) {
        // The handle did so as it was dropped; the welcome may have come after that.
        let session_id = self.outbox.session_id();
        if self.shared.sessions.close(&self.caller.user_id, session_id) {
            let now = self.shared.clock.now();
            let user_id = self.caller.user_id.clone();
            self.shared.presence.closed(user_id, now);
        }
        for id in std::mem::take(&mut self.subscriptions) {
            self.shared
                .subscriptions
                .remove(id, self.outbox.session_id());
        }
        ctx.stop();
    }
}
