//! One conversation: the actor that gives every entry its place in the log.
//!
//! A command is decided on plain state (`decide.rs`), takes its seq before anything is awaited,
//! goes to the store, and is answered and fanned out only when the store has it. The actor is
//! started on demand, rebuilt from the store whenever it starts or restarts, and ends when it is
//! idle.

mod asks;
mod consultation;
mod decide;
mod fanout;
mod fence;
mod handover;
mod load;
mod queue;
mod receipts;
pub(crate) mod state;
mod system;
mod typing;

use actix::{
    Actor, ActorContext, AsyncContext, Context, Handler, Message, SpawnHandle, Supervised,
};
use bedside_protocol::{
    Command, CommandError, ConversationId, Event, Reply, UserId,
    event::{Change, ConversationChanged},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

use crate::{
    audit,
    caller::{Caller, Responder},
    counters::COUNTERS,
    node::Shared,
    ports::store::Appended,
    supervision::Recover,
};
use fanout::Fanout;
use queue::{Kept, Pass, Turn, Waiting};
use receipts::ReceiptWrites;
use state::{Pending, Planned, State};

pub(crate) use decide::validate_title;
pub(crate) use fence::Refresh;
pub(crate) use handover::Handover;
pub(crate) use load::direct_until;
pub use state::{hides_members, redact, redact_event};

/// After a load failed, how long commands are refused before the next try.
const RELOAD_AFTER: Duration = Duration::from_millis(200);

/// After the store refused an append, how long the actor makes none of its own accord.
const QUIET_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Something for one conversation to do.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ask {
    /// Who asks.
    pub caller: Caller,
    /// What.
    pub act: Act,
    /// Where the answer goes.
    pub responder: Responder,
    /// When it arrived.
    pub since: Instant,
}

/// What is asked of a conversation.
#[derive(Clone)]
pub enum Act {
    /// What a client asks.
    Command(Command),
    /// The consultation is called off. No command: it comes from the clinic's calendar.
    CancelConsultation,
    /// A message of the server's own, with this text.
    SystemMessage(String),
    /// The same about something that was written down before, and where nothing can be added any
    /// more, too.
    Notice(String),
}

impl From<Command> for Act {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

/// A relation of one of these people changed: see whether memberships still hold.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub(crate) struct Recheck;

/// What became of entries, in the order in which they were handed to the store.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Committed(pub(crate) Vec<Appended>);

/// Everything that was in the mailbox when the actor retired has been passed on.
#[derive(Message)]
#[rtype(result = "()")]
struct Retired;

/// The actor of one conversation.
pub(crate) struct ConversationActor {
    id: ConversationId,
    shared: Arc<Shared>,
    lane: usize,
    generation: u64,
    /// Commands in the mailbox, as the directory counts them.
    queued: Arc<AtomicUsize>,
    stage: Stage,
    /// How many commands came so far.
    asked: u64,
    /// Commands that wait for their turn, in order.
    queue: VecDeque<Waiting>,
    /// Something is waited for before anything else is done.
    holds: bool,
    /// What became of the entries on their way is not known from the log: nothing is decided
    /// before the store has answered.
    settling: bool,
    /// How often in a row another server was quicker.
    fences: u32,
    /// The log may have grown by another server's entries: to be looked at.
    is_stale: bool,
    /// When the last load began.
    looked_at: Instant,
    /// The conversation is to go on on another node: since when.
    leaving: Option<Instant>,
    /// Entries on their way to the store. Kept through a restart: they are stored or not,
    /// whatever happened to this actor.
    pending: VecDeque<Pending>,
    fanout: Fanout,
    receipts: ReceiptWrites,
    typing: HashMap<UserId, Instant>,
    /// Fires when the next relation ends by itself.
    relations_timer: Option<SpawnHandle>,
    /// The store refused an append: nothing is tried of the actor's own accord before this.
    quiet_until: Instant,
    /// Loads that failed in a row.
    failed_loads: u32,
    /// Fires when the next one is tried.
    load_timer: Option<SpawnHandle>,
    last_used: Instant,
}

enum Stage {
    Loading,
    Ready(Box<State>),
    /// The store could not be read; not tried again before this.
    Failed(Instant),
    /// There is no such conversation.
    Absent,
    /// It was idle and gave up its place in the directory.
    Retired,
}

impl ConversationActor {
    pub(crate) fn new(
        id: ConversationId,
        shared: Arc<Shared>,
        lane: usize,
        generation: u64,
        pushed_seq: Option<u64>,
        queued: Arc<AtomicUsize>,
    ) -> Self {
        COUNTERS.conversations_activated.add(1);
        Self {
            id,
            shared,
            lane,
            generation,
            queued,
            stage: Stage::Loading,
            asked: 0,
            queue: VecDeque::new(),
            holds: false,
            settling: false,
            fences: 0,
            is_stale: false,
            looked_at: Instant::now(),
            leaving: None,
            pending: VecDeque::new(),
            fanout: Fanout::new(pushed_seq),
            receipts: ReceiptWrites::default(),
            typing: HashMap::new(),
            relations_timer: None,
            quiet_until: Instant::now(),
            failed_loads: 0,
            load_timer: None,
            last_used: Instant::now(),
        }
    }

    /// Hands a decided entry to the store.
    fn append(&mut self, planned: Planned, pass: Pass) {
        let Planned {
            append,
            event,
            reply,
            target_seq,
        } = planned;
        self.pending.push_back(Pending {
            seq: append.seq,
            attempt: append.attempt,
            ord: append.ord,
            at: append.at,
            reply,
            pass,
            waiters: Vec::new(),
            event,
            target_seq,
        });
        self.shared.store.append(self.lane, append);
    }

    /// An entry that the server itself decided on.
    fn append_own(&mut self, planned: Planned) {
        let (responder, _) = Responder::channel();
        self.append(
            planned,
            Pass {
                responder,
                origin: None,
                since: Instant::now(),
                turn: Turn::default(),
                kept: Kept::Nothing,
            },
        );
    }

    /// Answers and fans out an entry that is stored.
    fn stored(&mut self, pending: Pending) {
        let Stage::Ready(state) = &mut self.stage else {
            return;
        };
        if let Some(target) = pending.target_seq {
            state.changing.remove(&target);
        }
        // A state that was loaded meanwhile holds what this entry did, and what came after it.
        let is_news = pending.seq > state.stored.seq;
        if is_news {
            state.stored.seq = pending.seq;
            state.stored.ord = pending.ord;
            state.stored.at = pending.at;
            if let Reply::Consultation(reply) = &pending.reply {
                state.stored_consultation = Some(reply.consultation.clone());
            }
        }
        COUNTERS
            .send_to_stored
            .observe(pending.pass.since.elapsed());
        COUNTERS.messages_stored.add(1);
        let record = audit::of_entry(self.id, pending.seq, pending.at, &pending.event);
        if let Some(record) = record {
            self.shared.trail.note(record);
        }
        if let Event::ConversationChanged(ConversationChanged {
            change: Change::MemberRemoved | Change::MemberLeft,
            user_id: Some(gone),
            ..
        }) = &pending.event
            && (is_news || !state.member(gone).is_some_and(|m| m.is_present()))
        {
            let unrelated = state.unwatch(&self.shared.presence, gone);
            if let Some(cluster) = &self.shared.cluster {
                cluster.unrelated(gone, unrelated);
            }
            // Nobody hears of it from a past member; the mark only has to go.
            self.typing.remove(gone);
            self.expel(gone);
        }
        let Pass {
            responder, origin, ..
        } = pending.pass;
        responder.ok(pending.reply.clone());
        if !pending.waiters.is_empty() {
            let mut reply = pending.reply;
            match &mut reply {
                Reply::MessageSent(sent) => sent.duplicate = true,
                // The entry is not theirs.
                Reply::Consultation(reply) => reply.seq = None,
                _ => {}
            }
            for waiter in pending.waiters {
                waiter.responder.ok(reply.clone());
            }
        }
        let origin = origin.map(|origin| origin.session_id());
        self.fanout
            .queue(self.id, pending.seq, pending.event, origin);
    }

    fn refuse_pending(&mut self, from: usize, error: &CommandError) {
        for pending in self.pending.drain(from..) {
            for waiter in pending.waiters {
                waiter.responder.err(error.clone());
            }
            pending.pass.responder.err(error.clone());
        }
    }

    /// Nothing that was begun is left to do.
    fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Ready(_) | Stage::Failed(_))
            && !self.holds
            && self.pending.is_empty()
            && self.fanout.is_empty()
            && self.receipts.is_idle()
            // What is not shown yet is known to this actor alone.
            && !(matches!(self.stage, Stage::Failed(_)) && self.fanout.pushed_seq().is_some())
    }

    fn is_idle(&self) -> bool {
        self.is_done()
            && self.queue.is_empty()
            && self.last_used.elapsed() >= self.shared.config.passivate_after
    }

    /// Ends the actor when it has been idle for long enough; looks again later otherwise.
    fn watch_idleness(ctx: &mut Context<Self>, after: Duration) {
        ctx.run_later(after, |actor, ctx| {
            let directory = &actor.shared.directory;
            if actor.is_idle() && directory.retire_unasked(actor.id, actor.generation) {
                COUNTERS.conversations_passivated.add(1);
                actor.stage = Stage::Retired;
                // No new message can come; a recheck in the mailbox is passed on before this one.
                ctx.notify(Retired);
            } else {
                let used = actor.last_used.elapsed();
                let after = actor.shared.config.passivate_after;
                Self::watch_idleness(ctx, after.saturating_sub(used).max(after / 4));
            }
        });
    }
}

impl Actor for ConversationActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.load(ctx);
        Self::watch_idleness(ctx, self.shared.config.passivate_after);
        self.watch_typing(ctx);
        self.leave_later(ctx);
    }
}

impl Supervised for ConversationActor {
    fn restarting(&mut self, _ctx: &mut Self::Context) {
        // What was in memory may be half changed: only the store is trusted.
        self.stage = Stage::Loading;
        self.holds = false;
        self.settling = false;
        // The context's timers are gone; `started` arms the ones that matter again.
        self.relations_timer = None;
        self.load_timer = None;
        self.receipts.forget();
    }
}

impl Recover for ConversationActor {
    const NAME: &'static str = "conversation";
}

impl Drop for ConversationActor {
    fn drop(&mut self) {
        self.shared
            .directory
            .note_pushed(self.id, self.generation, self.fanout.pushed_seq());
        // Without a state there are no members' slots to let go of.
        let Stage::Ready(state) = std::mem::replace(&mut self.stage, Stage::Absent) else {
            return;
        };
        let users: Vec<_> = state
            .members
            .iter()
            .map(|m| m.record.user_id.clone())
            .collect();
        drop(state);
        for user_id in users {
            self.shared.sessions.forget_if_unused(&user_id);
        }
    }
}

impl Handler<Ask> for ConversationActor {
    type Result = ();

    fn handle(&mut self, ask: Ask, ctx: &mut Self::Context) {
        self.queued.fetch_sub(1, Ordering::SeqCst);
        self.take(ask, ctx);
    }
}

impl Handler<Committed> for ConversationActor {
    type Result = ();

    fn handle(&mut self, Committed(batch): Committed, ctx: &mut Self::Context) {
        self.committed(batch, ctx);
    }
}

impl Handler<Retired> for ConversationActor {
    type Result = ();

    fn handle(&mut self, _: Retired, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Recheck> for ConversationActor {
    type Result = ();

    fn handle(&mut self, _: Recheck, ctx: &mut Self::Context) {
        match self.stage {
            // It may have come just before this actor gave up its place.
            Stage::Retired => self.shared.directory.recheck(self.id),
            _ => self.recheck(ctx),
        }
    }
}
