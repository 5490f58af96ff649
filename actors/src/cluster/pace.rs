//! What a node does by itself: it starts, gives signs of life, and notices who gives none.

use actix_rt::ArbiterHandle;
use bedside_protocol::{
    Timestamp,
    node::{Beat, NodeMessage},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::Instant;

use super::{
    Cluster, asks,
    healing::{MARGIN_MS, Whom},
};
use crate::{
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
const RENEW_EVERY: u32 = 3;
/// Between two looks for overdue answers.
const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// A peer that went without a good-bye may still write for its own clients; so long the store
/// is asked what it added.
const MISSED_FOR_MS: i64 = 60_000;
/// The clocks of two nodes that were just told of each other's people.
const OPENED_MARGIN_MS: i64 = 250;

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
        let own = self.clone();
        // On the arbiter, because a bus may start tasks of its own.
        self.spawn(async move { own.bus.start(inbox) });
    }

    /// Tells all that this node is there, and what it sent to whom.
    pub(super) fn give_sign(&self) {
        // The list must count what goes before it.
        self.flush();
        let links = self.outbound.sent();
        self.outbound.push_all(&NodeMessage::Beat(Beat { links }));
        self.flush();
    }

    fn flush(&self) {
        let refused = self.outbound.flush(&*self.bus);
        let waiting: Vec<_> = refused
            .into_iter()
            .filter_map(|r| self.asks.take(r))
            .collect();
        if !waiting.is_empty() {
            self.take_back(waiting, true);
        }
    }

    /// Everything that other nodes know of this one, and the other way round, is told anew.
    ///
    /// What was lost was lost from `since` on.
    pub(super) async fn tell_anew(self: &Arc<Self>, since: Timestamp) {
        let all = {
            // From here on changes are newer than the list.
            self.untold.lock().clear();
            let here = self.here.lock();
            here.iter()
                .map(|(user_id, said)| (self.user_key(user_id), said.to_bytes().to_vec().into()))
                .collect()
        };
        if let Err(fault) = self.bus.replace_presence(all).await {
            tracing::warn!(error = %fault, "the people on this node could not be shared");
        }
        if let Err(fault) = self.bus.renew(LEASE).await {
            tracing::warn!(error = %fault, "the lease could not be renewed");
        }
        self.give_sign();
        match self.bus.peers().await {
            Ok(peers) => {
                for peer in peers.iter().filter(|peer| *peer != self.bus.me()) {
                    self.learn_of(Arc::new(peer.clone())).await;
                }
            }
            Err(fault) => tracing::warn!(error = %fault, "the other nodes could not be listed"),
        }
        // They may have read who is here before it was all there.
        self.outbound.push_all(&NodeMessage::Doubt(since));
    }

    /// Reads who is on a peer.
    pub(super) async fn learn_of(&self, peer: Arc<Peer>) {
        self.outbound.push(&peer, &NodeMessage::AskRooms, None);
        self.whereabouts.begin(&peer.node);
        match self.bus.presence_of(&peer).await {
            Ok(all) => {
                let all = all
                    .into_iter()
                    .map(|(user, said)| (user, super::Said::from_bytes(&said)))
                    .collect();
                if self.whereabouts.replace(&peer, all)
                    && let Some(shared) = self.shared()
                {
                    shared.presence.look_again();
                }
            }
            // The next sign of doubt tries again; until then what was known counts.
            Err(fault) => tracing::warn!(error = %fault, "who is on a node could not be read"),
        }
    }

    async fn tell_bus(self: &Arc<Self>) {
        let changes: Vec<_> = self.untold.lock().drain().collect();
        if changes.is_empty() {
            return;
        }
        if let Err(fault) = self.bus.put_presence(changes).await {
            // While it is down all is told anew when it is back.
            if self.is_up()
                && let Some(shared) = self.shared()
            {
                tracing::warn!(error = %fault, "presence could not be shared");
                self.tell_anew(shared.clock.now()).await;
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
        let (gone, back, changed) = {
            let mut view = self.view.write();
            let is_live = |peer: &Arc<Peer>| live.iter().any(|l| l.node == peer.node);
            let gone: Vec<_> = view.live.iter().filter(|p| !is_live(p)).cloned().collect();
            let is_back = |peer: &&Arc<Peer>| !view.live.contains(peer);
            let back: Vec<_> = live.iter().filter(is_back).cloned().collect();
            let changed = !gone.is_empty() || !back.is_empty();
            let back: Vec<_> = back
                .into_iter()
                .map(|peer| (view.lost.remove(&peer.node).unwrap_or(now), peer))
                .collect();
            for peer in &gone {
                view.missing.insert(peer.node.clone(), now);
            }
            for peer in &live {
                view.missing.remove(&peer.node);
            }
            view.missing
                .retain(|_, at| now.millis_since(*at) < MISSED_FOR_MS);
            view.live = live;
            (gone, back, changed)
        };
        for (since, peer) in back {
            self.is_back(peer, since);
        }
        for peer in gone {
            self.lose(&peer, false);
        }
        if changed {
            self.placed_anew();
        }
    }

    /// A peer that was held to be gone is heard of again, in the same life. Since then nobody was
    /// known to be on it, so it was told nothing.
    fn is_back(self: &Arc<Self>, peer: Arc<Peer>, since: Timestamp) {
        tracing::info!(node = %peer.node, "a node is there again");
        let own = self.clone();
        self.spawn(async move {
            own.learn_of(peer.clone()).await;
            // From here on it is told; what came before it has to look up.
            own.outbound.push(&peer, &NodeMessage::Doubt(since), None);
        });
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
            let now = shared.clock.now();
            self.view.write().lost.insert(peer.node.clone(), now);
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

    fn poll(self: &Arc<Self>, from: Timestamp, now: Timestamp) {
        let (is_alone, opened) = {
            let view = self.view.read();
            let opened = std::mem::take(&mut *self.opened.lock());
            (!view.is_up || !view.missing.is_empty(), opened)
        };
        if is_alone {
            self.heal(Whom::All, from.plus_millis(-MARGIN_MS));
        } else if !opened.is_empty() && now > from {
            // What came while the others had not heard yet that somebody is here.
            self.heal(Whom::These(opened), from.plus_millis(-OPENED_MARGIN_MS));
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
        own.tell_bus().await;
    }
}

/// Gives signs of life, and looks for those of others.
async fn beat(cluster: Weak<Cluster>, clock: Arc<dyn Clock>) {
    let (mut count, mut last, mut polled) = (0_u32, Instant::now(), clock.now());
    loop {
        let every = clock.wait(BEAT_EVERY);
        tokio::time::sleep(every).await;
        let Some(own) = cluster.upgrade() else {
            return;
        };
        // A process that was held up may have been given up on by the others, and has missed
        // what they said.
        let was_held_up = last.elapsed() > every + clock.wait(GONE_AFTER);
        last = Instant::now();
        let now = clock.now();
        if was_held_up {
            tracing::warn!("this process was held up for some seconds");
            own.stir();
            own.heal_all(polled);
            own.refresh_conversations();
            if own.is_up() {
                own.tell_anew(polled).await;
            }
        }
        own.look_around(&*clock);
        own.poll(polled, now);
        polled = now;
        if own.is_up() {
            own.give_sign();
            if count.is_multiple_of(RENEW_EVERY)
                && let Err(fault) = own.bus.renew(LEASE).await
            {
                tracing::warn!(error = %fault, "the lease could not be renewed");
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
        let overdue = own.asks.overdue(clock.wait(asks::ANSWER_WITHIN));
        if !overdue.is_empty() {
            tracing::warn!(count = overdue.len(), "another node did not answer in time");
            own.take_back(overdue, false);
        }
    }
}
