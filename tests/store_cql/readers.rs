//! Many readers of one page.

use bedside_actors::{
    ports::store::{LogRange, Store as _},
    testkit::store_contract::{
        Fixture,
        fixture::{EVERYTHING, delete},
    },
};
use bedside_protocol::Event;

use crate::{ring::Keyspace, wait};

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
        assert!(reads <= 4, "{reads} queries");
        assert!(after.coalesced_reads - before.coalesced_reads >= 990);
    });
}

/// Who comes after an acknowledged delete never gets what a read on its way has seen before it.
#[test]
fn a_shared_read_never_shows_what_was_deleted_before_its_readers_came() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    wait(async {
        let store = keyspace.open();
        let fixture = Fixture::new(store.clone());
        let mut room = fixture.room(&["d1"]).await;
        for _ in 0..10 {
            let sent = room.say("d1", "to be deleted").await;
            let seq = room.seq;
            let range = LogRange {
                from_seq: seq,
                to_seq: seq,
                ..EVERYTHING
            };
            // Readers all the time, while it is deleted.
            let reading = store.clone();
            let id = room.id;
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let readers = async move {
                let all = async {
                    loop {
                        let some = (0..50).map(|_| reading.read_log(id, range));
                        futures_util::future::join_all(some).await;
                    }
                };
                tokio::select! { () = all => {}, _ = stopped => {} }
            };
            let deleting = async {
                room.put_body(Some("d1"), delete(seq, &sent)).await;
                let page = store.read_log(id, range).await.expect("a page");
                let Event::MessageCreated(message) = &page.events[0].event else {
                    panic!("a message");
                };
                assert_eq!(message.text, "");
                drop(stop);
            };
            futures_util::join!(readers, deleting);
        }
    });
}
