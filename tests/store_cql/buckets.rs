//! Logs of more than one bucket, and what a writer left unfinished.

use bedside_actors::{
    ports::store::LogRange,
    testkit::store_contract::{
        Fixture, Room,
        fixture::{EVERYTHING, delete, edit, react, user},
    },
};
use bedside_protocol::Message;

use crate::{ring::Keyspace, wait};

/// A room with so many messages; those at 2 and at 3.
async fn long_room(fixture: &Fixture, entries: u64) -> (Room, [Message; 2]) {
    let mut room = fixture.room(&["d1", "p1"]).await;
    let mut first = Vec::new();
    let before = fixture.answers(0).await.len();
    for n in 2..=entries {
        let (append, message) = room.text("d1", &format!("{n}"));
        room.took(&append);
        if first.len() < 2 {
            first.push(message);
        }
        fixture.store.append(0, append);
        if n % 512 == 0 {
            fixture.answers(before + n as usize - 1).await;
        }
    }
    let answers = fixture.answers(before + entries as usize - 1).await;
    assert!(answers.iter().all(|(_, answer)| answer.result.is_ok()));
    (room, first.try_into().expect("two messages"))
}

fn range(from_seq: u64, to_seq: u64, limit: usize, newest_first: bool) -> LogRange {
    LogRange {
        from_seq,
        to_seq,
        limit,
        newest_first,
        ..EVERYTHING
    }
}

async fn seqs(room: &Room, range: LogRange) -> (Vec<u64>, bool) {
    let page = room.read(range).await;
    let seqs = page.events.iter().map(|logged| logged.seq);
    (seqs.collect(), page.has_more)
}

#[test]
fn a_log_goes_on_in_the_next_bucket() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    wait(async {
        let fixture = Fixture::new(keyspace.open());
        let (mut room, [first, second]) = long_room(&fixture, 4_150).await;
        let across: Vec<u64> = (4_090..4_100).collect();
        assert_eq!(
            seqs(&room, range(4_090, 4_099, 50, false)).await,
            (across.clone(), false)
        );
        assert_eq!(seqs(&room, range(1, 4_099, 10, true)).await, (across, true));
        let all = seqs(&room, EVERYTHING).await;
        assert_eq!(all, ((1..=4_150).collect(), false));
        let all = seqs(&room, range(1, u64::MAX, 9_000, true)).await;
        assert_eq!(all, ((1..=4_150).collect(), false));

        // Changes of messages in an older bucket.
        room.put_body(Some("p1"), react(2, &first, "👍", true))
            .await;
        room.put_body(Some("d1"), edit(2, &first, "changed")).await;
        room.put_body(Some("d1"), edit(3, &second, "changed")).await;
        room.put_body(Some("d1"), delete(3, &second)).await;
        let now = room.message(2).await;
        assert_eq!((now.text.as_str(), now.reactions.len()), ("changed", 1));
        assert_eq!(now.edited_at, Some(fixture.at(4_152)));
        let gone = room.message(3).await;
        assert!(gone.text.is_empty() && gone.deleted_at.is_some());
        let revisions = fixture.store.revisions(room.id, 3).await;
        let texts: Vec<_> = revisions
            .expect("revisions")
            .into_iter()
            .map(|r| r.text)
            .collect();
        assert_eq!(texts, ["3", "changed"]);
        let refused = room.try_body(Some("d1"), edit(3, &second, "back")).await;
        assert!(refused.is_err());
        // The text of an edit is kept nowhere but in its message.
        let id = uuid::Uuid::from_bytes(room.id.to_bytes());
        let effects = keyspace.ask(move |session| async move {
            let text = "SELECT effect FROM messages WHERE conversation_id = ? AND bucket = 1";
            let rows = session.query_unpaged(text, (id,)).await.expect("rows");
            let rows = rows.into_rows_result().expect("rows");
            let rows = rows.rows::<(Option<String>,)>().expect("texts");
            rows.map(|row| row.expect("a row").0.unwrap_or_default())
                .collect::<String>()
        });
        assert_eq!(effects, "");

        // Another server takes over, and looks back into the older bucket.
        let other = Fixture::new(keyspace.open());
        let loaded = other.store.load(room.id, false).await.expect("a load");
        let loaded = loaded.expect("a conversation");
        assert_eq!((loaded.head.seq, loaded.head.ord), (4_154, 4_149));
        assert_eq!(loaded.tail_from_seq, 4_091);

        // A writer died between this entry and all that it changes.
        let (mut append, _) = room.text("d1", "");
        append.ord -= 1;
        append.sender_ord -= 1;
        leave_unfiled(&keyspace, id, append.seq, &first);
        let loaded = other.store.load(room.id, false).await.expect("a load");
        assert_eq!(loaded.expect("a conversation").head.seq, append.seq);
        let gone = room.message(2).await;
        assert!(gone.text.is_empty() && gone.reactions.is_empty() && gone.deleted_at.is_some());
        let counts = other.store.counts_at(room.id, append.seq, user("d1")).await;
        assert_eq!(counts.map(|counts| counts.ord), Ok(4_149));
    });
}

/// Writes a delete into the log, and nothing besides.
fn leave_unfiled(keyspace: &Keyspace, id: uuid::Uuid, seq: u64, target: &Message) {
    let message_id = uuid::Uuid::from_bytes(target.message_id.to_bytes());
    let seq = seq as i64;
    keyspace.ask(move |session| async move {
        let text = format!(
            "INSERT INTO messages (conversation_id, bucket, seq, kind, at, sender_id, ord, \
             sender_ord, attempt, message_id, target_seq) \
             VALUES ({id}, 1, {seq}, 'delete', toTimestamp(now()), 'd1', 4149, 4149, uuid(), \
             {message_id}, 2) IF NOT EXISTS"
        );
        session.query_unpaged(text, ()).await.expect("written");
    });
}
