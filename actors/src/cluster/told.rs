//! How far this node's sockets were told that somebody has received and read. Two nodes may tell
//! of the same person's marks for a moment, when a conversation has just got another place, and
//! what the one that knows less says may come last. What a socket was told never goes back.

use bedside_protocol::{ConversationId, Event, EventFrame, UserId, event::ReceiptChanged};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    mem,
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

use crate::outbox::SharedEvent;

/// Locks, so that conversations do not wait for each other.
const SHARDS: usize = 16;
/// How long a mark is kept at least, unless too many come. Two nodes are at odds for less.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Marks of one shard, in each of its two generations.
const MARKS_MAX: usize = 2_048;

type Marks = HashMap<(ConversationId, UserId), (u64, u64)>;

#[derive(Default)]
struct Shard {
    young: Marks,
    old: Marks,
    turned_at: Option<Instant>,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Told {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

impl Told {
    /// Pushes a receipt, raised to what was told before. Not at all when that says as much.
    pub(crate) fn push(&self, event: &Arc<SharedEvent>, push: impl FnOnce(&Arc<SharedEvent>)) {
        let frame = event.frame();
        let (Some(id), Event::ReceiptChanged(change)) = (frame.conversation_id, &frame.event)
        else {
            return push(event);
        };
        let shard = self.hasher.hash_one(id) as usize % SHARDS;
        // Held while it is pushed: who says more would come in between, and then be taken back.
        let mut shard = self.shards[shard].lock();
        let said = (change.delivered_up_to_seq, change.read_up_to_seq);
        let key = (id, change.user_id.clone());
        let known = shard.get(&key);
        let raised = (said.0.max(known.0), said.1.max(known.1));
        shard.insert(key, raised);
        if raised == said {
            push(event);
        } else if raised != known {
            push(&SharedEvent::new(EventFrame::about(
                id,
                Event::ReceiptChanged(ReceiptChanged {
                    delivered_up_to_seq: raised.0,
                    read_up_to_seq: raised.1,
                    ..change.clone()
                }),
            )));
        }
    }
}

impl Shard {
    fn get(&self, key: &(ConversationId, UserId)) -> (u64, u64) {
        let known = self.young.get(key).or_else(|| self.old.get(key));
        known.copied().unwrap_or_default()
    }

    fn insert(&mut self, key: (ConversationId, UserId), mark: (u64, u64)) {
        let now = Instant::now();
        let is_due = self
            .turned_at
            .is_none_or(|at| now.duration_since(at) >= KEPT_FOR);
        if is_due || self.young.len() >= MARKS_MAX {
            self.old = mem::take(&mut self.young);
            self.turned_at = Some(now);
        }
        self.young.insert(key, mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_protocol::Timestamp;

    fn receipt(id: ConversationId, user: &str, delivered: u64, read: u64) -> Arc<SharedEvent> {
        SharedEvent::new(EventFrame::about(
            id,
            Event::ReceiptChanged(ReceiptChanged {
                user_id: UserId::new(user).expect("an id"),
                delivered_up_to_seq: delivered,
                read_up_to_seq: read,
                at: Timestamp::from_millis(0),
            }),
        ))
    }

    fn pushed(told: &Told, event: &Arc<SharedEvent>) -> Option<(u64, u64)> {
        let mut seen = None;
        told.push(event, |event| {
            if let Event::ReceiptChanged(change) = &event.frame().event {
                seen = Some((change.delivered_up_to_seq, change.read_up_to_seq));
            }
        });
        seen
    }

    #[test]
    fn what_was_told_never_goes_back() {
        let (told, id) = (Told::default(), ConversationId::new());
        assert_eq!(pushed(&told, &receipt(id, "p", 7, 5)), Some((7, 5)));
        assert_eq!(pushed(&told, &receipt(id, "p", 6, 5)), None);
        assert_eq!(pushed(&told, &receipt(id, "p", 6, 6)), Some((7, 6)));
        assert_eq!(pushed(&told, &receipt(id, "p", 7, 6)), Some((7, 6)));
        assert_eq!(pushed(&told, &receipt(id, "d", 1, 1)), Some((1, 1)));
        let other = ConversationId::new();
        assert_eq!(pushed(&told, &receipt(other, "p", 1, 1)), Some((1, 1)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (told, id) = (Told::default(), ConversationId::new());
        for n in 0..3 * MARKS_MAX {
            pushed(&told, &receipt(id, &format!("p{n}"), 9, 9));
        }
        let kept: usize = told
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock();
                shard.young.len() + shard.old.len()
            })
            .sum();
        assert!(kept <= 2 * MARKS_MAX, "{kept}");
        let last = format!("p{}", 3 * MARKS_MAX - 1);
        assert_eq!(pushed(&told, &receipt(id, &last, 1, 1)), None);
    }
}
