//! A node's end of the bridge, and what it hears.

use bedside::{
    adapters::redis::{self, BridgeStats, RedisBus},
    config::Secret,
};
use bedside_actors::ports::bus::{Bus, Inbox, Peer, Received, To};
use bedside_protocol::NodeId;
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use super::{Redis, until};

pub(crate) use bedside::adapters::redis::Options;

/// The key of clusters in tests.
pub(crate) const KEY: &str = "the key of clusters in these tests";

/// What an inbox was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Received(Received),
    Undelivered(Peer),
    Up,
    Down,
}

#[derive(Default)]
struct Recorder(Mutex<Vec<Seen>>);

impl Inbox for Recorder {
    fn received(&self, message: Received) {
        self.0.lock().push(Seen::Received(message));
    }

    fn undelivered(&self, to: &Peer) {
        self.0.lock().push(Seen::Undelivered(to.clone()));
    }

    fn up(&self) {
        self.0.lock().push(Seen::Up);
    }

    fn down(&self) {
        self.0.lock().push(Seen::Down);
    }
}

/// A node.
pub(crate) struct Node {
    pub(crate) bus: Arc<RedisBus>,
    heard: Arc<Recorder>,
}

pub(crate) fn peer(node: &str, incarnation: u64) -> Peer {
    Peer {
        node: NodeId::new(node).expect("a name"),
        incarnation,
    }
}

fn now_micros() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since_1970.expect("after 1970").as_micros()).expect("fits")
}

/// A name for a cluster that no other test has.
pub(crate) fn next_name() -> String {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    format!("test-{}-{}", now_micros(), NAMES.fetch_add(1, Relaxed))
}

impl Node {
    pub(crate) fn options(redis: &Redis, cluster: &str, me: Peer) -> Options {
        Options {
            redis: redis.config(),
            name: cluster.to_owned(),
            me,
            key: Secret::new(KEY),
            key_old: None,
            user_key: None,
        }
    }

    /// A node that may or may not get a connection.
    pub(crate) fn begin(options: &Options) -> Self {
        let bus = redis::RedisBus::open(options).expect("opens");
        let heard = Arc::new(Recorder::default());
        bus.start(heard.clone());
        Self { bus, heard }
    }

    /// A node that is up.
    pub(crate) async fn start(redis: &Redis, cluster: &str, me: Peer) -> Self {
        let node = Self::begin(&Self::options(redis, cluster, me));
        node.is_up(1).await;
        node
    }

    pub(crate) fn me(&self) -> Peer {
        self.bus.me().clone()
    }

    pub(crate) fn send(&self, to: &Peer, link_seq: u64, text: &str) -> bool {
        let body = Bytes::copy_from_slice(text.as_bytes());
        self.bus.publish(&To::Peer(to.clone()), link_seq, body)
    }

    pub(crate) fn send_all(&self, link_seq: u64, text: &str) -> bool {
        let body = Bytes::copy_from_slice(text.as_bytes());
        self.bus.publish(&To::All, link_seq, body)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.heard.0.lock().clone()
    }

    pub(crate) fn count(&self, what: &Seen) -> usize {
        self.heard
            .0
            .lock()
            .iter()
            .filter(|seen| *seen == what)
            .count()
    }

    /// The messages that came, as (from all, link_seq, text).
    pub(crate) fn texts(&self) -> Vec<(bool, u64, String)> {
        let text = |seen| match seen {
            Seen::Received(message) => {
                let text = String::from_utf8_lossy(&message.body).into_owned();
                Some((message.to_all, message.link_seq, text))
            }
            _ => None,
        };
        self.seen().into_iter().filter_map(text).collect()
    }

    pub(crate) fn stats(&self) -> BridgeStats {
        self.bus.stats()
    }

    /// Waits until it was up so many times.
    pub(crate) async fn is_up(&self, times: usize) {
        until("up", || self.count(&Seen::Up) >= times).await;
    }

    /// Waits until it was down so many times.
    pub(crate) async fn is_down(&self, times: usize) {
        until("down", || self.count(&Seen::Down) >= times).await;
    }

    /// Waits for so many messages.
    pub(crate) async fn has(&self, messages: usize) {
        until("messages", || self.texts().len() >= messages).await;
    }

    pub(crate) fn refused(&self, why: redis::Refusal) -> u64 {
        self.stats().refused[why as usize]
    }
}
