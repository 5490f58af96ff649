//! What Redis pushes to the listening connection.
//!
//! Runs in the task that reads the connection, so there is no queue between Redis and the inbox:
//! who is slow to take messages slows the reading down, Redis's own bound on what waits for a
//! subscriber ends the connection in the end, and the cluster heals as after any loss.

use parking_lot::Mutex;
use redis::{PushInfo, PushKind, Value, aio::MultiplexedConnection};
use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{AcqRel, Acquire, Release},
    },
};
use tokio::{sync::Notify, time::Instant};

use super::{core::Core, seal::Refusal, stats::add};

/// Channels that a node listens to: its own, and that of all.
pub(super) const CHANNELS: usize = 2;

/// Ears for one connection.
pub(super) struct Ears {
    core: Arc<Core>,
    /// The other connection, which commands go through.
    commands: MultiplexedConnection,
    confirmed: AtomicUsize,
    closed: AtomicBool,
    /// Told once when Redis hangs up.
    pub(super) lost: Notify,
    heard: Mutex<Instant>,
}

impl Ears {
    pub(super) fn new(core: Arc<Core>, commands: MultiplexedConnection) -> Arc<Self> {
        Arc::new(Self {
            core,
            commands,
            confirmed: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            lost: Notify::new(),
            heard: Mutex::new(Instant::now()),
        })
    }

    /// From now on nothing is heard any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Release);
    }

    /// When something was last heard.
    pub(super) fn heard(&self) -> Instant {
        *self.heard.lock()
    }

    pub(super) fn hear(&self, push: PushInfo) {
        if self.closed.load(Acquire) {
            return;
        }
        *self.heard.lock() = Instant::now();
        match push.kind {
            PushKind::Message => {
                if let Some(Value::BulkString(envelope)) = push.data.into_iter().nth(1) {
                    self.message(envelope);
                }
            }
            PushKind::Subscribe => self.one_more(),
            PushKind::Disconnection => self.lost.notify_one(),
            _ => {}
        }
    }

    /// A channel is heard. That the bridge is up is said here, and not where the subscribing is
    /// awaited: by then messages may have come.
    fn one_more(&self) {
        if self.confirmed.fetch_add(1, AcqRel) + 1 == CHANNELS {
            self.core.go_up(self.commands.clone());
        }
    }

    fn message(&self, envelope: Vec<u8>) {
        let core = &self.core;
        let bytes = envelope.len();
        let opened = core.opener.lock().open(&core.keys, envelope);
        match opened {
            Ok(message) => {
                add(&core.counters.received, 1);
                add(&core.counters.received_bytes, bytes);
                if let Some(inbox) = core.inbox.get() {
                    inbox.received(message);
                }
            }
            Err(why) => {
                core.counters.refused(why);
                // What this node says to all comes back to it, always.
                if why != Refusal::Own && core.complaints.lock().may_speak() {
                    tracing::warn!(
                        why = why.name(),
                        bytes,
                        "a message of the bridge was refused"
                    );
                }
            }
        }
    }
}
