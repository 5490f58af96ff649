//! How far each person has been sent each conversation by the seeds' ways in.
//!
//! Their clients mark "all up to now" as read and name no place in the log. That must cover what
//! they were sent and nothing that came since, or a message would count as read that nobody saw.

use bedside_protocol::{Conversation, ConversationId, UserId};
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::OnceLock,
};

/// Pairs of person and conversation that are remembered, at most.
pub const SHOWN_MAX: usize = 100_000;

/// Locks that they are spread over.
const SHARDS: usize = 16;

/// Pairs in one generation of a shard: there are two.
const GENERATION_MAX: usize = SHOWN_MAX / SHARDS / 2;

type Pair = (UserId, ConversationId);

/// Finds out how far somebody was sent a conversation by other nodes; 0 when nothing is known.
pub type AskOthers = dyn Fn(&UserId, ConversationId) -> BoxFuture<'static, u64> + Send + Sync;

/// The highest seq that was written to any socket of a person, or returned to them in a page.
/// In memory: of what is forgotten (after a restart, or past [`SHOWN_MAX`] pairs, the longest
/// unused first) the durable delivered watermark is what is left.
pub struct Shown {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    others: OnceLock<Box<AskOthers>>,
}

/// Two generations: when the young one is full it takes the old one's place, which forgets what
/// was not used for that long.
#[derive(Default)]
struct Shard {
    young: HashMap<Pair, u64>,
    old: HashMap<Pair, u64>,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            others: OnceLock::new(),
        }
    }
}

impl Shown {
    /// Has other nodes asked too. To be called once.
    pub fn ask_others(&self, ask: Box<AskOthers>) {
        self.others.get_or_init(|| ask);
    }

    /// This person was sent the conversation up to `seq`. A lower seq than before changes
    /// nothing.
    pub fn note(&self, user_id: &UserId, conversation_id: ConversationId, seq: u64) {
        let pair = (user_id.clone(), conversation_id);
        self.shard(&pair).lock().raise(pair, seq);
    }

    /// The highest seq that was noted; none when nothing was, or it is forgotten.
    #[must_use]
    pub fn highest(&self, user_id: &UserId, conversation_id: ConversationId) -> Option<u64> {
        let pair = (user_id.clone(), conversation_id);
        self.shard(&pair).lock().get(pair)
    }

    /// What "all up to now" is to this person: the highest seq that reached them, as noted here
    /// or as their devices said, never above what they may read.
    #[must_use]
    pub fn up_to_now(&self, user_id: &UserId, conversation: &Conversation) -> u64 {
        let noted = self.highest(user_id, conversation.conversation_id);
        noted
            .unwrap_or(0)
            .max(conversation.me.delivered_up_to_seq)
            .min(conversation.head_seq)
    }

    /// The same on all nodes: a page may have come from another one than the socket's.
    pub fn up_to_now_anywhere(
        &self,
        user_id: &UserId,
        conversation: &Conversation,
    ) -> BoxFuture<'static, u64> {
        let here = self.up_to_now(user_id, conversation);
        let head = conversation.head_seq;
        match self.others.get() {
            Some(ask) if here < head => {
                let asking = ask(user_id, conversation.conversation_id);
                asking.map(move |there| there.min(head).max(here)).boxed()
            }
            _ => ready(here).boxed(),
        }
    }

    fn shard(&self, pair: &Pair) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(pair) as usize;
        &self.shards[hash % SHARDS]
    }
}

impl Shard {
    fn raise(&mut self, pair: Pair, seq: u64) {
        let before = self.old.remove(&pair).unwrap_or(0);
        let highest = self.young.entry(pair).or_insert(0);
        *highest = seq.max(*highest).max(before);
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
    }

    fn get(&mut self, pair: Pair) -> Option<u64> {
        if let Some(seq) = self.young.get(&pair) {
            return Some(*seq);
        }
        let seq = *self.old.get(&pair)?;
        self.raise(pair, seq);
        Some(seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::new(id).expect("is an id")
    }

    #[test]
    fn it_only_grows_and_is_each_persons_own() {
        let (shown, id) = (Shown::default(), ConversationId::new());
        assert_eq!(shown.highest(&user("p1"), id), None);
        shown.note(&user("p1"), id, 7);
        shown.note(&user("p1"), id, 3);
        assert_eq!(shown.highest(&user("p1"), id), Some(7));
        assert_eq!(shown.highest(&user("d1"), id), None);
        assert_eq!(shown.highest(&user("p1"), ConversationId::new()), None);
    }

    #[test]
    fn it_is_bounded_and_forgets_what_is_not_used() {
        let (shown, kept, idle) = (
            Shown::default(),
            ConversationId::new(),
            ConversationId::new(),
        );
        let me = user("p1");
        shown.note(&me, kept, 7);
        shown.note(&me, idle, 7);
        for n in 0..2 * SHOWN_MAX {
            shown.note(&me, ConversationId::new(), 1);
            if n % 100 == 0 {
                assert_eq!(shown.highest(&me, kept), Some(7));
            }
        }
        let held: usize = shown
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock();
                shard.young.len() + shard.old.len()
            })
            .sum();
        assert!(held <= SHOWN_MAX, "{held}");
        assert!(held > SHOWN_MAX / 4, "{held}");
        assert_eq!(shown.highest(&me, idle), None);
    }
}
