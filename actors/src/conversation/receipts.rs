//! Delivered and read watermarks: grown in memory, written at once, acknowledged when durable.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use bedside_protocol::{
    CommandError, Event, EventFrame, MemberRole, Reply, UserId, event::ReceiptChanged,
    node::Audience, reply::ReceiptTaken,
};
use std::{collections::HashMap, sync::Arc};

use super::{ConversationActor, Stage, state::MemberState};
use crate::{
    caller::{Caller, Responder},
    cluster::Spread,
    outbox::SharedEvent,
    ports::store::{Counts, LogRange, Receipts, StoreError, StoreResult},
    rights::Verb,
};

/// In larger conversations everybody's receipts would be a square of events; there they go to
/// the member's own sockets and to admins only, and can be read through the REST facade.
pub(super) const RECEIPTS_TO_ALL_MEMBERS_MAX: usize = 64;

/// Which watermark a command moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Delivered,
    Read,
}

/// Watermarks on their way to the store: at most one write per member at a time; what comes
/// meanwhile goes together with the next.
#[derive(Default)]
pub(super) struct ReceiptWrites(HashMap<UserId, Write>);

struct Write {
    /// What the store held before.
    before: Receipts,
    /// What it is to hold. Kept apart from the state, which may be built again meanwhile.
    wanted: Receipts,
    waiting: Vec<(Which, Responder)>,
    next: Vec<(Which, Responder)>,
}

impl ReceiptWrites {
    pub(super) fn is_idle(&self) -> bool {
        self.0.is_empty()
    }

    /// The writes that were waited for are gone with the context: whoever waits is told so, as
    /// their responders are dropped.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

impl ConversationActor {
    pub(super) fn receipt(
        &mut self,
        caller: &Caller,
        which: Which,
        up_to_seq: u64,
        responder: Responder,
        ctx: &mut Context<Self>,
    ) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        if let Err(error) = state.check(Verb::Receipt, caller, self.shared.clock.now()) {
            return responder.err(error);
        }
        let seq = up_to_seq.min(state.head.seq);
        if seq <= state.stored.seq {
            return self.take_receipt(caller, which, seq, responder, ctx);
        }
        // Readers may see an entry a moment before this actor hears that it is stored; the mark of
        // whoever has read it must not be lost for that.
        let (shared, id, caller) = (self.shared.clone(), self.id, caller.clone());
        let look = async move { shared.store.read_log(id, LogRange::one(seq)).await };
        ctx.spawn(look.into_actor(self).map(move |page, actor, ctx| {
            let Stage::Ready(state) = &actor.stage else {
                return;
            };
            match page {
                Ok(page) => {
                    let is_there = !page.events.is_empty();
                    let seq = if is_there {
                        seq
                    } else {
                        seq.min(state.stored.seq)
                    };
                    actor.take_receipt(&caller, which, seq, responder, ctx);
                }
                Err(fault) => {
                    tracing::error!(error = %fault, "looking for what was read failed");
                    responder.err(CommandError::unavailable("storage is unavailable", 200));
                }
            }
        }));
    }

    /// The same, up to an entry that is stored.
    fn take_receipt(
        &mut self,
        caller: &Caller,
        which: Which,
        seq: u64,
        responder: Responder,
        ctx: &mut Context<Self>,
    ) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let Some(member) = state.member(&caller.user_id) else {
            return;
        };
        let now_at = member.record.receipts;
        let is_news = match which {
            Which::Delivered => seq > now_at.delivered_seq,
            Which::Read => seq > now_at.read_seq,
        };
        if !is_news {
            match self.receipts.0.get_mut(&caller.user_id) {
                // It is only in memory yet: the answer waits until it is durable.
                Some(write) => write.next.push((which, responder)),
                None => responder.ok(self.receipt_taken(&caller.user_id, which)),
            }
            return;
        }
        if which == Which::Delivered {
            let to = Receipts {
                delivered_seq: seq,
                ..now_at
            };
            return self.grow(caller.user_id.clone(), to, (which, responder), ctx);
        }
        // The counts of what is on its way are those of what may yet be refused.
        if seq == state.head.seq && seq == state.stored.seq {
            let to = Receipts {
                delivered_seq: seq,
                read_seq: seq,
                read_ord: state.head.ord,
                read_sender_ord: member.sender_ord,
            };
            return self.grow(caller.user_id.clone(), to, (which, responder), ctx);
        }
        // Somewhere in the middle: only the log knows how many messages lie below.
        let (shared, id, user_id) = (self.shared.clone(), self.id, caller.user_id.clone());
        let asked = user_id.clone();
        let read = async move { shared.store.counts_at(id, seq, asked).await };
        ctx.spawn(
            read.into_actor(self).map(
                move |counts: StoreResult<Counts>, actor, ctx| match counts {
                    Ok(counts) => {
                        let to = Receipts {
                            delivered_seq: seq,
                            read_seq: seq,
                            read_ord: counts.ord,
                            read_sender_ord: counts.sender_ord,
                        };
                        actor.grow(user_id, to, (which, responder), ctx);
                    }
                    Err(fault) => {
                        tracing::error!(error = %fault, "counting below a receipt failed");
                        responder.err(CommandError::unavailable("storage is unavailable", 200));
                    }
                },
            ),
        );
    }

    fn grow(
        &mut self,
        user_id: UserId,
        to: Receipts,
        waiter: (Which, Responder),
        ctx: &mut Context<Self>,
    ) {
        let Stage::Ready(state) = &mut self.stage else {
            return;
        };
        let Some(member) = state.member_mut(&user_id) else {
            return;
        };
        let before = member.record.receipts;
        let wanted = before.merge(to);
        member.record.receipts = wanted;
        match self.receipts.0.get_mut(&user_id) {
            Some(write) => {
                write.wanted = write.wanted.merge(wanted);
                write.next.push(waiter);
            }
            None => {
                self.receipts.0.insert(
                    user_id.clone(),
                    Write {
                        before,
                        wanted,
                        waiting: vec![waiter],
                        next: Vec::new(),
                    },
                );
                self.write_receipts(user_id, ctx);
            }
        }
    }

    fn write_receipts(&mut self, user_id: UserId, ctx: &mut Context<Self>) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let Some(write) = self.receipts.0.get(&user_id) else {
            return;
        };
        let (shared, key, receipts) = (self.shared.clone(), state.key, write.wanted);
        let who = user_id.clone();
        let write = async move { shared.store.put_receipts(key, who, receipts).await };
        ctx.spawn(write.into_actor(self).map(move |result, actor, ctx| {
            actor.receipts_written(user_id, receipts, result, ctx);
        }));
    }

    fn receipts_written(
        &mut self,
        user_id: UserId,
        receipts: Receipts,
        result: StoreResult<()>,
        ctx: &mut Context<Self>,
    ) {
        let Stage::Ready(state) = &mut self.stage else {
            // The conversation cannot be read just now: whoever waits is told so by their
            // responder, and their next receipt starts afresh.
            self.receipts.0.remove(&user_id);
            return;
        };
        let Some(write) = self.receipts.0.get_mut(&user_id) else {
            return;
        };
        let waiting = std::mem::take(&mut write.waiting);
        if result.is_ok()
            && let Some(member) = state.member_mut(&user_id)
        {
            // A state that was built again may not have it yet.
            member.record.receipts = member.record.receipts.merge(write.wanted);
        }
        if let Err(fault) = result {
            return self.receipts_failed(&user_id, waiting, &fault);
        }
        write.before = receipts;
        let next = std::mem::take(&mut write.next);
        let is_done = write.wanted == receipts;
        for (which, responder) in waiting {
            responder.ok(self.receipt_taken(&user_id, which));
        }
        self.tell_receipts(&user_id, receipts);
        if is_done {
            self.receipts.0.remove(&user_id);
            for (which, responder) in next {
                responder.ok(self.receipt_taken(&user_id, which));
            }
        } else {
            if let Some(write) = self.receipts.0.get_mut(&user_id) {
                write.waiting = next;
            }
            self.write_receipts(user_id, ctx);
        }
    }

    /// What is not durable never was.
    fn receipts_failed(
        &mut self,
        user_id: &UserId,
        waiting: Vec<(Which, Responder)>,
        fault: &StoreError,
    ) {
        tracing::error!(error = %fault, "writing a receipt failed");
        let write = self.receipts.0.remove(user_id);
        let error = CommandError::unavailable("storage is unavailable", 200);
        let next = write.map_or_else(Vec::new, |write| {
            if let Stage::Ready(state) = &mut self.stage
                && let Some(member) = state.member_mut(user_id)
            {
                member.record.receipts = write.before;
            }
            write.next
        });
        for (_, responder) in waiting.into_iter().chain(next) {
            responder.err(error.clone());
        }
    }

    fn receipt_taken(&self, user_id: &UserId, which: Which) -> Reply {
        let (up_to_seq, unread_count) = match &self.stage {
            Stage::Ready(state) => state.member(user_id).map_or((0, 0), |m| {
                let up_to = match which {
                    Which::Delivered => m.record.receipts.delivered_seq,
                    Which::Read => m.record.receipts.read_seq,
                };
                (up_to, state.unread(m))
            }),
            _ => (0, 0),
        };
        Reply::ReceiptTaken(ReceiptTaken {
            up_to_seq,
            unread_count,
        })
    }

    fn tell_receipts(&self, user_id: &UserId, receipts: Receipts) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let event = SharedEvent::new(EventFrame::about(
            self.id,
            Event::ReceiptChanged(ReceiptChanged {
                user_id: user_id.clone(),
                delivered_up_to_seq: receipts.delivered_seq,
                read_up_to_seq: receipts.read_seq,
                at: self.shared.clock.now(),
            }),
        ));
        let to_all = state.members.len() <= RECEIPTS_TO_ALL_MEMBERS_MAX;
        let hears = |member: &&MemberState| {
            let is_own = member.record.user_id == *user_id;
            let is_admin = member.record.member_role == MemberRole::Admin;
            is_own || is_admin || (to_all && !state.is_hidden_from(member))
        };
        let push = |event: &Arc<SharedEvent>| {
            for member in state.present().filter(hears) {
                member.slot.event(event, None, |_| true);
            }
        };
        let Some(cluster) = &self.shared.cluster else {
            return push(&event);
        };
        cluster.told.push(&event, push);
        let mut spread = Spread::new(Some(cluster));
        for member in state.present().filter(hears) {
            spread.add(&member.slot);
        }
        spread.send(&event, Audience::All, None);
    }
}
