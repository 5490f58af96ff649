//! Bringing stored entries to the members' sockets, in order and in slices.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use bedside_protocol::{ConversationId, ConversationKind, Event, UserId};
use std::{collections::VecDeque, sync::Arc};
use tokio::time::Instant;

use super::{
    ConversationActor, Stage,
    state::{State, frame, redact_event},
};
use crate::{
    counters::COUNTERS,
    outbox::{Outbox, SharedEvent},
};

/// Members reached in one turn: a room of 1,000 must not delay a chat of two.
const SLICE: usize = 256;

/// Entries that are stored and not yet pushed to everybody.
pub(super) struct Fanout {
    queue: VecDeque<Going>,
    /// All up to here has been pushed to everybody; none before the first load.
    pushed: Option<u64>,
    /// Whether the next slice waits for the others' turns.
    is_scheduled: bool,
}

struct Going {
    seq: u64,
    event: Arc<SharedEvent>,
    /// For those from whom the members are hidden.
    redacted: Option<Arc<SharedEvent>>,
    origin: Option<Arc<Outbox>>,
    next_member: usize,
    since: Instant,
}

impl Fanout {
    pub(super) fn new(pushed: Option<u64>) -> Self {
        Self {
            queue: VecDeque::new(),
            pushed,
            is_scheduled: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn pushed_seq(&self) -> Option<u64> {
        self.pushed
    }

    pub(super) fn queue(
        &mut self,
        id: ConversationId,
        seq: u64,
        event: Event,
        origin: Option<Arc<Outbox>>,
    ) {
        self.queue.push_back(Going {
            seq,
            event: SharedEvent::new(frame(id, seq, event)),
            redacted: None,
            origin,
            next_member: 0,
            since: Instant::now(),
        });
    }
}

impl ConversationActor {
    /// Pushes what waits, at most one slice's worth of members.
    pub(super) fn push_fanout(&mut self, ctx: &mut Context<Self>) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let mut left = SLICE;
        while let Some(going) = self.fanout.queue.front_mut() {
            left = going.push(state, left);
            if going.next_member < state.members.len() {
                break;
            }
            COUNTERS.stored_to_delivered.observe(going.since.elapsed());
            self.fanout.pushed = Some(going.seq);
            self.fanout.queue.pop_front();
        }
        if !self.fanout.queue.is_empty() && !self.fanout.is_scheduled {
            self.fanout.is_scheduled = true;
            // Not `ctx.notify`: that is handled within the same poll, and nobody else on this
            // arbiter would have a turn.
            ctx.spawn(
                tokio::task::yield_now()
                    .into_actor(self)
                    .map(|(), actor, ctx| {
                        actor.fanout.is_scheduled = false;
                        actor.push_fanout(ctx);
                    }),
            );
        }
    }

    /// Tells the members' sockets how far the log goes, so that they fetch what was stored and
    /// not yet pushed.
    pub(super) fn announce(&mut self, head: u64) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let pushed = self.fanout.pushed.unwrap_or(head);
        self.fanout.is_scheduled = false;
        if pushed < head {
            // What waits in the queue is in the log as well; the sockets read it from there.
            self.fanout.queue.clear();
            for member in &state.members {
                let last = member.record.last_seq.unwrap_or(head).min(head);
                let pushed = pushed.max(member.record.first_seq.saturating_sub(1));
                if pushed < last {
                    member
                        .slot
                        .each(|outbox| outbox.announce(self.id, pushed, last));
                }
            }
        }
        self.fanout.pushed = Some(head);
    }
}

impl Going {
    /// Pushes to at most `left` members; how many may still be reached in this turn.
    fn push(&mut self, state: &State, mut left: usize) -> usize {
        while left > 0 && self.next_member < state.members.len() {
            let member = &state.members[self.next_member];
            self.next_member += 1;
            if !member.sees(self.seq) {
                continue;
            }
            left -= 1;
            let event = if state.is_hidden_from(member) {
                let viewer = &member.record.user_id;
                if is_about(&self.event, viewer) {
                    &self.event
                } else {
                    self.redacted.get_or_insert_with(|| {
                        let full = self.event.frame();
                        SharedEvent::new(frame(state.id, self.seq, redact_event(&full.event, None)))
                    })
                }
            } else {
                &self.event
            };
            // The roles of the socket's present token count, not those of the directory.
            let staff_only = state.kind == ConversationKind::InternalStaff;
            let reached = member.slot.event(event, self.origin.as_ref(), |outbox| {
                !staff_only || outbox.roles().is_staff()
            });
            COUNTERS.events_delivered.add(reached);
        }
        left
    }
}

/// Whether the event is about this very person's coming or going.
fn is_about(event: &SharedEvent, user_id: &UserId) -> bool {
    matches!(&event.frame().event, Event::ConversationChanged(c) if c.user_id.as_ref() == Some(user_id))
}
