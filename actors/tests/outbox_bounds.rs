//! What waits for one socket: within bounds, and with everybody woken who waits for it.

mod outbox_kit;

use bedside_actors::outbox::{Closed, Drained};
use bedside_protocol::{CloseCode, CommandError, ConversationId, Reply, limits};
use outbox_kit::{Count, drain, message, outbox, poll, push, typing};
use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

#[test]
fn the_bound_of_frames_is_exact() {
    let (outbox, id) = (outbox(), ConversationId::new());
    let max = limits::OUTBOX_FRAMES_MAX as u64;
    push(&outbox, id, 1..=max);
    assert!(!outbox.is_closed());
    push(&outbox, id, [max + 1]);
    assert!(outbox.is_closed());
    // It comes back and resumes, so what waited is not worth its memory.
    assert_eq!(
        drain(&outbox),
        (
            vec![],
            Poll::Ready(Drained::Closed(CloseCode::SlowConsumer))
        )
    );
}

#[test]
fn the_bound_of_bytes_is_exact_and_one_large_frame_always_fits() {
    let id = ConversationId::new();
    let one = |seq, bytes: usize| message(id, seq, &format!("bytes {bytes}"));
    let large = outbox();
    large.event(&one(1, 2 * limits::OUTBOX_BYTES_MAX));
    assert!(!large.is_closed());
    large.event(&one(2, 1));
    assert!(large.is_closed());
    let full = outbox();
    full.event(&one(1, limits::OUTBOX_BYTES_MAX - 1));
    full.event(&one(2, limits::OUTBOX_BYTES_MAX));
    assert!(!full.is_closed(), "judged by what waits already");
    let drained = outbox();
    for seq in 1..100 {
        drained.event(&one(seq, limits::OUTBOX_BYTES_MAX));
        assert_eq!(
            drain(&drained).0.len(),
            1,
            "bytes that were taken count no more"
        );
    }
}

#[test]
fn ephemeral_events_go_first() {
    let (outbox, id) = (outbox(), ConversationId::new());
    let max = limits::OUTBOX_FRAMES_MAX as u64;
    for _ in 0..100 {
        outbox.event(&typing(id));
    }
    push(&outbox, id, 1..=max - 100);
    // Full: the typing goes, the message stays.
    push(&outbox, id, [max - 99]);
    assert!(!outbox.is_closed());
    push(&outbox, id, max - 98..=max);
    for _ in 0..10 {
        outbox.event(&typing(id));
    }
    assert!(!outbox.is_closed(), "typing closes nothing");
    let (frames, end) = drain(&outbox);
    assert_eq!(
        frames,
        (1..=max).map(|seq| seq.to_string()).collect::<Vec<_>>()
    );
    assert_eq!(end, Poll::Pending);
}

#[test]
fn the_first_reason_stands_and_what_waits_is_written_first() {
    let (outbox, id) = (outbox(), ConversationId::new());
    push(&outbox, id, [1]);
    outbox.reply(7, &Reply::Empty(bedside_protocol::reply::Empty {}));
    outbox.close(CloseCode::Replaced);
    outbox.close(CloseCode::GoingAway);
    push(&outbox, id, [2]);
    outbox.error(None, &CommandError::invalid("late"));
    let end = Poll::Ready(Drained::Closed(CloseCode::Replaced));
    assert_eq!(drain(&outbox), (vec!["1".into(), "reply 7".into()], end));
    assert_eq!(
        outbox.begin_fill(id, None),
        None,
        "positions are given back"
    );
}

#[test]
fn room_waits_for_the_reader_and_for_nothing_else() {
    let (outbox, id) = (outbox(), ConversationId::new());
    let waits = Arc::new(Count::default());
    let waker = Waker::from(waits.clone());
    let mut cx = Context::from_waker(&waker);
    let quarter = limits::OUTBOX_FRAMES_MAX as u64 / 4;
    push(&outbox, id, 1..quarter);
    assert!(pin!(outbox.room()).poll(&mut cx).is_ready());
    push(&outbox, id, [quarter]);
    let mut room = pin!(outbox.room());
    for _ in 0..100 {
        assert!(room.as_mut().poll(&mut cx).is_pending());
    }
    push(&outbox, id, [quarter + 1]);
    assert_eq!(waits.taken(), 0);
    assert_eq!(poll(&outbox, 2).1.len(), 2);
    assert_eq!(waits.taken(), 1, "one waker, however often it was polled");
    assert!(room.as_mut().poll(&mut cx).is_ready());
    push(&outbox, id, quarter + 2..quarter + 9);
    let mut room = pin!(outbox.room());
    assert!(room.as_mut().poll(&mut cx).is_pending());
    outbox.close(CloseCode::Normal);
    assert_eq!(waits.taken(), 1);
    assert_eq!(room.as_mut().poll(&mut cx), Poll::Ready(Err(Closed)));
}

#[test]
fn the_driver_is_woken_by_all_that_concerns_it() {
    let (outbox, id) = (outbox(), ConversationId::new());
    let wakes = Arc::new(Count::default());
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    let mut sleep = || {
        let mut frames = VecDeque::new();
        while outbox.poll_drain(&mut cx, &mut frames, 64).is_ready() {}
    };
    sleep();
    push(&outbox, id, [1]);
    assert_eq!(wakes.taken(), 1);
    sleep();
    push(&outbox, id, [3]);
    assert_eq!(wakes.taken(), 1, "a hole");
    sleep();
    outbox.fill_again(id);
    assert_eq!(wakes.taken(), 1);
    sleep();
    outbox.reply(1, &Reply::Empty(bedside_protocol::reply::Empty {}));
    assert_eq!(wakes.taken(), 1);
    let mut cx = Context::from_waker(&waker);
    assert!(outbox.poll_closed(&mut cx).is_pending());
    outbox.close(CloseCode::Normal);
    assert_eq!(wakes.taken(), 1);
    assert_eq!(outbox.poll_closed(&mut cx), Poll::Ready(CloseCode::Normal));
}
