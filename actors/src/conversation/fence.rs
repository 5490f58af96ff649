//! What became of entries, when other servers may write to the same log.
//!
//! Nobody is sure to be the only one who owns a conversation. The store is: an entry whose place
//! another server has filled is refused, and then this one knows that its state is behind. It
//! loads it again and decides again. Whether an entry is one's own is told by its attempt, never
//! by its seq.

use actix::{AsyncContext, Context, Handler, Message};
use bedside_protocol::{Command, CommandError};
use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};
use tokio::time::Instant;

use super::{
    Act, Ask, ConversationActor, QUIET_AFTER_FAILURE, Stage,
    asks::storage_error,
    queue::{Pass, Waiting},
    state::MemberState,
};
use crate::{
    caller::Caller,
    cluster::Spread,
    counters::COUNTERS,
    ports::store::{Appended, Attempt, LogRange, StoreError},
};

/// The longest wait before the second of several tries; doubled for each one more.
const BACK_OFF: Duration = Duration::from_millis(10);
/// So often it is doubled at most.
const BACK_OFF_DOUBLED_MAX: u32 = 4;

/// Another server has written to the log, it seems: see what, and tell the members' sockets.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub(crate) struct Refresh {
    /// When it was heard of: a load that began later has seen it.
    pub(crate) since: Instant,
    /// How far the log goes, if that is what was heard: a state that knows it is not behind.
    pub(crate) head: Option<u64>,
}

/// The store has answered all that it was given before the state was loaded.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Settled(Attempt);

impl ConversationActor {
    /// Takes in the store's answers.
    pub(super) fn committed(&mut self, batch: Vec<Appended>, ctx: &mut Context<Self>) {
        for appended in batch {
            let mut pending = self.pending.iter();
            // One that a reload has settled is gone.
            let Some(at) = pending.position(|p| p.attempt == appended.attempt) else {
                continue;
            };
            match appended.result {
                Ok(()) => {
                    self.fences = 0;
                    // In order: what was handed in before it is stored, too.
                    self.first_stored(at + 1);
                    // The state was loaded without it.
                    self.is_stale |= self.settling;
                }
                Err(StoreError::Conflict) => {
                    self.fenced(at, ctx);
                    break;
                }
                Err(fault) => {
                    self.append_failed(at, &fault, ctx);
                    break;
                }
            }
        }
        self.push_fanout(ctx);
        if self.is_stale && self.pending.is_empty() && !self.holds {
            self.reload(ctx);
        }
        self.try_to_leave(ctx);
    }

    fn first_stored(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(pending) = self.pending.pop_front() {
                self.stored(pending);
            }
        }
    }

    /// Nothing of these entries is stored, and never will be: another server's entry has the
    /// place of the first.
    fn fenced(&mut self, from: usize, ctx: &mut Context<Self>) {
        self.fences += 1;
        COUNTERS.appends_fenced.add(1);
        tracing::debug!(conversation_id = %self.id, "another server was quicker");
        if self.fences > BACK_OFF_DOUBLED_MAX * 2 {
            self.be_quiet();
        }
        self.decide_again(from);
        self.reload(ctx);
    }

    /// The store did not take an entry, and maybe it did: every later one counts on it, so all
    /// of them fail, and the state is built again from what is stored.
    fn append_failed(&mut self, from: usize, fault: &StoreError, ctx: &mut Context<Self>) {
        COUNTERS.append_failures.add(1);
        tracing::error!(conversation_id = %self.id, error = %fault, "append failed");
        let error = match fault {
            StoreError::Full => CommandError::unavailable("storage is full", 5_000),
            StoreError::Conflict | StoreError::Unavailable(_) => CommandError::unavailable(
                "it is unknown whether it was stored; try again with the same client_msg_id",
                200,
            ),
        };
        self.refuse_pending(from, &error);
        self.be_quiet();
        self.reload(ctx);
    }

    fn be_quiet(&mut self) {
        self.quiet_until = Instant::now() + self.shared.clock.wait(QUIET_AFTER_FAILURE);
    }

    /// Builds the state again from what is stored.
    pub(super) fn reload(&mut self, ctx: &mut Context<Self>) {
        self.stage = Stage::Loading;
        self.load(ctx);
    }

    /// How long to wait before a load: those that got in each other's way must not go on in step.
    pub(super) fn back_off(&self) -> Duration {
        let Some(doubled) = self.fences.checked_sub(2) else {
            return Duration::ZERO;
        };
        let most = self.shared.clock.wait(BACK_OFF) * (1 << doubled.min(BACK_OFF_DOUBLED_MAX));
        most * (RandomState::new().hash_one(self.id) as u32 % 1_024) / 1_024
    }

    /// Settles what was on its way when the state was lost. The load came after all of it.
    pub(super) fn settle(
        &mut self,
        head: u64,
        attempts: Option<&[(u64, Attempt)]>,
        ctx: &mut Context<Self>,
    ) {
        self.settling = false;
        let Some(attempts) = attempts else {
            return self.settle_alone(head);
        };
        let at = |seq| {
            let found = attempts.binary_search_by_key(&seq, |(seq, _)| *seq);
            found.ok().map(|i| attempts[i].1)
        };
        // In order: one that is in the log vouches for those before it.
        let mut pending = self.pending.iter();
        let stored = pending.rposition(|p| at(p.seq) == Some(p.attempt));
        self.first_stored(stored.map_or(0, |i| i + 1));
        let Some(first) = self.pending.front() else {
            return;
        };
        if at(first.seq).is_some() {
            // Another's, or it would be among those that are stored.
            return self.decide_again(0);
        }
        // The store's answer, which is on its way, tells refused from unknown.
        self.settling = true;
        if let Some(last) = self.pending.back() {
            let (address, settled) = (ctx.address(), Settled(last.attempt));
            // Behind the answers, which come the same way.
            let arbiter = self.shared.directory.arbiter(self.id);
            arbiter.spawn_fn(move || crate::supervision::deliver(&address, settled));
        }
    }

    /// Tells sockets that have seen less how far the log goes, when this actor has just come and
    /// others may have written while there was none.
    pub(super) fn catch_up(&self, head: u64) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        if self.fanout.pushed_seq().is_some() || !state.is_shared {
            return;
        }
        let last_of = |member: &MemberState| member.record.last_seq.unwrap_or(head).min(head);
        let mut spread = Spread::new(self.shared.cluster.as_deref());
        for member in &state.members {
            let last = last_of(member);
            member
                .slot
                .each(|outbox| outbox.announce(self.id, last, last));
            spread.add(&member.slot);
        }
        // Whoever wrote last may have died before they told anybody.
        spread.announce(self.id, head, |user_id| {
            state.member(user_id).map_or(head, last_of)
        });
    }

    /// Nobody else writes: what is in the log was stored here, and all else never reached it.
    fn settle_alone(&mut self, head: u64) {
        let stored = self.pending.partition_point(|p| p.seq <= head);
        self.first_stored(stored);
        let error = CommandError::unavailable(
            "it was not stored; try again with the same client_msg_id",
            50,
        );
        self.refuse_pending(0, &error);
    }

    /// Whether the command names an entry that is not known here.
    pub(super) fn is_beyond(&self, command: &Command) -> bool {
        let Stage::Ready(state) = &self.stage else {
            return false;
        };
        let is_beyond = match command {
            Command::ReceiptDeliver(r) | Command::ReceiptRead(r) => r.up_to_seq > state.stored.seq,
            Command::MessageEdit(edit) => edit.seq > state.head.seq,
            Command::MessageDelete(delete) => delete.seq > state.head.seq,
            Command::MessageReact(react) => react.seq > state.head.seq,
            Command::MessageSend(send) => send.reply_to_seq.is_some_and(|seq| seq > state.head.seq),
            _ => false,
        };
        is_beyond && state.is_shared
    }

    /// Looks whether the log has grown by another server's entries, before a command is judged
    /// that says so. Whoever names what does not exist costs one small read and no load.
    pub(super) fn look_beyond(
        &mut self,
        caller: Caller,
        command: Command,
        pass: Pass,
        ctx: &mut Context<Self>,
    ) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let next = state.stored.seq + 1;
        let range = LogRange::one(next);
        let (shared, id) = (self.shared.clone(), self.id);
        let read = async move { shared.store.read_log(id, range).await };
        self.hold(ctx, read, move |page, actor, ctx| {
            let page = match page {
                Ok(page) => page,
                Err(fault) => return pass.responder.err(storage_error(&fault)),
            };
            let mut turn = pass.turn;
            turn.has_looked = true;
            let ask = Ask {
                caller,
                act: Act::Command(command),
                responder: pass.responder,
                since: pass.since,
            };
            actor.wait_again(Waiting { ask, turn });
            if !page.events.is_empty() {
                actor.reload(ctx);
            }
        });
    }
}

impl Handler<Settled> for ConversationActor {
    type Result = ();

    fn handle(&mut self, Settled(last): Settled, ctx: &mut Self::Context) {
        let is_waited_for = self.pending.back().is_some_and(|p| p.attempt == last);
        if self.settling && is_waited_for {
            // A panic took the answer with it.
            let error = CommandError::unavailable(
                "it is unknown whether it was stored; try again with the same client_msg_id",
                200,
            );
            self.refuse_pending(0, &error);
            self.reload(ctx);
        }
    }
}

impl Handler<Refresh> for ConversationActor {
    type Result = ();

    fn handle(&mut self, refresh: Refresh, ctx: &mut Self::Context) {
        let is_known =
            |state: &super::state::State| refresh.head.is_some_and(|head| head <= state.head.seq);
        match &self.stage {
            Stage::Ready(_) if refresh.since < self.looked_at => {}
            Stage::Ready(state) if is_known(state) => {}
            // An entry on its way shows by itself whether the state is behind; a state that is
            // not can be so again by the time that it is answered.
            Stage::Ready(_) if !self.pending.is_empty() => self.is_stale = true,
            Stage::Ready(_) => self.reload(ctx),
            Stage::Failed(until) if *until <= Instant::now() => self.load(ctx),
            // It may have come just before this actor gave up its place.
            Stage::Retired => self.shared.directory.refresh(self.id),
            // One that failed is tried again; one that is not there has nothing to show.
            Stage::Failed(_) | Stage::Loading | Stage::Absent => {}
        }
    }
}
