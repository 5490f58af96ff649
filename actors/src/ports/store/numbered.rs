//! What the actors need of durable storage for clients that page by number: they ask for page 3
//! of all and want a total, where others go on from a cursor.

use async_trait::async_trait;
use bedside_protocol::{ConversationId, ConversationKind, Timestamp, UserId};

use super::StoreResult;

/// A conversation of a user's, as far as it takes to count it and to give it its place in a
/// list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub conversation_id: ConversationId,
    /// What it is for.
    pub kind: ConversationKind,
    /// When something was last added to it, as far as the user may read.
    pub last_activity_at: Timestamp,
    /// The end of the user's window, once they are gone.
    pub last_seq: Option<u64>,
    /// The user's own mark.
    pub pinned: bool,
    /// The user's own mark.
    pub archived: bool,
}

/// Which countable messages to find, counted from the newest one of a stretch of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The first seq of the stretch.
    pub from_seq: u64,
    /// The last seq of the stretch.
    pub to_seq: u64,
    /// How many of the newest to pass over.
    pub skip: u64,
    /// How many to find behind those; at least one.
    pub take: u64,
}

/// Where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// Countable messages in the whole stretch.
    pub total: u64,
    /// The first entry that goes with them.
    pub from_seq: u64,
    /// The last one; below `from_seq` when there is nothing.
    pub to_seq: u64,
    /// The oldest of the messages.
    pub oldest_seq: Option<u64>,
}

/// Lists by number.
#[async_trait]
pub trait NumberedStore: Send + Sync {
    /// Finds countable messages by their number, at a cost that does not grow with the number.
    ///
    /// What is found one after the other covers the stretch without a hole and without an
    /// overlap: an entry that is no countable message goes with the one before it, and those
    /// before the first one go with the first one.
    async fn locate(
        &self,
        conversation_id: ConversationId,
        numbers: Numbers,
    ) -> StoreResult<Located>;

    /// All conversations that the user is or was in, newest activity first, ties by id.
    async fn listed(&self, user_id: UserId) -> StoreResult<Vec<Listed>>;
}

/// What [`NumberedStore::locate`] finds, for stores that know how many countable messages lie at
/// or below a seq: by halving, with about two look-ups for each doubling of the log.
///
/// # Errors
/// What `ord_at` says.
pub fn locate<E>(
    numbers: Numbers,
    mut ord_at: impl FnMut(u64) -> Result<u64, E>,
) -> Result<Located, E> {
    let Numbers {
        from_seq,
        to_seq,
        skip,
        take,
    } = numbers;
    if from_seq > to_seq {
        return Ok(Located {
            from_seq: 1,
            ..Located::default()
        });
    }
    let below = ord_at(from_seq.saturating_sub(1))?;
    let total = ord_at(to_seq)?.saturating_sub(below);
    // The seq of the `n`th countable message of the stretch, 1 for its oldest.
    let mut seq_of = |n: u64| {
        let (mut low, mut high) = (from_seq, to_seq);
        while low < high {
            let middle = low + (high - low) / 2;
            if ord_at(middle)? >= below + n {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    };
    if skip > 0 && skip >= total {
        return Ok(Located {
            total,
            from_seq: 1,
            ..Located::default()
        });
    }
    let newest = total - skip;
    let oldest = (newest + 1).saturating_sub(take.max(1)).max(1);
    let oldest_seq = (total > 0).then(|| seq_of(oldest)).transpose()?;
    Ok(Located {
        total,
        from_seq: oldest_seq.filter(|_| oldest > 1).unwrap_or(from_seq),
        to_seq: if skip == 0 {
            to_seq
        } else {
            seq_of(newest + 1)? - 1
        },
        oldest_seq,
    })
}
