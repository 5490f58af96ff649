//! The audit log.

use std::slice;

use super::fixture::{Fixture, user};
use crate::{
    audit::{AuditKey, Broken, chain::link, verify},
    ports::store::{AuditEntry, AuditHash, AuditHead, AuditRange, AuditRecord, StoreError},
};

const ALL: AuditRange = AuditRange {
    from_seq: 1,
    to_seq: u64::MAX,
    newest_first: false,
    limit: usize::MAX,
};

fn key() -> AuditKey {
    AuditKey::derived_from(b"a key")
}

/// So many entries behind `prev`.
fn chain(fx: &Fixture, node: &str, prev: Option<&AuditEntry>, count: u64) -> Vec<AuditEntry> {
    let mut last = prev.map_or((0, AuditHash::default()), |e| (e.seq, e.hash));
    let entries = (0..count).map(|_| {
        let n = last.0 + 1;
        let record = AuditRecord {
            at: fx.at(n.cast_signed()),
            actor: (!n.is_multiple_of(3)).then(|| user("a1")),
            action: "relation.put".into(),
            subject: format!("p{n}"),
            detail: if n == 2 {
                String::new()
            } else {
                format!("user_id=d{n}")
            },
        };
        let ip = n.is_multiple_of(2).then(|| "192.0.2.7".to_owned());
        let agent = (n == 4).then(String::new);
        let entry = link(node, last, record, (ip, agent));
        last = (entry.seq, entry.hash);
        entry
    });
    entries.collect()
}

fn head(entries: &[AuditEntry]) -> AuditHead {
    key().head(entries.last().expect("some"))
}

async fn append(fx: &Fixture, entries: &[AuditEntry]) -> Result<(), StoreError> {
    fx.store.append_audit(entries.to_vec(), head(entries)).await
}

async fn read(fx: &Fixture, node: &str, range: AuditRange) -> Vec<AuditEntry> {
    let read = fx.store.audit_entries(node.to_owned(), range).await;
    read.expect("an answer")
}

pub async fn entries_are_kept_as_they_are(fx: Fixture) {
    assert_eq!(fx.store.audit_nodes().await, Ok(vec![]));
    assert_eq!(fx.store.audit_head("n1".to_owned()).await, Ok(None));
    let one = chain(&fx, "n1", None, 5);
    let two = chain(&fx, "n2", None, 1);
    let more = chain(&fx, "n1", one.last(), 3);
    for entries in [&one, &two, &more] {
        assert_eq!(append(&fx, entries).await, Ok(()));
    }
    assert_eq!(read(&fx, "n1", ALL).await, [one, more.clone()].concat());
    assert_eq!(read(&fx, "n2", ALL).await, two);
    assert_eq!(read(&fx, "n3", ALL).await, []);
    let mut nodes = fx.store.audit_nodes().await.expect("an answer");
    nodes.sort();
    assert_eq!(nodes, ["n1", "n2"]);
    let stored = fx.store.audit_head("n1".to_owned()).await;
    assert_eq!(stored, Ok(Some(head(&more))));
}

pub async fn a_taken_place_is_refused(fx: Fixture) {
    let entries = chain(&fx, "n1", None, 3);
    assert_eq!(append(&fx, &entries).await, Ok(()));
    let again = append(&fx, slice::from_ref(&entries[2])).await;
    assert_eq!(again, Err(StoreError::Conflict));
    // None of these: the first of them has its place taken, the second would not.
    let other = chain(&fx, "n1", Some(&entries[1]), 2);
    assert_eq!(append(&fx, &other).await, Err(StoreError::Conflict));
    assert_eq!(read(&fx, "n1", ALL).await, entries);
    let stored = fx.store.audit_head("n1".to_owned()).await;
    assert_eq!(stored, Ok(Some(head(&entries))));
}

pub async fn stretches_come_from_either_end(fx: Fixture) {
    let entries = chain(&fx, "n1", None, 9);
    assert_eq!(append(&fx, &entries).await, Ok(()));
    let range = AuditRange {
        from_seq: 3,
        to_seq: 7,
        newest_first: false,
        limit: 2,
    };
    assert_eq!(read(&fx, "n1", range).await, entries[2..4]);
    let newest = AuditRange {
        newest_first: true,
        ..range
    };
    let mut found = read(&fx, "n1", newest).await;
    found.reverse();
    assert_eq!(found, entries[5..7]);
    let none = AuditRange {
        from_seq: 10,
        ..ALL
    };
    assert_eq!(read(&fx, "n1", none).await, []);
}

pub async fn a_chain_is_whole_and_a_key_counts(fx: Fixture) {
    let store = &*fx.store;
    assert_eq!(verify(store, &key(), "n1", None).await, Err(Broken::Head));
    let mut entries = chain(&fx, "n1", None, 4);
    assert_eq!(append(&fx, &entries).await, Ok(()));
    let early = verify(store, &key(), "n1", None).await.expect("whole").head;
    let more = chain(&fx, "n1", entries.last(), 600);
    for some in more.chunks(128) {
        assert_eq!(append(&fx, some).await, Ok(()));
    }
    entries.extend(more);
    let noted = Some((early.seq, early.hash));
    let whole = verify(store, &key(), "n1", noted).await.expect("whole");
    assert_eq!(whole.head, head(&entries));
    let other = AuditKey::derived_from(b"another key");
    assert_eq!(verify(store, &other, "n1", None).await, Err(Broken::Head));
    let noted = Some((early.seq, [7; 32]));
    let put_back = verify(store, &key(), "n1", noted).await;
    assert_eq!(put_back, Err(Broken::OldHead(4)));
}

/// As far as it can be shown through the port, which changes and deletes nothing: the head says
/// more than there is.
pub async fn a_tail_that_was_never_written_is_missed(fx: Fixture) {
    let mut entries = chain(&fx, "n1", None, 6);
    let head = head(&entries);
    entries.truncate(4);
    assert_eq!(fx.store.append_audit(entries, head).await, Ok(()));
    let cut = verify(&*fx.store, &key(), "n1", None).await;
    assert_eq!(cut, Err(Broken::Cut(4, 6)));
}
