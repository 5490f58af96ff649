//! What was stored is there after a restart.

use bedside::adapters::sqlite::Options;
use bedside_actors::{
    ports::store::{
        ConsultationStore, NewNotification, NotificationMark, NotificationStore, Select, Store,
        StoreError,
    },
    testkit::store_contract::{
        Room, consultations,
        fixture::{EVERYTHING, client_id, delete, edit, react, user},
        notifications,
    },
};
use bedside_protocol::{ConsultationStatus, ConversationKind, Notification, NotificationId};
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
async fn what_stands_beside_conversations_is_there_again() {
    let dir = Scratch::new();
    let (store, fx) = listen(dir.path(), &Options::default());
    let new = consultations::new(&fx, 7, "p1", "d1");
    let conversation_id = new.conversation.conversation_id;
    let id = new.consultation.consultation_id;
    assert_eq!(store.create_consultation(new.clone()).await, Ok(()));
    let loaded = store.load(conversation_id, true).await.expect("a load");
    let mut room = Room::of(fx.clone(), conversation_id, &loaded.expect("known"));
    room.put_body(Some("d1"), consultations::start(&room, 7, "d1", &fx))
        .await;
    let over = (ConsultationStatus::Completed, Some("took it well"));
    let end = consultations::end(&room, 7, Some("d1"), over, &fx);
    room.put_body(Some("d1"), end).await;
    let stored = store.consultation(id).await.expect("a look-up");
    let log = room.read(EVERYTHING).await;
    let notification = notifications::of(&fx, "p1", 1);
    let keyed = || NewNotification {
        notification: Notification {
            notification_id: NotificationId::new(),
            ..notification.clone()
        },
        dedupe_key: Some("k1".to_owned()),
    };
    let first = keyed();
    let put = store.put_notifications(vec![first.clone()]).await;
    assert_eq!(put, Ok(vec![true]));
    let (one, mark) = (first.notification.notification_id, NotificationMark::Read);
    let marked = store.mark_notification(one, user("p1"), mark, fx.at(2));
    assert_eq!(marked.await, Ok(true));
    let listed = store.notifications(user("p1"), None, 10).await;
    let settings = || store.put_settings(user("p1"), "{}".to_owned(), fx.at(3));
    assert_eq!(settings().await, Ok(()));
    store.close().await;

    let (store, _) = listen(dir.path(), &Options::default());
    assert_eq!(store.consultation(id).await, Ok(stored));
    assert_eq!(store.read_log(conversation_id, EVERYTHING).await, Ok(log));
    let again = store.create_consultation(new).await;
    assert_eq!(again, Err(StoreError::Conflict));
    assert_eq!(store.notifications(user("p1"), None, 10).await, listed);
    assert_eq!(store.unread_notifications(user("p1")).await, Ok(0));
    let again = store.put_notifications(vec![keyed()]).await;
    assert_eq!(again, Ok(vec![false]));
    assert_eq!(store.settings(user("p1")).await, Ok(Some("{}".to_owned())));
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
