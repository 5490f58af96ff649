//! How far each conversation has been shown on a socket, and the filling of holes.

use bedside_protocol::ConversationId;
use std::sync::Arc;

use super::{Inner, Outbox, SharedEvent};

/// How far one conversation has been shown on this socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// The log reached up to here when the socket came, and nothing of it was pushed yet: what is
    /// older need not be shown, what follows must be.
    Came(u64),
    /// Everything up to here was pushed; the next event follows.
    Live(u64),
    /// Everything up to `shown` was pushed; the session is reading what follows from the store,
    /// and events up to `head` are known of.
    Filling { shown: u64, head: u64 },
}

impl Outbox {
    /// Notes that this socket learned of `seq` by the reply to its own command.
    pub fn shown(&self, conversation_id: ConversationId, seq: u64) {
        let mut inner = self.inner.lock();
        if inner.closing.is_none() {
            inner.advance(conversation_id, seq);
        }
    }

    /// Notes that the log reached up to `head` before the client was let in, which asks for the
    /// past itself. Without this a socket takes the first thing that it hears of for the
    /// beginning, which may be an announcement of what it was not there for.
    pub fn came(&self, conversation_id: ConversationId, head: u64) {
        let mut inner = self.inner.lock();
        if inner.closing.is_none() {
            inner
                .positions
                .entry(conversation_id)
                .or_insert(Position::Came(head));
        }
    }

    /// Hears that the log reaches `head`, and that all up to `pushed` went out before: what this
    /// socket lacks of it is then filled from the store.
    pub fn announce(&self, conversation_id: ConversationId, pushed: u64, head: u64) {
        let mut inner = self.inner.lock();
        if inner.closing.is_some() {
            return;
        }
        inner
            .positions
            .entry(conversation_id)
            .or_insert(Position::Live(pushed));
        // An announcement shows nothing itself, so the hole reaches up to and with `head`.
        inner.hole_up_to(conversation_id, head);
    }

    /// Starts a fill: what comes meanwhile is held back. For a resume `from` is the client's
    /// own position; without it the position is kept. Returns the seq up to which it was shown.
    pub fn begin_fill(&self, conversation_id: ConversationId, from: Option<u64>) -> Option<u64> {
        let mut inner = self.inner.lock();
        let position = inner.positions.get(&conversation_id).copied();
        let (shown, head) = match (from, position) {
            // Of the head only the server's own word counts: a client may be ahead of it, as
            // after a restore, and nothing would ever fill up to there.
            (Some(from), Some(Position::Live(head) | Position::Filling { head, .. })) => {
                (from, head)
            }
            (Some(from), Some(Position::Came(_)) | None) => (from, 0),
            (None, Some(Position::Came(_) | Position::Live(_)) | None) => return None,
            (None, Some(Position::Filling { shown, head })) => (shown, head),
        };
        inner
            .positions
            .insert(conversation_id, Position::Filling { shown, head });
        Some(shown)
    }

    /// Pushes a frame of a fill that brings the conversation up to `shown`.
    pub fn fill(&self, conversation_id: ConversationId, shown: u64, event: &Arc<SharedEvent>) {
        let mut inner = self.inner.lock();
        if let Some(Position::Filling { shown: before, .. }) =
            inner.positions.get_mut(&conversation_id)
        {
            *before = shown.max(*before);
        }
        let (item, bytes) = self.item(event);
        inner.push(item, bytes, false);
    }

    /// Ends a fill that has shown everything up to `shown`. False when more came meanwhile: the
    /// session goes on.
    pub fn end_fill(&self, conversation_id: ConversationId, shown: u64) -> bool {
        let mut inner = self.inner.lock();
        match inner.positions.get_mut(&conversation_id) {
            Some(Position::Filling {
                shown: before,
                head,
            }) if *head > shown => {
                *before = shown;
                false
            }
            _ => {
                inner
                    .positions
                    .insert(conversation_id, Position::Live(shown));
                true
            }
        }
    }

    /// Ends a fill behind which nothing more comes, whatever was announced.
    pub fn end_fill_for_good(&self, conversation_id: ConversationId, shown: u64) {
        let position = Position::Live(shown);
        let mut inner = self.inner.lock();
        inner.positions.insert(conversation_id, position);
    }

    /// Forgets a conversation that this socket's user may not read.
    pub fn forget(&self, conversation_id: ConversationId) {
        self.inner.lock().positions.remove(&conversation_id);
    }

    /// Asks again for every fill that was begun: whoever was at it is gone.
    pub fn fill_all_again(&self) {
        let mut inner = self.inner.lock();
        let Inner {
            positions, holes, ..
        } = &mut *inner;
        let begun = positions
            .iter()
            .filter(|(_, position)| matches!(position, Position::Filling { .. }));
        holes.extend(begun.map(|(id, _)| *id));
        inner.wake();
    }

    /// Asks again for a fill that failed.
    pub fn fill_again(&self, conversation_id: ConversationId) {
        let mut inner = self.inner.lock();
        inner.holes.push(conversation_id);
        inner.wake();
    }
}

impl Inner {
    /// Whether the event at `seq` is to be pushed now.
    pub(super) fn advance(&mut self, conversation_id: ConversationId, seq: u64) -> bool {
        match self.positions.get_mut(&conversation_id) {
            None => {
                self.positions.insert(conversation_id, Position::Live(seq));
                true
            }
            // It was underway when the socket came.
            Some(Position::Came(head)) if seq <= *head => true,
            Some(position @ Position::Came(_)) if *position == Position::Came(seq - 1) => {
                *position = Position::Live(seq);
                true
            }
            Some(Position::Live(shown)) if seq == *shown + 1 => {
                *shown = seq;
                true
            }
            Some(Position::Live(shown)) if seq <= *shown => false,
            _ => {
                self.hole_up_to(conversation_id, seq);
                false
            }
        }
    }

    fn hole_up_to(&mut self, conversation_id: ConversationId, seq: u64) {
        match self.positions.get_mut(&conversation_id) {
            Some(Position::Filling { head, .. }) => *head = seq.max(*head),
            Some(position) => {
                let (Position::Live(shown) | Position::Came(shown)) = *position else {
                    return;
                };
                if seq > shown {
                    *position = Position::Filling { shown, head: seq };
                    self.holes.push(conversation_id);
                    self.wake();
                }
            }
            None => {}
        }
    }
}
