//! What was sent under names of the senders' own and is not yet filed: see `fold.rs`.
//!
//! Without it, whether an id was used before would be looked for in all rows of a conversation
//! that are not filed yet, thousands while much is written; and a client asks that with every
//! message that it sends.

use bedside_protocol::{ClientMsgId, ConversationId, UserId};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Under which name something was sent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct SentName {
    pub(super) conversation_id: ConversationId,
    pub(super) sender_id: UserId,
    pub(super) client_msg_id: ClientMsgId,
}

/// Where in the log the names stand that are in no table yet.
///
/// The writer adds a name after its commit and before its answer, and takes it out after the
/// commit that files it. So whoever asks here first, and reads the table in a transaction that
/// begins after that, finds every name that was acknowledged before.
#[derive(Default)]
pub(super) struct Unfiled {
    positions: Mutex<HashMap<SentName, i64>>,
}

impl Unfiled {
    pub(super) fn add<'a>(&self, names: impl Iterator<Item = (&'a SentName, i64)>) {
        let mut positions = self.positions.lock();
        // A name that comes again, after its time was over, means what it was last used for.
        positions.extend(names.map(|(name, pos)| (name.clone(), pos)));
    }

    pub(super) fn remove<'a>(&self, names: impl Iterator<Item = (&'a SentName, i64)>) {
        let mut positions = self.positions.lock();
        for (name, pos) in names {
            // Unless it has been used again since.
            if positions.get(name) == Some(&pos) {
                positions.remove(name);
            }
        }
    }

    pub(super) fn position(&self, name: &SentName) -> Option<i64> {
        self.positions.lock().get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(client_msg_id: &str) -> SentName {
        SentName {
            conversation_id: ConversationId::from_bytes([1; 16]),
            sender_id: UserId::new("d1").expect("a user id"),
            client_msg_id: ClientMsgId::new(client_msg_id).expect("a client id"),
        }
    }

    #[test]
    fn what_was_used_again_outlives_the_filing_of_the_first_use() {
        let (unfiled, first, other) = (Unfiled::default(), name("c1"), name("c2"));
        unfiled.add([(&first, 7), (&other, 8)].into_iter());
        unfiled.add([(&first, 9)].into_iter());
        unfiled.remove([(&first, 7), (&other, 8)].into_iter());
        assert_eq!(unfiled.position(&first), Some(9));
        assert_eq!(unfiled.position(&other), None);
        unfiled.remove([(&first, 9)].into_iter());
        assert_eq!(unfiled.position(&first), None);
    }
}
