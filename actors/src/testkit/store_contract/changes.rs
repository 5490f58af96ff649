//! Edits, deletes and reactions: seen in the message itself, and without its text in the log.

use bedside_protocol::{Attachment, Event, Message, MessageId, Reaction, event::Change};

use super::fixture::{EVERYTHING, Fixture, change, delete, edit, react, saying, user};
use crate::ports::store::{AppendBody, ChangeEffect, Revision, StoreError};

pub async fn an_edit_shows_in_the_message_and_in_its_entry(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let sent = room.say("d1", "5 mg").await;
    let first = room.put_body(Some("d1"), edit(2, &sent, "10 mg")).await;
    let second = room.put_body(Some("d1"), edit(2, &sent, "15 mg")).await;
    let now = room.message(2).await;
    let expected = Message {
        text: "15 mg".to_owned(),
        edited_at: Some(fx.at(second as i64)),
        ..sent.clone()
    };
    assert_eq!(now, expected);
    for seq in [first, second] {
        let Event::MessageUpdated(updated) = room.event(seq).await else {
            panic!("an edit");
        };
        assert_eq!(
            (updated.target_seq, updated.message_id),
            (2, sent.message_id)
        );
        assert_eq!(
            (updated.user_id, updated.text.as_str()),
            (user("d1"), "15 mg")
        );
        assert_eq!(updated.edited_at, fx.at(seq as i64));
    }
}

pub async fn a_delete_leaves_a_tombstone_everywhere(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    let (mut append, mut sent) = room.text("d1", "for somebody else");
    sent.attachments = vec![Attachment {
        url: "https://files.example/x".to_owned(),
        name: String::new(),
        media_type: String::new(),
        size_bytes: None,
    }];
    append.body = saying(&sent);
    room.put(append).await;
    room.put_body(Some("p1"), react(2, &sent, "👍", true)).await;
    room.put_body(Some("d1"), edit(2, &sent, "still for somebody else"))
        .await;
    room.put_body(Some("d1"), delete(2, &sent)).await;

    let now = room.message(2).await;
    let expected = Message {
        text: String::new(),
        attachments: Vec::new(),
        edited_at: Some(fx.at(4)),
        deleted_at: Some(fx.at(5)),
        ..sent.clone()
    };
    assert_eq!(now, expected);
    let Event::MessageReacted(reacted) = room.event(3).await else {
        panic!("a reaction");
    };
    assert_eq!((reacted.emoji.as_str(), reacted.on), ("", false));
    let Event::MessageUpdated(updated) = room.event(4).await else {
        panic!("an edit");
    };
    assert_eq!(updated.text, "");
    let Event::MessageDeleted(deleted) = room.event(5).await else {
        panic!("a delete");
    };
    assert_eq!(
        (deleted.target_seq, deleted.message_id),
        (2, sent.message_id)
    );
    assert_eq!(
        (deleted.user_id, deleted.deleted_at),
        (user("d1"), fx.at(5))
    );
}

pub async fn earlier_texts_are_kept_as_revisions(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let sent = room.say("d1", "one").await;
    assert_eq!(fx.store.revisions(room.id, 2).await, Ok(Vec::new()));
    room.put_body(Some("d1"), edit(2, &sent, "two")).await;
    room.put_body(Some("d1"), edit(2, &sent, "three")).await;
    room.put_body(Some("d1"), delete(2, &sent)).await;
    let revision = |rev: u32, text: &str, at| Revision {
        rev,
        text: text.to_owned(),
        replaced_at: fx.at(at),
    };
    let expected = vec![
        revision(1, "one", 3),
        revision(2, "two", 4),
        revision(3, "three", 5),
    ];
    assert_eq!(fx.store.revisions(room.id, 2).await, Ok(expected));
}

pub async fn a_deleted_message_takes_nothing_more(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let sent = room.say("d1", "gone").await;
    room.put_body(Some("d1"), delete(2, &sent)).await;
    for body in [
        edit(2, &sent, "back"),
        delete(2, &sent),
        react(2, &sent, "👍", true),
    ] {
        let refused = room.try_body(Some("d1"), body).await;
        assert_eq!(refused, Err(StoreError::Conflict));
    }
    assert_eq!(room.read(EVERYTHING).await.events.len(), 3);
    let revisions = fx.store.revisions(room.id, 2).await;
    assert_eq!(revisions.map(|all| all.len()), Ok(1));
    room.say("d1", "and on it goes").await;
}

pub async fn changes_of_what_is_not_there_are_refused(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let sent = room.say("d1", "here").await;
    let other = Message {
        message_id: MessageId::new(),
        ..sent.clone()
    };
    let nobody = ChangeEffect::EndMember(user("nobody"));
    let bodies: [AppendBody; 6] = [
        edit(2, &other, "wrong id"),
        edit(1, &sent, "no message"),
        edit(3, &sent, "not yet"),
        edit(0, &sent, "never"),
        react(3, &sent, "👍", true),
        change(Change::MemberLeft, nobody),
    ];
    for body in bodies {
        let refused = room.try_body(Some("d1"), body).await;
        assert_eq!(refused, Err(StoreError::Conflict));
    }
    assert_eq!(room.message(2).await, sent);
    assert_eq!(room.read(EVERYTHING).await.events.len(), 2);
}

pub async fn reactions_keep_their_order(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    let sent = room.say("d1", "well done").await;
    let steps = [
        ("p1", "👍", true),
        ("d1", "🎉", true),
        ("d1", "👍", true),
        ("d1", "👍", true),
        ("p1", "🎉", false),
        ("p1", "❤", true),
        ("d1", "🎉", false),
    ];
    for (by, emoji, on) in steps {
        room.put_body(Some(by), react(2, &sent, emoji, on)).await;
    }
    let reaction = |emoji: &str, ids: &[&str]| Reaction {
        emoji: emoji.to_owned(),
        user_ids: ids.iter().map(|id| user(id)).collect(),
    };
    let expected = vec![reaction("👍", &["p1", "d1"]), reaction("❤", &["p1"])];
    assert_eq!(room.message(2).await.reactions, expected);
    let Event::MessageReacted(reacted) = room.event(3).await else {
        panic!("a reaction");
    };
    assert_eq!((reacted.emoji.as_str(), reacted.on), ("👍", true));
    assert_eq!((reacted.user_id, reacted.target_seq), (user("p1"), 2));
    assert_eq!(reacted.at, fx.at(3));
}
