//! The token that a session stands on: its end, and another one in its place.

use actix::{ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};
use bedside_protocol::{
    CloseCode, CommandError, ErrorCode, Event, Reply, Timestamp, event::SessionExpiring,
    reply::TokenRefreshed,
};
use std::time::Duration;

use super::SessionActor;
use crate::{
    caller::Responder,
    counters::COUNTERS,
    ports::identity::{SessionIdentity, Verification},
};

/// How long before a token runs out the client is told.
const EXPIRING_BEFORE_MS: i64 = 60_000;

impl SessionActor {
    /// Closes the socket when its token is not let in any more; whether it is.
    pub(super) fn is_let_in(&self) -> bool {
        let refusal = self.shared.gate.refusal(&self.caller.user_id, &self.stamp);
        if let Some(code) = refusal {
            self.outbox.close(code);
        }
        refusal.is_none()
    }

    /// Tells of the token's end shortly before it, and closes at it.
    pub(super) fn watch_token(&mut self, ctx: &mut Context<Self>) {
        let Some(expires_at) = self.expires_at else {
            return;
        };
        let now = self.shared.clock.now();
        let left_ms = expires_at.plus_millis(self.grace_ms).millis_since(now);
        if left_ms <= 0 {
            self.outbox.close(CloseCode::TokenExpired);
            return;
        }
        let until_told_ms = expires_at.millis_since(now) - EXPIRING_BEFORE_MS;
        let wait_ms = if until_told_ms > 0 {
            until_told_ms
        } else {
            if self.is_welcomed && !self.is_expiring_told {
                self.is_expiring_told = true;
                self.push(Event::SessionExpiring(SessionExpiring {
                    token_expires_at: expires_at,
                }));
            }
            left_ms
        };
        // An hour at most, so that a clock that was set is noticed.
        let wait_ms = u64::try_from(wait_ms.min(3_600_000)).unwrap_or(0);
        if let Some(timer) = self.token_timer.take() {
            ctx.cancel_future(timer);
        }
        let wait = Duration::from_millis(wait_ms);
        self.token_timer = Some(ctx.run_later(wait, |actor, ctx| {
            actor.token_timer = None;
            actor.watch_token(ctx);
        }));
    }

    /// Takes another token. One that has to be asked about is waited for aside, and meanwhile the
    /// session goes on with the one it has.
    pub(super) fn refresh(&mut self, token: &str, responder: Responder, ctx: &mut Context<Self>) {
        if self.is_refreshing {
            COUNTERS.rate_limited.add(1);
            return responder.err(CommandError {
                retry_after_ms: 1_000,
                ..CommandError::new(ErrorCode::RateLimited, "another token is looked at")
            });
        }
        let now = self.shared.clock.now();
        match self.shared.identities.verify(token, now) {
            Verification::Done(verified) => {
                let result = verified.and_then(|identity| self.refreshed(identity, ctx));
                responder.answer(result);
            }
            Verification::Waiting(verified) => {
                self.is_refreshing = true;
                ctx.spawn(verified.into_actor(self).map(move |verified, actor, ctx| {
                    actor.is_refreshing = false;
                    let result = verified.and_then(|identity| actor.refreshed(identity, ctx));
                    responder.answer(result);
                }));
            }
        }
    }

    fn refreshed(
        &mut self,
        identity: SessionIdentity,
        ctx: &mut Context<Self>,
    ) -> Result<Reply, CommandError> {
        if identity.user_id != self.caller.user_id {
            return Err(CommandError::forbidden(
                "the token belongs to somebody else",
            ));
        }
        self.outbox.set_roles(identity.roles);
        self.caller.roles = identity.roles;
        self.caller.name = identity.name.clone();
        self.email = identity.email.clone();
        // The running timer finds the new time when it fires; a shorter one needs its own.
        let is_sooner = match (identity.expires_at, self.expires_at) {
            (Some(new), Some(old)) => new < old,
            (Some(_), None) => true,
            _ => false,
        };
        self.expires_at = identity.expires_at;
        self.stamp = identity.stamp.clone();
        self.outbox.set_stamp(identity.stamp.clone());
        // It may have been revoked between the look at it and now.
        self.is_let_in();
        self.is_expiring_told = false;
        self.node.note_identity(&identity);
        if is_sooner {
            self.watch_token(ctx);
        }
        Ok(Reply::TokenRefreshed(TokenRefreshed {
            token_expires_at: self.expires_at.unwrap_or(Timestamp::from_millis(i64::MAX)),
        }))
    }
}
