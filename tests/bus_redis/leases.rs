//! Who is there.

use bedside_actors::ports::bus::{Bus as _, Peer};
use std::time::Duration;

use crate::support::{Node, PATIENCE, Redis, Seen, next_name, peer, until};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(300);

async fn peers(node: &Node) -> Vec<Peer> {
    let mut peers = node.bus.peers().await.expect("peers");
    peers.sort_by(|a, b| a.node.cmp(&b.node));
    peers
}

async fn wait_for_peers(node: &Node, wanted: &[Peer]) {
    let found = async {
        while peers(node).await != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .expect("in time");
}

#[tokio::test]
async fn a_lease_runs_out_unless_it_is_renewed_and_can_be_given_back() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    assert!(peers(&a).await.is_empty());
    a.bus.renew(LONG).await.expect("renewed");
    b.bus.renew(SHORT).await.expect("renewed");
    wait_for_peers(&b, &[a.me()]).await;
    b.bus.renew(LONG).await.expect_err("it had run out");
    b.is_up(2).await;
    b.bus.renew(LONG).await.expect("renewed");
    assert_eq!(peers(&a).await, [a.me(), b.me()]);
    a.bus.leave().await;
    assert_eq!(peers(&b).await, [b.me()]);
    a.bus
        .renew(LONG)
        .await
        .expect_err("who has left does not come back");
    b.bus.leave().await;
    assert!(redis.keys(&name).is_empty(), "nothing is left");
}

#[tokio::test]
async fn a_restarted_node_takes_its_name_over_and_the_old_process_notices() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let old = Node::start(&redis, &name, peer("a", 1)).await;
    old.bus.renew(LONG).await.expect("renewed");
    let new = Node::start(&redis, &name, peer("a", 2)).await;
    new.bus.renew(LONG).await.expect("at once");
    let error = old.bus.renew(LONG).await.expect_err("another took over");
    assert!(error.to_string().contains("started later"), "{error}");
    assert_eq!(peers(&old).await, [new.me()]);
    old.bus.leave().await;
    assert_eq!(
        peers(&new).await,
        [new.me()],
        "the lease is not the old one's to give back"
    );
    new.bus.renew(LONG).await.expect("goes on");
    assert_eq!(new.count(&Seen::Down), 0);
}

#[tokio::test]
async fn a_redis_that_forgot_is_like_one_that_was_lost() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    a.bus.renew(LONG).await.expect("renewed");
    a.bus.renew(LONG).await.expect("renewed");
    let mut admin = redis.connection();
    let key = format!("bedside:{name}:node:a");
    redis::cmd("DEL")
        .arg(key)
        .query::<()>(&mut admin)
        .expect("deleted");
    a.bus.renew(LONG).await.expect_err("the lease was gone");
    a.is_down(1).await;
    a.is_up(2).await;
    a.bus.renew(LONG).await.expect("renewed");
    assert_eq!(peers(&a).await, [a.me()]);
}

#[tokio::test]
async fn names_that_are_none_are_passed_over() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    a.bus.renew(LONG).await.expect("renewed");
    let mut admin = redis.connection();
    let nodes = format!("bedside:{name}:nodes");
    let mut add = redis::cmd("ZADD");
    add.arg(nodes)
        .arg(9_999_999_999_u64)
        .arg("No Node")
        .arg(9_999_999_999_u64)
        .arg("b");
    add.query::<()>(&mut admin).expect("added");
    let lease = format!("bedside:{name}:node:b");
    redis::cmd("SET")
        .arg(lease)
        .arg("soon")
        .query::<()>(&mut admin)
        .expect("set");
    assert_eq!(peers(&a).await, [a.me()]);
    until("up all the while", || a.stats().up).await;
}
