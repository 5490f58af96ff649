//! Which sockets are in which room, for what goes from socket to socket past every actor.

use bedside_actors::outbox::Outbox;
use bedside_protocol::{SessionId, UserId};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value as Json;
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock, Weak},
};

use crate::{
    peer_calls::{
        everywhere::Everywhere,
        wire::{Seated, Told},
    },
    socketio::application::event_frame,
};

/// Locks that the rooms are spread over.
const SHARDS: usize = 32;
/// What a note weighs besides its frame, for the outbox's bound on bytes.
const NOTE_BYTES: usize = 128;

/// Those of `/` join chats (seed 003), those of `/consultation` consultations (seed 000).
pub(super) use crate::peer_calls::wire::Room;

/// An event for the sockets in a room.
pub(super) struct RoomEvent {
    pub(super) room: Room,
    pub(super) event: &'static str,
    pub(super) argument: Json,
    /// For clients that speak JSON.
    pub(super) frame: Bytes,
}

impl RoomEvent {
    pub(super) fn new<T: Serialize>(
        namespace: &str,
        room: Room,
        event: &'static str,
        argument: &T,
    ) -> Arc<Self> {
        Arc::new(Self {
            room,
            event,
            argument: serde_json::to_value(argument)
                .expect("encoded, because what is told to rooms is plain data"),
            frame: event_frame(namespace, event, argument),
        })
    }
}

/// A socket in a room.
#[derive(Clone)]
pub(super) struct Sitter {
    pub(super) user_id: UserId,
    pub(super) session_id: SessionId,
    outbox: Weak<Outbox>,
}

impl Sitter {
    pub(super) fn seated(&self) -> Seated {
        Seated {
            user_id: self.user_id.clone(),
            session_id: self.session_id,
        }
    }

    /// Shows an event on this socket; an ephemeral one may be dropped when it is slow.
    pub(super) fn note(&self, event: &Arc<RoomEvent>, ephemeral: bool) {
        if let Some(outbox) = self.outbox.upgrade() {
            outbox.note(event.clone(), NOTE_BYTES + event.frame.len(), ephemeral);
        }
    }
}

/// See the module's text.
pub(super) struct Rooms {
    hasher: RandomState,
    shards: [Mutex<HashMap<Room, Vec<Sitter>>>; SHARDS],
    /// The same rooms on the other nodes, if there are any.
    elsewhere: OnceLock<Everywhere>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            elsewhere: OnceLock::new(),
        }
    }
}

impl Rooms {
    /// Other nodes have the same rooms.
    pub(super) fn join(&self, elsewhere: Everywhere) {
        self.elsewhere.get_or_init(|| elsewhere);
    }

    /// The sockets in a room on the other nodes.
    pub(super) fn seated_elsewhere(&self, room: Room) -> BoxFuture<'static, Vec<Seated>> {
        match self.elsewhere.get() {
            Some(elsewhere) => elsewhere.sitters(room),
            None => ready(Vec::new()).boxed(),
        }
    }

    fn shard(&self, room: Room) -> &Mutex<HashMap<Room, Vec<Sitter>>> {
        &self.shards[self.hasher.hash_one(room) as usize % SHARDS]
    }

    /// Puts a socket into a room; false when it was there.
    pub(super) fn enter(&self, room: Room, user_id: &UserId, outbox: &Arc<Outbox>) -> bool {
        let mut shard = self.shard(room).lock();
        let sitters = shard.entry(room).or_default();
        let session_id = outbox.session_id();
        if sitters.iter().any(|sitter| sitter.session_id == session_id) {
            return false;
        }
        sitters.push(Sitter {
            user_id: user_id.clone(),
            session_id,
            outbox: Arc::downgrade(outbox),
        });
        true
    }

    /// Takes a socket out.
    pub(super) fn leave(&self, room: Room, session_id: SessionId) {
        let mut shard = self.shard(room).lock();
        if let Some(sitters) = shard.get_mut(&room) {
            sitters.retain(|sitter| sitter.session_id != session_id);
            if sitters.is_empty() {
                shard.remove(&room);
            }
        }
    }

    /// Tells everybody in a room.
    pub(super) fn tell<T: Serialize>(
        &self,
        namespace: &str,
        room: Room,
        event: &'static str,
        argument: &T,
    ) {
        let event = RoomEvent::new(namespace, room, event, argument);
        self.tell_here(&event, false);
        self.tell_elsewhere(&event, false);
    }

    /// Tells those whose sockets are at this node.
    pub(super) fn tell_here(&self, event: &Arc<RoomEvent>, ephemeral: bool) {
        self.with(event.room, |sitters| {
            for sitter in sitters {
                sitter.note(event, ephemeral);
            }
        });
    }

    /// Tells those whose sockets are at other nodes.
    pub(super) fn tell_elsewhere(&self, event: &RoomEvent, ephemeral: bool) {
        if let Some(elsewhere) = self.elsewhere.get() {
            let told = Told {
                room: event.room,
                event: event.event.to_owned(),
                is_ephemeral: ephemeral,
            };
            elsewhere.tell(told, event.argument.to_string().into());
        }
    }

    /// Calls `f` with those in a room, in the order in which they came.
    pub(super) fn with<R>(&self, room: Room, f: impl FnOnce(&[Sitter]) -> R) -> R {
        let shard = self.shard(room).lock();
        f(shard.get(&room).map_or(&[], Vec::as_slice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_actors::outbox::Ambient;
    use bedside_protocol::{ConversationId, Roles};

    #[test]
    fn a_socket_is_in_a_room_once_and_an_empty_room_is_gone() {
        let rooms = Rooms::default();
        let room = Room::Chat(ConversationId::new());
        let me = UserId::new("p1").expect("is an id");
        let outbox = Outbox::raw(Roles::NONE, Ambient::default());
        let other = Outbox::raw(Roles::NONE, Ambient::default());
        assert!(rooms.enter(room, &me, &outbox));
        assert!(!rooms.enter(room, &me, &outbox));
        assert!(rooms.enter(room, &me, &other));
        assert_eq!(rooms.with(room, <[Sitter]>::len), 2);
        rooms.leave(room, outbox.session_id());
        rooms.leave(room, outbox.session_id());
        assert_eq!(rooms.with(room, <[Sitter]>::len), 1);
        rooms.leave(room, other.session_id());
        assert!(rooms.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}
