//! What a node does by itself: it starts, gives signs of life, and notices who gives none.

use actix_rt::ArbiterHandle;
use bedside_protocol::{
    CloseCode, Timestamp,
    node::{Beat, NodeMessage},
};
use bytes::Bytes;
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

use super::{
    Cluster, asks,
    healing::{MARGIN_MS, Whom},
};
use crate::{
    counters::COUNTERS,
    denials,
    node::Shared,
    ports::{
        bus::{Inbox, Peer},
        clock::Clock,
    },
};

/// Between two signs of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A peer that was not heard of for so long is not there.
const GONE_AFTER: Duration = Duration::from_secs(3);
/// How long the bus keeps a node that does not renew its lease.
const LEASE: Duration = Duration::from_secs(10);
/// Beats between two renewals of the lease.
const RENEW_EVERY: u64 = 3;
/// Between two looks for overdue answers.
const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// The clocks of two nodes that were just told of each other's people, and what an entry waits
/// before it is stored.
const OPENED_MARGIN_MS: i64 = 2_000;
/// Tries to tell or to read who is where, while the bridge is there.
const TRIES_MAX: u32 = 8;
/// Before the second one; each later wait is twice as long.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// A beat that comes so late tells of a process that was held up.
const HELD_UP_AFTER: Duration = Duration::from_secs(1);
/// While a peer is missing and the bridge is there, the store is asked what that peer may have
/// added for one beat in so many as there are thousands of people here, and one in ten at least:
/// most likely it is dead, and the store has its clients' reconnections to serve.
const MISSED_PEOPLE_PER_BEAT: usize = 1_000;
const MISSED_EVERY_MAX: usize = 10;
/// People that the store is asked about at a time.
const PEOPLE_AT_A_TIME: usize = 200;

impl Cluster {
    /// Starts the node's part, on an arbiter of its own.
    pub(crate) fn connect(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        arbiter: ArbiterHandle,
        inbox: Arc<dyn Inbox>,
    ) {
        // Set once, by `Node::start_in`.
        let _ = self.shared.set(Arc::downgrade(shared));
        let _ = self.arbiter.set(arbiter);
        self.view.write().down_since = shared.clock.now();
        let clock = shared.clock.clone();
        self.spawn(flush(Arc::downgrade(self)));
        self.spawn(tell(Arc::downgrade(self)));
        self.spawn(beat(Arc::downgrade(self), clock.clone()));
        self.spawn(sweep(Arc::downgrade(self), clock));
        self.spawn(denials::keep_fresh(Arc::downgrade(shared)));
        let own = self.clone();
        // On the arbiter, because a bus may start tasks of its own.
        self.spawn(async move { own.bus.start(inbox) });
    }

    /// Tells all that this node is there, and what it sent to whom.
    pub(super) fn give_sign(self: &Arc<Self>) {
        if self.has_left.load(Ordering::SeqCst) {
            return;
        }
        // The list must count what goes before it.
        self.flush();
        let links = self.outbound.sent();
        self.outbound.push_all(&NodeMessage::Beat(Beat { links }));
        self.flush();
    }

    fn flush(self: &Arc<Self>) {
        let refused = self.outbound.flush(&*self.bus);
        let waiting: Vec<_> = refused
            .into_iter()
            .filter_map(|r| self.asks.take(r))
            .collect();
        if !waiting.is_empty() {
            self.take_back(waiting, true);
        }
    }

    /// Waits before another try; false when there should be none.
    async fn may_try_again(&self, failures: &mut u32) -> bool {
        *failures += 1;
        let Some(shared) = self.shared().filter(|_| self.is_up()) else {
            // All is told and read anew when it is back.
            return false;
        };
        let wait = TRY_AGAIN_AFTER * (1 << (*failures).min(TRIES_MAX));
        tokio::time::sleep(shared.clock.wait(wait)).await;
        *failures < TRIES_MAX && self.is_up()
    }

    /// Everything that other nodes know of this one, and the other way round, is told anew.
    pub(super) async fn tell_anew(self: &Arc<Self>) {
        let mut failures = 0;
        loop {
            let all = {
                // From here on changes are newer than the list.
                self.untold.lock().clear();
                let here = self.here.lock();
                here.iter()
                    .map(|(user_id, said)| {
                        let said = said.to_bytes().to_vec();
                        (self.user_key(user_id), said.into())
                    })
                    .collect()
            };
            let Err(fault) = self.bus.replace_presence(all).await else {
                break;
            };
            tracing::warn!(error = %fault, "the people on this node could not be shared");
            if !self.may_try_again(&mut failures).await {
                return;
            }
        }
        if let Err(fault) = self.bus.renew(LEASE).await {
            tracing::warn!(error = %fault, "the lease could not be renewed");
        }
        self.outbound.push_all(&NodeMessage::Anew);
        self.give_sign();
        match self.bus.peers().await {
            Ok(peers) => {
                for peer in peers.iter().filter(|peer| *peer != self.bus.me()) {
                    let (own, peer) = (self.clone(), Arc::new(peer.clone()));
                    self.spawn(async move { own.learn_of(peer).await });
                }
            }
            // Each of them is met when it gives its next sign.
            Err(fault) => tracing::warn!(error = %fault, "the other nodes could not be listed"),
        }
    }

    /// Reads who is on a peer.
    pub(super) async fn learn_of(&self, peer: Arc<Peer>) {
        self.outbound.push(&peer, &NodeMessage::AskRooms, None);
        let mut failures = 0;
        loop {
            let read = self.whereabouts.begin(&peer.node);
            match self.bus.presence_of(&peer).await {
                Ok(all) => {
                    let all = all
                        .into_iter()
                        .map(|(user, said)| (user, super::Said::from_bytes(&said)))
                        .collect();
                    if self.whereabouts.replace(&peer, read, all)
                        && let Some(shared) = self.shared()
                    {
                        shared.presence.look_again();
                    }
                    return;
                }
                Err(fault) => {
                    tracing::warn!(error = %fault, "who is on a node could not be read");
                    if !self.may_try_again(&mut failures).await {
                        return self.whereabouts.give_up(&peer.node, read);
                    }
                }
            }
        }
    }

    /// A peer is there that was not, or was in doubt: reads who is on it, and then has it look for
    /// what this node did not tell it meanwhile.
    pub(super) fn learn_and_doubt(self: &Arc<Self>, peer: &Arc<Peer>, since: Timestamp) {
        let (own, peer) = (self.clone(), peer.clone());
        self.spawn(async move {
            // So that it hears of this one before the next beat.
            own.give_sign();
            own.learn_of(peer.clone()).await;
            own.outbound.push(&peer, &NodeMessage::Doubt(since), None);
        });
    }

    /// Ends the sockets of people who have no role any more, or are not let in: the word of it
    /// may have been lost.
    pub(super) fn recheck_people(self: &Arc<Self>) {
        let own = self.clone();
        self.spawn(async move {
            let Some(shared) = own.shared() else {
                return;
            };
            shared.gate.doubt();
            let online = shared.sessions.online();
            for some in online.chunks(PEOPLE_AT_A_TIME) {
                let people = match shared.store.people(some.to_vec()).await {
                    Ok(people) => people,
                    Err(fault) => {
                        return tracing::warn!(error = %fault, "people could not be looked at again");
                    }
                };
                for person in people.iter().filter(|person| person.roles.is_empty()) {
                    shared.sessions.each_of(&person.user_id, |outbox| {
                        if !outbox.roles().is_empty() {
                            outbox.close(CloseCode::Revoked);
                        }
                    });
                }
            }
        });
    }

    /// Tells who came and went: first where it can be read, so that whoever reads it after having
    /// heard of it finds it there.
    async fn tell_presence_now(self: &Arc<Self>) {
        let people: Vec<_> = self.untold.lock().drain().map(|(_, here)| here).collect();
        if people.is_empty() {
            return;
        }
        let changes = people.iter().map(|here| {
            let said = super::Said {
                status: here.status,
                at: here.status_at,
            };
            let said = Bytes::copy_from_slice(&said.to_bytes());
            (self.user_key(&here.user_id), here.is_here.then_some(said))
        });
        let put = self.bus.put_presence(changes.collect()).await;
        self.outbound.push_all(&NodeMessage::Here(people));
        if let Err(fault) = put {
            // While it is down all is told anew when it is back.
            if self.is_up() {
                tracing::warn!(error = %fault, "presence could not be shared");
                self.tell_anew().await;
            }
        }
    }

    /// Looks who is there.
    pub(super) fn look_around(self: &Arc<Self>, clock: &dyn Clock) {
        let Some(since) = Instant::now().checked_sub(clock.wait(GONE_AFTER)) else {
            return;
        };
        let now = clock.now();
        let live = self.links.lock().live(since);
        let leaving: Vec<_> = {
            let view = self.view.read();
            let is_live = |peer: &Arc<Peer>| live.iter().any(|l| l.node == peer.node);
            view.live.iter().filter(|p| !is_live(p)).cloned().collect()
        };
        for peer in leaving {
            // Before anything new is done here that came after it.
            self.take_back(self.asks.of_peer(&peer), false);
        }
        let (gone, back) = {
            let mut view = self.view.write();
            let is_live = |peer: &Arc<Peer>| live.iter().any(|l| l.node == peer.node);
            let gone: Vec<_> = view.live.iter().filter(|p| !is_live(p)).cloned().collect();
            for peer in &gone {
                view.missing.insert(peer.node.clone(), now);
            }
            let new: Vec<_> = live.iter().filter(|l| !view.live.contains(l)).collect();
            let back = new.into_iter().map(|peer| {
                let since = view.missing.remove(&peer.node).unwrap_or(now);
                (peer.clone(), since)
            });
            let back: Vec<_> = back.collect();
            view.live = live;
            (gone, back)
        };
        let has_changed = !gone.is_empty() || !back.is_empty();
        for peer in gone {
            self.lose(&peer, false);
        }
        for (peer, since) in back {
            // It lives on as before, but was forgotten here with everybody on it.
            tracing::info!(node = %peer.node, "a node is back");
            self.heal_all(since);
            self.recheck_people();
            self.learn_and_doubt(&peer, since);
        }
        if has_changed {
            self.placed_anew();
        }
    }

    /// A peer is not there any more. `is_undone` says that it did nothing about what it was
    /// asked and did not answer.
    pub(super) fn lose(self: &Arc<Self>, peer: &Peer, is_undone: bool) {
        tracing::info!(node = %peer.node, "a node is gone");
        self.whereabouts.drop_node(&peer.node);
        let mut called = self.called.lock();
        called.retain(|_, (node, _)| *node != peer.node);
        drop(called);
        if let Some(shared) = self.shared() {
            self.elsewhere.drop_node(&shared, &peer.node);
            shared.presence.look_again();
        }
        let since = self.links.lock().whole_until(&peer.node);
        if let Some(since) = since {
            self.heal_all(since);
        }
        self.take_back(self.asks.of_peer(peer), is_undone);
    }

    /// Who is there has changed: conversations that are placed elsewhere now are given up here.
    pub(super) fn placed_anew(&self) {
        self.stir();
        if let Some(shared) = self.shared() {
            shared.directory.hand_over(|id| !self.is_placed_here(id));
        }
    }

    /// `from` is the beat before, and `before` the one before that.
    fn poll(self: &Arc<Self>, count: u64, before: Timestamp, from: Timestamp, now: Timestamp) {
        let opened = {
            let mut opened = self.opened.lock();
            let [latest, earlier] = &mut *opened;
            std::mem::replace(earlier, std::mem::take(latest))
        };
        let (is_alone, misses_anybody) = {
            let view = self.view.read();
            (!view.is_up, view.misses_anybody(now))
        };
        let people = self.here.lock().len();
        let every = (1 + people / MISSED_PEOPLE_PER_BEAT).min(MISSED_EVERY_MAX) as u64;
        if is_alone || (misses_anybody && count.is_multiple_of(every)) {
            let beats_ms = if is_alone {
                0
            } else {
                BEAT_EVERY.as_millis() as i64 * (every - 1) as i64
            };
            self.heal(Whom::All, from.plus_millis(-MARGIN_MS - beats_ms));
        } else if !opened.is_empty() {
            // What came while the others had not heard yet that somebody is here.
            self.heal(Whom::These(opened), before.plus_millis(-OPENED_MARGIN_MS));
        }
    }
}

/// Sends what waits, as soon as it waits.
async fn flush(cluster: Weak<Cluster>) {
    loop {
        let Some(own) = cluster.upgrade() else {
            return;
        };
        own.outbound.waiting().await;
        // Whatever else is said in this turn goes along.
        tokio::task::yield_now().await;
        own.flush();
    }
}

/// Shares who is here, apart from the messages, which must not wait for it.
async fn tell(cluster: Weak<Cluster>) {
    loop {
        let Some(own) = cluster.upgrade() else {
            return;
        };
        own.has_untold.notified().await;
        own.tell_presence_now().await;
    }
}

/// Gives signs of life, and looks for those of others.
async fn beat(cluster: Weak<Cluster>, clock: Arc<dyn Clock>) {
    let (mut count, mut before, mut polled) = (0_u64, clock.now(), clock.now());
    loop {
        let (every, slept) = (clock.wait(BEAT_EVERY), Instant::now());
        tokio::time::sleep(every).await;
        let Some(own) = cluster.upgrade() else {
            return;
        };
        if own.has_left.load(Ordering::SeqCst) {
            return;
        }
        // A process that was held up may have been given up on by the others, and has missed
        // what they said.
        let was_held_up = slept.elapsed() > every + clock.wait(HELD_UP_AFTER);
        let now = clock.now();
        if was_held_up {
            tracing::warn!("this process was held up for some seconds");
            own.stir();
            own.heal_all(before);
            own.refresh_conversations();
            if own.is_up() {
                let telling = own.clone();
                own.spawn(async move { telling.tell_anew().await });
            }
        }
        own.look_around(&*clock);
        own.poll(count, before, polled, now);
        (before, polled) = (polled, now);
        if own.is_up() {
            own.give_sign();
            if count.is_multiple_of(RENEW_EVERY) {
                let renewing = own.clone();
                // Not waited for: a slow bus must not keep the signs of life back.
                own.spawn(async move {
                    if let Err(fault) = renewing.bus.renew(LEASE).await {
                        tracing::warn!(error = %fault, "the lease could not be renewed");
                    }
                });
            }
        }
        count = count.wrapping_add(1);
    }
}

/// Takes back what is not answered in time.
async fn sweep(cluster: Weak<Cluster>, clock: Arc<dyn Clock>) {
    loop {
        tokio::time::sleep(clock.wait(SWEEP_EVERY)).await;
        let Some(own) = cluster.upgrade() else {
            return;
        };
        let within = clock.wait(asks::ANSWER_WITHIN);
        let live = Instant::now().checked_sub(within).map(|since| {
            let links = own.links.lock();
            links.live(since)
        });
        let is_there = |peer: &Peer| live.iter().flatten().any(|l| **l == *peer);
        let patience = clock.wait(asks::PATIENCE);
        let overdue = own.asks.overdue(within, patience, is_there);
        if !overdue.is_empty() {
            tracing::warn!(count = overdue.len(), "another node did not answer in time");
            own.take_back(overdue, false);
        }
        for (peer, ask) in own.asks.to_repeat(within) {
            let request = ask.request;
            COUNTERS.asks_repeated.add(1);
            let message = NodeMessage::Ask(Box::new(ask));
            own.outbound.push(&peer, &message, Some(request));
        }
    }
}
