//! Messages from node to node.

use crate::support::{Node, Redis, Seen, next_name, peer, until};

#[tokio::test]
async fn both_channels_keep_their_order_and_reach_whom_they_are_for() {
    const MESSAGES: u64 = 1_500;
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    let c = Node::start(&redis, &name, peer("c", 3)).await;
    let stranger = Node::start(&redis, &next_name(), peer("d", 4)).await;
    for seq in 1..=MESSAGES {
        assert!(a.send(&b.me(), seq, &format!("one {seq}")));
        assert!(a.send_all(seq, &format!("all {seq}")));
    }
    let expected = |to_all: bool, word: &str| -> Vec<_> {
        (1..=MESSAGES)
            .map(|seq| (to_all, seq, format!("{word} {seq}")))
            .collect()
    };
    b.has(2 * usize::try_from(MESSAGES).expect("small")).await;
    c.has(usize::try_from(MESSAGES).expect("small")).await;
    let (all, one): (Vec<_>, Vec<_>) = b.texts().into_iter().partition(|text| text.0);
    assert_eq!(all, expected(true, "all"));
    assert_eq!(one, expected(false, "one"));
    assert_eq!(c.texts(), expected(true, "all"));
    assert!(a.texts().is_empty() && stranger.texts().is_empty());
    let from = |seen: &Seen| matches!(seen, Seen::Received(m) if m.from != peer("a", 1));
    assert!(!b.seen().iter().any(from));

    until("all counted", || a.stats().published == 2 * MESSAGES).await;
    let stats = a.stats();
    assert_eq!(stats.commands[0], 2 * MESSAGES, "one command a message");
    assert!(stats.command_bytes[0] > stats.published_bytes);
    assert_eq!((stats.undelivered, stats.dropped, stats.waiting), (0, 0, 0));
    assert_eq!(b.stats().received, 2 * MESSAGES);
}

#[tokio::test]
async fn what_nobody_takes_is_said() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    let (absent, earlier) = (peer("c", 1), peer("b", 1));
    assert!(a.send(&earlier, 1, "to a life that is over"));
    assert!(a.send(&absent, 1, "to nobody"));
    assert!(a.send(&b.me(), 1, "to somebody"));
    b.has(1).await;
    until("told", || a.count(&Seen::Undelivered(absent.clone())) == 1).await;
    assert_eq!(a.count(&Seen::Undelivered(earlier)), 1);
    assert_eq!(a.count(&Seen::Undelivered(b.me())), 0);
    assert_eq!(a.stats().undelivered, 2);
    // Nobody but this node listens: that is no peer's fault.
    assert!(a.send_all(1, "to all"));

    let gone = b.me();
    drop(b);
    let mut seq = 1;
    until("told of the one who went", || {
        seq += 1;
        assert!(a.send(&gone, seq, "are you there"));
        a.count(&Seen::Undelivered(gone.clone())) > 0
    })
    .await;
}

#[tokio::test]
async fn a_link_seq_is_never_used_twice() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    for (seq, taken) in [
        (1, true),
        (1, false),
        (5, true),
        (4, false),
        (0, false),
        (6, true),
    ] {
        assert_eq!(a.send(&b.me(), seq, &seq.to_string()), taken, "{seq}");
    }
    b.has(3).await;
    let seqs: Vec<u64> = b.texts().iter().map(|text| text.1).collect();
    assert_eq!((seqs, a.stats().refused_misuse), (vec![1, 5, 6], 3));
}

#[tokio::test]
async fn a_long_message_arrives_whole() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    let long = "0123456789abcdef".repeat(16 * 1024);
    assert!(a.send(&b.me(), 1, &long));
    assert!(a.send(&b.me(), 2, ""));
    b.has(2).await;
    assert_eq!(b.texts(), [(false, 1, long), (false, 2, String::new())]);
}
