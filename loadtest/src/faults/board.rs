//! Where everyone stands, for the one who runs the rounds: what is acknowledged, how far each
//! device has come, who has nothing left to do.

use bedside_protocol::ConversationId;
use hdrhistogram::Histogram;
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::report;

/// What devices are told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// Say something new now and then.
    pub(super) talk: bool,
    /// Say one thing in each conversation that falls to the device in this turn; 0 is none.
    pub(super) probe: u64,
    /// Return to the node that is one's own; counts the times.
    pub(super) go_home: u64,
    /// Leave.
    pub(super) stop: bool,
}

/// Where everyone stands.
#[derive(Debug)]
pub(super) struct Board(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// The highest acknowledged seq.
    acked: HashMap<ConversationId, u64>,
    positions: HashMap<(ConversationId, usize), u64>,
    /// Conversations whose probe is not acknowledged.
    probes: HashSet<ConversationId>,
    /// Devices that have nothing under way.
    idle: HashSet<usize>,
    /// From the first post of a send to its acknowledgement.
    latency: Histogram<u64>,
    /// From a lost socket until the next one has resumed.
    away: Histogram<u64>,
}

impl Board {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inner {
            acked: HashMap::new(),
            positions: HashMap::new(),
            probes: HashSet::new(),
            idle: HashSet::new(),
            latency: report::nanos(),
            away: report::nanos(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn on_acked(&self, id: ConversationId, seq: u64, after: Duration, is_probe: bool) {
        let mut inner = self.lock();
        let head = inner.acked.entry(id).or_default();
        *head = seq.max(*head);
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        inner.latency.saturating_record(nanos);
        if is_probe {
            inner.probes.remove(&id);
        }
    }

    pub(super) fn on_position(&self, id: ConversationId, device: usize, position: u64) {
        self.lock().positions.insert((id, device), position);
    }

    pub(super) fn set_idle(&self, device: usize, is_idle: bool) {
        let mut inner = self.lock();
        if is_idle {
            inner.idle.insert(device);
        } else {
            inner.idle.remove(&device);
        }
    }

    pub(super) fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    /// From now on a probe is awaited in every conversation.
    pub(super) fn await_probes(&self) {
        let mut inner = self.lock();
        inner.probes = inner.positions.keys().map(|(id, _)| *id).collect();
    }

    /// What is acknowledged so far, by conversation.
    pub(super) fn acked(&self) -> HashMap<ConversationId, u64> {
        self.lock().acked.clone()
    }

    /// Probes under way, and positions that are below these heads.
    pub(super) fn lacking(&self, heads: &HashMap<ConversationId, u64>) -> (usize, usize) {
        let inner = self.lock();
        let behind = inner.positions.iter().filter(|((id, _), position)| {
            let head = heads.get(id).copied().unwrap_or(0);
            **position < head
        });
        (inner.probes.len(), behind.count())
    }

    /// A device has a socket again.
    pub(super) fn on_back(&self, away: Duration) {
        let nanos = u64::try_from(away.as_nanos()).unwrap_or(u64::MAX);
        self.lock().away.saturating_record(nanos);
    }

    /// How long devices were away since the last time.
    pub(super) fn take_away(&self) -> Histogram<u64> {
        std::mem::replace(&mut self.lock().away, report::nanos())
    }

    /// Latencies since the last time.
    pub(super) fn take_latency(&self) -> Histogram<u64> {
        std::mem::replace(&mut self.lock().latency, report::nanos())
    }
}
