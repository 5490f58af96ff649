//! Making conversations, who is in them, and what an actor starts from.

use bedside_protocol::{
    ConversationId, ConversationKind, ConversationState, MemberRole, Role, Roles, event::Change,
};

use super::fixture::{Fixture, Room, change, client_id, delete, user};
use crate::ports::store::{
    ChangeEffect, ConversationKey, Head, Loaded, MemberRecord, NewMember, PersonRecord,
    Preferences, Receipts, SentRecord, StoreError, TAIL_ENTRIES,
};

async fn load(fx: &Fixture, room: &Room) -> Loaded {
    let loaded = fx.store.load(room.id, true).await;
    loaded.expect("a load").expect("a known conversation")
}

async fn member(fx: &Fixture, room: &Room, id: &str) -> MemberRecord {
    let members = load(fx, room).await.members;
    let found = members.into_iter().find(|m| m.user_id == user(id));
    found.expect("a member")
}

async fn put_member(room: &mut Room, new: NewMember) -> u64 {
    let effect = ChangeEffect::PutMember(new);
    room.put_body(Some("d1"), change(Change::MemberAdded, effect))
        .await
}

async fn end_member(room: &mut Room, id: &str) -> u64 {
    let effect = ChangeEffect::EndMember(user(id));
    room.put_body(Some("d1"), change(Change::MemberRemoved, effect))
        .await
}

pub async fn a_load_has_everything(fx: Fixture) {
    let person = PersonRecord {
        user_id: user("d1"),
        name: "Dr. Ada".to_owned(),
        email: String::new(),
        roles: Roles::from(Role::Doctor),
        last_seen_at: None,
    };
    fx.store.put_person(person).await.expect("stored");
    let mut new = fx.new_conversation(ConversationKind::CareTeam, &["d1", "p1"]);
    new.patient_id = Some(user("p1"));
    new.members[0].member_role = MemberRole::Admin;
    let id = new.conversation_id;
    fx.store.create_conversation(new).await.expect("made");

    let loaded = fx.store.load(id, false).await.expect("a load");
    let loaded = loaded.expect("a known conversation");
    assert_eq!(loaded.kind, ConversationKind::CareTeam);
    assert_eq!(loaded.title, "Ward 4");
    assert_eq!(loaded.patient_id, Some(user("p1")));
    assert_eq!(loaded.created_by, user("d1"));
    assert_eq!(loaded.created_at, fx.at(0));
    assert_eq!(loaded.state, ConversationState::Open);
    assert_eq!(loaded.log_start_seq, 1);
    let head = Head {
        seq: 1,
        ord: 0,
        at: fx.at(0),
    };
    assert_eq!(loaded.head, head);
    let record = |id: &str, name: &str, roles, member_role| MemberRecord {
        user_id: user(id),
        name: name.to_owned(),
        roles,
        member_role,
        first_seq: 1,
        last_seq: None,
        joined_at: fx.at(0),
        receipts: Receipts::default(),
        preferences: Preferences::default(),
    };
    let mut members = loaded.members;
    members.sort_by(|a, b| a.user_id.cmp(&b.user_id));
    let doctor = Roles::from(Role::Doctor);
    assert_eq!(
        members,
        [
            record("d1", "Dr. Ada", doctor, MemberRole::Admin),
            record("p1", "", Roles::NONE, MemberRole::Member),
        ]
    );
    assert!(loaded.sender_ords.is_empty());
    assert!(loaded.tail.is_empty());
    assert_eq!(loaded.tail_from_seq, 1);
    let unknown = fx.store.load(ConversationId::new(), true).await;
    assert!(unknown.expect("a load").is_none());
}

pub async fn a_load_after_writes_sees_every_append(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    for n in 0..200 {
        let (append, _) = room.text("d1", &format!("{n}"));
        room.took(&append);
        fx.store.append(0, append);
        if n % 40 == 0 {
            assert_eq!(load(&fx, &room).await.head.seq, room.seq);
        }
    }
    assert_eq!(load(&fx, &room).await.head.seq, 201);
}

pub async fn the_tail_holds_what_was_sent_lately(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let mut sent = Vec::new();
    for n in 0..100 {
        sent.push(room.say("d1", &format!("{n}")).await);
    }
    let (mut append, mut message) = room.text("d1", "unnamed");
    message.client_msg_id = None;
    append.body = super::fixture::saying(&message);
    room.put(append).await;
    room.put_body(Some("d1"), delete(90, &sent[88])).await;
    let loaded = load(&fx, &room).await;
    assert_eq!(loaded.head.seq, 103);
    assert_eq!(loaded.tail_from_seq, 103 - TAIL_ENTRIES + 1);
    let seqs: Vec<_> = loaded.tail.iter().map(|sent| sent.seq).collect();
    assert_eq!(seqs, (40..=101).collect::<Vec<_>>());
    let of_deleted = SentRecord {
        sender_id: user("d1"),
        client_msg_id: client_id("c90"),
        seq: 90,
        message_id: sent[88].message_id,
        created_at: fx.at(90),
        body_hash: [7; 16],
    };
    assert_eq!(loaded.tail[50], of_deleted);
}

pub async fn sender_ords_count_each_sender(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1", "n1"]).await;
    room.say("d1", "1").await;
    room.say("p1", "1").await;
    let last = room.say("d1", "2").await;
    room.put_body(Some("d1"), delete(4, &last)).await;
    let ords = load(&fx, &room).await.sender_ords;
    assert_eq!(ords.get(&user("d1")), Some(&2));
    assert_eq!(ords.get(&user("p1")), Some(&1));
    assert_eq!(ords.get(&user("n1")), None);
}

pub async fn a_newcomer_starts_just_below_their_window(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    for n in 0..4 {
        room.say("d1", &format!("{n}")).await;
    }
    let seq = room.seq + 1;
    put_member(&mut room, fx.member("p1", seq)).await;
    let p1 = member(&fx, &room, "p1").await;
    let below = Receipts {
        delivered_seq: 5,
        read_seq: 5,
        read_ord: 4,
        read_sender_ord: 0,
    };
    assert_eq!((p1.first_seq, p1.last_seq, p1.receipts), (6, None, below));
    put_member(&mut room, fx.member("n1", 1)).await;
    let n1 = member(&fx, &room, "n1").await;
    assert_eq!((n1.first_seq, n1.receipts), (1, Receipts::default()));
    put_member(&mut room, fx.member("n2", 4)).await;
    let n2 = member(&fx, &room, "n2").await;
    assert_eq!((n2.receipts.read_seq, n2.receipts.read_ord), (3, 2));
}

pub async fn the_end_of_a_window_is_the_last_thing_seen(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    room.say("d1", "bye").await;
    let seq = end_member(&mut room, "p1").await;
    assert_eq!(member(&fx, &room, "p1").await.last_seq, Some(seq));
    let again = ChangeEffect::EndMember(user("p1"));
    let again = room.try_body(None, change(Change::MemberLeft, again)).await;
    assert_eq!(again, Err(StoreError::Conflict));
    assert_eq!(member(&fx, &room, "p1").await.last_seq, Some(seq));
}

pub async fn who_comes_back_keeps_their_watermarks(fx: Fixture) {
    let mut room = fx.room(&["d1", "p1"]).await;
    room.say("d1", "1").await;
    let receipts = Receipts {
        delivered_seq: 2,
        read_seq: 2,
        read_ord: 1,
        read_sender_ord: 0,
    };
    let put = fx.store.put_receipts(room.key, user("p1"), receipts).await;
    assert_eq!(put, Ok(()));
    end_member(&mut room, "p1").await;
    let mut again = fx.member("p1", room.seq + 1);
    again.joined_at = fx.at(50);
    again.member_role = MemberRole::Observer;
    put_member(&mut room, again).await;
    let p1 = member(&fx, &room, "p1").await;
    assert_eq!((p1.first_seq, p1.last_seq), (4, None));
    // What was said while they were away is not unread to them.
    let receipts = Receipts {
        delivered_seq: 3,
        read_seq: 3,
        ..receipts
    };
    assert_eq!((p1.joined_at, p1.receipts), (fx.at(50), receipts));
    assert_eq!(p1.member_role, MemberRole::Observer);
    let mut promoted = fx.member("p1", 4);
    promoted.member_role = MemberRole::Admin;
    put_member(&mut room, promoted).await;
    let p1 = member(&fx, &room, "p1").await;
    assert_eq!((p1.member_role, p1.receipts), (MemberRole::Admin, receipts));
}

pub async fn title_and_state_change(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let title = ChangeEffect::Title("Ward 5".to_owned());
    room.put_body(Some("d1"), change(Change::Updated, title))
        .await;
    let state = ChangeEffect::State(ConversationState::ReadOnly);
    room.put_body(None, change(Change::State, state)).await;
    let loaded = load(&fx, &room).await;
    assert_eq!(loaded.title, "Ward 5");
    assert_eq!(loaded.state, ConversationState::ReadOnly);
}

pub async fn preferences_are_the_members_own(fx: Fixture) {
    let room = fx.room(&["d1", "p1"]).await;
    let preferences = Preferences {
        pinned: true,
        muted_until: Some(fx.at(500)),
        archived: true,
    };
    let store = &fx.store;
    let put = store.put_preferences(room.key, user("p1"), preferences);
    assert_eq!(put.await, Ok(()));
    assert_eq!(member(&fx, &room, "p1").await.preferences, preferences);
    let untouched = member(&fx, &room, "d1").await.preferences;
    assert_eq!(untouched, Preferences::default());
    let stranger = store.put_preferences(room.key, user("x"), preferences);
    assert_eq!(stranger.await, Err(StoreError::Conflict));
    let nowhere = store.put_preferences(ConversationKey(4_711), user("p1"), preferences);
    assert_eq!(nowhere.await, Err(StoreError::Conflict));
}

pub async fn a_pair_has_one_direct_conversation(fx: Fixture) {
    let tries = (0..16).map(|n| {
        let pair = if n % 2 == 0 {
            ["d1", "p1"]
        } else {
            ["p1", "d1"]
        };
        let new = fx.new_conversation(ConversationKind::Direct, &pair);
        fx.store.create_conversation(new)
    });
    let made = futures_util::future::join_all(tries).await;
    let made: Vec<_> = made
        .into_iter()
        .map(|r| r.expect("made or found"))
        .collect();
    assert_eq!(made.iter().filter(|made| made.created).count(), 1);
    assert!(
        made.iter()
            .all(|m| m.conversation_id == made[0].conversation_id)
    );
    let found = fx.store.direct_of(user("p1"), user("d1")).await;
    assert_eq!(found, Ok(Some(made[0].conversation_id)));
    let found = fx.store.direct_of(user("d1"), user("p1")).await;
    assert_eq!(found, Ok(Some(made[0].conversation_id)));
    let other = fx.store.direct_of(user("d1"), user("p2")).await;
    assert_eq!(other, Ok(None));
    let page = super::fixture::EVERYTHING;
    let log = fx.store.read_log(made[0].conversation_id, page).await;
    assert_eq!(log.expect("a page").events.len(), 1);
}

pub async fn an_id_is_taken_once(fx: Fixture) {
    let new = fx.new_conversation(ConversationKind::CareTeam, &["d1"]);
    let mut other = fx.new_conversation(ConversationKind::CareTeam, &["d2"]);
    other.conversation_id = new.conversation_id;
    assert!(fx.store.create_conversation(new).await.is_ok());
    let taken = fx.store.create_conversation(other).await;
    assert_eq!(taken, Err(StoreError::Conflict));
    let odd = fx.new_conversation(ConversationKind::Direct, &["d1", "p1", "p2"]);
    let odd = fx.store.create_conversation(odd).await;
    assert_eq!(odd, Err(StoreError::Conflict));
}

pub async fn a_load_tells_who_wrote_what(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    let mut expected = Vec::new();
    for n in 0..3 {
        let (append, _) = room.text("d1", &format!("n{n}"));
        expected.push((append.seq, append.attempt));
        room.put(append).await;
    }
    let loaded = load(&fx, &room).await;
    // A store with one writer need not know.
    if let Some(attempts) = loaded.attempts {
        assert_eq!(attempts[1..], expected);
    }
}
