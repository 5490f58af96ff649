//! What one socket is shown of each conversation: all of it, in order, each once.

mod outbox_kit;

use bedside_protocol::ConversationId;
use outbox_kit::{drain, holes, message, outbox, poll, push, typing};
use std::task::Poll;

#[test]
fn what_was_shown_is_not_shown_again() {
    let (outbox, id) = (outbox(), ConversationId::new());
    push(&outbox, id, [5, 5, 6, 4, 6, 7]);
    assert_eq!(
        drain(&outbox),
        (vec!["5".into(), "6".into(), "7".into()], Poll::Pending)
    );
    outbox.shown(id, 8);
    push(&outbox, id, [8, 9]);
    assert_eq!(drain(&outbox).0, ["9"]);
}

#[test]
fn conversations_do_not_know_each_other() {
    let (outbox, a, b) = (outbox(), ConversationId::new(), ConversationId::new());
    push(&outbox, a, [1]);
    push(&outbox, b, [7]);
    push(&outbox, a, [2]);
    push(&outbox, b, [9]);
    assert_eq!(poll(&outbox, 9).0, holes(&[b]));
    assert_eq!(drain(&outbox).0, ["1", "7", "2"]);
}

#[test]
fn a_hole_is_asked_for_once_and_nothing_passes_it() {
    let (outbox, id) = (outbox(), ConversationId::new());
    push(&outbox, id, [1, 3, 4, 2]);
    outbox.event(&typing(id));
    assert_eq!(poll(&outbox, 9).0, holes(&[id]));
    assert_eq!(
        drain(&outbox),
        (vec!["1".into(), "typing".into()], Poll::Pending)
    );
    assert_eq!(outbox.begin_fill(id, None), Some(1));
    for seq in 2..=4 {
        outbox.fill(id, seq, &message(id, seq, "text"));
    }
    assert!(outbox.end_fill(id, 4));
    push(&outbox, id, [3, 5]);
    assert_eq!(
        drain(&outbox),
        (["2", "3", "4", "5"].map(String::from).into(), Poll::Pending)
    );
}

#[test]
fn what_comes_during_a_fill_keeps_it_going() {
    let (outbox, id) = (outbox(), ConversationId::new());
    push(&outbox, id, [1, 3]);
    assert_eq!(poll(&outbox, 9).0, holes(&[id]));
    assert_eq!(outbox.begin_fill(id, None), Some(1));
    push(&outbox, id, [4, 5]);
    outbox.fill(id, 3, &message(id, 3, "text"));
    assert!(!outbox.end_fill(id, 3), "5 is known of and not shown");
    assert_eq!(outbox.begin_fill(id, None), Some(3));
    outbox.fill(id, 5, &message(id, 5, "text"));
    assert!(outbox.end_fill(id, 5));
    assert_eq!(outbox.begin_fill(id, None), None, "nothing is held back");
    push(&outbox, id, [6]);
    assert_eq!(drain(&outbox).0, ["1", "3", "5", "6"]);
}

#[test]
fn an_announcement_shows_nothing_and_asks_for_what_is_missing() {
    let (outbox, id) = (outbox(), ConversationId::new());
    outbox.announce(id, 4, 4);
    assert_eq!(
        drain(&outbox),
        (vec![], Poll::Pending),
        "there is nothing behind"
    );
    push(&outbox, id, [5]);
    outbox.announce(id, 3, 7);
    assert_eq!(poll(&outbox, 9).0, holes(&[id]));
    assert_eq!(
        outbox.begin_fill(id, None),
        Some(5),
        "what this socket has counts"
    );
    outbox.announce(id, 7, 9);
    assert!(!outbox.end_fill(id, 7));
    assert!(outbox.end_fill(id, 9));
    // One that knows of nothing believes what was pushed to others.
    let other = ConversationId::new();
    outbox.announce(other, 2, 3);
    assert_eq!(poll(&outbox, 9).0, holes(&[other]));
    assert_eq!(outbox.begin_fill(other, None), Some(2));
}

#[test]
fn who_came_when_the_log_was_so_long_is_not_announced_the_past() {
    let (outbox, id) = (outbox(), ConversationId::new());
    outbox.came(id, 5);
    outbox.announce(id, 2, 5);
    push(&outbox, id, [5]);
    assert_eq!(drain(&outbox).0, ["5"], "what was underway, and no more");
    outbox.announce(id, 2, 7);
    assert_eq!(poll(&outbox, 9).0, holes(&[id]));
    assert_eq!(outbox.begin_fill(id, None), Some(5), "what came since");
}

#[test]
fn who_came_when_the_log_was_so_long_misses_nothing_after_it() {
    let (outbox, id) = (outbox(), ConversationId::new());
    outbox.came(id, 5);
    push(&outbox, id, [7]);
    assert_eq!(poll(&outbox, 9).0, holes(&[id]), "6 was lost on its way");
    assert_eq!(outbox.begin_fill(id, None), Some(5));
    let other = ConversationId::new();
    outbox.came(other, 5);
    push(&outbox, other, [6, 7]);
    outbox.came(other, 9);
    push(&outbox, other, [8]);
    assert_eq!(drain(&outbox).0, ["6", "7", "8"]);
}

#[test]
fn a_resume_starts_from_the_clients_position() {
    let (outbox, id) = (outbox(), ConversationId::new());
    push(&outbox, id, [9]);
    assert_eq!(outbox.begin_fill(id, Some(4)), Some(4));
    push(&outbox, id, [10]);
    outbox.fill(id, 9, &message(id, 9, "text"));
    assert!(!outbox.end_fill(id, 9));
    outbox.fill_again(id);
    assert_eq!(poll(&outbox, 9).0, holes(&[id]));
    // A position that the server never reached holds nothing back.
    let ahead = ConversationId::new();
    assert_eq!(outbox.begin_fill(ahead, Some(u64::MAX)), Some(u64::MAX));
    assert!(outbox.end_fill(ahead, 3));
    push(&outbox, ahead, [4]);
    assert_eq!(drain(&outbox).0, ["9", "9", "4"]);
    outbox.forget(id);
    push(&outbox, id, [20]);
    assert_eq!(drain(&outbox).0, ["20"]);
}

#[test]
fn fills_whose_session_failed_can_all_be_asked_for_again() {
    let (outbox, a, b) = (outbox(), ConversationId::new(), ConversationId::new());
    outbox.begin_fill(a, Some(1));
    push(&outbox, b, [1]);
    outbox.fill_all_again();
    assert_eq!(poll(&outbox, 9).0, holes(&[a]));
}
