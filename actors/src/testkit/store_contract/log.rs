//! Appending: dense, in order, answered in order, and read back as it was said.

use bedside_protocol::{Attachment, ConversationId, Event, MessageType, event::Change};

use super::fixture::{EVERYTHING, Fixture, saying};
use crate::ports::store::{ConversationKey, StoreError};

pub async fn what_was_appended_is_read_back(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    let (mut append, mut message) = room.text("d1", "Good morning ☀ – how is the leg?");
    message.message_type = MessageType::Image;
    message.reply_to_seq = Some(1);
    message.composed_at = Some(fx.at(-600));
    message.attachments = vec![Attachment {
        url: "https://files.example/leg.png".to_owned(),
        name: "leg.png".to_owned(),
        media_type: "image/png".to_owned(),
        size_bytes: Some(12_345),
    }];
    append.body = saying(&message);
    room.put(append).await;
    assert_eq!(room.message(2).await, message);

    let (mut append, mut message) = room.text("p1", "");
    message.sender_id = None;
    message.client_msg_id = None;
    message.message_type = MessageType::System;
    append.by = None;
    append.body = saying(&message);
    room.put(append).await;
    assert_eq!(room.message(3).await, message);
}

pub async fn a_log_begins_with_its_creation(fx: Fixture) {
    let room = fx.room(&["d1", "p1"]).await;
    let page = room.read(EVERYTHING).await;
    assert_eq!(page.events.len(), 1);
    assert_eq!(page.events[0].seq, 1);
    let Event::ConversationChanged(changed) = &page.events[0].event else {
        panic!("{}", page.events[0].event.name());
    };
    assert_eq!(changed.change, Change::Created);
    assert_eq!(changed.title.as_deref(), Some("Ward 4"));
    assert_eq!(changed.member_ids.len(), 2);
}

pub async fn a_gap_is_refused(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let (mut append, _) = room.text("d1", "too early");
    append.seq += 1;
    assert_eq!(fx.append(0, append).await, Err(StoreError::Conflict));
    room.say("d1", "in time").await;
    assert_eq!(room.read(EVERYTHING).await.events.len(), 2);
}

pub async fn a_repeat_is_refused(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let (append, message) = room.text("d1", "first");
    let (other, _) = room.text("d1", "second at the same place");
    room.put(append.clone()).await;
    assert_eq!(fx.append(0, append).await, Err(StoreError::Conflict));
    assert_eq!(fx.append(0, other).await, Err(StoreError::Conflict));
    assert_eq!(room.message(2).await, message);
}

pub async fn what_counts_on_a_failed_append_fails_too(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let start = room.clone();
    for n in 0..6 {
        let (mut append, _) = room.text("d1", &format!("{n}"));
        room.took(&append);
        if n == 2 {
            append.body = super::fixture::change(
                Change::MemberLeft,
                crate::ports::store::ChangeEffect::EndMember(super::fixture::user("nobody")),
            );
        }
        fx.store.append(0, append);
    }
    let results: Vec<_> = fx.answers(6).await;
    let results: Vec<_> = results.into_iter().map(|(_, a)| a.result).collect();
    assert_eq!(results[..2], [Ok(()), Ok(())]);
    assert!(results[2..].iter().all(|r| *r == Err(StoreError::Conflict)));
    assert_eq!(start.read(EVERYTHING).await.events.len(), 3);
}

pub async fn a_failed_append_spares_the_others(fx: Fixture) {
    let mut good = fx.room(&["d1"]).await;
    let bad = fx.room(&["d1"]).await;
    for n in 0..20 {
        let (mut fails, _) = bad.text("d1", "never");
        fails.seq += 5;
        fx.store.append(1, fails);
        let (append, _) = good.text("d1", &format!("{n}"));
        good.took(&append);
        fx.store.append(0, append);
    }
    for (lane, answer) in fx.answers(40).await {
        assert_eq!(answer.result.is_ok(), lane == 0);
    }
    assert_eq!(good.read(EVERYTHING).await.events.len(), 21);
    assert_eq!(bad.read(EVERYTHING).await.events.len(), 1);
}

pub async fn an_unknown_conversation_takes_nothing(fx: Fixture) {
    let room = fx.room(&["d1"]).await;
    let (mut append, _) = room.text("d1", "lost");
    append.conversation_id = ConversationId::new();
    append.key = ConversationKey(4_711);
    append.seq = 1;
    assert_eq!(fx.append(0, append).await, Err(StoreError::Conflict));
}

pub async fn answers_come_in_the_order_of_the_appends(fx: Fixture) {
    let mut rooms = [fx.room(&["d1"]).await, fx.room(&["d2"]).await];
    rooms[1].lane = 1;
    for n in 0..300 {
        for room in &mut rooms {
            let (append, _) = room.text("d1", &format!("{n}"));
            room.took(&append);
            fx.store.append(room.lane, append);
        }
    }
    let answers = fx.answers(600).await;
    for room in &rooms {
        let mine = answers.iter().filter(|(_, a)| a.conversation_id == room.id);
        let mine: Vec<_> = mine.collect();
        assert!(
            mine.iter()
                .all(|(lane, a)| *lane == room.lane && a.result.is_ok())
        );
        let seqs: Vec<_> = mine.iter().map(|(_, a)| a.seq).collect();
        assert_eq!(seqs, (2..=301).collect::<Vec<_>>());
        let stored = room.read(EVERYTHING).await.events;
        let stored: Vec<_> = stored.iter().map(|logged| logged.seq).collect();
        assert_eq!(stored, (1..=301).collect::<Vec<_>>());
    }
}

pub async fn appends_after_close_fail(fx: Fixture) {
    let room = fx.room(&["d1"]).await;
    let (append, _) = room.text("d1", "too late");
    fx.store.close().await;
    let answer = fx.append(0, append).await;
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
    assert!(matches!(
        fx.store.ready().await,
        Err(StoreError::Unavailable(_))
    ));
}
