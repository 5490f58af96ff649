//! The order in which commands are decided on: as they came, one at a time, and those that have
//! to be decided again before all that came later.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use bedside_protocol::{Command, CommandError, ConversationId, Event, MessageSend, limits};
use std::{future::Future, time::Duration};
use tokio::time::Instant;

use super::{Act, Ask, ConversationActor, Stage, state::Pending};
use crate::{
    caller::{Caller, Origin, Responder},
    counters::COUNTERS,
};

/// How often a command is decided again because another server was quicker.
const TRIES_MAX: u32 = 8;
/// For how long.
const TRIES_FOR: Duration = Duration::from_secs(2);

/// What of an [`Ask`] goes with the entry that it made.
pub(super) struct Pass {
    pub(super) responder: Responder,
    pub(super) origin: Option<Origin>,
    pub(super) since: Instant,
    pub(super) turn: Turn,
    /// What the entry is decided from if it must be decided again.
    pub(super) kept: Kept,
}

/// Where a command stands among all that this actor was asked.
#[derive(Clone, Copy, Default)]
pub(super) struct Turn {
    no: u64,
    /// How often another server was quicker, and since when.
    fenced: Option<(u32, Instant)>,
    /// The log was looked at for the entry that the command names.
    pub(super) has_looked: bool,
}

impl Turn {
    /// Whether it has been decided before, and what comes before a decision is done.
    pub(super) const fn is_again(&self) -> bool {
        self.fenced.is_some()
    }
}

/// What a decision was made from.
pub(super) enum Kept {
    /// From nothing that was asked: what the server itself decides on it will again by itself.
    Nothing,
    /// A send: all that it said is in the event.
    Send(Caller),
    /// Anything else.
    Act(Caller, Box<Act>),
}

impl Kept {
    pub(super) fn of(caller: &Caller, act: &Act) -> Self {
        match act {
            Act::Command(Command::MessageSend(_)) => Self::Send(caller.clone()),
            Act::Command(command) if !appends(command) => Self::Nothing,
            _ => Self::Act(caller.clone(), Box::new(act.clone())),
        }
    }

    /// What was asked, if anybody asked.
    fn ask(self, id: ConversationId, event: &Event) -> Option<(Caller, Act)> {
        match (self, event) {
            (Self::Nothing, _) => None,
            (Self::Act(caller, act), _) => Some((caller, *act)),
            (Self::Send(caller), Event::MessageCreated(message)) => {
                let send = MessageSend {
                    conversation_id: Some(id),
                    message_type: message.message_type,
                    text: message.text.clone(),
                    attachments: message.attachments.clone(),
                    reply_to_seq: message.reply_to_seq,
                    client_msg_id: message.client_msg_id.clone(),
                    composed_at: message.composed_at,
                    ..MessageSend::default()
                };
                Some((caller, Act::Command(Command::MessageSend(send))))
            }
            (Self::Send(_), _) => None,
        }
    }
}

/// Whether the command makes an entry of the log.
const fn appends(command: &Command) -> bool {
    !matches!(
        command,
        Command::ReceiptDeliver(_)
            | Command::ReceiptRead(_)
            | Command::TypingSet(_)
            | Command::ConversationSet(_)
            | Command::ConversationSubscribe(_)
            | Command::ConversationUnsubscribe(_)
            | Command::ConsultationJoin(_)
            | Command::ConsultationLeave(_)
    )
}

/// A command that waits for its turn.
pub(super) struct Waiting {
    pub(super) ask: Ask,
    pub(super) turn: Turn,
}

impl ConversationActor {
    /// Takes a command in.
    pub(super) fn take(&mut self, ask: Ask, ctx: &mut Context<Self>) {
        self.last_used = Instant::now();
        if self.queue.len() >= limits::CONVERSATION_MAILBOX_MAX {
            COUNTERS.mailbox_full.add(1);
            return ask.responder.err(CommandError::unavailable(
                "too many commands wait for this conversation",
                250,
            ));
        }
        self.asked += 1;
        let turn = Turn {
            no: self.asked,
            ..Turn::default()
        };
        self.queue.push_back(Waiting { ask, turn });
        self.go_on(ctx);
    }

    /// Puts a command back to where it was among those that wait.
    pub(super) fn wait_again(&mut self, waiting: Waiting) {
        let at = self
            .queue
            .partition_point(|other| other.turn.no < waiting.turn.no);
        self.queue.insert(at, waiting);
    }

    /// Does what waits, as far as it can be done now.
    pub(super) fn go_on(&mut self, ctx: &mut Context<Self>) {
        while !self.is_held()
            && let Some(waiting) = self.queue.pop_front()
        {
            match &self.stage {
                Stage::Ready(_) | Stage::Loading => self.ask(waiting, ctx),
                Stage::Failed(until) if *until > Instant::now() => {
                    let error = CommandError::unavailable(
                        "the conversation cannot be read from storage just now",
                        200,
                    );
                    waiting.ask.responder.err(error);
                }
                Stage::Failed(_) => {
                    self.queue.push_front(waiting);
                    self.load(ctx);
                }
                Stage::Absent => {
                    let error = CommandError::not_found("there is no such conversation");
                    waiting.ask.responder.err(error);
                }
                Stage::Retired => self.shared.directory.send(self.id, waiting.ask),
            }
        }
    }

    fn is_held(&self) -> bool {
        self.holds || self.settling || self.is_closing() || matches!(self.stage, Stage::Loading)
    }

    /// Waits for something before anything else is done: what waits goes on after `then`.
    pub(super) fn hold<T: 'static>(
        &mut self,
        ctx: &mut Context<Self>,
        work: impl Future<Output = T> + 'static,
        then: impl FnOnce(T, &mut Self, &mut Context<Self>) + 'static,
    ) {
        // The mailbox waits for what the context waits for; the queue does not, without this.
        self.holds = true;
        ctx.wait(work.into_actor(self).map(move |result, actor, ctx| {
            actor.holds = false;
            then(result, actor, ctx);
            actor.go_on(ctx);
        }));
    }

    /// Another server was quicker: this entry and those behind it are not stored. What they were
    /// decided from is decided again, in the old order and before anything that came later.
    pub(super) fn decide_again(&mut self, from: usize) {
        for pending in self.pending.split_off(from) {
            let Pending {
                event,
                pass,
                waiters,
                ..
            } = pending;
            for pass in std::iter::once(pass).chain(waiters) {
                self.ask_again(&event, pass);
            }
        }
    }

    fn ask_again(&mut self, event: &Event, pass: Pass) {
        let Some((caller, act)) = pass.kept.ask(self.id, event) else {
            return;
        };
        let mut turn = pass.turn;
        let (tries, since) = turn.fenced.get_or_insert((0, Instant::now()));
        *tries += 1;
        if *tries > TRIES_MAX || since.elapsed() > self.shared.clock.wait(TRIES_FOR) {
            return pass.responder.err(CommandError::unavailable(
                "other servers write to this conversation; try again with the same client_msg_id",
                500,
            ));
        }
        let ask = Ask {
            caller,
            act,
            responder: pass.responder,
            since: pass.since,
        };
        self.wait_again(Waiting { ask, turn });
    }
}
