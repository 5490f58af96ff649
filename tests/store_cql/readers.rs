//! Many readers of one page.

use bedside_actors::{
    ports::store::{LogRange, Store as _},
    testkit::store_contract::{
        Fixture,
        fixture::{EVERYTHING, delete},
    },
};
use bedside_protocol::Event;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use crate::{proxy::behind_proxies, ring::Keyspace, wait};

#[test]
fn a_thousand_readers_of_one_page_share_its_read() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    wait(async {
        let store = keyspace.open();
        let fixture = Fixture::new(store.clone());
        let mut room = fixture.room(&["d1"]).await;
        for n in 0..20 {
            room.say("d1", &format!("{n}")).await;
        }
        let range = LogRange {
            limit: 50,
            to_seq: room.seq,
            ..EVERYTHING
        };
        room.read(range).await;
        let before = store.stats();
        let readers = (0..1_000).map(|_| store.read_log(room.id, range));
        let pages = futures_util::future::join_all(readers).await;
        assert!(
            pages
                .iter()
                .all(|page| page.as_ref().is_ok_and(|p| p.events.len() == 21))
        );
        let after = store.stats();
        let reads = after.reads - before.reads;
        println!("1,000 readers of one page: {reads} queries");
        // How many reads begin while the readers come depends on the machine: a few, each of an
        // event query and a body query, and all others share them.
        let shared = after.coalesced_reads - before.coalesced_reads;
        assert!(shared >= 990, "{shared} shared");
        assert!(
            reads <= 2 * (1_000 - shared),
            "{reads} queries, {shared} shared"
        );
    });
}

/// Who comes after an acknowledged delete never gets what a read on its way has seen before it.
#[test]
fn a_shared_read_never_shows_what_was_deleted_before_its_readers_came() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    wait(async {
        let fixture = Fixture::new(keyspace.open());
        let mut room = fixture.room(&["d1"]).await;
        let sent = room.say("d1", "to be deleted").await;
        let range = LogRange {
            from_seq: 2,
            to_seq: 2,
            ..EVERYTHING
        };
        let (proxies, store) = behind_proxies(&keyspace);
        let text = async || {
            let page = store.read_log(room.id, range).await.expect("a page");
            match &page.events[0].event {
                Event::MessageCreated(message) => message.text.clone(),
                other => panic!("{}", other.name()),
            }
        };
        assert_eq!(text().await, "to be deleted");

        proxies.losses.hold.store(true, SeqCst);
        let early = text();
        let late = async {
            // The early one has its answer, which is on its way.
            while proxies.losses.held.load(SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let mut deleting = room.clone();
            deleting.put_body(Some("d1"), delete(2, &sent)).await;
            let late = text();
            let release = async { proxies.losses.hold.store(false, SeqCst) };
            futures_util::join!(late, release).0
        };
        let (_, late) = futures_util::join!(early, late);
        assert_eq!(late, "");
    });
}
