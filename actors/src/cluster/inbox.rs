//! What comes from other nodes.

use bedside_protocol::{
    CloseCode, Command, ConversationId, Event, Reply, Timestamp, UserId,
    event::Change,
    node::{Audience, Beat, Blob, Delivery, Here, NodeAsk, NodeMessage, NodeResult, Subscription},
    reply::Subscribed,
};
use bytes::Bytes;
use std::sync::{Arc, Weak};
use tokio::time::Instant;

use super::{
    Cluster, Said,
    asks::{Waiting, act_from, answer_from},
    before,
    links::Heard,
};
use crate::{
    caller::{Caller, Origin, Responder},
    consultation::Join,
    conversation::{Act, Ask},
    counters::COUNTERS,
    node::Shared,
    outbox::{Outbox, SharedEvent},
    ports::bus::{Inbox, Peer, Received},
    resume::storage_error,
};

/// How the bus reaches the cluster.
pub(crate) struct Mailbox(pub(crate) Weak<Cluster>);

impl Inbox for Mailbox {
    fn received(&self, message: Received) {
        if let Some(cluster) = self.0.upgrade()
            && let Some(shared) = cluster.shared()
        {
            cluster.received(&shared, message);
        }
    }

    fn undelivered(&self, to: &Peer) {
        if let Some(cluster) = self.0.upgrade() {
            cluster.undelivered(to);
        }
    }

    fn up(&self) {
        if let Some(cluster) = self.0.upgrade() {
            cluster.up();
        }
    }

    fn down(&self) {
        if let Some(cluster) = self.0.upgrade() {
            cluster.down();
        }
    }
}

impl Cluster {
    fn up(self: &Arc<Self>) {
        tracing::info!("the bridge to the other nodes is there");
        let since = {
            let mut view = self.view.write();
            view.is_up = true;
            view.down_since
        };
        self.heal_all(since);
        self.recheck_people();
        let own = self.clone();
        self.spawn(async move { own.tell_anew().await });
        self.placed_anew();
    }

    fn down(self: &Arc<Self>) {
        tracing::warn!("the bridge to the other nodes is down; each goes on for its own clients");
        // Before anything new is done here that came after it; and then what came meanwhile.
        self.take_back(self.asks.all(), false);
        if let Some(shared) = self.shared() {
            let mut view = self.view.write();
            view.is_up = false;
            view.down_since = shared.clock.now();
        }
        self.called.lock().clear();
        self.take_back(self.asks.all(), false);
    }

    /// Nobody took what was sent to a peer: it is gone, before its silence tells so.
    fn undelivered(self: &Arc<Self>, to: &Peer) {
        let was_there = {
            let mut view = self.view.write();
            let before = view.live.len();
            view.live.retain(|peer| **peer != *to);
            view.live.len() < before
        };
        if was_there {
            if let Some(shared) = self.shared() {
                let now = shared.clock.now();
                self.view.write().missing.insert(to.node.clone(), now);
            }
            self.lose(to, false);
            self.links.lock().silence(&to.node);
            self.placed_anew();
        }
    }

    fn received(self: &Arc<Self>, shared: &Arc<Shared>, message: Received) {
        let now = shared.clock.now();
        let (heard, peer) = self.links.lock().heard(
            &message.from,
            message.to_all,
            message.link_seq,
            (Instant::now(), now),
        );
        match heard {
            Heard::Old => return,
            Heard::Next => {}
            Heard::New => self.met(shared, &peer),
            Heard::Gap(since) => self.doubt(&peer, since, message.to_all),
        }
        let (messages, unread) = NodeMessage::read_all(&message.body);
        if unread > 0 {
            tracing::warn!(node = %peer.node, unread, "a node said what this one does not know");
        }
        for message in messages {
            self.handle(shared, &peer, message);
        }
    }

    /// A node has come, or come back.
    fn met(self: &Arc<Self>, shared: &Arc<Shared>, peer: &Arc<Peer>) {
        tracing::info!(node = %peer.node, "a node is there");
        let former = {
            let mut view = self.view.write();
            let at = view.live.iter().position(|p| p.node == peer.node);
            let former = at.map(|at| view.live.swap_remove(at));
            view.missing.remove(&peer.node);
            view.live.push(peer.clone());
            former
        };
        self.outbound.forget_before(peer);
        if let Some(former) = former {
            // Another life: what the former one was asked is not known there.
            self.whereabouts.drop_node(&peer.node);
            self.elsewhere.drop_node(shared, &peer.node);
            self.take_back(self.asks.of_peer(&former), false);
        }
        self.placed_anew();
        self.learn_and_doubt(peer, shared.clock.now());
    }

    /// Something of a peer's was lost.
    fn doubt(self: &Arc<Self>, peer: &Arc<Peer>, since: Timestamp, to_all: bool) {
        COUNTERS.bridge_gaps.add(1);
        self.heal_all(since);
        self.refresh_conversations();
        if to_all {
            // It may have said who is there, or who has no rights any more.
            self.recheck_people();
            self.learn_and_doubt(peer, since);
        }
    }

    /// Has the actors here look at what the store holds: another node may have written, or
    /// changed what memberships rest on.
    pub(super) fn refresh_conversations(&self) {
        if let Some(shared) = self.shared() {
            shared.directory.refresh_all();
        }
    }

    fn handle(self: &Arc<Self>, shared: &Arc<Shared>, peer: &Arc<Peer>, message: NodeMessage) {
        match message {
            NodeMessage::Ask(ask) => self.asked(shared, peer, *ask),
            NodeMessage::Answer { request, result } => {
                if let Some(waiting) = self.asks.take(request) {
                    self.answered(shared, waiting, result);
                }
            }
            NodeMessage::Deliver(delivery) => self.deliver(shared, *delivery),
            NodeMessage::Announce {
                conversation_id: id,
                pushed,
                to,
            } => {
                for (user_id, last) in to {
                    let announce = |outbox: &Arc<Outbox>| outbox.announce(id, pushed, last);
                    shared.sessions.each_of(&user_id, announce);
                }
            }
            NodeMessage::Made(id) => shared.directory.start_new_here(id),
            NodeMessage::Recheck(id) => shared.directory.recheck_here(id),
            NodeMessage::Unrelated(one, others) => {
                for other in others {
                    shared.presence.unwatch_pair(&one, &other);
                }
            }
            NodeMessage::EndSessions { user_id, code } => {
                let code = CloseCode::ALL.iter().find(|c| c.number() == code);
                let code = code.copied().unwrap_or(CloseCode::Revoked);
                shared
                    .sessions
                    .each_of(&user_id, |outbox| outbox.close(code));
            }
            NodeMessage::Denied(denied) => shared.gate.hear(shared, denied),
            NodeMessage::Here(people) => {
                for here in people {
                    self.is_here(shared, peer, here);
                }
            }
            NodeMessage::Rooms(moves) => self.elsewhere.note(shared, &peer.node, moves),
            NodeMessage::AskRooms => {
                let all = NodeMessage::AllRooms(shared.rooms.all_here());
                self.outbound.push(peer, &all, None);
            }
            NodeMessage::AllRooms(all) => self.elsewhere.replace(shared, &peer.node, all),
            NodeMessage::Beat(Beat { links }) => {
                let me = self.bus.me();
                let mut own = links
                    .into_iter()
                    .filter(|(node, life, _)| *node == me.node && *life == me.incarnation);
                if let Some((_, _, sent)) = own.next() {
                    let now = shared.clock.now();
                    let since = self.links.lock().sent_last(&peer.node, sent, now);
                    if let Some(since) = since {
                        self.doubt(peer, since, false);
                    }
                }
            }
            NodeMessage::Doubt(since) => self.heal_all(since),
            NodeMessage::Anew => {
                let (own, peer) = (self.clone(), peer.clone());
                self.spawn(async move { own.learn_of(peer).await });
            }
            NodeMessage::Leaving => self.left(peer),
            NodeMessage::Call { request, body } => self.call_came(peer, request, body),
            NodeMessage::Returned { request, body } => {
                if let Some((_, waiting)) = self.called.lock().remove(&request) {
                    // Who called may have given up.
                    let _ = waiting.send(body.0.into());
                }
            }
            NodeMessage::Unknown => {}
        }
    }

    fn left(self: &Arc<Self>, peer: &Arc<Peer>) {
        {
            let mut view = self.view.write();
            view.live.retain(|p| p.node != peer.node);
            view.missing.remove(&peer.node);
        }
        self.links.lock().leave(&peer.node);
        self.lose(peer, false);
        self.placed_anew();
    }

    fn asked(self: &Arc<Self>, shared: &Arc<Shared>, peer: &Arc<Peer>, ask: NodeAsk) {
        let NodeAsk { request, .. } = ask;
        let (own, to) = (Arc::downgrade(self), peer.clone());
        let responder = Responder::peer(move |result| {
            if let Some(own) = own.upgrade() {
                let answer = NodeMessage::Answer { request, result };
                own.outbound.push(&to, &answer, None);
            }
        });
        let caller = Caller {
            user_id: ask.user_id,
            name: ask.name.into(),
            roles: ask.roles,
            origin: ask.session_id.map(Origin::Elsewhere),
        };
        shared.directory.send_here(
            ask.conversation_id,
            Ask {
                caller,
                act: act_from(ask.act),
                responder,
                since: Instant::now(),
            },
        );
    }

    /// Answers the client, and does what only the node of its socket can do.
    fn answered(self: &Arc<Self>, shared: &Arc<Shared>, waiting: Waiting, result: NodeResult) {
        let (is_repeated, waited) = (waiting.is_repeated(), waiting.since.elapsed());
        let Waiting {
            conversation_id: id,
            ask,
            ..
        } = waiting;
        let Ask {
            caller,
            act,
            mut responder,
            ..
        } = ask;
        if let NodeResult::Sent(sent) = &result
            && !sent.duplicate
            && !is_repeated
        {
            self.firsts.claim(sent.message_id);
        }
        if is_repeated {
            responder = responder.again(self, before(shared.clock.now(), waited));
        }
        let outbox = caller.outbox().cloned();
        match (act, result, outbox) {
            (_, NodeResult::MayEnter(consultation), Some(outbox)) => shared.rooms.join(
                shared,
                Join {
                    consultation: *consultation,
                    user_id: caller.user_id,
                    outbox,
                    responder,
                },
            ),
            (Act::Command(Command::ConsultationLeave(r)), NodeResult::Done, Some(outbox)) => {
                shared.rooms.leave(r.consultation_id, outbox.session_id());
                responder.answer(answer_from(NodeResult::Done));
            }
            (_, NodeResult::MaySubscribe(subscription), outbox) => {
                subscribe(shared, id, &caller, outbox, subscription, responder);
            }
            (Act::Command(Command::ConversationUnsubscribe(_)), NodeResult::Done, Some(outbox)) => {
                shared.subscriptions.remove(id, outbox.session_id());
                let session_id = outbox.session_id();
                shared.presence.unwatch_conversation(session_id, id);
                responder.answer(answer_from(NodeResult::Done));
            }
            (_, result, _) => responder.answer(answer_from(result)),
        }
    }

    fn deliver(&self, shared: &Arc<Shared>, delivery: Delivery) {
        let Delivery {
            frame,
            to,
            audience,
            origin,
        } = delivery;
        let event = SharedEvent::new(frame.0);
        let (id, seq) = (event.frame().conversation_id, event.frame().seq);
        if let (Some(id), Some(seq)) = (id, seq) {
            forget_whom_it_ends(shared, id, &event.frame().event);
            if self.healing.holds(id, seq, &to) {
                return;
            }
        }
        if matches!(
            audience,
            Audience::Typing | Audience::TypingDirect | Audience::TypingConsultation
        ) && let Some(id) = id
        {
            let may_hear = |reader: &UserId| to.contains(reader);
            shared.subscriptions.event(id, &event, may_hear);
        }
        self.told.push(&event, |event| {
            for user_id in to {
                let Some(slot) = shared.sessions.find(&user_id) else {
                    continue;
                };
                let hears = |outbox: &Outbox| outbox.is_of(audience, id);
                let reached = slot.event(event, origin, hears);
                COUNTERS.events_delivered.add(reached);
                drop(slot);
                // The last socket may have closed meanwhile.
                shared.sessions.forget_if_unused(&user_id);
            }
        });
    }

    fn is_here(&self, shared: &Arc<Shared>, peer: &Arc<Peer>, here: Here) {
        let said = Said {
            status: here.status,
            at: here.status_at,
        };
        let key = self.user_key(&here.user_id);
        let there = here.is_here.then_some(said);
        self.whereabouts.note(peer, key, there);
        shared.presence.heard(here.user_id, said, here.last_seen_at);
    }

    fn call_came(self: &Arc<Self>, peer: &Arc<Peer>, request: u64, body: Blob) {
        let Some(calls) = self.calls.read().clone() else {
            return;
        };
        let (own, to) = (Arc::downgrade(self), peer.clone());
        self.spawn(async move {
            let answer = calls.call(Bytes::from(body.0)).await;
            if let Some(own) = own.upgrade() {
                let body = Blob(answer.into());
                let message = NodeMessage::Returned { request, body };
                own.outbound.push(&to, &message, None);
            }
        });
    }
}

/// What somebody had of a conversation besides its log ends with their membership.
pub(crate) fn forget_whom_it_ends(shared: &Shared, id: ConversationId, event: &Event) {
    if let Event::ConversationChanged(changed) = event
        && matches!(changed.change, Change::MemberRemoved | Change::MemberLeft)
        && let Some(gone) = &changed.user_id
    {
        shared.sessions.each_of(gone, |outbox| {
            let session_id = outbox.session_id();
            shared.subscriptions.remove(id, session_id);
            shared.presence.unwatch_conversation(session_id, id);
        });
        shared.presence.unwatch_via(gone, id);
        shared.rooms.expel_from(id, gone);
    }
}

fn subscribe(
    shared: &Arc<Shared>,
    id: ConversationId,
    caller: &Caller,
    outbox: Option<Arc<Outbox>>,
    subscription: Option<Subscription>,
    responder: Responder,
) {
    let Some(Subscription { typing, watch }) = subscription else {
        return responder.ok(Reply::Subscribed(Subscribed::default()));
    };
    if let Some(outbox) = outbox {
        let who = &caller.user_id;
        shared.subscriptions.add(id, who.clone(), &outbox);
        shared.presence.watch_conversation(&outbox, who, id, &watch);
    }
    let others = watch.into_iter().map(|(user_id, _)| user_id).collect();
    let own = shared.clone();
    let look = async move {
        match own.presence.of(&own, others).await {
            Ok(presence) => responder.ok(Reply::Subscribed(Subscribed { typing, presence })),
            Err(fault) => responder.err(storage_error(&fault)),
        }
    };
    if let Some(cluster) = &shared.cluster {
        cluster.spawn(look);
    }
}
