//! What the parts of the bridge share, and its two states.

use aes_gcm::Aes256Gcm;
use bedside_actors::ports::bus::{BusError, Inbox, Peer};
use parking_lot::{Mutex, RwLock};
use redis::{FromRedisValue, Pipeline, RedisResult, aio::MultiplexedConnection};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

use super::{
    keys::Keys,
    names::Names,
    outbound::Outbound,
    seal::Opener,
    stats::{Counters, Kind, add},
};

/// The lease that presence lives by until the first renewal says another, milliseconds.
const LEASE_MS_DEFAULT: u64 = 10_000;

pub(super) struct Core {
    pub(super) me: Peer,
    pub(super) names: Names,
    pub(super) keys: Arc<Keys>,
    /// Seals what this node says of people.
    pub(super) presence_cipher: Aes256Gcm,
    pub(super) client: redis::Client,
    pub(super) outbound: Outbound,
    pub(super) opener: Mutex<Opener>,
    pub(super) inbox: OnceLock<Arc<dyn Inbox>>,
    pub(super) counters: Counters,
    pub(super) complaints: Mutex<Complaints>,
    commands: RwLock<Option<MultiplexedConnection>>,
    /// Whether this node's lease was there when this connection last looked.
    pub(super) lease_held: AtomicBool,
    pub(super) lease_ms: AtomicU64,
    /// Whether this node has taken its leave.
    pub(super) left: AtomicBool,
    /// One change of what is shared at a time, in the order of the calls.
    pub(super) sharing: tokio::sync::Mutex<()>,
    /// There is an inbox: begin.
    pub(super) started: Notify,
    /// Ends the connection, so that all begins anew: Redis does not have what this node shared,
    /// or is not the one that takes it any more.
    pub(super) broken: Notify,
    /// Ends the bridge.
    pub(super) closed: Notify,
}

impl Core {
    pub(super) fn new(me: Peer, names: Names, keys: Keys, client: redis::Client) -> Self {
        let keys = Arc::new(keys);
        let cipher = keys.of_presence(keys.sealing(), &me.node, me.incarnation);
        Self {
            presence_cipher: cipher.expect("derived, because this key is one of them"),
            outbound: Outbound::new(me.clone(), names.clone(), keys.clone()),
            opener: Mutex::new(Opener::new(me.clone())),
            me,
            names,
            keys,
            client,
            inbox: OnceLock::new(),
            counters: Counters::default(),
            complaints: Mutex::default(),
            commands: RwLock::default(),
            lease_held: AtomicBool::new(false),
            lease_ms: AtomicU64::new(LEASE_MS_DEFAULT),
            left: AtomicBool::new(false),
            sharing: tokio::sync::Mutex::default(),
            started: Notify::new(),
            broken: Notify::new(),
            closed: Notify::new(),
        }
    }

    /// Both connections are there and both channels are heard.
    pub(super) fn go_up(&self, commands: MultiplexedConnection) {
        *self.commands.write() = Some(commands);
        self.outbound.open();
        self.counters.up.store(true, Relaxed);
        tracing::info!("the bridge to the other nodes is up");
        if let Some(inbox) = self.inbox.get() {
            inbox.up();
        }
    }

    /// The connections are gone. Says so once for each time that they were there.
    pub(super) fn go_down(&self, why: &str, sent_and_unknown: usize) {
        *self.commands.write() = None;
        self.lease_held.store(false, Relaxed);
        let dropped = self.outbound.close() + sent_and_unknown;
        add(&self.counters.dropped, dropped);
        if !self.counters.up.swap(false, Relaxed) {
            return;
        }
        add(&self.counters.losses, 1);
        tracing::warn!(dropped, "the bridge to the other nodes is down: {why}");
        if let Some(inbox) = self.inbox.get() {
            inbox.down();
        }
    }

    /// Sends commands and reads their answers, within the connection's time-out.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        kind: Kind,
        commands: &Pipeline,
    ) -> Result<T, BusError> {
        let connection = self.commands.read().clone();
        let mut connection = connection.ok_or_else(|| BusError("no connection".to_owned()))?;
        let bytes = commands.get_packed_pipeline().len();
        self.counters.sent(kind, commands.len(), bytes);
        let answer: RedisResult<T> = commands.query_async(&mut connection).await;
        answer.map_err(|error| {
            // Since it was made a replica, others listen and write elsewhere.
            if error.code() == Some("READONLY") {
                self.broken.notify_one();
            }
            BusError(error.to_string())
        })
    }
}

/// Lets a line into the log at most once a second, so that nobody can flood it.
#[derive(Default)]
pub(super) struct Complaints {
    last: Option<Instant>,
}

impl Complaints {
    const INTERVAL: Duration = Duration::from_secs(1);

    pub(super) fn may_speak(&mut self) -> bool {
        let now = Instant::now();
        let is_early = self.last.is_some_and(|last| now - last < Self::INTERVAL);
        if !is_early {
            self.last = Some(now);
        }
        !is_early
    }
}
