//! Bringing stored entries to the members' sockets, in order and in slices.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use bedside_protocol::{
    ConversationId, ConversationKind, Event, SessionId, UserId, node::Audience,
};
use std::{collections::VecDeque, sync::Arc};
use tokio::time::Instant;

use super::{
    ConversationActor, Stage,
    state::{MemberState, State, frame, redact_event},
};
use crate::{
    cluster::{Cluster, Spread},
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
    origin: Option<SessionId>,
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
        origin: Option<SessionId>,
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
            left = going.push(state, left, self.shared.cluster.as_deref());
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
            let last_of = |m: &MemberState| m.record.last_seq.unwrap_or(head).min(head);
            let mut spread = Spread::new(self.shared.cluster.as_deref());
            for member in &state.members {
                let last = last_of(member);
                let pushed = pushed.max(member.record.first_seq.saturating_sub(1));
                if pushed < last {
                    member
                        .slot
                        .each(|outbox| outbox.announce(self.id, pushed, last));
                    spread.add(&member.slot);
                }
            }
            // Whoever came in later reads no more than their window, whatever is announced.
            spread.announce(self.id, pushed, |user_id| {
                state.member(user_id).map_or(head, last_of)
            });
        }
        self.fanout.pushed = Some(head);
    }
}

impl Going {
    /// Pushes to at most `left` members; how many may still be reached in this turn.
    fn push(&mut self, state: &State, mut left: usize, cluster: Option<&Cluster>) -> usize {
        // The roles of the socket's present token count, not those of the directory.
        let audience = match state.kind {
            ConversationKind::InternalStaff => Audience::Staff,
            _ => Audience::All,
        };
        let (mut full, mut redacted) = (Spread::new(cluster), Spread::new(cluster));
        while left > 0 && self.next_member < state.members.len() {
            let member = &state.members[self.next_member];
            self.next_member += 1;
            if !member.sees(self.seq) {
                continue;
            }
            left -= 1;
            let viewer = &member.record.user_id;
            let event = if state.is_hidden_from(member) && !is_about(&self.event, viewer) {
                redacted.add(&member.slot);
                self.redacted.get_or_insert_with(|| {
                    let full = self.event.frame();
                    SharedEvent::new(frame(state.id, self.seq, redact_event(&full.event, None)))
                })
            } else {
                full.add(&member.slot);
                &self.event
            };
            let hears = |outbox: &Outbox| outbox.is_of(audience, Some(state.id));
            let reached = member.slot.event(event, self.origin, hears);
            COUNTERS.events_delivered.add(reached);
        }
        full.send(&self.event, audience, self.origin);
        if let Some(event) = &self.redacted {
            redacted.send(event, audience, self.origin);
        }
        left
    }
}

/// Whether the event is about this very person's coming or going.
fn is_about(event: &SharedEvent, user_id: &UserId) -> bool {
    matches!(&event.frame().event, Event::ConversationChanged(c) if c.user_id.as_ref() == Some(user_id))
}
