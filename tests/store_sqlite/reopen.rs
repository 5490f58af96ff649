//! What was stored is there after a restart.

use bedside::adapters::sqlite::Options;
use bedside_actors::{
    ports::store::{Select, Store, StoreError},
    testkit::store_contract::{
        Room,
        fixture::{EVERYTHING, client_id, delete, edit, react, user},
    },
};
use bedside_protocol::ConversationKind;
use std::time::Duration;

use crate::{listen, raw, scratch::Scratch};

#[tokio::test]
async fn everything_is_there_again() {
    let dir = Scratch::new();
    let (store, fx) = listen(dir.path(), &Options::default());
    let mut room = fx.room(&["d1", "p1"]).await;
    let first = room.say("d1", "one").await;
    let second = room.say("d1", "two").await;
    room.put_body(Some("d1"), edit(2, &first, "uno")).await;
    room.put_body(Some("p1"), react(2, &first, "👍", true))
        .await;
    room.put_body(Some("d1"), delete(3, &second)).await;
    let log = room.read(EVERYTHING).await;
    let listed = store.conversations(user("p1"), Select::Ids(vec![room.id]));
    let listed = listed.await.expect("a listing");
    let epoch = store.epoch().to_owned();
    assert_eq!(store.set_meta("demo", "yes").await, Ok(()));
    store.close().await;

    let (store, fx) = listen(dir.path(), &Options::default());
    assert_eq!(store.epoch(), epoch);
    assert_eq!(store.meta("demo").await, Ok(Some("yes".to_owned())));
    assert_eq!(store.meta("other").await, Ok(None));
    assert_eq!(store.read_log(room.id, EVERYTHING).await, Ok(log));
    let again = store.conversations(user("p1"), Select::Ids(vec![room.id]));
    assert_eq!(again.await, Ok(listed));
    let revisions = store.revisions(room.id, 2).await;
    assert_eq!(revisions.map(|all| all.len()), Ok(1));
    let (next, _) = room.text("d1", "three");
    assert_eq!(fx.append(0, next.clone()).await, Ok(()));
    assert_eq!(fx.append(0, next).await, Err(StoreError::Conflict));
    store.close().await;
}

#[tokio::test]
async fn client_ids_beyond_the_tail_are_known_again() {
    let dir = Scratch::new();
    let (store, fx) = listen(dir.path(), &Options::default());
    let mut room = fx.room(&["d1"]).await;
    let mut ids = Vec::new();
    for n in 0..200 {
        let (append, message) = room.text("d1", &format!("{n}"));
        room.took(&append);
        ids.push(message.message_id);
        fx.store.append(0, append);
    }
    fx.answers(200).await;
    // Closed before the writer was idle long enough to file anything.
    store.close().await;
    let conn = raw(dir.path());
    let filed: i64 = conn
        .query_one("SELECT COUNT(*) FROM client_ids", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(filed, 0, "the case wants them unfiled");
    drop(conn);

    let (store, _) = listen(dir.path(), &Options::default());
    for seq in [2, 50, 201] {
        let found = store.find_sent(room.id, user("d1"), client_id(&format!("c{seq}")));
        let found = found.await.expect("a look-up").expect("known");
        assert_eq!((found.seq, found.message_id), (seq, ids[seq as usize - 2]));
        let place = store.find_message(found.message_id).await;
        assert_eq!(place, Ok(Some((room.id, seq))));
    }
    store.close().await;
    let conn = raw(dir.path());
    let filed: i64 = conn
        .query_one("SELECT COUNT(*) FROM client_ids", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(filed, 200);
}

#[tokio::test]
async fn the_pair_is_still_one() {
    let dir = Scratch::new();
    let (store, fx) = listen(dir.path(), &Options::default());
    let room = fx.room_of(ConversationKind::Direct, &["d1", "p1"]).await;
    store.close().await;
    let (store, fx) = listen(dir.path(), &Options::default());
    let again = fx.new_conversation(ConversationKind::Direct, &["p1", "d1"]);
    let again = store.create_conversation(again).await.expect("found");
    assert_eq!((again.conversation_id, again.created), (room.id, false));
    store.close().await;
}

#[tokio::test]
async fn client_ids_are_forgotten_after_their_time() {
    let dir = Scratch::new();
    let (store, fx) = listen(dir.path(), &Options::default());
    let nine_days_ago = fx.at(0).plus_millis(-9 * 24 * 3_600_000);
    let mut new = fx.new_conversation(ConversationKind::CareTeam, &["d1"]);
    new.created_at = nine_days_ago;
    let id = new.conversation_id;
    store.create_conversation(new).await.expect("made");
    let loaded = store.load(id, true).await.expect("a load").expect("known");
    let mut room = Room::of(fx, id, &loaded);
    for n in 0..10 {
        let (mut append, _) = room.text("d1", &format!("{n}"));
        append.at = nine_days_ago;
        room.put(append).await;
    }
    let found = |seq: u64| store.find_sent(id, user("d1"), client_id(&format!("c{seq}")));
    assert!(
        found(5).await.expect("a look-up").is_some(),
        "not yet filed"
    );
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(found(5).await, Ok(None));
    let page = store.read_log(id, EVERYTHING).await;
    assert_eq!(page.map(|page| page.events.len()), Ok(11));
    // What comes now is remembered.
    let sent = room.say("d1", "now").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let known = found(12).await.expect("a look-up").expect("known");
    assert_eq!(known.message_id, sent.message_id);
    store.close().await;
}
