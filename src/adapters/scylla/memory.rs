//! What a process remembers of the ring, so that it need not ask again. All of it is true
//! whatever other processes do: names, and facts that never become false.

use bedside_actors::ports::store::{ConversationKey, StoreError, StoreResult};
use bedside_protocol::{ConversationId, UserId};
use parking_lot::Mutex;
use scylla::value::CqlDate;
use std::collections::{HashMap, HashSet};

/// Facts of one kind that are remembered; past it all are forgotten, and each is read again when
/// it is next needed.
const REMEMBERED_MAX: usize = 1 << 17;

/// The keys of conversations: numbers of this process alone.
///
/// A key is given by a load and stays for the life of the process, at some 100 bytes each, so
/// that an actor may use one however long it lives: a node that has loaded a million different
/// conversations since it started holds 100 MB of them.
#[derive(Default)]
pub(super) struct Keys(Mutex<Named>);

#[derive(Default)]
struct Named {
    by_id: HashMap<ConversationId, i64>,
    ids: Vec<ConversationId>,
}

impl Keys {
    pub(super) fn of(&self, id: ConversationId) -> ConversationKey {
        let mut named = self.0.lock();
        let next = named.ids.len() as i64;
        let key = *named.by_id.entry(id).or_insert(next);
        if key == next {
            named.ids.push(id);
        }
        ConversationKey(key)
    }

    /// The conversation of a key; [`StoreError::Conflict`] for one that no load gave.
    pub(super) fn id(&self, key: ConversationKey) -> StoreResult<ConversationId> {
        let named = self.0.lock();
        let id = usize::try_from(key.0).ok().and_then(|at| named.ids.get(at));
        id.copied().ok_or(StoreError::Conflict)
    }
}

/// People who are known to be, or to have been, members: their rows are never deleted.
#[derive(Default)]
pub(super) struct Members(Mutex<HashSet<(ConversationId, UserId)>>);

impl Members {
    pub(super) fn add(&self, id: ConversationId, user_id: UserId) {
        let mut known = self.0.lock();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert((id, user_id));
    }

    pub(super) fn has(&self, id: ConversationId, user_id: &UserId) -> bool {
        self.0.lock().contains(&(id, user_id.clone()))
    }
}

/// The last day on which each conversation was noted as active.
#[derive(Default)]
pub(super) struct ActiveDays(Mutex<HashMap<ConversationId, CqlDate>>);

impl ActiveDays {
    pub(super) fn is_noted(&self, id: ConversationId, day: CqlDate) -> bool {
        self.0.lock().get(&id) == Some(&day)
    }

    pub(super) fn note(&self, id: ConversationId, day: CqlDate) {
        let mut days = self.0.lock();
        if days.len() >= REMEMBERED_MAX {
            days.clear();
        }
        days.insert(id, day);
    }
}

/// What is known of a log's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// This entry is stored, and all up to it is filed.
    At(u64),
    /// This entry failed, or its outcome is unknown: whatever comes above it counted on it.
    FailedAt(u64),
}

/// The ends of logs that were lately written to or loaded.
#[derive(Default)]
pub(super) struct Ends(Mutex<HashMap<ConversationId, End>>);

impl Ends {
    pub(super) fn get(&self, id: ConversationId) -> Option<End> {
        self.0.lock().get(&id).copied()
    }

    fn set(&self, id: ConversationId, end: End) {
        let mut ends = self.0.lock();
        if ends.len() >= REMEMBERED_MAX {
            // A failure is not forgotten before a load has told of it.
            ends.retain(|_, end| matches!(end, End::FailedAt(_)));
        }
        ends.insert(id, end);
    }

    /// An entry was stored and filed where the log ends.
    pub(super) fn stored(&self, id: ConversationId, seq: u64) {
        self.set(id, End::At(seq));
    }

    /// An entry was not stored, or nobody knows.
    pub(super) fn failed(&self, id: ConversationId, seq: u64) {
        let lowest = match self.get(id) {
            Some(End::FailedAt(failed)) => failed.min(seq),
            _ => seq,
        };
        self.set(id, End::FailedAt(lowest));
    }

    /// A log was seen up to here, and filed. Whoever still counts on what failed does not know.
    pub(super) fn seen(&self, id: ConversationId, seq: u64) {
        match self.get(id) {
            Some(End::FailedAt(_)) => {}
            Some(End::At(known)) => self.set(id, End::At(known.max(seq))),
            None => self.set(id, End::At(seq)),
        }
    }

    /// Whoever writes begins anew.
    pub(super) fn begin_anew(&self, id: ConversationId) {
        self.0.lock().remove(&id);
    }
}
