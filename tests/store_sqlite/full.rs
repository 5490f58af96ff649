//! A full disk: nothing is half stored, and it goes on when there is room.

use bedside::adapters::sqlite::Options;
use bedside_actors::{
    ports::store::{Store, StoreError},
    testkit::store_contract::fixture::{EVERYTHING, edit},
};
use bedside_protocol::{ConversationKind, Event};

use crate::{listen, raw, scratch::Scratch};

#[tokio::test]
async fn it_says_so_and_goes_on_later() {
    let dir = Scratch::new();
    let (store, fx) = listen(dir.path(), &Options::default());
    let mut room = fx.room(&["d1"]).await;
    for n in 0..20 {
        room.say("d1", &format!("{n:0>500}")).await;
    }
    assert_eq!(store.ready().await, Ok(()));
    assert_eq!(store.set_db_bytes_max(1).await, Ok(()));

    // Some still fit into the last pages; then none does.
    let mut fits = true;
    let mut refused = 0;
    for n in 0..60 {
        let (append, _) = room.text("d1", &format!("{n:0>500}"));
        match fx.append(0, append.clone()).await {
            Ok(()) => {
                assert!(fits, "it cannot fit again");
                room.took(&append);
            }
            Err(error) => {
                assert_eq!(error, StoreError::Full);
                fits = false;
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "60 texts of 500 bytes cannot fit");
    assert_eq!(store.ready().await, Err(StoreError::Full));
    let mut made = Ok(());
    for _ in 0..200 {
        let new = fx.new_conversation(ConversationKind::CareTeam, &["d1"]);
        made = store.create_conversation(new).await.map(|_| ());
        if made.is_err() {
            break;
        }
    }
    assert_eq!(made, Err(StoreError::Full));
    // A whole group at once: all of it is refused, not the last of it alone.
    let mut ahead = room.clone();
    for n in 0..50 {
        let (append, _) = ahead.text("d1", &format!("{n:0>500}"));
        ahead.took(&append);
        fx.store.append(1, append);
    }
    let answers = fx.answers(20 + 60 + 50).await;
    let group: Vec<_> = answers.iter().filter(|(lane, _)| *lane == 1).collect();
    assert_eq!(group.len(), 50);
    let refusals = [Err(StoreError::Full), Err(StoreError::Conflict)];
    assert!(
        group
            .iter()
            .all(|(_, answer)| refusals.contains(&answer.result))
    );
    assert_eq!(room.read(EVERYTHING).await.events.len() as u64, room.seq);

    assert_eq!(store.set_db_bytes_max(1 << 40).await, Ok(()));
    assert_eq!(store.ready().await, Ok(()));
    let sent = room.say("d1", "there is room again").await;
    let seq = room.seq;
    room.put_body(Some("d1"), edit(seq, &sent, "and for edits"))
        .await;
    store.close().await;

    let (store, _) = listen(dir.path(), &Options::default());
    let page = store.read_log(room.id, EVERYTHING).await.expect("a page");
    assert_eq!(page.events.len() as u64, room.seq);
    let seqs: Vec<_> = page.events.iter().map(|logged| logged.seq).collect();
    assert_eq!(seqs, (1..=room.seq).collect::<Vec<_>>());
    let edited = &page.events[seq as usize - 1].event;
    assert!(matches!(edited, Event::MessageCreated(m) if m.text == "and for edits"));
    store.close().await;
    let halves = "SELECT COUNT(*) FROM conversations c
        WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.conv = c.key AND m.seq = 1)
            OR NOT EXISTS (SELECT 1 FROM conversation_members m WHERE m.conv = c.key)";
    let halves = raw(dir.path()).query_one(halves, [], |row| row.get::<_, i64>(0));
    assert_eq!(halves, Ok(0));
}
