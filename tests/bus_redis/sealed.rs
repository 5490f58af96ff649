//! What somebody with access to Redis sees, and what they can do with it.

use bedside::{adapters::redis::Refusal, config::Secret};
use bedside_actors::ports::bus::Bus as _;
use bedside_protocol::UserId;
use bytes::Bytes;
use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use crate::support::{KEY, Node, Options, Redis, next_name, peer, until};

/// Collects what is published on a channel, as a subscriber of no node.
fn tap(redis: &Redis, channel: &str, count: usize) -> impl FnOnce() -> Vec<Vec<u8>> + use<> {
    let mut connection = redis.connection();
    connection
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("set");
    let (ready, is_ready) = std::sync::mpsc::channel();
    let channel = channel.to_owned();
    let tapping = std::thread::spawn(move || {
        let mut tap = connection.as_pubsub();
        tap.subscribe(channel).expect("subscribed");
        ready.send(()).expect("awaited");
        (0..count)
            .map(|_| {
                tap.get_message()
                    .expect("a message")
                    .get_payload()
                    .expect("bytes")
            })
            .collect()
    });
    is_ready.recv().expect("subscribed");
    move || tapping.join().expect("tapped")
}

fn publish(redis: &Redis, channel: &str, bytes: &[u8]) {
    let mut connection = redis.connection();
    redis::cmd("PUBLISH")
        .arg(channel)
        .arg(bytes)
        .query::<()>(&mut connection)
        .expect("published");
}

#[tokio::test]
async fn redis_sees_neither_words_nor_people() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    let mut monitor = redis.stream();
    monitor.write_all(b"MONITOR\r\n").expect("sent");
    monitor
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("set");
    let mut watching = [0; 5];
    monitor.read_exact(&mut watching).expect("reads");
    assert_eq!(&watching, b"+OK\r\n");

    assert!(a.send(&b.me(), 1, "Frau Weiss has a fever"));
    assert!(a.send_all(1, "Frau Weiss has a fever"));
    let weiss = a
        .bus
        .user_key(&UserId::new("patient-weiss").expect("an id"));
    let here = Bytes::from("Frau Weiss is here");
    a.bus
        .put_presence(vec![(weiss, Some(here.clone()))])
        .await
        .expect("put");
    b.has(2).await;
    assert_eq!(
        b.bus.presence_of(&a.me()).await.expect("presence"),
        [(weiss, here)]
    );
    publish(&redis, "the-end", b"");

    let mut seen = Vec::new();
    let mut buffer = [0; 65_536];
    while !seen.windows(7).any(|part| part == b"the-end") {
        let read = monitor.read(&mut buffer).expect("reads");
        assert!(read > 0);
        seen.extend_from_slice(&buffer[..read]);
    }
    let key = redis
        .keys(&name)
        .into_iter()
        .find(|key| key.contains(":pres:"))
        .expect("a hash");
    let hash: Vec<Vec<u8>> = redis::cmd("HGETALL")
        .arg(&key)
        .query(&mut redis.connection())
        .expect("a hash");
    seen.extend(hash.concat());
    seen.extend(key.into_bytes());
    let text = String::from_utf8_lossy(&seen).to_lowercase();
    assert!(
        text.contains("publish") && text.contains("hset"),
        "it was watched"
    );
    for word in ["weiss", "fever", "here", "patient"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[tokio::test]
async fn what_is_repeated_changed_or_made_up_is_refused() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let b = Node::start(&redis, &name, peer("b", 2)).await;
    let channel = format!("bedside:{name}:n:b:{:020}", 2);
    let tapped = tap(&redis, &channel, 2);
    assert!(a.send(&b.me(), 1, "first") && a.send(&b.me(), 2, "second"));
    b.has(2).await;
    let envelopes = tapped();

    publish(&redis, &channel, &envelopes[0]);
    publish(&redis, &channel, &envelopes[1]);
    until("replays", || b.refused(Refusal::Replay) == 2).await;
    let mut changed = envelopes[1].clone();
    // The link_seq, so that it looks new.
    changed[20] = 9;
    publish(&redis, &channel, &changed);
    until("tampered", || b.refused(Refusal::Tampered) == 1).await;
    publish(&redis, &format!("bedside:{name}:all"), &envelopes[1]);
    until("on the other channel", || b.refused(Refusal::Replay) == 3).await;
    until("for somebody else", || a.refused(Refusal::Own) == 1).await;
    publish(&redis, &channel, b"\x01");
    publish(&redis, &channel, b"\x07 or so");
    until("no envelope", || b.refused(Refusal::Malformed) == 1).await;
    until("no version", || b.refused(Refusal::Version) == 1).await;

    // A node with another key.
    let foreign = Node::begin(&Options {
        key: Secret::new("a key that another cluster has, or no one"),
        ..Node::options(&redis, &name, peer("c", 3))
    });
    foreign.is_up(1).await;
    assert!(foreign.send(&b.me(), 1, "let me in"));
    until("a foreign key", || b.refused(Refusal::UnknownKey) == 1).await;
    let ann = UserId::new("ann").expect("an id");
    let put = vec![(foreign.bus.user_key(&ann), Some(Bytes::from("1")))];
    foreign.bus.put_presence(put).await.expect("put");
    assert!(
        b.bus
            .presence_of(&foreign.me())
            .await
            .expect("presence")
            .is_empty()
    );
    assert_eq!(b.stats().presence_unreadable, 1);
    assert_ne!(foreign.bus.user_key(&ann), b.bus.user_key(&ann));

    assert!(a.send(&b.me(), 3, "third"));
    b.has(3).await;
    let texts = b.texts();
    let texts: Vec<_> = texts.iter().map(|text| text.2.as_str()).collect();
    assert_eq!(texts, ["first", "second", "third"], "nobody was disturbed");
}

#[tokio::test]
async fn presence_cannot_be_moved_to_another_person_or_node() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let [ann, bo] = ["ann", "bo"].map(|u| a.bus.user_key(&UserId::new(u).expect("an id")));
    a.bus
        .put_presence(vec![(ann, Some(Bytes::from("1")))])
        .await
        .expect("put");
    let mut admin = redis.connection();
    let key = |life: u64| format!("bedside:{name}:pres:a:{life:020}");
    let mut get = redis::cmd("HGET");
    let sealed: Vec<u8> = get
        .arg(key(1))
        .arg(&ann.0[..])
        .query(&mut admin)
        .expect("a value");
    for (key, user) in [(key(1), bo), (key(2), ann)] {
        let mut set = redis::cmd("HSET");
        set.arg(key)
            .arg(&user.0[..])
            .arg(&sealed)
            .query::<()>(&mut admin)
            .expect("set");
    }
    assert_eq!(a.bus.presence_of(&a.me()).await.expect("presence").len(), 1);
    assert!(
        a.bus
            .presence_of(&peer("a", 2))
            .await
            .expect("presence")
            .is_empty()
    );
    assert_eq!(a.stats().presence_unreadable, 2);
}

#[tokio::test]
async fn an_older_life_of_a_peer_is_not_heard_once_a_newer_was() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let b = Node::start(&redis, &name, peer("b", 9)).await;
    let old = Node::start(&redis, &name, peer("a", 1)).await;
    let new = Node::start(&redis, &name, peer("a", 2)).await;
    assert!(old.send(&b.me(), 1, "old"));
    b.has(1).await;
    assert!(new.send(&b.me(), 1, "new"));
    b.has(2).await;
    assert!(old.send(&b.me(), 2, "late"));
    until("refused", || b.refused(Refusal::OldIncarnation) == 1).await;
    assert_eq!(b.texts().len(), 2);
}

#[tokio::test]
async fn nodes_talk_all_through_a_rotation() {
    let Some(redis) = Redis::any().await else {
        return;
    };
    let name = next_name();
    let second = "the second key of clusters in tests";
    let node = |life: u64, key: &str, old: Option<&str>, user_key: Option<&str>| Options {
        key: Secret::new(key),
        key_old: old.map(Secret::new),
        user_key: user_key.map(Secret::new),
        ..Node::options(&redis, &name, peer(&format!("n{life}"), life))
    };
    let rounds = [
        node(1, KEY, None, None),
        node(2, KEY, Some(second), Some(KEY)),
        node(3, second, Some(KEY), Some(KEY)),
        node(4, second, None, Some(KEY)),
    ];
    let nodes: Vec<Node> = rounds.iter().map(Node::begin).collect();
    for node in &nodes {
        node.is_up(1).await;
    }
    let ann = UserId::new("ann").expect("an id");
    for pair in nodes.windows(2) {
        let (earlier, later) = (&pair[0], &pair[1]);
        for (from, to) in [(earlier, later), (later, earlier)] {
            let heard = to.texts().len();
            assert!(from.send(&to.me(), 1, "hello"));
            to.has(heard + 1).await;
            let user = from.bus.user_key(&ann);
            from.bus
                .put_presence(vec![(user, Some(Bytes::from("1")))])
                .await
                .expect("put");
            let people = to.bus.presence_of(&from.me()).await.expect("presence");
            assert_eq!(people, [(to.bus.user_key(&ann), Bytes::from("1"))]);
        }
    }
}
