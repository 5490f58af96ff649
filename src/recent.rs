//! A bounded table that forgets what was not used for longest.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
};

/// Locks that the entries are spread over.
const SHARDS: usize = 16;

/// See the module's text.
pub(crate) struct Recent<K, V> {
    hasher: RandomState,
    shards: [Mutex<Shard<K, V>>; SHARDS],
    generation_max: usize,
}

/// Two generations: when the young one is full it takes the old one's place, which forgets what
/// was not used for that long.
struct Shard<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    /// An empty table of about so many entries at most.
    pub(crate) fn new(entries_max: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| {
                Mutex::new(Shard {
                    young: HashMap::new(),
                    old: HashMap::new(),
                })
            }),
            generation_max: (entries_max / SHARDS / 2).max(1),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut shard = self.shard(key).lock();
        if let Some(value) = shard.young.get(key) {
            return Some(value.clone());
        }
        let value = shard.old.remove(key)?;
        shard.put(key.clone(), value.clone(), self.generation_max);
        Some(value)
    }

    pub(crate) fn put(&self, key: K, value: V) {
        self.update(key, |_| (value, ()));
    }

    /// Replaces an entry by what `f` makes of it, and returns what else `f` says.
    pub(crate) fn update<R>(&self, key: K, f: impl FnOnce(Option<V>) -> (V, R)) -> R {
        let mut shard = self.shard(&key).lock();
        let before = shard.young.remove(&key).or_else(|| shard.old.remove(&key));
        let (value, said) = f(before);
        shard.put(key, value, self.generation_max);
        said
    }

    /// Entries that are held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let shards = self.shards.iter().map(|shard| shard.lock());
        shards
            .map(|shard| shard.young.len() + shard.old.len())
            .sum()
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K, V>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

impl<K: Hash + Eq, V> Shard<K, V> {
    fn put(&mut self, key: K, value: V, generation_max: usize) {
        if self.young.len() >= generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let recent = Recent::new(1_000);
        recent.put(0, "kept");
        recent.put(1, "idle");
        for n in 2..5_000 {
            recent.put(n, "other");
            assert_eq!(recent.get(&0), Some("kept"), "after {n}");
        }
        assert_eq!(recent.get(&1), None);
        let held = recent.len();
        assert!((250..=1_016).contains(&held), "{held}");
    }

    #[test]
    fn an_update_sees_what_was_there() {
        let recent = Recent::new(32);
        let add = |n| recent.update("a", |before: Option<u32>| (before.unwrap_or(0) + n, before));
        assert_eq!(add(1), None);
        assert_eq!(add(2), Some(1));
        assert_eq!(recent.get(&"a"), Some(3));
    }
}
