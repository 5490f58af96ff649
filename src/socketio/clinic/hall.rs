//! What all clients of a server share.

use bedside_actors::node::Node;
use std::{sync::Arc, time::Duration};

use super::{ClinicParts, faces::Faces, marks::ReadMarks, replay::Replays, rooms::Rooms};
use crate::{seeds::Shown, strangers::Strangers};

/// See the module's text.
pub(super) struct Hall {
    pub(super) node: Arc<Node>,
    pub(super) shown: Arc<Shown>,
    pub(super) faces: Arc<Faces>,
    pub(super) marks: Arc<ReadMarks>,
    pub(super) rooms: Rooms,
    pub(super) strangers: Arc<Strangers>,
    /// None: what was missed is not repeated.
    pub(super) replays: Option<Arc<Replays>>,
    /// How long clients stay after their token ran out.
    pub(super) grace: Duration,
}

impl Hall {
    pub(super) fn new(parts: ClinicParts) -> Self {
        let ClinicParts { node, shown, .. } = parts;
        let marks = Arc::new(ReadMarks::default());
        Self {
            faces: Arc::new(Faces::new(Arc::clone(node.store()), Arc::clone(&marks))),
            node,
            shown,
            marks,
            rooms: Rooms::default(),
            strangers: parts.strangers,
            replays: parts.replay.then(Arc::default),
            grace: parts.grace,
        }
    }
}
