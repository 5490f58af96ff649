//! One read for all who want the same thing at the same time.
//!
//! A reader joins a read that has not begun yet, never one on its way: what was acknowledged
//! before a reader came is in what the reader gets, a delete above all. At most one read of a
//! thing is on its way; while it is, all who come share the next one.

use bedside_actors::ports::store::{LogPage, LogRange, StoreResult};
use bedside_protocol::ConversationId;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

use super::{
    Core,
    listing::{self, Look},
    log,
};

type Reading<V> = Shared<BoxFuture<'static, StoreResult<Arc<V>>>>;

/// A page of a log: from, to, newest first, how many entries and bytes.
type Page = (ConversationId, u64, u64, bool, usize, usize);

/// Reads that readers share.
#[derive(Default)]
pub(super) struct Readings {
    pages: Gates<Page, LogPage>,
    looks: Gates<ConversationId, Option<Look>>,
}

pub(super) async fn read(
    core: &Arc<Core>,
    id: ConversationId,
    range: LogRange,
) -> StoreResult<LogPage> {
    let page = (
        id,
        range.from_seq,
        range.to_seq,
        range.newest_first,
        range.limit,
        range.bytes_max,
    );
    let own = core.clone();
    let read = async move { log::read(&own.cql, id, range).await };
    let page = core.readings.pages.join(core, of_pages, page, read).await?;
    Ok(Arc::unwrap_or_clone(page))
}

/// A conversation and the end of its log.
pub(super) async fn look(core: &Arc<Core>, id: ConversationId) -> StoreResult<Arc<Option<Look>>> {
    let own = core.clone();
    let read = async move { listing::look(&own.cql, id).await };
    core.readings.looks.join(core, of_looks, id, read).await
}

fn of_pages(core: &Core) -> &Gates<Page, LogPage> {
    &core.readings.pages
}

fn of_looks(core: &Core) -> &Gates<ConversationId, Option<Look>> {
    &core.readings.looks
}

/// Reads that have not begun yet, and whose turn it is.
struct Gates<K, V>(Mutex<HashMap<K, Gate<V>>>);

struct Gate<V> {
    /// To be joined.
    gathering: Option<Reading<V>>,
    /// Held by the read that is on its way. Gone when nobody wants it any more.
    turn: Weak<tokio::sync::Mutex<()>>,
}

impl<K, V> Default for Gates<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> Gates<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn join(
        &self,
        core: &Arc<Core>,
        gates: fn(&Core) -> &Self,
        key: K,
        read: impl Future<Output = StoreResult<V>> + Send + 'static,
    ) -> Reading<V> {
        let mut all = self.0.lock();
        let gate = all.entry(key).or_insert_with(|| Gate {
            gathering: None,
            turn: Weak::new(),
        });
        if let Some(reading) = &gate.gathering {
            core.counters.coalesced();
            return reading.clone();
        }
        let turn = gate.turn.upgrade().unwrap_or_default();
        gate.turn = Arc::downgrade(&turn);
        let core = core.clone();
        let reading = async move {
            let mine = turn.lock().await;
            // Who came at the same moment has a chance to join.
            tokio::task::yield_now().await;
            gates(&core).begin(key);
            let read = read.await;
            drop(mine);
            gates(&core).forget(key, turn);
            read.map(Arc::new)
        };
        let reading = reading.boxed().shared();
        gate.gathering = Some(reading.clone());
        reading
    }

    /// From now on nobody joins.
    fn begin(&self, key: K) {
        if let Some(gate) = self.0.lock().get_mut(&key) {
            gate.gathering = None;
        }
    }

    /// Forgets what nobody wants any more.
    fn forget(&self, key: K, turn: Arc<tokio::sync::Mutex<()>>) {
        let mut gates = self.0.lock();
        drop(turn);
        if gates
            .get(&key)
            .is_some_and(|gate| gate.turn.strong_count() == 0)
        {
            gates.remove(&key);
        }
    }
}
