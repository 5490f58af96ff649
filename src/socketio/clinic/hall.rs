//! What all clients of a server share.

use bedside_actors::node::Node;
use std::sync::Arc;

use super::{audit::Door, faces::Faces, marks::ReadMarks, replay::Replays, rooms::Rooms};
use crate::seeds::Shown;

/// See the module's text.
pub(super) struct Hall {
    pub(super) node: Arc<Node>,
    pub(super) shown: Arc<Shown>,
    pub(super) faces: Arc<Faces>,
    pub(super) marks: Arc<ReadMarks>,
    pub(super) rooms: Rooms,
    pub(super) door: Door,
    /// None: what was missed is not repeated.
    pub(super) replays: Option<Arc<Replays>>,
}

impl Hall {
    pub(super) fn new(node: Arc<Node>, shown: Arc<Shown>, replay: bool) -> Self {
        let marks = Arc::new(ReadMarks::default());
        Self {
            faces: Arc::new(Faces::new(Arc::clone(node.store()), Arc::clone(&marks))),
            node,
            shown,
            marks,
            rooms: Rooms::default(),
            door: Door::default(),
            replays: replay.then(Arc::default),
        }
    }
}
