//! Who is in the rooms of consultations on other nodes. Each node tells the sockets of its own
//! part of a room; so a room goes on as long as anybody is in it, whoever goes away.

use bedside_protocol::{ConsultationId, NodeId, UserId, node::RoomMove};
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::node::Shared;

type Room = HashMap<UserId, BTreeSet<NodeId>>;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Elsewhere {
    rooms: Mutex<HashMap<ConsultationId, Room>>,
}

impl Elsewhere {
    /// Who is in a room on other nodes, by id.
    pub(crate) fn people(&self, id: ConsultationId) -> Vec<UserId> {
        let rooms = self.rooms.lock();
        let room = rooms.get(&id);
        let mut people: Vec<_> = room.map_or_else(Vec::new, |room| room.keys().cloned().collect());
        people.sort();
        people
    }

    /// A node says who came into rooms on it, or went.
    pub(super) fn note(&self, shared: &Arc<Shared>, node: &NodeId, moves: Vec<RoomMove>) {
        for RoomMove {
            consultation_id: id,
            user_id,
            is_in,
        } in moves
        {
            note(&mut self.rooms.lock(), node, id, user_id, is_in);
            shared.rooms.look_again(id);
        }
    }

    /// The same, but all that it has: who is not named is in no room there.
    pub(super) fn replace(&self, shared: &Arc<Shared>, node: &NodeId, all: Vec<RoomMove>) {
        let before = take_out(&mut self.rooms.lock(), node);
        self.note(shared, node, all);
        for id in before {
            shared.rooms.look_again(id);
        }
    }

    /// A node is gone.
    pub(super) fn drop_node(&self, shared: &Arc<Shared>, node: &NodeId) {
        self.replace(shared, node, Vec::new());
    }
}

fn note(
    rooms: &mut HashMap<ConsultationId, Room>,
    node: &NodeId,
    id: ConsultationId,
    user_id: UserId,
    is_in: bool,
) {
    let room = rooms.entry(id).or_default();
    let nodes = room.entry(user_id.clone()).or_default();
    if is_in {
        nodes.insert(node.clone());
    } else {
        nodes.remove(node);
    }
    if nodes.is_empty() {
        room.remove(&user_id);
    }
    if room.is_empty() {
        rooms.remove(&id);
    }
}

/// Takes a node out of all rooms; which it was in.
fn take_out(rooms: &mut HashMap<ConsultationId, Room>, node: &NodeId) -> Vec<ConsultationId> {
    let mut ids = Vec::new();
    rooms.retain(|id, room| {
        let before = room.len();
        let mut was_in = false;
        room.retain(|_, nodes| {
            was_in |= nodes.remove(node);
            !nodes.is_empty()
        });
        if was_in || room.len() < before {
            ids.push(*id);
        }
        !room.is_empty()
    });
    ids
}
