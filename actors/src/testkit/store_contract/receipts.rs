//! Watermarks and what they leave unread.

use bedside_protocol::{MessageType, event::Change};

use super::fixture::{Fixture, Room, change, saying, user};
use crate::ports::store::{ChangeEffect, Counts, Preferences, Receipts, Select, StoreError};

/// Writes `writes` one after the other and asserts that what is stored never falls.
pub async fn watermarks_after(fx: &Fixture, writes: &[Receipts]) {
    let room = fx.room(&["d1"]).await;
    let mut expected = Receipts::default();
    for receipts in writes {
        let put = fx.store.put_receipts(room.key, user("d1"), *receipts);
        assert_eq!(put.await, Ok(()));
        let loaded = fx.store.load(room.id, true).await.expect("a load");
        let stored = loaded.expect("it was just made").members[0].receipts;
        assert!(stored.delivered_seq >= expected.delivered_seq.max(receipts.delivered_seq));
        assert!(stored.read_seq >= expected.read_seq.max(receipts.read_seq));
        expected = expected.merge(*receipts);
        assert_eq!(stored, expected);
    }
}

/// A read watermark with the counts that belong to it.
#[must_use]
pub const fn read_up_to(read_seq: u64, delivered_seq: u64) -> Receipts {
    Receipts {
        delivered_seq,
        read_seq,
        read_ord: read_seq / 2,
        read_sender_ord: read_seq / 4,
    }
}

pub async fn watermarks_grow_in_any_order(fx: Fixture) {
    let writes = [(5, 9), (3, 12), (9, 2), (9, 9), (0, 0), (10, 13), (1, 40)];
    watermarks_after(&fx, &writes.map(|(read, got)| read_up_to(read, got))).await;
}

async fn unread(fx: &Fixture, room: &Room, id: &str) -> u64 {
    let rows = fx.store.conversations(user(id), Select::Ids(vec![room.id]));
    rows.await.expect("a listing").rows[0].me.unread_count
}

pub async fn unread_counts_what_others_said(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    assert_eq!(unread(&fx, &room, "p1").await, 0);
    room.say("d1", "1").await;
    room.say("p1", "2").await;
    room.say("d1", "3").await;
    let (mut append, mut system) = room.text("d1", "not counted");
    append.ord -= 1;
    append.sender_ord -= 1;
    system.message_type = MessageType::System;
    append.body = saying(&system);
    room.put(append).await;
    assert_eq!(unread(&fx, &room, "p1").await, 2);
    assert_eq!(unread(&fx, &room, "d1").await, 1);
    let read = Receipts {
        delivered_seq: 3,
        read_seq: 3,
        read_ord: 2,
        read_sender_ord: 1,
    };
    let put = fx.store.put_receipts(room.key, user("p1"), read).await;
    assert_eq!(put, Ok(()));
    assert_eq!(unread(&fx, &room, "p1").await, 1);
    room.say("p1", "mine").await;
    assert_eq!(unread(&fx, &room, "p1").await, 1);
    room.say("d1", "theirs").await;
    assert_eq!(unread(&fx, &room, "p1").await, 2);
    assert_eq!(fx.store.unread_total(user("p1")).await, Ok(2));
}

pub async fn the_total_leaves_out_archived_and_past(fx: Fixture) {
    let mut rooms = Vec::new();
    for _ in 0..3 {
        let mut room = fx.room(&["d1", "p1"]).await;
        room.say("d1", "one").await;
        room.say("d1", "two").await;
        rooms.push(room);
    }
    let total = || fx.store.unread_total(user("p1"));
    assert_eq!(total().await, Ok(6));
    let archived = Preferences {
        archived: true,
        ..Preferences::default()
    };
    let put = fx.store.put_preferences(rooms[0].key, user("p1"), archived);
    assert_eq!(put.await, Ok(()));
    assert_eq!(total().await, Ok(4));
    let gone = ChangeEffect::EndMember(user("p1"));
    rooms[1]
        .put_body(None, change(Change::MemberLeft, gone))
        .await;
    assert_eq!(total().await, Ok(2));
    assert_eq!(fx.store.unread_total(user("nobody")).await, Ok(0));
}

pub async fn receipts_of_strangers_are_refused(fx: Fixture) {
    let room = fx.room(&["d1"]).await;
    let put = fx.store.put_receipts(room.key, user("x"), read_up_to(1, 1));
    assert_eq!(put.await, Err(StoreError::Conflict));
}

pub async fn counts_below_a_seq(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    for (by, text) in [("d1", "1"), ("p1", "2"), ("d1", "3"), ("p1", "4")] {
        room.say(by, text).await;
    }
    let title = ChangeEffect::Title("between".to_owned());
    room.put_body(Some("d1"), change(Change::Updated, title))
        .await;
    room.say("p1", "5").await;
    // The log: 1 made, 2 d1, 3 p1, 4 d1, 5 p1, 6 title, 7 p1.
    for (seq, who, ord, own) in [
        (0, "p1", 0, 0),
        (1, "p1", 0, 0),
        (3, "p1", 2, 1),
        (4, "p1", 3, 1),
        (6, "p1", 4, 2),
        (6, "d1", 4, 2),
        (7, "p1", 5, 3),
        (99, "p1", 5, 3),
        (7, "x", 5, 0),
    ] {
        let counts = fx.store.counts_at(room.id, seq, user(who)).await;
        let expected = Counts {
            ord,
            sender_ord: own,
        };
        assert_eq!(counts, Ok(expected), "at {seq} for {who}");
    }
}
