//! One read for all who want the same page of a log at the same time.
//!
//! A reader joins a read that has not begun yet, never one on its way: what was acknowledged
//! before a reader came is in what the reader gets, a delete above all. At most one read of a
//! page is on its way; while it is, all who come share the next one.

use bedside_actors::ports::store::{LogPage, LogRange, StoreResult};
use bedside_protocol::ConversationId;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use super::{Core, log};

type Page = (ConversationId, u64, u64, bool, usize, usize);
type Reading = Shared<BoxFuture<'static, StoreResult<Arc<LogPage>>>>;

/// Reads that have not begun yet, and whose turn it is.
#[derive(Default)]
pub(super) struct Readings(Mutex<HashMap<Page, Gate>>);

struct Gate {
    /// To be joined.
    gathering: Option<Reading>,
    /// Held by the read that is on its way. Gone when nobody wants the page any more.
    turn: Weak<tokio::sync::Mutex<()>>,
}

pub(super) async fn read(
    core: &Arc<Core>,
    id: ConversationId,
    range: LogRange,
) -> StoreResult<LogPage> {
    let page = core.readings.join(core, id, range).await?;
    Ok(Arc::unwrap_or_clone(page))
}

impl Readings {
    fn join(&self, core: &Arc<Core>, id: ConversationId, range: LogRange) -> Reading {
        let page = (
            id,
            range.from_seq,
            range.to_seq,
            range.newest_first,
            range.limit,
            range.bytes_max,
        );
        let mut gates = self.0.lock();
        let gate = gates.entry(page).or_insert_with(|| Gate {
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
            core.readings.begin(page);
            let read = log::read(&core.cql, id, range).await;
            drop(mine);
            core.readings.forget(page, turn);
            read.map(Arc::new)
        };
        let reading = reading.boxed().shared();
        gate.gathering = Some(reading.clone());
        reading
    }

    /// From now on nobody joins.
    fn begin(&self, page: Page) {
        if let Some(gate) = self.0.lock().get_mut(&page) {
            gate.gathering = None;
        }
    }

    /// Forgets a page that nobody wants any more.
    fn forget(&self, page: Page, turn: Arc<tokio::sync::Mutex<()>>) {
        let mut gates = self.0.lock();
        drop(turn);
        if gates
            .get(&page)
            .is_some_and(|gate| gate.turn.strong_count() == 0)
        {
            gates.remove(&page);
        }
    }
}
