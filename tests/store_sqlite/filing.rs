//! Look-ups that are filled later give the same answers before, while and after they are.

use bedside::adapters::sqlite::{Options, SqliteStore};
use bedside_actors::{
    ports::store::Store,
    testkit::store_contract::fixture::{client_id, user},
};
use bedside_protocol::ConversationId;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::task::JoinSet;

use crate::{listen, scratch::Scratch};

const BURST: u64 = 40;
const BURSTS: u64 = 50;
const LOOKERS: u64 = 4;

/// Looks for what was acknowledged lately, until `acknowledged` says that it is over.
async fn look(store: Arc<SqliteStore>, id: ConversationId, acknowledged: Arc<AtomicU64>) {
    for back in (0..2 * BURST).cycle() {
        let last = acknowledged.load(Ordering::Acquire);
        if last == u64::MAX {
            return;
        }
        let seq = last.saturating_sub(back).max(2);
        if seq > last {
            tokio::task::yield_now().await;
            continue;
        }
        let name = client_id(&format!("c{seq}"));
        let found = store.find_sent(id, user("d1"), name).await;
        let found = found.expect("a look-up").map(|sent| sent.seq);
        assert_eq!(found, Some(seq), "acknowledged up to {last}");
    }
}

#[tokio::test]
async fn an_acknowledged_client_id_is_found_at_any_moment() {
    let dir = Scratch::new();
    // Each commit files what the ones before it left.
    let options = Options {
        fold_rows: 3,
        ..Options::default()
    };
    let (store, fx) = listen(dir.path(), &options);
    let mut room = fx.room(&["d1"]).await;
    let acknowledged = Arc::new(AtomicU64::new(1));
    let mut lookers = JoinSet::new();
    for _ in 0..LOOKERS {
        lookers.spawn(look(store.clone(), room.id, acknowledged.clone()));
    }
    for burst in 1..=BURSTS {
        for n in 0..BURST {
            let (append, _) = room.text("d1", &format!("{n}"));
            room.took(&append);
            fx.store.append(0, append);
        }
        fx.answers((burst * BURST) as usize).await;
        acknowledged.store(room.seq, Ordering::Release);
    }
    acknowledged.store(u64::MAX, Ordering::Release);
    lookers.join_all().await;
    let stranger = store.find_sent(room.id, user("p1"), client_id("c2")).await;
    assert_eq!(stranger, Ok(None));
    store.close().await;
}
