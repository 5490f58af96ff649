//! Several servers that all believe to own a conversation.

use bedside_actors::ports::store::ChangeEffect;
use bedside_actors::{
    ports::store::{Store as _, StoreError, StoreResult},
    testkit::store_contract::{
        Fixture, Room,
        fixture::{EVERYTHING, change, delete, edit, user},
    },
};
use bedside_protocol::{ConversationId, Event, MessageId, event::Change};
use std::collections::BTreeMap;

use crate::{proxy::behind_proxies, ring::Keyspace, wait};

/// A server's view of a conversation, fresh from the store.
async fn room(fixture: &Fixture, id: ConversationId) -> Room {
    let loaded = fixture.store.load(id, true).await.expect("a load");
    Room::of(fixture.clone(), id, &loaded.expect("a conversation"))
}

/// What is stored: seq and message.
async fn stored(fixture: &Fixture, id: ConversationId) -> BTreeMap<u64, MessageId> {
    let page = fixture.store.read_log(id, EVERYTHING).await.expect("a log");
    let seqs: Vec<u64> = page.events.iter().map(|logged| logged.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "dense");
    let messages = page.events.into_iter();
    messages
        .filter_map(|logged| match logged.event {
            Event::MessageCreated(message) => Some((logged.seq, message.message_id)),
            _ => None,
        })
        .collect()
}

/// Appends bursts until `wanted` entries were acknowledged; those.
async fn write(
    fixture: Fixture,
    id: ConversationId,
    by: &'static str,
    wanted: usize,
) -> BTreeMap<u64, MessageId> {
    let mut acknowledged = BTreeMap::new();
    while acknowledged.len() < wanted {
        let mut room = room(&fixture, id).await;
        let before = fixture.answers(0).await.len();
        let mut sent = BTreeMap::new();
        for n in 0..5 {
            let (append, message) = room.text(by, &format!("{by} {n}"));
            room.took(&append);
            sent.insert(append.seq, message.message_id);
            fixture.store.append(0, append);
        }
        let answers = fixture.answers(before + 5).await;
        let mut refused = false;
        for (_, answer) in &answers[before..] {
            match &answer.result {
                Ok(()) => {
                    assert!(!refused, "nothing overtakes a failure");
                    acknowledged.insert(answer.seq, sent[&answer.seq]);
                }
                Err(StoreError::Conflict) => refused = true,
                Err(other) => panic!("{other}"),
            }
        }
    }
    acknowledged
}

#[test]
fn racing_writers_leave_one_dense_log_of_what_was_acknowledged() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    wait(async {
        let fixtures: Vec<_> = (0..3).map(|_| Fixture::new(keyspace.open())).collect();
        let made = fixtures[0].room(&["d1", "p1"]).await;
        let writers = fixtures
            .iter()
            .zip(["d1", "p1", "d2"])
            .map(|(fixture, by)| write(fixture.clone(), made.id, by, 30));
        let acknowledged = futures_util::future::join_all(writers).await;
        let count: usize = acknowledged.iter().map(BTreeMap::len).sum();
        let acknowledged: BTreeMap<_, _> = acknowledged.into_iter().flatten().collect();
        assert_eq!(acknowledged.len(), count, "no place was given twice");
        for fixture in &fixtures {
            assert_eq!(stored(fixture, made.id).await, acknowledged);
        }
        // What each has counted is what all have counted.
        let room = room(&fixtures[1], made.id).await;
        assert_eq!((room.seq, room.ord), (count as u64 + 1, count as u64));
        for (by, fixture) in ["d1", "p1", "d2"].iter().zip(&fixtures) {
            let own = fixture.store.counts_at(made.id, room.seq, user(by)).await;
            let listed = room.sender_ords.get(&user(by)).copied();
            assert_eq!(own.map(|own| own.sender_ord).ok(), listed);
        }
    });
}

#[test]
fn a_writer_that_was_paused_is_refused_until_it_looks() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    wait(async {
        let [a, b] = [0, 1].map(|_| Fixture::new(keyspace.open()));
        let mut late = a.room(&["d1", "p1"]).await;
        let first = late.say("d1", "first").await;
        let mut new = room(&b, late.id).await;
        let taken = new.say("p1", "taken over").await;
        // The late one edits, deletes and renames at a place that is gone.
        for body in [
            edit(2, &first, "late"),
            delete(2, &first),
            change(Change::Updated, ChangeEffect::Title("late".to_owned())),
            change(Change::MemberLeft, ChangeEffect::EndMember(user("p1"))),
        ] {
            let refused = late.try_body(Some("d1"), body).await;
            assert_eq!(refused, Err(StoreError::Conflict));
        }
        let (mut above, _) = late.text("d1", "counts on nothing that is stored");
        above.seq += 1;
        assert_eq!(a.append(0, above).await, Err(StoreError::Conflict));

        let loaded = a.store.load(late.id, true).await.expect("a load");
        let loaded = loaded.expect("a conversation");
        assert_eq!((loaded.title.as_str(), loaded.head.seq), ("Ward 4", 3));
        assert!(
            loaded
                .members
                .iter()
                .all(|member| member.last_seq.is_none())
        );
        assert_eq!(late.message(2).await, first);
        assert_eq!(late.message(3).await, taken);
        assert_eq!(a.store.revisions(late.id, 2).await, Ok(Vec::new()));
        let mut fresh = room(&a, late.id).await;
        fresh.say("d1", "now it knows").await;
        fresh.put_body(Some("d1"), edit(2, &first, "in time")).await;
        let revisions = b.store.revisions(late.id, 2).await.expect("revisions");
        assert_eq!(revisions.len(), 1);
        assert_eq!(revisions[0].replaced_at, a.at(5));
    });
}

async fn try_text(fixture: &Fixture, room: &Room) -> (MessageId, StoreResult<()>) {
    let (append, message) = room.text("d1", "lost on the way");
    (message.message_id, fixture.append(0, append).await)
}

#[test]
fn a_lost_answer_is_looked_up() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    wait(async {
        let (proxies, store) = behind_proxies(&keyspace);
        let fixture = Fixture::new(store.clone());
        let mut made = fixture.room(&["d1"]).await;
        let sent = made.say("d1", "5 mg").await;
        use std::sync::atomic::Ordering::SeqCst;
        for lost in [&proxies.losses.answers, &proxies.losses.requests] {
            let unknown = store.stats().unknown_outcomes;
            lost.store(1, SeqCst);
            made.put(made.text("d1", "lost on the way").0).await;
            lost.store(1, SeqCst);
            made.put_body(Some("d1"), edit(2, &sent, "10 mg")).await;
            assert_eq!(lost.load(SeqCst), 0);
            assert!(store.stats().unknown_outcomes >= unknown + 2);
        }
        assert_eq!(stored(&fixture, made.id).await.len(), 3);
        assert_eq!(made.message(2).await.text, "10 mg");
        let revisions = store.revisions(made.id, 2).await.expect("revisions");
        assert_eq!(revisions.len(), 2);
        made.say("d1", "and on it goes").await;
    });
}

#[test]
fn a_lost_answer_about_a_place_that_is_gone_is_a_conflict() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    wait(async {
        let (proxies, store) = behind_proxies(&keyspace);
        let fixture = Fixture::new(store);
        let late = fixture.room(&["d1"]).await;
        let other = Fixture::new(keyspace.open());
        let theirs = room(&other, late.id).await.say("d1", "theirs").await;
        use std::sync::atomic::Ordering::SeqCst;
        for lost in [&proxies.losses.answers, &proxies.losses.requests] {
            lost.store(1, SeqCst);
            let (_, refused) = try_text(&fixture, &late).await;
            assert_eq!(refused, Err(StoreError::Conflict));
        }
        let stored = stored(&fixture, late.id).await;
        assert_eq!(stored.values().collect::<Vec<_>>(), [&theirs.message_id]);
    });
}
