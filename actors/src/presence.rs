//! Who is here, and who is told of it.
//!
//! A table that everybody reads and one actor per arbiter that changes it: each user belongs to
//! one of the actors, by hash. Whether someone is online is never counted, but seen from their
//! open sockets, so that a restart of the actor cannot make it drift.

use actix::{Actor, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message, Supervised};
use bedside_protocol::{
    Availability, ConversationId, Event, EventFrame, Presence, SessionId, Timestamp, UserId,
    node::Here,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use crate::{
    cluster::{Cluster, Said},
    node::Shared,
    outbox::{Outbox, SharedEvent, Unwatched},
    ports::store::StoreResult,
    supervision::{self, Recover},
};

/// A closed last socket counts as open for so long: a reconnect is not seen by others.
pub(crate) const OFFLINE_AFTER: Duration = Duration::from_secs(10);

/// What a note of it weighs in an outbox.
const UNWATCHED_BYTES: usize = 64;

const MAILBOX_MAX: usize = 65_536;

#[derive(Default)]
struct Entry {
    online: bool,
    status: Availability,
    /// When they set it.
    status_at: Timestamp,
    last_seen_at: Option<Timestamp>,
    watchers: Vec<Watcher>,
}

struct Watcher {
    user_id: UserId,
    session_id: SessionId,
    outbox: Weak<Outbox>,
    /// The subscription that it came with; none for `presence.watch`.
    via: Option<ConversationId>,
    /// When the relation that it rests on ends.
    until: Option<Timestamp>,
}

#[derive(Default)]
struct Table {
    entries: HashMap<UserId, Entry>,
    /// Whom each socket watches, so that ending it costs no search.
    watching: HashMap<SessionId, Vec<(UserId, Option<ConversationId>)>>,
}

impl Table {
    fn add(&mut self, watched: UserId, watcher: Watcher) {
        self.watching
            .entry(watcher.session_id)
            .or_default()
            .push((watched.clone(), watcher.via));
        self.entries
            .entry(watched)
            .or_default()
            .watchers
            .push(watcher);
    }

    /// Ends what a socket watches, as far as `which` says.
    fn end(&mut self, session_id: SessionId, which: impl Fn(Option<ConversationId>) -> bool) {
        let Some(mut watching) = self.watching.remove(&session_id) else {
            return;
        };
        watching.retain(|(user_id, via)| {
            let ends = which(*via);
            if ends && let Some(entry) = self.entries.get_mut(user_id) {
                entry
                    .watchers
                    .retain(|w| !(w.session_id == session_id && w.via == *via));
                if entry.is_worthless() {
                    self.entries.remove(user_id);
                }
            }
            !ends
        });
        if !watching.is_empty() {
            self.watching.insert(session_id, watching);
        }
    }
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct PresenceTable {
    table: Mutex<Table>,
    hasher: RandomState,
    actors: OnceLock<Vec<Addr<PresenceActor>>>,
    cluster: OnceLock<Arc<Cluster>>,
}

impl PresenceTable {
    pub(crate) fn connect(&self, shared: &Arc<Shared>, arbiters: &[ArbiterHandle]) {
        if let Some(cluster) = &shared.cluster {
            let _ = self.cluster.set(cluster.clone());
        }
        let actors = arbiters
            .iter()
            .map(|arbiter| {
                let shared = shared.clone();
                supervision::start_on(
                    arbiter,
                    MAILBOX_MAX,
                    || {},
                    move |_| PresenceActor { shared },
                )
            })
            .collect();
        // Set once, by `Node::start`.
        let _ = self.actors.set(actors);
    }

    fn tell<M>(&self, user_id: &UserId, message: M)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        PresenceActor: Handler<M>,
    {
        if let Some(actors) = self.actors.get() {
            let actor = &actors[self.hasher.hash_one(user_id) as usize % actors.len()];
            supervision::deliver(actor, message);
        }
    }

    /// A socket of this user was opened.
    pub(crate) fn opened(&self, user_id: UserId) {
        self.tell(&user_id.clone(), Opened(user_id));
    }

    /// The last socket of this user was closed.
    pub(crate) fn closed(&self, user_id: UserId, at: Timestamp) {
        self.tell(&user_id.clone(), Closed(user_id, at));
    }

    /// The user says how available they are.
    pub(crate) fn set_status(&self, user_id: UserId, status: Availability) {
        self.tell(&user_id.clone(), SetStatus(user_id, status));
    }

    /// Another node says who is there, and what they set.
    pub(crate) fn heard(&self, user_id: UserId, said: Said, last_seen_at: Option<Timestamp>) {
        // Nobody here asked for anybody else.
        if self.table.lock().entries.contains_key(&user_id) {
            self.tell(&user_id.clone(), Heard(user_id, said, last_seen_at));
        }
    }

    /// What is known of other nodes has changed in many places.
    pub(crate) fn look_again(&self) {
        let known: Vec<_> = self.table.lock().entries.keys().cloned().collect();
        for user_id in known {
            self.tell(&user_id.clone(), Heard(user_id, Said::default(), None));
        }
    }

    /// What somebody who is on another node set last.
    fn elsewhere(&self, user_id: &UserId) -> Option<Said> {
        let cluster = self.cluster.get()?;
        cluster.whereabouts.find(cluster.user_key(user_id))
    }

    /// An entry for somebody who had none, as others see them now.
    fn add(&self, table: &mut Table, watched: UserId, watcher: Watcher) {
        if !table.entries.contains_key(&watched)
            && let Some(said) = self.elsewhere(&watched)
        {
            let entry = table.entries.entry(watched.clone()).or_default();
            entry.online = true;
            entry.take(said);
        }
        table.add(watched, watcher);
    }

    /// Replaces what a socket watches of its own will.
    pub(crate) fn watch(
        &self,
        outbox: &Arc<Outbox>,
        watcher: &UserId,
        watched: &[(UserId, Option<Timestamp>)],
    ) {
        let mut table = self.table.lock();
        if outbox.is_closed() {
            // Its end has been cleared up, or waits for this lock to do so.
            return;
        }
        let session_id = outbox.session_id();
        table.end(session_id, |via| via.is_none());
        for (user_id, until) in watched {
            self.add(
                &mut table,
                user_id.clone(),
                Watcher {
                    user_id: watcher.clone(),
                    session_id,
                    outbox: Arc::downgrade(outbox),
                    via: None,
                    until: *until,
                },
            );
        }
    }

    /// Adds a conversation's participants to what a socket watches.
    pub(crate) fn watch_conversation(
        &self,
        outbox: &Arc<Outbox>,
        watcher: &UserId,
        via: ConversationId,
        watched: &[(UserId, Option<Timestamp>)],
    ) {
        let mut table = self.table.lock();
        if outbox.is_closed() {
            return;
        }
        let session_id = outbox.session_id();
        table.end(session_id, |v| v == Some(via));
        for (user_id, until) in watched {
            self.add(
                &mut table,
                user_id.clone(),
                Watcher {
                    user_id: watcher.clone(),
                    session_id,
                    outbox: Arc::downgrade(outbox),
                    via: Some(via),
                    until: *until,
                },
            );
        }
    }

    /// Ends what came with a subscription.
    pub(crate) fn unwatch_conversation(&self, session_id: SessionId, via: ConversationId) {
        self.table.lock().end(session_id, |v| v == Some(via));
    }

    /// Ends what others see of someone by a conversation.
    pub(crate) fn unwatch_via(&self, watched: &UserId, via: ConversationId) {
        let mut table = self.table.lock();
        if let Some(entry) = table.entries.get_mut(watched) {
            entry.watchers.retain(|w| w.via != Some(via));
        }
    }

    /// Ends all that a socket watched.
    pub(crate) fn unwatch_session(&self, session_id: SessionId) {
        self.table.lock().end(session_id, |_| true);
    }

    /// Ends what two people watch of each other, when a relation that it may rest on ends. They
    /// may ask again, and are then checked again; raw outboxes are told so.
    pub(crate) fn unwatch_pair(&self, a: &UserId, b: &UserId) {
        let mut table = self.table.lock();
        for (watched, watcher) in [(a, b), (b, a)] {
            if let Some(entry) = table.entries.get_mut(watched) {
                entry.watchers.retain(|w| {
                    let ends = w.user_id == *watcher;
                    if ends
                        && w.via.is_none()
                        && let Some(outbox) = w.outbox.upgrade()
                    {
                        let note = Arc::new(Unwatched(watched.clone()));
                        outbox.note(note, UNWATCHED_BYTES, false);
                    }
                    !ends
                });
            }
        }
    }

    /// What somebody set, and when.
    fn said(&self, user_id: &UserId) -> (Availability, Timestamp) {
        let table = self.table.lock();
        let entry = table.entries.get(user_id);
        entry.map_or_else(Default::default, |entry| (entry.status, entry.status_at))
    }

    fn shown_online(&self) -> Vec<UserId> {
        let table = self.table.lock();
        let online = table.entries.iter().filter(|(_, entry)| entry.online);
        online.map(|(user_id, _)| user_id.clone()).collect()
    }

    /// Presence of these people, whoever asks.
    pub(crate) async fn of(
        &self,
        shared: &Shared,
        user_ids: Vec<UserId>,
    ) -> StoreResult<Vec<Presence>> {
        let mut found: Vec<Presence> = {
            let table = self.table.lock();
            user_ids
                .into_iter()
                .map(|user_id| match table.entries.get(&user_id) {
                    Some(entry) => entry.view(user_id),
                    None => {
                        let mut entry = Entry::default();
                        if let Some(said) = self.elsewhere(&user_id) {
                            entry.online = true;
                            entry.take(said);
                        }
                        entry.view(user_id)
                    }
                })
                .collect()
        };
        let unknown: Vec<_> = found
            .iter()
            .filter(|p| !p.online && p.last_seen_at.is_none())
            .map(|p| p.user_id.clone())
            .collect();
        if !unknown.is_empty() {
            let people = shared.store.people(unknown).await?;
            for person in people {
                if let Some(p) = found.iter_mut().find(|p| p.user_id == person.user_id) {
                    p.last_seen_at = person.last_seen_at;
                }
            }
        }
        Ok(found)
    }

    /// Changes an entry and tells its watchers when that made a difference.
    fn change(&self, user_id: &UserId, now: Timestamp, change: impl FnOnce(&mut Entry)) {
        let mut table = self.table.lock();
        let entry = table.entries.entry(user_id.clone()).or_default();
        let before = entry.view(user_id.clone());
        change(entry);
        let after = entry.view(user_id.clone());
        if before == after {
            return;
        }
        let event = SharedEvent::new(EventFrame::plain(Event::PresenceChanged(after)));
        let mut told: Vec<Arc<Outbox>> = Vec::new();
        entry.watchers.retain(|w| {
            let Some(outbox) = w.outbox.upgrade() else {
                return false;
            };
            let is_live = w.until.is_none_or(|until| now < until);
            // Somebody who both watches and subscribes is told once.
            if is_live && !told.iter().any(|o| Arc::ptr_eq(o, &outbox)) {
                told.push(outbox);
            }
            is_live
        });
        if entry.is_worthless() {
            table.entries.remove(user_id);
        }
        drop(table);
        for outbox in told {
            outbox.event(&event);
        }
    }
}

impl Entry {
    /// What they set last counts.
    fn take(&mut self, said: Said) {
        if said.at > self.status_at {
            self.status = said.status;
            self.status_at = said.at;
        }
    }

    /// Whether it says nothing that an absent entry would not.
    fn is_worthless(&self) -> bool {
        !self.online && self.watchers.is_empty() && self.status == Availability::Available
    }

    fn view(&self, user_id: UserId) -> Presence {
        Presence {
            user_id,
            online: self.online,
            status: self.status,
            last_seen_at: if self.online { None } else { self.last_seen_at },
        }
    }
}

/// Somebody may have come or gone on another node.
#[derive(Message)]
#[rtype(result = "()")]
struct Heard(UserId, Said, Option<Timestamp>);

/// Changes the presence of the users that belong to it.
pub(crate) struct PresenceActor {
    shared: Arc<Shared>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Opened(UserId);

#[derive(Message)]
#[rtype(result = "()")]
struct Closed(UserId, Timestamp);

#[derive(Message)]
#[rtype(result = "()")]
struct SetStatus(UserId, Availability);

impl Actor for PresenceActor {
    type Context = Context<Self>;
}

impl Supervised for PresenceActor {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        // The timers of those who went are gone with the context.
        let wait = self.shared.clock.wait(OFFLINE_AFTER);
        ctx.run_later(wait, |actor, _| {
            let now = actor.shared.clock.now();
            for user_id in actor.shared.presence.shown_online() {
                if !actor.is_here(&user_id) {
                    actor.tell_others(&user_id, Some(now));
                    actor.settle(&user_id, Some(now));
                }
            }
        });
    }
}

impl Recover for PresenceActor {
    const NAME: &'static str = "presence";
}

impl PresenceActor {
    /// Whether any socket of theirs is open on this node.
    fn is_here(&self, user_id: &UserId) -> bool {
        self.shared
            .sessions
            .find(user_id)
            .is_some_and(|slot| slot.is_online())
    }

    /// Tells the other nodes whether they are here, and what they set.
    fn tell_others(&self, user_id: &UserId, last_seen_at: Option<Timestamp>) {
        let Some(cluster) = &self.shared.cluster else {
            return;
        };
        let (status, status_at) = self.shared.presence.said(user_id);
        cluster.tell_presence(Here {
            user_id: user_id.clone(),
            is_here: self.is_here(user_id),
            status,
            status_at,
            last_seen_at,
        });
    }

    /// Brings the entry in line with the open sockets.
    fn settle(&self, user_id: &UserId, last_seen_at: Option<Timestamp>) {
        self.settle_with(user_id, Said::default(), last_seen_at);
    }

    /// The same, with what another node says that they set.
    fn settle_with(&self, user_id: &UserId, said: Said, last_seen_at: Option<Timestamp>) {
        let elsewhere = self.shared.presence.elsewhere(user_id);
        let online = self.is_here(user_id) || elsewhere.is_some();
        let now = self.shared.clock.now();
        self.shared.presence.change(user_id, now, |entry| {
            entry.online = online;
            entry.take(said);
            if let Some(said) = elsewhere {
                entry.take(said);
            }
            if !online {
                entry.last_seen_at = last_seen_at.or(entry.last_seen_at);
            }
        });
    }
}

impl Handler<Opened> for PresenceActor {
    type Result = ();

    fn handle(&mut self, Opened(user_id): Opened, _: &mut Self::Context) {
        if self.is_here(&user_id) {
            self.tell_others(&user_id, None);
            self.settle(&user_id, None);
        }
    }
}

impl Handler<Heard> for PresenceActor {
    type Result = ();

    fn handle(&mut self, heard: Heard, _: &mut Self::Context) {
        let Heard(user_id, said, last_seen_at) = heard;
        self.settle_with(&user_id, said, last_seen_at);
    }
}

impl Handler<Closed> for PresenceActor {
    type Result = ();

    fn handle(&mut self, Closed(user_id, at): Closed, ctx: &mut Self::Context) {
        let shared = self.shared.clone();
        let who = user_id.clone();
        // Written at once, so that a crash within the next seconds does not lose it.
        actix_rt::spawn(async move {
            if let Err(fault) = shared.store.put_last_seen(who, at).await {
                tracing::warn!(error = %fault, "last seen could not be stored");
            }
        });
        let wait = self.shared.clock.wait(OFFLINE_AFTER);
        ctx.run_later(wait, move |actor, _| {
            if !actor.is_here(&user_id) {
                actor.tell_others(&user_id, Some(at));
                actor.settle(&user_id, Some(at));
            }
        });
    }
}

impl Handler<SetStatus> for PresenceActor {
    type Result = ();

    fn handle(&mut self, SetStatus(user_id, status): SetStatus, _: &mut Self::Context) {
        let now = self.shared.clock.now();
        self.shared.presence.change(&user_id, now, |entry| {
            entry.take(Said { status, at: now });
            // Said twice within a millisecond, the second time counts.
            entry.status = status;
        });
        self.tell_others(&user_id, None);
    }
}
