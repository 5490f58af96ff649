//! How far everybody had read, as far as it takes to tell reading from receiving.
//!
//! `receipt.changed` carries both watermarks and does not say which of them grew; the seeds'
//! clients are told of reading alone.

use bedside_actors::ports::store::Loaded;
use bedside_protocol::{Conversation, ConversationId, UserId, event::ReceiptChanged};

use crate::recent::Recent;

/// Members of conversations whose watermarks are remembered.
const MARKS_MAX: usize = 200_000;
/// In larger conversations only admins hear of receipts at all.
const MEMBERS_MAX: usize = 64;

/// See the module's text.
pub(super) struct ReadMarks(Recent<(ConversationId, UserId), u64>);

impl Default for ReadMarks {
    fn default() -> Self {
        Self(Recent::new(MARKS_MAX))
    }
}

impl ReadMarks {
    /// Notes how far each member had read just before the entry at `seq` was made: what is
    /// loaded may be newer.
    pub(super) fn seed(&self, id: ConversationId, loaded: &Loaded, seq: u64) {
        let present = || loaded.members.iter().filter(|m| m.last_seq.is_none());
        if present().count() > MEMBERS_MAX {
            return;
        }
        for member in present() {
            let read = member.receipts.read_seq.min(seq.saturating_sub(1));
            self.note(id, &member.user_id, read);
        }
    }

    /// Notes how far each member has read by now.
    pub(super) fn seed_row(&self, row: &Conversation) {
        if row.members.len() > MEMBERS_MAX {
            return;
        }
        for member in &row.members {
            self.note(row.conversation_id, &member.user_id, member.read_up_to_seq);
        }
    }

    fn note(&self, id: ConversationId, user_id: &UserId, read: u64) {
        let key = (id, user_id.clone());
        self.0.update(key, |before| (before.unwrap_or(read), ()));
    }

    /// Whether somebody has read further than before. To be asked once per event.
    pub(super) fn grew(&self, id: ConversationId, receipt: &ReceiptChanged) -> bool {
        let read = receipt.read_up_to_seq;
        self.0.update((id, receipt.user_id.clone()), |before| {
            let grew = match before {
                Some(before) => read > before,
                // Receiving alone puts the one above the other.
                None => read > 0 && read == receipt.delivered_up_to_seq,
            };
            (read.max(before.unwrap_or(0)), grew)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_protocol::Timestamp;

    fn receipt(delivered_up_to_seq: u64, read_up_to_seq: u64) -> ReceiptChanged {
        ReceiptChanged {
            user_id: UserId::new("p1").expect("is an id"),
            delivered_up_to_seq,
            read_up_to_seq,
            at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn reading_is_told_from_receiving() {
        let (marks, id) = (ReadMarks::default(), ConversationId::new());
        assert!(!marks.grew(id, &receipt(3, 0)), "nothing was read");
        assert!(!marks.grew(id, &receipt(5, 0)));
        assert!(marks.grew(id, &receipt(5, 4)));
        assert!(!marks.grew(id, &receipt(7, 4)));
        assert!(marks.grew(id, &receipt(7, 7)));
        assert!(!marks.grew(id, &receipt(7, 7)), "an old one comes late");
        assert!(!marks.grew(id, &receipt(6, 6)));
    }

    #[test]
    fn of_somebody_not_known_only_what_is_certain_counts() {
        let marks = ReadMarks::default();
        assert!(marks.grew(ConversationId::new(), &receipt(7, 7)));
        let id = ConversationId::new();
        assert!(!marks.grew(id, &receipt(7, 4)), "either may have grown");
        assert!(marks.grew(id, &receipt(7, 5)));
    }
}
