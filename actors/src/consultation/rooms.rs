//! Which sockets are in which room, and which rooms have an actor. Kept outside the actors, so
//! that a room survives its actor.

use actix::Addr;
use bedside_protocol::{
    CommandError, ConsultationId, ConversationId, SessionId, UserId, limits, node::RoomMove,
};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Weak},
};
use tokio::time::Instant;

use super::{
    ConsultationActor, Go, Join, Settle, Who,
    room::{Moved, Room},
};
use crate::{
    cluster::Cluster, directory::CRASH_COOL_DOWN, node::Shared, outbox::Outbox, supervision,
};

/// The mailbox's bound; never met, because all that goes into it is sent with
/// [`supervision::deliver`]. Those who send are bounded themselves: each message stands for a
/// command that the conversation's own mailbox has let through, or for a socket in the room.
const MAILBOX_MAX: usize = limits::ROOM_SOCKETS_MAX;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Rooms {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    rooms: HashMap<ConsultationId, Entry>,
    /// The rooms of each socket, so that ending it costs no search.
    by_session: HashMap<SessionId, Vec<ConsultationId>>,
    generations: u64,
}

struct Entry {
    conversation_id: ConversationId,
    room: Room,
    live: Option<Live>,
    /// After a crash loop: no new actor before this.
    dead_until: Option<Instant>,
}

struct Live {
    addr: Addr<ConsultationActor>,
    generation: u64,
    /// Joins in its mailbox: it must not end before them.
    joining: usize,
}

/// What is to be told in a room.
pub(super) struct Settled {
    /// Who came or went on this node.
    pub(super) own_moves: Vec<(UserId, bool)>,
    pub(super) moves: Vec<Moved>,
    /// Who is in it, as told.
    pub(super) people: Vec<UserId>,
    /// Nobody is in it, and it has no actor any more.
    pub(super) is_over: bool,
}

impl Rooms {
    /// Lets a socket in, as soon as the room's actor comes to it, and answers.
    pub(crate) fn join(&self, shared: &Arc<Shared>, join: Join) {
        let consultation = &join.consultation;
        let (id, conversation_id) = (consultation.consultation_id, consultation.conversation_id);
        let mut table = self.table.lock();
        match table.live(shared, id, conversation_id) {
            Ok(live) => {
                live.joining += 1;
                supervision::deliver(&live.addr, join);
            }
            Err(error) => {
                drop(table);
                join.responder.err(error);
            }
        }
    }

    /// Takes a socket out, and with it the joins of before that the room's actor has yet to come
    /// to.
    pub(crate) fn leave(&self, id: ConsultationId, session_id: SessionId) {
        self.go(id, Who::Session(session_id));
    }

    /// The same for all sockets of somebody.
    pub(crate) fn expel(&self, id: ConsultationId, user_id: &UserId) {
        self.go(id, Who::User(user_id.clone()));
    }

    fn go(&self, id: ConsultationId, who: Who) {
        let mut table = self.table.lock();
        // At once, because the actor may fail before it comes to it; and then once more, after
        // what is in its mailbox. Without an actor the next one tells.
        table.take_out(id, &who);
        if let Some(live) = table.live_now(id) {
            supervision::deliver(&live.addr, Go(who));
        }
    }

    /// Takes a socket out of a room at once.
    pub(crate) fn leave_now(&self, id: ConsultationId, session_id: SessionId) {
        let mut table = self.table.lock();
        table.take_out(id, &Who::Session(session_id));
        table.nudge(id);
    }

    /// Takes a socket that was closed out of all its rooms.
    pub(crate) fn end_session(&self, session_id: SessionId) {
        let mut table = self.table.lock();
        for id in table
            .by_session
            .get(&session_id)
            .cloned()
            .unwrap_or_default()
        {
            table.take_out(id, &Who::Session(session_id));
            table.nudge(id);
        }
    }

    /// Who is in a room, in the order in which they came.
    pub(crate) fn people(&self, id: ConsultationId) -> Vec<UserId> {
        let table = self.table.lock();
        let entry = table.rooms.get(&id);
        entry.map_or_else(Vec::new, |entry| entry.room.people())
    }

    /// Who is in a room on other nodes has changed.
    pub(crate) fn look_again(&self, id: ConsultationId) {
        self.table.lock().nudge(id);
    }

    /// Takes somebody out of the room of a conversation that they are not in any more.
    pub(crate) fn expel_from(&self, conversation_id: ConversationId, user_id: &UserId) {
        let rooms: Vec<_> = {
            let table = self.table.lock();
            let rooms = table.rooms.iter();
            rooms
                .filter(|(_, entry)| entry.conversation_id == conversation_id)
                .map(|(id, _)| *id)
                .collect()
        };
        for id in rooms {
            self.expel(id, user_id);
        }
    }

    /// Everybody in all rooms of this node, as other nodes are told.
    pub(crate) fn all_here(&self) -> Vec<RoomMove> {
        let table = self.table.lock();
        let rooms = table.rooms.iter();
        let all = rooms.flat_map(|(id, entry)| {
            let people = entry.room.people().into_iter();
            people.map(|user_id| RoomMove {
                consultation_id: *id,
                user_id,
                is_in: true,
            })
        });
        all.collect()
    }

    /// A join has reached the room's actor: whether it may come in.
    pub(super) fn enter(
        &self,
        id: ConsultationId,
        user_id: &UserId,
        outbox: &Arc<Outbox>,
    ) -> Result<(), CommandError> {
        self.table.lock().enter(id, user_id, outbox)
    }

    pub(super) fn take_out(&self, id: ConsultationId, who: &Who) {
        self.table.lock().take_out(id, who);
    }

    /// What the room's actor is to tell. When nobody is left the room is given up, and with it
    /// the actor's place.
    pub(super) fn settle(
        &self,
        id: ConsultationId,
        generation: u64,
        cluster: Option<&Cluster>,
    ) -> Settled {
        let mut table = self.table.lock();
        let hash_map::Entry::Occupied(mut entry) = table.rooms.entry(id) else {
            return Settled::nothing();
        };
        let Entry { room, live, .. } = entry.get_mut();
        let Some(live) = live.as_ref().filter(|live| live.generation == generation) else {
            return Settled::nothing();
        };
        let is_over = room.is_empty() && live.joining == 0;
        let own_moves = room.settle_elsewhere();
        let elsewhere = cluster.map_or_else(Vec::new, |cluster| cluster.elsewhere.people(id));
        let moves = room.settle(elsewhere);
        let people = room.told().to_vec();
        if is_over {
            entry.remove();
        }
        Settled {
            own_moves,
            moves,
            people,
            is_over,
        }
    }

    /// Called on the actor's arbiter, before the actor is dropped.
    fn crashed(&self, shared: &Weak<Shared>, id: ConsultationId, generation: u64) {
        let Some(wait) = shared.upgrade().map(|s| s.clock.wait(CRASH_COOL_DOWN)) else {
            return;
        };
        let mut table = self.table.lock();
        let Some(entry) = table.rooms.get_mut(&id) else {
            return;
        };
        let live = entry.live.take_if(|live| live.generation == generation);
        if live.is_some() {
            let until = Instant::now() + wait;
            entry.dead_until = Some(until);
            let shared = shared.clone();
            // Those in the room must not wait for the next one who comes.
            actix_rt::spawn(async move {
                tokio::time::sleep_until(until).await;
                if let Some(shared) = shared.upgrade() {
                    shared.rooms.revive(&shared, id);
                }
            });
        }
    }

    fn revive(&self, shared: &Arc<Shared>, id: ConsultationId) {
        let mut table = self.table.lock();
        if let Some(entry) = table.rooms.get(&id) {
            let conversation_id = entry.conversation_id;
            // One that cannot be started now is started by the next join.
            let _ = table.live(shared, id, conversation_id);
        }
    }
}

impl Settled {
    /// For an actor whose room is not its own any more.
    const fn nothing() -> Self {
        Self {
            own_moves: Vec::new(),
            moves: Vec::new(),
            people: Vec::new(),
            is_over: true,
        }
    }
}

impl Table {
    /// The room's actor, started if need be.
    fn live(
        &mut self,
        shared: &Arc<Shared>,
        id: ConsultationId,
        conversation_id: ConversationId,
    ) -> Result<&mut Live, CommandError> {
        let entry = self.rooms.entry(id).or_insert_with(|| Entry {
            conversation_id,
            room: Room::default(),
            live: None,
            dead_until: None,
        });
        if entry.live.is_none()
            && let Some(until) = entry.dead_until
        {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(CommandError::unavailable(
                    "this room failed repeatedly and rests for a moment",
                    u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
                ));
            }
        }
        entry.dead_until = None;
        Ok(entry.live.get_or_insert_with(|| {
            self.generations += 1;
            start(shared, id, conversation_id, self.generations)
        }))
    }

    fn enter(
        &mut self,
        id: ConsultationId,
        user_id: &UserId,
        outbox: &Arc<Outbox>,
    ) -> Result<(), CommandError> {
        let gone = || CommandError::unavailable("the room was closed meanwhile", 100);
        let entry = self.rooms.get_mut(&id).ok_or_else(gone)?;
        if let Some(live) = &mut entry.live {
            live.joining -= 1;
        }
        if outbox.is_closed() {
            // Its end has been cleared up, or waits for the table's lock to do so.
            return Err(gone());
        }
        let session_id = outbox.session_id();
        let own = self.by_session.get(&session_id);
        if own.is_some_and(|own| own.contains(&id)) {
            return Ok(());
        }
        if own.is_some_and(|own| own.len() >= limits::ROOMS_PER_SOCKET_MAX) {
            return Err(CommandError::too_large(
                "consultation.join: at most 32 rooms at a time",
            ));
        }
        entry.room.enter(user_id.clone(), outbox.clone())?;
        self.by_session.entry(session_id).or_default().push(id);
        Ok(())
    }

    fn take_out(&mut self, id: ConsultationId, who: &Who) {
        let Some(entry) = self.rooms.get_mut(&id) else {
            return;
        };
        for session_id in entry.room.take_out(who) {
            if let hash_map::Entry::Occupied(mut own) = self.by_session.entry(session_id) {
                own.get_mut().retain(|room| *room != id);
                if own.get().is_empty() {
                    own.remove();
                }
            }
        }
    }

    /// Has the room's actor look at it.
    fn nudge(&self, id: ConsultationId) {
        if let Some(live) = self.live_now(id) {
            supervision::deliver(&live.addr, Settle);
        }
    }

    fn live_now(&self, id: ConsultationId) -> Option<&Live> {
        self.rooms.get(&id)?.live.as_ref()
    }
}

fn start(
    shared: &Arc<Shared>,
    id: ConsultationId,
    conversation_id: ConversationId,
    generation: u64,
) -> Live {
    let (failed, own) = (Arc::downgrade(shared), shared.clone());
    let addr = supervision::start_on(
        shared.directory.arbiter(conversation_id),
        MAILBOX_MAX,
        move || {
            if let Some(shared) = failed.upgrade() {
                shared.rooms.crashed(&failed, id, generation);
            }
        },
        move |_| ConsultationActor {
            id,
            conversation_id,
            generation,
            shared: own,
        },
    );
    Live {
        addr,
        generation,
        joining: 0,
    }
}
