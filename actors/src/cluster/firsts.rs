//! Which messages a client of this node was told of as new. When the server itself tries a send
//! once more, its own first try may be what the store already has; the client hears `duplicate`
//! only of what it was told before, or sent long before.

use bedside_protocol::MessageId;
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};

/// How many are remembered: those of the last seconds.
const REMEMBERED_MAX: usize = 8_192;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Firsts(Mutex<Recent>);

#[derive(Default)]
struct Recent {
    ids: HashSet<MessageId>,
    order: VecDeque<MessageId>,
}

impl Firsts {
    /// Notes that somebody is told of it as new. False when somebody was before.
    pub(crate) fn claim(&self, id: MessageId) -> bool {
        let mut recent = self.0.lock();
        if !recent.ids.insert(id) {
            return false;
        }
        recent.order.push_back(id);
        if recent.order.len() > REMEMBERED_MAX
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_once_and_few_are_kept() {
        let firsts = Firsts::default();
        let id = MessageId::new();
        assert!(firsts.claim(id));
        assert!(!firsts.claim(id));
        for _ in 0..2 * REMEMBERED_MAX {
            assert!(firsts.claim(MessageId::new()));
        }
        assert_eq!(firsts.0.lock().ids.len(), REMEMBERED_MAX);
        assert_eq!(firsts.0.lock().order.len(), REMEMBERED_MAX);
    }
}
