//! Which sockets are in which room, for what goes from socket to socket past every actor.

use bedside_actors::outbox::Outbox;
use bedside_protocol::{ConsultationId, ConversationId, SessionId, UserId};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value as Json;
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Weak},
};

use crate::socketio::application::event_frame;

/// Locks that the rooms are spread over.
const SHARDS: usize = 32;
/// What a note weighs besides its frame, for the outbox's bound on bytes.
const NOTE_BYTES: usize = 128;

/// A room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Room {
    /// A chat that sockets of `/` have joined (seed 003).
    Chat(ConversationId),
    /// A consultation that sockets of `/consultation` have joined (seed 000).
    Consultation(ConsultationId),
}

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
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Rooms {
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
        self.with(room, |sitters| {
            for sitter in sitters {
                sitter.note(&event, false);
            }
        });
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
    use bedside_protocol::Roles;

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
