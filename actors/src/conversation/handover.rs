//! Giving a conversation up because it goes on on another node.

use actix::{AsyncContext, Context, Handler, Message};
use std::time::Duration;
use tokio::time::Instant;

use super::{ConversationActor, Retired, Stage};

/// How often it is looked whether the actor may go.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// For how long commands that wait in the mailbox are done first, so that no later one overtakes
/// them on its way to the other node.
const PATIENCE: Duration = Duration::from_secs(1);

/// The conversation has its place on another node now: finish what is on its way and leave the
/// rest to the directory.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub(crate) struct Handover;

impl Handler<Handover> for ConversationActor {
    type Result = ();

    fn handle(&mut self, _: Handover, ctx: &mut Self::Context) {
        if self.leaving.is_none() {
            self.leaving = Some(Instant::now());
            self.leave_later(ctx);
            self.try_to_leave(ctx);
        }
    }
}

impl ConversationActor {
    /// Looks again and again until the actor may go. Nothing when it is not to go.
    pub(super) fn leave_later(&self, ctx: &mut Context<Self>) {
        if self.leaving.is_some() && !matches!(self.stage, Stage::Retired) {
            let wait = self.shared.clock.wait(LOOK_AGAIN);
            ctx.run_later(wait, |actor, ctx| {
                actor.leave_later(ctx);
                actor.try_to_leave(ctx);
            });
        }
    }

    /// Whether commands wait for the directory instead of being decided here.
    pub(super) fn is_closing(&self) -> bool {
        let patience = self.shared.clock.wait(PATIENCE);
        let is_late = |since: Instant| since.elapsed() >= patience;
        // One that cannot be read says so.
        self.leaving.is_some_and(is_late) && matches!(self.stage, Stage::Ready(_))
    }

    pub(super) fn try_to_leave(&mut self, ctx: &mut Context<Self>) {
        if self.leaving.is_none() || !self.is_done() {
            return;
        }
        let directory = &self.shared.directory;
        let is_gone = if self.is_closing() {
            directory.retire(self.id, self.generation)
        } else {
            self.queue.is_empty() && directory.retire_unasked(self.id, self.generation)
        };
        if is_gone {
            self.stage = Stage::Retired;
            // What waits is passed on before what is still in the mailbox.
            self.go_on(ctx);
            ctx.notify(Retired);
        }
    }
}
