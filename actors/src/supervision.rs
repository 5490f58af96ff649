//! Restarts actors that panic.
//!
//! `actix::Supervisor` restarts an actor only when its context stops; a panic in a handler kills
//! it for good, with every message that waits for it. This supervisor polls the actor inside
//! `catch_unwind` and restarts it with the same address, the same instance and the same mailbox:
//! only the message at fault is lost (its [`crate::caller::Responder`] answers `unavailable` as
//! it is dropped). An actor that panics too often is given up on.
//!
//! What follows for an actor: `restarting()` rebuilds its state from outside, timers are armed
//! in `started()`, and the release profile keeps `panic = "unwind"`.

use actix::{
    Actor, Addr, ArbiterHandle, Context, Supervised,
    dev::{ContextFut, channel},
};
use std::{
    cell::Cell,
    collections::VecDeque,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{self, Poll},
    time::Duration,
};
use tokio::time::Instant;

use crate::counters::COUNTERS;

/// So many restarts within [`BUDGET_PERIOD`] are forgiven.
pub const BUDGET_RESTARTS: usize = 5;
/// See [`BUDGET_RESTARTS`].
pub const BUDGET_PERIOD: Duration = Duration::from_secs(10);

/// An actor that this supervisor can look after.
pub trait Recover: Supervised + Actor<Context = Context<Self>> {
    /// For logs and metrics.
    const NAME: &'static str;
}

thread_local! {
    static CURRENT: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// The name of the actor that this thread is running, if any: for panic hooks.
#[must_use]
pub fn current_actor() -> Option<&'static str> {
    CURRENT.get()
}

struct Supervisor<A: Recover> {
    actor: Option<ContextFut<A, Context<A>>>,
    restarts: VecDeque<Instant>,
    give_up: Option<Box<dyn FnOnce()>>,
}

/// Starts an actor on the current arbiter. `give_up` runs when its budget is used up.
pub fn start<A: Recover>(
    mailbox_max: usize,
    give_up: impl FnOnce() + 'static,
    make: impl FnOnce(&mut Context<A>) -> A,
) -> Addr<A> {
    let (sender, receiver) = channel::channel(mailbox_max);
    run(receiver, give_up, make);
    Addr::new(sender)
}

/// Starts an actor on another arbiter. Messages may be sent to it at once.
pub fn start_on<A: Recover>(
    arbiter: &ArbiterHandle,
    mailbox_max: usize,
    give_up: impl FnOnce() + Send + 'static,
    make: impl FnOnce(&mut Context<A>) -> A + Send + 'static,
) -> Addr<A> {
    let (sender, receiver) = channel::channel(mailbox_max);
    arbiter.spawn_fn(move || run(receiver, give_up, make));
    Addr::new(sender)
}

fn run<A: Recover>(
    receiver: channel::AddressReceiver<A>,
    give_up: impl FnOnce() + 'static,
    make: impl FnOnce(&mut Context<A>) -> A,
) {
    let mut ctx = Context::with_receiver(receiver);
    let actor = make(&mut ctx);
    actix_rt::spawn(Supervisor {
        actor: Some(ctx.into_future(actor)),
        restarts: VecDeque::new(),
        give_up: Some(Box::new(give_up)),
    });
}

impl<A: Recover> Supervisor<A> {
    fn may_restart(&mut self) -> bool {
        let now = Instant::now();
        while self
            .restarts
            .front()
            .is_some_and(|at| now.duration_since(*at) > BUDGET_PERIOD)
        {
            self.restarts.pop_front();
        }
        self.restarts.push_back(now);
        self.restarts.len() <= BUDGET_RESTARTS
    }

    /// Drops the actor; its queued messages answer `unavailable` by being dropped.
    fn end(&mut self) {
        let actor = self.actor.take();
        // Dropping a context polls it once more, which may panic again.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(actor)));
    }
}

impl<A: Recover> Future for Supervisor<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let Some(actor) = &mut this.actor else {
                return Poll::Ready(());
            };
            CURRENT.set(Some(A::NAME));
            let polled = catch_unwind(AssertUnwindSafe(|| match Pin::new(&mut *actor).poll(cx) {
                Poll::Pending => None,
                // The context stopped: on purpose, or because nobody holds its address.
                Poll::Ready(()) => Some(actor.restart()),
            }));
            CURRENT.set(None);
            match polled {
                Ok(None) => return Poll::Pending,
                Ok(Some(true)) => {}
                Ok(Some(false)) => {
                    this.end();
                    return Poll::Ready(());
                }
                Err(_) if this.may_restart() => {
                    COUNTERS.actor_restarts.add(1);
                    tracing::error!(actor = A::NAME, "actor panicked; restarting it");
                    let restarted = this
                        .actor
                        .as_mut()
                        .and_then(|actor| catch_unwind(AssertUnwindSafe(|| actor.restart())).ok());
                    if restarted != Some(true) {
                        this.give_up();
                        return Poll::Ready(());
                    }
                }
                Err(_) => {
                    this.give_up();
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl<A: Recover> Supervisor<A> {
    fn give_up(&mut self) {
        COUNTERS.actor_crash_loops.add(1);
        tracing::error!(actor = A::NAME, "actor panicked too often; giving up on it");
        if let Some(give_up) = self.give_up.take() {
            let _ = catch_unwind(AssertUnwindSafe(give_up));
        }
        self.end();
    }
}

/// Sends a message whatever the mailbox's bound says. Only for senders that are bounded
/// themselves, as commits are by the entries that wait for them: `do_send` ignores the bound.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place for senders that are bounded themselves"
)]
pub(crate) fn deliver<A, M>(addr: &Addr<A>, message: M)
where
    A: Recover + actix::Handler<M>,
    M: actix::Message + Send + 'static,
    M::Result: Send,
{
    addr.do_send(message);
}
