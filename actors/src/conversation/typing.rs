//! Who is writing right now. Ephemeral: no seq, no store, and it ends by itself.

use actix::{AsyncContext, Context};
use bedside_protocol::{
    CommandError, ConversationKind, Event, EventFrame, Reply, UserId, command::TypingSet,
    event::TypingChanged, limits, node::Audience, reply::Empty,
};
use std::time::Duration;
use tokio::time::Instant;

use super::{ConversationActor, Stage, state::MemberState};
use crate::{
    caller::Caller,
    cluster::Spread,
    outbox::{Outbox, SharedEvent},
    rights::Verb,
};

const TTL: Duration = Duration::from_millis(limits::TYPING_TTL_MS);

impl ConversationActor {
    pub(super) fn set_typing(
        &mut self,
        caller: &Caller,
        command: TypingSet,
        ctx: &mut Context<Self>,
    ) -> Result<Reply, CommandError> {
        let Stage::Ready(state) = &self.stage else {
            return Ok(Reply::Empty(Empty {}));
        };
        state.check(Verb::Type, caller, self.shared.clock.now())?;
        if command.typing {
            let ttl = self.shared.clock.wait(TTL);
            let is_new = self
                .typing
                .insert(caller.user_id.clone(), Instant::now() + ttl)
                .is_none();
            if is_new {
                self.tell_typing(&caller.user_id, true);
                self.expire_typing_later(caller.user_id.clone(), ttl, ctx);
            }
        } else {
            self.stop_typing(&caller.user_id);
        }
        Ok(Reply::Empty(Empty {}))
    }

    /// Ends a mark, as when the message is sent.
    pub(super) fn stop_typing(&mut self, user_id: &UserId) {
        if self.typing.remove(user_id).is_some() {
            self.tell_typing(user_id, false);
        }
    }

    /// Arms the ends of the marks that outlived a restart.
    pub(super) fn watch_typing(&self, ctx: &mut Context<Self>) {
        for user_id in self.typing.keys() {
            let ttl = self.shared.clock.wait(TTL);
            self.expire_typing_later(user_id.clone(), ttl, ctx);
        }
    }

    fn expire_typing_later(&self, user_id: UserId, after: Duration, ctx: &mut Context<Self>) {
        ctx.run_later(after, move |actor, ctx| {
            let Some(until) = actor.typing.get(&user_id) else {
                return;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                actor.stop_typing(&user_id);
            } else {
                actor.expire_typing_later(user_id, left, ctx);
            }
        });
    }

    fn tell_typing(&self, user_id: &UserId, typing: bool) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let now = self.shared.clock.now();
        let event = SharedEvent::new(EventFrame::about(
            self.id,
            Event::TypingChanged(TypingChanged {
                user_id: user_id.clone(),
                typing,
            }),
        ));
        // Checked for each reader at each event: a relation may have ended since they
        // subscribed.
        let may_hear = |m: &MemberState| {
            m.record.user_id != *user_id
                && m.is_present()
                && !state.is_hidden_from(m)
                && m.related.is_some_and(|until| until.holds(now))
        };
        self.shared.subscriptions.event(self.id, &event, |reader| {
            state.member(reader).is_some_and(may_hear)
        });
        // Sockets of a kind that hears it without subscribing, and other nodes.
        let audience = match state.kind {
            ConversationKind::Direct => Audience::TypingDirect,
            ConversationKind::Consultation => Audience::TypingConsultation,
            _ => Audience::Typing,
        };
        let hears = |outbox: &Outbox| outbox.is_of(audience, Some(self.id));
        let mut spread = Spread::new(self.shared.cluster.as_deref());
        for member in state.members.iter().filter(|m| may_hear(m)) {
            member.slot.event(&event, None, hears);
            spread.add(&member.slot);
        }
        spread.send(&event, audience, None);
    }
}
