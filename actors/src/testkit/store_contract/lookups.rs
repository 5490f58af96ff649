//! Finding messages, and paging through logs.

use bedside_protocol::{ConversationId, MessageId};

use super::fixture::{EVERYTHING, Fixture, Room, client_id, delete, saying, user};
use crate::ports::store::{LogPage, LogRange, SentRecord};

async fn sent(fx: &Fixture, room: &Room, by: &str, id: &str) -> Option<SentRecord> {
    let found = fx.store.find_sent(room.id, user(by), client_id(id)).await;
    found.expect("a look-up")
}

pub async fn a_sent_message_is_found_by_its_client_id(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    let message = room.say("d1", "hello").await;
    let record = SentRecord {
        sender_id: user("d1"),
        client_msg_id: client_id("c2"),
        seq: 2,
        message_id: message.message_id,
        created_at: fx.at(2),
        body_hash: [7; 16],
    };
    assert_eq!(sent(&fx, &room, "d1", "c2").await, Some(record));
    assert_eq!(sent(&fx, &room, "p1", "c2").await, None);
    assert_eq!(sent(&fx, &room, "d1", "c3").await, None);
    let other = fx.room(&["d1"]).await;
    assert_eq!(sent(&fx, &other, "d1", "c2").await, None);
    room.put_body(Some("d1"), delete(2, &message)).await;
    let of_deleted = sent(&fx, &room, "d1", "c2").await.expect("still known");
    assert_eq!(of_deleted.message_id, message.message_id);
}

pub async fn a_sent_message_is_found_beyond_the_tail(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    for n in 0..300 {
        let (append, _) = room.text(if n % 3 == 0 { "p1" } else { "d1" }, "...");
        room.took(&append);
        fx.store.append(0, append);
    }
    fx.answers(300).await;
    // Once right away, and once after the store had time to file them.
    for _ in 0..2 {
        for seq in [2, 5, 100, 236, 301] {
            let by = if (seq - 2) % 3 == 0 { "p1" } else { "d1" };
            let found = sent(&fx, &room, by, &format!("c{seq}")).await;
            assert_eq!(found.map(|found| found.seq), Some(seq));
        }
        assert_eq!(sent(&fx, &room, "d1", "c2").await, None);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

pub async fn a_message_is_found_by_its_id(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let mut other = fx.room(&["d1"]).await;
    let first = room.say("d1", "1").await;
    let second = other.say("d1", "2").await;
    room.put_body(Some("d1"), delete(2, &first)).await;
    for _ in 0..2 {
        let found = fx.store.find_message(first.message_id).await;
        assert_eq!(found, Ok(Some((room.id, 2))));
        let found = fx.store.find_message(second.message_id).await;
        assert_eq!(found, Ok(Some((other.id, 2))));
        let unknown = fx.store.find_message(MessageId::new()).await;
        assert_eq!(unknown, Ok(None));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

async fn room_of_ten(fx: &Fixture) -> Room {
    let mut room = fx.room(&["d1"]).await;
    for n in 2..=10 {
        room.say("d1", &format!("{n:0>100}")).await;
    }
    room
}

fn seqs(page: &LogPage) -> Vec<u64> {
    page.events.iter().map(|logged| logged.seq).collect()
}

pub async fn a_log_pages_forward(fx: Fixture) {
    let room = room_of_ten(&fx).await;
    let range = |from_seq, to_seq, limit| LogRange {
        from_seq,
        to_seq,
        limit,
        ..EVERYTHING
    };
    let page = room.read(range(4, 9, 4)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![4, 5, 6, 7], true));
    let page = room.read(range(8, 9, 4)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![8, 9], false));
    let page = room.read(range(9, 900, 2)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![9, 10], false));
    let page = room.read(range(11, 900, 2)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![], false));
    let page = room.read(range(5, 4, 2)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![], false));
    assert_eq!(
        seqs(&room.read(EVERYTHING).await),
        (1..=10).collect::<Vec<_>>()
    );
}

pub async fn a_log_pages_backward(fx: Fixture) {
    let room = room_of_ten(&fx).await;
    let range = |from_seq, to_seq, limit| LogRange {
        from_seq,
        to_seq,
        newest_first: true,
        limit,
        ..EVERYTHING
    };
    let page = room.read(range(2, 9, 3)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![7, 8, 9], true));
    let page = room.read(range(5, 6, 3)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![5, 6], false));
    let page = room.read(range(1, u64::MAX, 3)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![8, 9, 10], true));
}

pub async fn a_page_stops_before_too_many_bytes(fx: Fixture) {
    let mut room = room_of_ten(&fx).await;
    let range = |from_seq, bytes_max, newest_first| LogRange {
        from_seq,
        bytes_max,
        newest_first,
        ..EVERYTHING
    };
    let page = room.read(range(3, 350, false)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![3, 4, 5], true));
    let page = room.read(range(3, 300, true)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![8, 9, 10], true));
    let page = room.read(range(3, 1, false)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![3], true));
    let (mut append, mut message) = room.text("d1", "");
    message.text = "x".repeat(16 * 1024);
    append.body = saying(&message);
    room.put(append).await;
    let page = room.read(range(1, 1_000, true)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![11], true));
    let page = room.read(range(9, 1_000, false)).await;
    assert_eq!((seqs(&page), page.has_more), (vec![9, 10], true));
}

pub async fn an_unknown_log_is_empty(fx: Fixture) {
    let page = fx.store.read_log(ConversationId::new(), EVERYTHING).await;
    assert_eq!(page, Ok(LogPage::default()));
}
