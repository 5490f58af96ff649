//! A user's conversations.

use bedside_protocol::{
    Conversation, ConversationId, ConversationKind, LastMessage, MemberRole, Timestamp,
    event::Change,
};

use super::fixture::{Fixture, Room, change, delete, react, saying, user};
use crate::ports::store::{Access, ChangeEffect, Conversations, Preferences, Receipts, Select};

fn page(limit: usize) -> Select {
    Select::Page {
        after: None,
        limit,
        without: Vec::new(),
    }
}

async fn list(fx: &Fixture, id: &str, select: Select) -> Conversations {
    let listed = fx.store.conversations(user(id), select).await;
    listed.expect("a listing")
}

fn ids(listed: &Conversations) -> Vec<ConversationId> {
    listed.rows.iter().map(|row| row.conversation_id).collect()
}

/// Rooms whose last entries came at these seconds.
async fn rooms_last_active_at(fx: &Fixture, seconds: &[i64]) -> Vec<Room> {
    let mut rooms = Vec::new();
    for at in seconds {
        let mut room = fx.room(&["d1", "p1"]).await;
        let (mut append, mut message) = room.text("d1", "hello");
        append.at = fx.at(*at);
        message.created_at = append.at;
        append.body = saying(&message);
        room.put(append).await;
        rooms.push(room);
    }
    rooms
}

pub async fn newest_activity_comes_first(fx: Fixture) {
    let rooms = rooms_last_active_at(&fx, &[20, 40, 10, 30]).await;
    fx.room(&["d2"]).await;
    let listed = list(&fx, "p1", page(10)).await;
    let expected: Vec<_> = [1, 3, 0, 2].map(|n: usize| rooms[n].id).into();
    assert_eq!(ids(&listed), expected);
    assert!(!listed.has_more);
    let at: Vec<_> = listed.rows.iter().map(|row| row.last_activity_at).collect();
    assert_eq!(at, [40, 30, 20, 10].map(|n| fx.at(n)));
}

pub async fn pages_follow_each_other(fx: Fixture) {
    let rooms = rooms_last_active_at(&fx, &[20, 20, 20, 20, 10, 30, 5]).await;
    let mut expected: Vec<_> = rooms.iter().map(|room| room.id).collect();
    let mut ties = expected[..4].to_vec();
    ties.sort();
    expected = [&[expected[5]][..], &ties, &[expected[4], expected[6]]].concat();

    let mut seen = Vec::new();
    let mut after: Option<(Timestamp, ConversationId)> = None;
    for turn in 0..4 {
        let select = Select::Page {
            after,
            limit: 2,
            without: Vec::new(),
        };
        let listed = list(&fx, "p1", select).await;
        assert_eq!(listed.has_more, turn < 3);
        seen.extend(ids(&listed));
        let last = listed.rows.last().expect("no page is empty");
        after = Some((last.last_activity_at, last.conversation_id));
    }
    assert_eq!(seen, expected);
}

pub async fn some_can_be_left_out(fx: Fixture) {
    let rooms = rooms_last_active_at(&fx, &[10, 20, 30]).await;
    let select = Select::Page {
        after: None,
        limit: 2,
        without: vec![rooms[2].id],
    };
    let listed = list(&fx, "p1", select).await;
    assert_eq!(ids(&listed), [rooms[1].id, rooms[0].id]);
    assert!(!listed.has_more);
}

pub async fn some_can_be_asked_for_by_id(fx: Fixture) {
    let rooms = rooms_last_active_at(&fx, &[10, 20, 30]).await;
    let foreign = fx.room(&["d2"]).await;
    let wanted = vec![rooms[0].id, foreign.id, rooms[2].id, ConversationId::new()];
    let listed = list(&fx, "p1", Select::Ids(wanted)).await;
    let mut got = ids(&listed);
    got.sort();
    let mut expected = vec![rooms[0].id, rooms[2].id];
    expected.sort();
    assert_eq!(got, expected);
    assert!(!listed.has_more);
}

pub async fn past_members_see_their_window(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    let seen = room.say("d1", "seen").await;
    let gone = ChangeEffect::EndMember(user("p1"));
    room.put_body(None, change(Change::MemberRemoved, gone))
        .await;
    room.say("d1", "not for p1").await;
    room.say("d1", "nor this").await;

    let listed = list(&fx, "p1", page(10)).await;
    let row = &listed.rows[0];
    assert_eq!((row.head_seq, row.last_activity_at), (3, fx.at(3)));
    assert_eq!((row.me.last_seq, row.me.unread_count), (Some(3), 1));
    let last = LastMessage {
        seq: 2,
        message: seen,
    };
    assert_eq!(row.last_message, Some(last));
    assert!(
        row.members
            .iter()
            .all(|member| member.user_id == user("d1"))
    );

    let effect = ChangeEffect::PutMember(fx.member("p1", 6));
    room.put_body(None, change(Change::MemberAdded, effect))
        .await;
    let row = &list(&fx, "p1", page(10)).await.rows[0];
    assert_eq!((row.head_seq, row.me.first_seq), (6, 6));
    assert_eq!(row.last_message, None);
}

pub async fn the_last_message_is_a_message(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    assert_eq!(list(&fx, "p1", page(1)).await.rows[0].last_message, None);
    let sent = room.say("d1", "hello").await;
    room.put_body(Some("p1"), react(2, &sent, "👍", true)).await;
    let title = ChangeEffect::Title("Ward 5".to_owned());
    room.put_body(Some("d1"), change(Change::Updated, title))
        .await;
    let row = &list(&fx, "p1", page(1)).await.rows[0];
    let last = row.last_message.as_ref().expect("a message");
    assert_eq!((last.seq, last.message.text.as_str()), (2, "hello"));
    assert_eq!(last.message.reactions.len(), 1);
    assert_eq!((row.head_seq, row.title.as_str()), (4, "Ward 5"));
    room.put_body(Some("d1"), delete(2, &sent)).await;
    let row = &list(&fx, "p1", page(1)).await.rows[0];
    let last = row.last_message.as_ref().expect("a tombstone");
    assert_eq!((last.seq, last.message.text.as_str()), (2, ""));
    assert!(last.message.reactions.is_empty() && last.message.deleted_at.is_some());
}

pub async fn a_row_has_everything(fx: Fixture) {
    let mut new = fx.new_conversation(ConversationKind::FamilyUpdate, &["d1", "p1"]);
    new.patient_id = Some(user("p1"));
    new.members[1].member_role = MemberRole::Observer;
    let id = new.conversation_id;
    fx.store.create_conversation(new).await.expect("made");
    let key = fx.store.load(id, true).await.expect("a load");
    let key = key.expect("it was just made").key;
    let receipts = Receipts {
        delivered_seq: 1,
        ..Receipts::default()
    };
    let put = fx.store.put_receipts(key, user("p1"), receipts).await;
    assert_eq!(put, Ok(()));
    let preferences = Preferences {
        pinned: true,
        muted_until: Some(fx.at(9)),
        archived: false,
    };
    let put = fx.store.put_preferences(key, user("p1"), preferences).await;
    assert_eq!(put, Ok(()));

    let listed = list(&fx, "p1", page(1)).await;
    let row: &Conversation = &listed.rows[0];
    assert_eq!(
        (row.conversation_id, row.kind),
        (id, ConversationKind::FamilyUpdate)
    );
    assert_eq!(
        (row.title.as_str(), &row.patient_id),
        ("Ward 4", &Some(user("p1")))
    );
    assert_eq!((&row.created_by, row.created_at), (&user("d1"), fx.at(0)));
    assert_eq!((row.head_seq, row.log_start_seq), (1, 1));
    let me = &row.me;
    assert_eq!((me.member_role, me.first_seq), (MemberRole::Observer, 1));
    assert_eq!((me.delivered_up_to_seq, me.read_up_to_seq), (1, 0));
    assert_eq!((me.pinned, me.archived), (true, false));
    assert_eq!(me.muted_until, Some(fx.at(9)));
    let mut members: Vec<_> = row.members.iter().collect();
    members.sort_by(|a, b| a.user_id.cmp(&b.user_id));
    assert_eq!(members.len(), 2);
    assert_eq!(members[1].user_id, user("p1"));
    assert_eq!(members[1].delivered_up_to_seq, 1);
    assert_eq!(members[1].joined_at, fx.at(0));
}

pub async fn what_was_active_lately_is_found(fx: Fixture) {
    let mut rooms = rooms_last_active_at(&fx, &[20, 40, 10, 30]).await;
    let (mut append, mut message) = rooms[1].text("d1", "again");
    append.at = fx.at(50);
    message.created_at = append.at;
    append.body = saying(&message);
    rooms[1].put(append).await;
    fx.room(&["d2"]).await;
    let asked = vec![user("p1"), user("d2"), user("nobody")];
    let found = fx.store.active_since(asked, fx.at(30)).await;
    let mut found = found.expect("what was active");
    found.sort_by_key(|active| active.head.at);
    let seen: Vec<_> = found
        .iter()
        .map(|active| (active.conversation_id, active.from_seq, active.head.seq))
        .collect();
    assert_eq!(seen, [(rooms[3].id, 2, 2), (rooms[1].id, 2, 3)]);
    assert_eq!(found[1].head.at, fx.at(50));
    assert_eq!(found[1].members, [user("p1")]);
    let both = vec![user("p1"), user("d1")];
    let found = fx.store.active_since(both, fx.at(50)).await;
    let mut found = found.expect("what was active");
    assert_eq!((found.len(), found[0].from_seq), (1, 3));
    found[0].members.sort();
    assert_eq!(found[0].members, [user("d1"), user("p1")]);
}

pub async fn what_may_be_read_is_what_the_list_says(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    let check = async |room: &Room, id: &str| {
        let access = fx.store.access(user(id), room.id).await;
        let listed = list(&fx, id, Select::Ids(vec![room.id])).await;
        let row = listed.rows.first();
        let expected = row.map(|row| Access {
            kind: row.kind,
            member_role: row.me.member_role,
            first_seq: row.me.first_seq,
            last_seq: row.me.last_seq,
            head_seq: row.head_seq,
            log_start_seq: row.log_start_seq,
        });
        assert_eq!(access, Ok(expected), "{id}");
        expected
    };
    assert_eq!(check(&room, "d2").await, None);
    room.say("d1", "one").await;
    assert_eq!(check(&room, "p1").await.map(|a| a.head_seq), Some(2));
    let gone = change(Change::MemberLeft, ChangeEffect::EndMember(user("p1")));
    let left_at = room.put_body(Some("p1"), gone).await;
    room.say("d1", "two").await;
    let past = check(&room, "p1").await.expect("was in it");
    assert_eq!((past.last_seq, past.head_seq), (Some(left_at), left_at));
    assert_eq!(check(&room, "d1").await.map(|a| a.head_seq), Some(4));
    let back = ChangeEffect::PutMember(fx.member("p1", 5));
    room.put_body(Some("d1"), change(Change::MemberAdded, back))
        .await;
    let again = check(&room, "p1").await.expect("is in it");
    assert_eq!(
        (again.first_seq, again.last_seq, again.head_seq),
        (5, None, 5)
    );
    let unknown = fx.store.access(user("d1"), ConversationId::new()).await;
    assert_eq!(unknown, Ok(None));
}
