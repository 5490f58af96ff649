//! Lists by number.

use bedside_protocol::{ConversationId, event::Change};

use super::fixture::{Fixture, Room, change, delete, user};
use crate::ports::store::{ChangeEffect, Listed, Located, Numbers, Preferences};

async fn located(fx: &Fixture, id: ConversationId, numbers: Numbers) -> Located {
    fx.store.locate(id, numbers).await.expect("a look-up")
}

fn newest(skip: u64, take: u64) -> Numbers {
    Numbers {
        from_seq: 1,
        to_seq: u64::MAX,
        skip,
        take,
    }
}

fn title() -> crate::ports::store::AppendBody {
    change(Change::Updated, ChangeEffect::Title("between".to_owned()))
}

/// The log: 1 made, 2 first, 3 second, 4 title, 5 title, 6 third, 7 title.
async fn room_of_three(fx: &Fixture) -> Room {
    let mut room = fx.room(&["d1", "p1"]).await;
    room.say("d1", "first").await;
    room.say("p1", "second").await;
    for _ in 0..2 {
        room.put_body(Some("d1"), title()).await;
    }
    room.say("d1", "third").await;
    room.put_body(Some("d1"), title()).await;
    room
}

pub async fn messages_are_found_by_their_number(fx: Fixture) {
    let room = room_of_three(&fx).await;
    // What is no message goes with the one before it, the making with the first.
    for (skip, take, from_seq, to_seq, oldest_seq) in [
        (0, 1, 6, u64::MAX, 6),
        (1, 1, 3, 5, 3),
        (2, 1, 1, 2, 2),
        (0, 2, 3, u64::MAX, 3),
        (2, 2, 1, 2, 2),
        (0, 3, 1, u64::MAX, 2),
        (1, u64::MAX, 1, 5, 2),
        (1, 0, 3, 5, 3),
    ] {
        let found = located(&fx, room.id, newest(skip, take)).await;
        let expected = Located {
            total: 3,
            from_seq,
            to_seq,
            oldest_seq: Some(oldest_seq),
        };
        assert_eq!(found, expected, "skip {skip}, take {take}");
    }
    for skip in [3, 4, u64::MAX] {
        let none = located(&fx, room.id, newest(skip, 1)).await;
        assert_eq!((none.total, none.oldest_seq), (3, None));
        assert!(none.from_seq > none.to_seq);
    }
}

pub async fn messages_are_numbered_within_a_stretch(fx: Fixture) {
    let mut room = room_of_three(&fx).await;
    let stretch = |from_seq, to_seq, skip, take| Numbers {
        from_seq,
        to_seq,
        skip,
        take,
    };
    let found = located(&fx, room.id, stretch(3, 5, 0, 9)).await;
    let expected = Located {
        total: 1,
        from_seq: 3,
        to_seq: 5,
        oldest_seq: Some(3),
    };
    assert_eq!(found, expected);
    let found = located(&fx, room.id, stretch(4, 7, 0, 1)).await;
    // What stands before the first message goes with it.
    assert_eq!((found.from_seq, found.oldest_seq), (4, Some(6)));
    let without = located(&fx, room.id, stretch(4, 5, 0, 1)).await;
    let expected = Located {
        total: 0,
        from_seq: 4,
        to_seq: 5,
        oldest_seq: None,
    };
    assert_eq!(without, expected, "a stretch without messages is one page");
    let empty = located(&fx, room.id, stretch(5, 4, 0, 1)).await;
    assert_eq!(empty.total, 0);
    assert!(empty.from_seq > empty.to_seq);
    // A deleted message keeps its number.
    let message = room.message(3).await;
    room.put_body(Some("p1"), delete(3, &message)).await;
    assert_eq!(located(&fx, room.id, newest(0, 1)).await.total, 3);
    let unknown = located(&fx, ConversationId::new(), newest(0, 1)).await;
    assert_eq!((unknown.total, unknown.oldest_seq), (0, None));
}

pub async fn pages_cover_the_log_once(fx: Fixture) {
    let mut room = fx.room(&["d1"]).await;
    for n in 0..60_u64 {
        if n % 7 < 3 {
            room.say("d1", "...").await;
        } else {
            room.put_body(Some("d1"), title()).await;
        }
    }
    for take in [1, 4, 7, 100] {
        let (mut skip, mut below) = (0, room.seq + 1);
        while below > 1 {
            let numbers = Numbers {
                to_seq: room.seq,
                ..newest(skip, take)
            };
            let page = located(&fx, room.id, numbers).await;
            assert_eq!(page.to_seq, below - 1, "take {take}, skip {skip}");
            assert!(page.from_seq <= page.to_seq);
            (skip, below) = (skip + take, page.from_seq);
        }
        assert!(skip >= located(&fx, room.id, newest(0, 1)).await.total);
    }
}

pub async fn everything_of_a_user_is_listed(fx: Fixture) {
    let mut rooms = [
        fx.room(&["d1", "p1"]).await,
        fx.room(&["d1", "p1"]).await,
        fx.room(&["d2"]).await,
    ];
    rooms[0].say("d1", "later").await;
    let marks = Preferences {
        pinned: true,
        muted_until: None,
        archived: true,
    };
    let key = rooms[1].key;
    let put = fx.store.put_preferences(key, user("p1"), marks).await;
    put.expect("is stored");
    let gone = ChangeEffect::EndMember(user("p1"));
    let end = change(Change::MemberLeft, gone);
    let last_seq = rooms[0].put_body(None, end).await;
    rooms[0].say("d1", "not for p1").await;
    let listed = fx.store.listed(user("p1")).await.expect("a list");
    let row = |room: &Room, at| Listed {
        conversation_id: room.id,
        kind: bedside_protocol::ConversationKind::CareTeam,
        last_activity_at: fx.at(at),
        last_seq: None,
        pinned: false,
        archived: false,
    };
    let expected = [
        Listed {
            last_seq: Some(last_seq),
            ..row(&rooms[0], last_seq as i64)
        },
        Listed {
            pinned: true,
            archived: true,
            ..row(&rooms[1], 0)
        },
    ];
    assert_eq!(listed, expected);
    assert_eq!(fx.store.listed(user("nobody")).await, Ok(Vec::new()));
}
