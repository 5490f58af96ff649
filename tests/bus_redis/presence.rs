//! Who is on which node.

use bedside_actors::ports::bus::{Bus as _, Peer, UserKey};
use bedside_protocol::UserId;
use bytes::Bytes;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::sleep;

use crate::support::{Node, PATIENCE, Redis, next_name, peer};

const LONG: Duration = Duration::from_secs(600);

fn key(node: &Node, user: &str) -> UserKey {
    node.bus.user_key(&UserId::new(user).expect("an id"))
}

async fn people(node: &Node, of: &Peer) -> BTreeMap<UserKey, Bytes> {
    let people = node.bus.presence_of(of).await.expect("presence");
    let count = people.len();
    let people: BTreeMap<_, _> = people.into_iter().collect();
    assert_eq!(people.len(), count, "nobody is there twice");
    people
}

fn map<const N: usize>(people: [(UserKey, &'static str); N]) -> BTreeMap<UserKey, Bytes> {
    people
        .map(|(user, value)| (user, Bytes::from(value)))
        .into()
}

#[tokio::test]
async fn people_come_change_and_go() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    let [ann, bo, cy] = ["ann", "bo", "cy"].map(|user| key(&a, user));
    assert_eq!(key(&b, "ann"), ann, "nodes agree on people");
    let value = |text: &'static str| Some(Bytes::from(text));
    let put = |changes| a.bus.put_presence(changes);
    put(vec![(ann, value("1")), (bo, value("1"))])
        .await
        .expect("put");
    assert_eq!(people(&b, &a.me()).await, map([(ann, "1"), (bo, "1")]));
    assert!(people(&b, &b.me()).await.is_empty());
    // The last change of one person counts.
    put(vec![
        (ann, None),
        (ann, value("2")),
        (bo, value("")),
        (bo, None),
    ])
    .await
    .expect("put");
    assert_eq!(people(&b, &a.me()).await, map([(ann, "2")]));
    let all = vec![(bo, Bytes::from("3")), (cy, Bytes::from("3"))];
    a.bus.replace_presence(all).await.expect("replaced");
    assert_eq!(people(&b, &a.me()).await, map([(bo, "3"), (cy, "3")]));
    a.bus.replace_presence(Vec::new()).await.expect("replaced");
    assert!(people(&b, &a.me()).await.is_empty());
    put(vec![(ann, value("4"))]).await.expect("put");
    a.bus.leave().await;
    assert!(people(&b, &a.me()).await.is_empty());
    put(vec![(ann, value("5"))]).await.expect_err("it has left");
    assert!(redis.keys(&name).is_empty(), "nothing is left");
}

#[tokio::test]
async fn a_node_that_dies_leaves_nothing_behind() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let dead = a.me();
    a.bus
        .renew(Duration::from_millis(400))
        .await
        .expect("renewed");
    let all = (0..3).map(|n| (key(&a, &format!("u{n}")), Bytes::from("here")));
    a.bus
        .replace_presence(all.collect())
        .await
        .expect("replaced");
    a.bus
        .put_presence(vec![(key(&a, "ann"), Some(Bytes::from("here")))])
        .await
        .expect("put");
    drop(a);
    let gone = async {
        while !people(&b, &dead).await.is_empty() || !b.bus.peers().await.expect("peers").is_empty()
        {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("in time");
    assert_eq!(redis.keys(&name), [format!("bedside:{name}:nodes")]);
    let mut admin = redis.connection();
    let mut ttl = redis::cmd("TTL");
    let ttl: i64 = ttl
        .arg(format!("bedside:{name}:nodes"))
        .query(&mut admin)
        .expect("ttl");
    assert!(ttl > 0, "which expires too");
}

#[tokio::test]
async fn renewing_the_lease_keeps_the_people() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    a.bus.renew(Duration::from_secs(20)).await.expect("renewed");
    let ann = key(&a, "ann");
    a.bus
        .put_presence(vec![(ann, Some(Bytes::from("1")))])
        .await
        .expect("put");
    a.bus.renew(LONG).await.expect("renewed");
    let [hash] = &redis
        .keys(&name)
        .into_iter()
        .filter(|key| key.contains(":pres:"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("one hash");
    };
    let ttl: i64 = redis::cmd("TTL")
        .arg(hash)
        .query(&mut redis.connection())
        .expect("ttl");
    assert!(ttl > 60, "{ttl}");
}

#[tokio::test]
async fn two_lives_of_a_node_do_not_mix() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let old = Node::start(&redis, &name, peer("a", 1)).await;
    let new = Node::start(&redis, &name, peer("a", 2)).await;
    let ann = key(&old, "ann");
    old.bus
        .put_presence(vec![(ann, Some(Bytes::from("old")))])
        .await
        .expect("put");
    new.bus
        .put_presence(vec![(ann, Some(Bytes::from("new")))])
        .await
        .expect("put");
    assert_eq!(people(&new, &old.me()).await, map([(ann, "old")]));
    assert_eq!(people(&old, &new.me()).await, map([(ann, "new")]));
    old.bus.leave().await;
    assert!(people(&new, &old.me()).await.is_empty());
    assert_eq!(people(&new, &new.me()).await, map([(ann, "new")]));
}

#[tokio::test]
async fn many_people_are_put_and_read_in_steps() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    let all: Vec<_> = (0..3_000)
        .map(|n| (key(&a, &format!("user-{n}")), Bytes::from(format!("{n}"))))
        .collect();
    a.bus.replace_presence(all.clone()).await.expect("replaced");
    assert_eq!(people(&b, &a.me()).await, all.iter().cloned().collect());
    let gone = all.iter().skip(1).map(|(user, _)| (*user, None)).collect();
    a.bus.put_presence(gone).await.expect("put");
    assert_eq!(people(&b, &a.me()).await, all.into_iter().take(1).collect());
    let mut keys = redis.keys(&name);
    keys.retain(|key| key.ends_with(":draft"));
    assert!(keys.is_empty());
}
