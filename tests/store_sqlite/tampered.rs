//! Tampering with the audit log in the file itself is found.

use bedside::adapters::sqlite::{Options, SqliteStore};
use bedside_actors::{
    audit::{AuditKey, Broken, chain::link, verify},
    ports::store::{AuditHash, AuditRecord, AuditStore as _, Store as _},
};
use bedside_protocol::Timestamp;
use rusqlite::Connection;

use crate::{raw, scratch::Scratch};

fn key() -> AuditKey {
    AuditKey::derived_from(b"a key")
}

/// A chain of nine entries, tampered with; what is found then.
async fn after(tamper: impl FnOnce(&Connection)) -> Result<u64, Broken> {
    let dir = Scratch::new();
    let store = SqliteStore::open(dir.path(), &Options::default()).expect("a store");
    let mut last = (0, AuditHash::default());
    for n in 0..9 {
        let record = AuditRecord {
            at: Timestamp::from_millis(n),
            actor: None,
            action: "relation.put".into(),
            subject: format!("p{n}"),
            detail: String::new(),
        };
        let entry = link("alone", last, record, (None, None));
        last = (entry.seq, entry.hash);
        let head = key().head(&entry);
        assert_eq!(store.append_audit(vec![entry], head).await, Ok(()));
    }
    store.close().await;
    drop(store);
    let conn = raw(dir.path());
    tamper(&conn);
    drop(conn);
    let store = SqliteStore::open(dir.path(), &Options::default()).expect("a store");
    let found = verify(&*store, &key(), "alone", None).await;
    store.close().await;
    found.map(|whole| whole.head.seq)
}

async fn sql(sql: &str) -> Result<u64, Broken> {
    after(|conn| conn.execute_batch(sql).expect("tampered")).await
}

#[tokio::test]
async fn a_chain_that_nobody_touched_is_whole() {
    assert_eq!(sql("SELECT 1").await, Ok(9));
}

#[tokio::test]
async fn one_changed_byte_is_found() {
    for change in [
        "subject = 'p9'",
        "at = at + 1",
        "actor = 'd1'",
        "action = 'relation.puT'",
        "detail = ' '",
        "ip = ''",
        "agent = ''",
    ] {
        let changed = sql(&format!("UPDATE audit_chain SET {change} WHERE seq = 5")).await;
        assert_eq!(changed, Err(Broken::Changed(5)), "{change}");
    }
    let hash = sql("UPDATE audit_chain SET hash = zeroblob(32) WHERE seq = 5").await;
    assert_eq!(hash, Err(Broken::Changed(5)));
}

#[tokio::test]
async fn one_removed_line_is_found() {
    for seq in [1, 5] {
        let removed = sql(&format!("DELETE FROM audit_chain WHERE seq = {seq}")).await;
        assert_eq!(removed, Err(Broken::Missing(seq)));
    }
    // Moved up, so that there is no hole.
    let closed = sql(
        "DELETE FROM audit_chain WHERE seq = 5;
        UPDATE audit_chain SET seq = 5 WHERE seq = 6; UPDATE audit_chain SET seq = 6 WHERE seq = 7;
        UPDATE audit_chain SET seq = 7 WHERE seq = 8; UPDATE audit_chain SET seq = 8 WHERE seq = 9",
    );
    assert_eq!(closed.await, Err(Broken::Changed(5)));
}

#[tokio::test]
async fn two_that_were_swapped_are_found() {
    let swapped = sql("UPDATE audit_chain SET seq = 99 WHERE seq = 4;
        UPDATE audit_chain SET seq = 4 WHERE seq = 5; UPDATE audit_chain SET seq = 5 WHERE seq = 99");
    assert_eq!(swapped.await, Err(Broken::Changed(4)));
}

#[tokio::test]
async fn a_tail_that_was_cut_is_found() {
    let cut = sql("DELETE FROM audit_chain WHERE seq > 7").await;
    assert_eq!(cut, Err(Broken::Cut(7, 9)));
    // And the head with it, as somebody would who does not have the key.
    let fitting = sql("DELETE FROM audit_chain WHERE seq > 7;
        UPDATE audit_heads SET seq = 7, hash = (SELECT hash FROM audit_chain WHERE seq = 7)");
    assert_eq!(fitting.await, Err(Broken::Head));
    let all = sql("DELETE FROM audit_chain; DELETE FROM audit_heads").await;
    assert_eq!(all, Err(Broken::Head));
}

/// All hashes are made anew, which takes no key; the head does.
#[tokio::test]
async fn a_chain_that_was_written_anew_is_found() {
    let anew = after(|conn| {
        let record = AuditRecord {
            at: Timestamp::from_millis(0),
            actor: None,
            action: "relation.put".into(),
            subject: "somebody else".to_owned(),
            detail: String::new(),
        };
        let entry = link("alone", (0, AuditHash::default()), record, (None, None));
        conn.execute("DELETE FROM audit_chain WHERE seq > 1", [])
            .expect("deleted");
        let sql = "UPDATE audit_chain SET subject = 'somebody else', hash = ?1";
        conn.execute(sql, [entry.hash]).expect("changed");
        let sql = "UPDATE audit_heads SET seq = 1, hash = ?1";
        conn.execute(sql, [entry.hash]).expect("changed");
    });
    assert_eq!(anew.await, Err(Broken::Head));
    let added = sql(
        "INSERT INTO audit_chain SELECT node, 10, at, actor, action, subject, detail, ip,
        agent, prev_hash, hash FROM audit_chain WHERE seq = 9",
    )
    .await;
    assert_eq!(added, Err(Broken::Unsigned(10)));
}
