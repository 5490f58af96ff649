//! Each version of the file is made from the one before.

use bedside::adapters::sqlite::Options;
use bedside_actors::{
    ports::store::{LogPage, Receipts, Select, Store},
    testkit::store_contract::fixture::{EVERYTHING, client_id, user},
};
use bedside_protocol::{ConversationId, MessageId};
use rusqlite::params;

use crate::{listen, raw, scratch::Scratch};

const V1: &str = include_str!("../../src/adapters/sqlite/migrations/0001_log.sql");

#[tokio::test]
async fn from_version_1() {
    let dir = Scratch::new();
    let conversation_id = ConversationId::new();
    let ids: Vec<_> = (0..300).map(|_| MessageId::new()).collect();
    let conn = raw(dir.path());
    conn.execute_batch("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL")
        .expect("set up");
    conn.execute_batch(V1).expect("version 1");
    conn.execute_batch(&format!(
        "PRAGMA application_id = {}; PRAGMA user_version = 1; BEGIN;
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
    drop(conn);

    let (store, _) = listen(dir.path(), &Options::default());
    assert_eq!(store.epoch(), "of old");
    let loaded = store.load(conversation_id, true).await.expect("a load");
    let loaded = loaded.expect("known");
    assert_eq!((loaded.head.seq, loaded.head.ord), (301, 300));
    assert_eq!(loaded.sender_ords.get(&user("d1")), Some(&300));
    let page = store.read_log(conversation_id, EVERYTHING).await;
    assert_eq!(page.map(|page: LogPage| page.events.len()), Ok(301));
    let found = store.find_sent(conversation_id, user("d1"), client_id("c0"));
    let found = found.await.expect("a look-up").expect("known");
    assert_eq!((found.seq, found.message_id), (2, ids[0]));
    let place = store.find_message(ids[299]).await;
    assert_eq!(place, Ok(Some((conversation_id, 301))));
    let select = Select::Ids(vec![conversation_id]);
    let listed = store
        .conversations(user("p1"), select)
        .await
        .expect("a listing");
    assert_eq!(listed.rows[0].me.unread_count, 292);
    assert!(listed.rows[0].me.archived);
    let receipts = Receipts {
        read_seq: 301,
        read_ord: 300,
        ..Receipts::default()
    };
    let put = store.put_receipts(loaded.key, user("p1"), receipts).await;
    assert_eq!(put, Ok(()));
    store.close().await;
    let version = raw(dir.path()).pragma_query_value(None, "user_version", |row| row.get(0));
    assert_eq!(version, Ok(2));
}
