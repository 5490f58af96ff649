//! Redis goes away, hangs, and comes back.

use bedside_actors::ports::bus::Bus as _;
use std::time::Duration;
use tokio::time::Instant;

use crate::support::{Node, Redis, Seen, Setup, next_name, peer, until};

/// Both ways, with seqs that nobody used.
async fn they_talk(a: &Node, b: &Node, seq: u64) {
    let before = (a.texts().len(), b.texts().len());
    assert!(a.send(&b.me(), seq, "from a") && b.send(&a.me(), seq, "from b"));
    a.has(before.0 + 1).await;
    b.has(before.1 + 1).await;
}

#[tokio::test]
async fn a_killed_redis_is_noticed_once_and_found_again() {
    let Some(mut redis) = Redis::own(Setup::default()).await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    for round in 1..=3 {
        let seq = 10 * u64::try_from(round).expect("small");
        they_talk(&a, &b, seq).await;
        redis.kill();
        a.is_down(round).await;
        b.is_down(round).await;
        let heard = b.texts().len();
        assert!(
            !a.send(&b.me(), seq + 1, "while down"),
            "nothing is taken while down"
        );
        assert!(!a.send_all(seq + 1, "while down"));
        redis.start().await;
        a.is_up(round + 1).await;
        b.is_up(round + 1).await;
        they_talk(&a, &b, seq + 2).await;
        assert_eq!(b.texts().len(), heard + 1, "and nothing of it comes later");
    }
    for node in [&a, &b] {
        let states = node.seen();
        let states: Vec<_> = states
            .iter()
            .filter(|s| matches!(s, Seen::Up | Seen::Down))
            .collect();
        let wanted = [&Seen::Up, &Seen::Down].repeat(3);
        assert_eq!(states[..6], wanted[..], "up and down take turns");
        assert_eq!((states.len(), node.stats().losses), (7, 3));
    }
    assert_eq!(a.stats().refused_down, 6);
}

#[tokio::test]
async fn a_redis_that_hangs_is_noticed() {
    let Some(redis) = Redis::own(Setup::default()).await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    they_talk(&a, &b, 1).await;
    redis.hang();
    let started = Instant::now();
    // What is taken before that is noticed is lost, and counted.
    assert!(a.send(&b.me(), 2, "into the void"));
    a.is_down(1).await;
    assert!(started.elapsed() < Duration::from_secs(15));
    b.is_down(1).await;
    assert!(!a.send(&b.me(), 3, "while down"));
    assert_eq!(a.stats().dropped, 1);
    assert!(a.bus.peers().await.is_err());
    redis.go_on();
    a.is_up(2).await;
    b.is_up(2).await;
    they_talk(&a, &b, 4).await;
    assert_eq!((a.count(&Seen::Down), b.count(&Seen::Down)), (1, 1));
}

#[tokio::test]
async fn what_waits_is_bounded_and_dropped_when_redis_is_lost() {
    let Some(mut redis) = Redis::own(Setup::default()).await else {
        return;
    };
    let a = Node::start(&redis, &next_name(), peer("a", 1)).await;
    redis.hang();
    let mut taken = 0;
    while a.send_all(taken + 1, "x") {
        taken += 1;
    }
    let stats = a.stats();
    if stats.refused_full == 0 {
        // So slow a machine that the loss came first.
        assert_eq!(stats.refused_down, 1);
    } else {
        assert!((8_192..=8_192 + 512).contains(&taken), "{taken}");
    }
    redis.kill();
    a.is_down(1).await;
    let stats = a.stats();
    assert_eq!((stats.waiting, stats.dropped), (0, taken));
}

#[tokio::test]
async fn a_node_starts_without_redis() {
    let Some(mut redis) = Redis::own(Setup::default()).await else {
        return;
    };
    redis.kill();
    let a = Node::begin(&Node::options(&redis, &next_name(), peer("a", 1)));
    until("it tries", || a.stats().connect_failures >= 3).await;
    assert!(a.seen().is_empty(), "never up, so not down either");
    assert!(!a.send_all(1, "nobody is there"));
    assert!(a.bus.renew(Duration::from_secs(5)).await.is_err());
    redis.start().await;
    a.is_up(1).await;
    assert!(a.send_all(1, "now"));
    until("sent", || a.stats().published == 1).await;
}

#[tokio::test]
async fn a_redis_that_became_a_replica_is_left() {
    let Some(redis) = Redis::own(Setup::default()).await else {
        return;
    };
    let a = Node::start(&redis, &next_name(), peer("a", 1)).await;
    let lease = Duration::from_secs(600);
    a.bus.renew(lease).await.expect("renewed");
    let mut admin = redis.connection();
    let mut replica_of = |arguments: &[&str]| {
        let mut command = redis::cmd("REPLICAOF");
        command
            .arg(arguments)
            .query::<()>(&mut admin)
            .expect("done");
    };
    // Of nobody who is there: it keeps what it has, and takes nothing.
    replica_of(&["127.0.0.1", "1"]);
    a.bus.renew(lease).await.expect_err("it takes nothing");
    a.is_down(1).await;
    replica_of(&["NO", "ONE"]);
    a.is_up(2).await;
    a.bus.renew(lease).await.expect("renewed");
}

#[tokio::test]
async fn a_lost_listener_alone_is_a_loss() {
    let Some(redis) = Redis::own(Setup::default()).await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    // As Redis does with one that reads too slowly.
    let mut admin = redis.connection();
    let mut kill = redis::cmd("CLIENT");
    let killed: u64 = kill
        .arg(&["KILL", "TYPE", "pubsub"])
        .query(&mut admin)
        .expect("killed");
    assert_eq!(killed, 2);
    a.is_up(2).await;
    b.is_up(2).await;
    they_talk(&a, &b, 1).await;
    assert_eq!((a.count(&Seen::Down), b.count(&Seen::Down)), (1, 1));
}
