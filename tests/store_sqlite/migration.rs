//! Each version of the file is made from the one before.

use bedside::adapters::sqlite::{Options, SqliteStore};
use bedside_actors::{
    ports::store::{ConsultationStore, LogPage, NotificationStore, Receipts, Select, Store},
    testkit::store_contract::{
        Fixture, consultations,
        fixture::{EVERYTHING, client_id, user},
    },
};
use bedside_protocol::{ConversationId, MessageId};
use rusqlite::params;
use std::{path::Path, sync::Arc};

use crate::{listen, raw, scratch::Scratch};

const STEPS: [&str; 2] = [
    include_str!("../../src/adapters/sqlite/migrations/0001_log.sql"),
    include_str!("../../src/adapters/sqlite/migrations/0002_fold.sql"),
];

/// A conversation with 300 messages in a file of an older version.
struct Old {
    dir: Scratch,
    conversation_id: ConversationId,
    ids: Vec<MessageId>,
}

fn of_version(version: usize) -> Old {
    let dir = Scratch::new();
    let conversation_id = ConversationId::new();
    let ids: Vec<_> = (0..300).map(|_| MessageId::new()).collect();
    let conn = raw(dir.path());
    conn.execute_batch("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL")
        .expect("set up");
    for step in &STEPS[..version] {
        conn.execute_batch(step).expect("a step");
    }
    conn.execute_batch(&format!(
        "PRAGMA application_id = {}; PRAGMA user_version = {version}; BEGIN;
         INSERT INTO store_meta VALUES ('epoch', 'of old');
         INSERT INTO users (key, user_id) VALUES (1, 'd1'), (2, 'p1');
         INSERT INTO conversation_members VALUES
             (7, 1, 'admin', 1, NULL, 5, 0, 0, 0, 0, 0, NULL, 0),
             (7, 2, 'member', 1, NULL, 5, 9, 9, 8, 0, 0, NULL, 1);",
        0x4264_7364
    ))
    .expect("rows");
    conn.execute(
        "INSERT INTO conversations VALUES (7, ?1, 'care_team', 'Old', 2, 1, 5, 'open', 1)",
        [conversation_id.to_bytes()],
    )
    .expect("a conversation");
    let change = r#"{"change":"created","at":"2025-01-01T00:00:00.000Z"}"#;
    let sql = "INSERT INTO messages (conv, seq, kind, sender, at, ord, sender_ord, change)
        VALUES (7, 1, 'change', 1, 5, 0, 0, ?1)";
    conn.execute(sql, [change]).expect("its first entry");
    for (n, id) in ids.iter().enumerate() {
        let n = n as i64;
        conn.execute(
            "INSERT INTO messages (conv, seq, kind, sender, at, ord, sender_ord, message_id,
                 message_type, client_msg_id, body_hash, text)
             VALUES (7, ?1, 'message', 1, 6, ?2, ?2, ?3, 'text', ?4, zeroblob(16), 'old text')",
            params![n + 2, n + 1, id.to_bytes(), format!("c{n}")],
        )
        .expect("a message");
    }
    conn.execute_batch("COMMIT").expect("stored");
    Old {
        dir,
        conversation_id,
        ids,
    }
}

fn version(dir: &Path) -> i32 {
    let conn = raw(dir);
    let version = conn.pragma_query_value(None, "user_version", |row| row.get(0));
    version.expect("a version")
}

/// Opens it, and finds all that was in it.
async fn opens(old: &Old) -> (Arc<SqliteStore>, Fixture) {
    let (store, fx) = listen(old.dir.path(), &Options::default());
    assert_eq!(store.epoch(), "of old");
    let loaded = store.load(old.conversation_id, true).await.expect("a load");
    let loaded = loaded.expect("known");
    assert_eq!((loaded.head.seq, loaded.head.ord), (301, 300));
    assert_eq!(loaded.sender_ords.get(&user("d1")), Some(&300));
    let page = store.read_log(old.conversation_id, EVERYTHING).await;
    assert_eq!(page.map(|page: LogPage| page.events.len()), Ok(301));
    let found = store.find_sent(old.conversation_id, user("d1"), client_id("c0"));
    let found = found.await.expect("a look-up").expect("known");
    assert_eq!((found.seq, found.message_id), (2, old.ids[0]));
    let place = store.find_message(old.ids[299]).await;
    assert_eq!(place, Ok(Some((old.conversation_id, 301))));
    let select = Select::Ids(vec![old.conversation_id]);
    let listed = store
        .conversations(user("p1"), select)
        .await
        .expect("a listing");
    assert_eq!(listed.rows[0].me.unread_count, 292);
    assert!(listed.rows[0].me.archived);
    (store, fx)
}

#[tokio::test]
async fn from_version_1() {
    let old = of_version(1);
    let (store, _) = opens(&old).await;
    let loaded = store.load(old.conversation_id, true).await;
    let key = loaded.expect("a load").expect("known").key;
    let receipts = Receipts {
        read_seq: 301,
        read_ord: 300,
        ..Receipts::default()
    };
    let put = store.put_receipts(key, user("p1"), receipts).await;
    assert_eq!(put, Ok(()));
    store.close().await;
    assert_eq!(version(old.dir.path()), 6);
}

#[tokio::test]
async fn from_version_2() {
    let old = of_version(2);
    // What that version's process had filed already.
    let conn = raw(old.dir.path());
    let sql = "INSERT INTO client_ids SELECT conv, sender, client_msg_id, pos FROM messages
            WHERE client_msg_id IS NOT NULL;
        INSERT INTO message_ids SELECT message_id, pos FROM messages WHERE kind = 'message';
        INSERT INTO sender_heads VALUES (7, 1, 300);
        UPDATE fold SET pos = (SELECT MAX(pos) FROM messages);";
    conn.execute_batch(sql).expect("filed");
    drop(conn);
    let (store, fx) = opens(&old).await;
    assert_eq!(version(old.dir.path()), 6);

    // What the new version knows is taken, beside the old rows and about the old people.
    let loaded = store.load(old.conversation_id, true).await;
    let loaded = loaded.expect("a load").expect("known");
    assert_eq!(loaded.consultation, None);
    let new = consultations::new(&fx, 5, "p1", "d1");
    let consultation = new.consultation.clone();
    assert_eq!(store.create_consultation(new).await, Ok(()));
    let settings = || store.put_settings(user("p1"), "{}".to_owned(), fx.at(1));
    assert_eq!(settings().await, Ok(()));
    store.close().await;

    let (store, _) = opens(&old).await;
    let stored = store.consultation(consultation.consultation_id).await;
    assert_eq!(stored, Ok(Some(consultation)));
    assert_eq!(store.settings(user("p1")).await, Ok(Some("{}".to_owned())));
    assert_eq!(store.unread_notifications(user("p1")).await, Ok(0));
    store.close().await;
}
