//! What a client has missed, when that is to come by itself: `BEDSIDE_SOCKETIO_REPLAY`.
//!
//! It comes the way in which a hole is filled: each conversation is read from the store on from
//! where the client is, and what happens meanwhile waits behind it.

use bedside_protocol::{Conversation, ConversationId, UserId, limits};
use serde_json::Value as Json;
use std::{collections::HashMap, sync::Arc};

use crate::socketio::clinic::{
    client::Client,
    hall::Hall,
    replay::{self, Place, Track},
};

/// Entries of one conversation that are repeated, the newest.
const PER_CONVERSATION_MAX: u64 = limits::RESUME_EVENTS_PER_CONVERSATION_MAX;
/// Entries in all.
const IN_ALL_MAX: u64 = limits::RESUME_EVENTS_MAX;

/// See the module's text.
#[derive(Default)]
pub(super) struct Missed {
    /// None: what was missed is not repeated.
    track: Option<Arc<Track>>,
    stage: Stage,
    conversations: HashMap<ConversationId, Stretch>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// What is missing is being found out; nothing is shown before.
    Asking,
    /// What came before it was asked for from the store will come from there as well.
    Early,
    /// Everything is shown as it comes.
    #[default]
    Live,
}

/// What is missing of one conversation.
struct Stretch {
    /// Up to here it is repeated; what follows is new.
    head: u64,
    /// Up to here its user has read it elsewhere.
    read: u64,
}

impl Missed {
    pub(super) fn new(hall: &Hall, me: &UserId, auth: &Json) -> Self {
        let Some(replays) = &hall.replays else {
            return Self::default();
        };
        let now = hall.node.clock().now();
        Self {
            track: Some(replays.begin(me, auth, now)),
            stage: Stage::Asking,
            conversations: HashMap::new(),
        }
    }

    pub(super) fn greeting(&self) -> Vec<(&'static str, String)> {
        let pid = self
            .track
            .as_ref()
            .map(|track| ("pid", track.pid.to_string()));
        pid.into_iter().collect()
    }

    pub(super) fn is_holding(&self) -> bool {
        self.stage == Stage::Asking
    }

    /// The user's direct conversations are known: has what is missing of them read.
    pub(super) fn start(&mut self, client: &Client, rows: &[Conversation]) {
        let Some(track) = &self.track else {
            return;
        };
        let mut left = IN_ALL_MAX;
        let mut missing = Vec::new();
        for row in rows {
            let id = row.conversation_id;
            let behind = row.head_seq.saturating_sub(track.start_of(row));
            let repeated = behind.min(PER_CONVERSATION_MAX).min(left);
            left -= repeated;
            let start = row.head_seq - repeated;
            track.begin(id, start);
            if repeated > 0 {
                let stretch = Stretch {
                    head: row.head_seq,
                    read: row.me.read_up_to_seq,
                };
                self.conversations.insert(id, stretch);
                client.outbox.begin_fill(id, Some(start));
                missing.push(id);
            }
        }
        if missing.is_empty() {
            self.stage = Stage::Live;
            return;
        }
        self.stage = Stage::Early;
        client.mark();
        // The conversation that was quiet for longest first.
        missing.reverse();
        client.fill_holes(missing);
    }

    /// What came early is through.
    pub(super) fn marked(&mut self) {
        self.stage = Stage::Live;
    }

    /// Whether this will come again.
    pub(super) fn is_early(&self, id: ConversationId) -> bool {
        self.stage == Stage::Early && self.conversations.contains_key(&id)
    }

    /// Whether this is repeated.
    pub(super) fn is_missed(&self, (id, seq): Place) -> bool {
        let stretch = self.conversations.get(&id);
        stretch.is_some_and(|stretch| seq <= stretch.head)
    }

    /// Whether a repeated message was read meanwhile.
    pub(super) fn is_read(&self, (id, seq): Place) -> bool {
        let stretch = self.conversations.get(&id);
        stretch.is_some_and(|stretch| seq <= stretch.read)
    }

    /// By what the client can say later that it has this message.
    pub(super) fn offset(&self, place: Place) -> Option<String> {
        self.track.as_ref().map(|_| replay::offset(place))
    }

    /// The client is sent this message.
    pub(super) fn note(&self, place: Place) {
        if let Some(track) = &self.track {
            track.note(place);
        }
    }

    pub(super) fn closed(&self, client: &Client) {
        if let (Some(track), Some(replays)) = (&self.track, &client.hall.replays) {
            replays.end(track);
        }
    }
}
