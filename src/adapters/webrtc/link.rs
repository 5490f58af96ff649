//! What the tasks of one connection share with its call.

use parking_lot::RwLock;
use rtc::rtp_transceiver::RTCRtpTransceiverId;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
use webrtc::peer_connection::RTCPeerConnectionState;

use bedside_actors::ports::media::Source;

use super::{place::Place, stats::Stats};

/// How a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum LinkState {
    Connecting,
    Connected,
    Interrupted,
    Failed,
    /// A task of it panicked.
    Broken,
    /// Its client does not follow, so that it cannot be offered anything more.
    Abandoned,
}

impl LinkState {
    const ALL: [Self; 6] = [
        Self::Connecting,
        Self::Connected,
        Self::Interrupted,
        Self::Failed,
        Self::Broken,
        Self::Abandoned,
    ];
}

pub(super) struct Link {
    pub(super) place: Arc<Place>,
    pub(super) stats: Arc<Stats>,
    state: AtomicU8,
    retired: AtomicBool,
    /// Whether packets may be written to the connection.
    gate: Arc<AtomicBool>,
    audio_level_id: AtomicU8,
    sources: RwLock<HashMap<RTCRtpTransceiverId, Source>>,
    wake: Arc<Notify>,
    clock: Instant,
}

impl Link {
    pub(super) fn new(
        place: Arc<Place>,
        stats: Arc<Stats>,
        wake: Arc<Notify>,
        clock: Instant,
    ) -> Arc<Self> {
        Arc::new(Self {
            place,
            stats,
            state: AtomicU8::new(LinkState::Connecting as u8),
            retired: AtomicBool::new(false),
            gate: Arc::default(),
            audio_level_id: AtomicU8::new(0),
            sources: RwLock::default(),
            wake,
            clock,
        })
    }

    pub(super) fn state(&self) -> LinkState {
        LinkState::ALL[usize::from(self.state.load(Relaxed))]
    }

    /// The connection says how it is.
    pub(super) fn changed(&self, state: RTCPeerConnectionState) {
        use RTCPeerConnectionState as S;
        match state {
            S::Connected => self.set(LinkState::Connected),
            S::Disconnected => self.set(LinkState::Interrupted),
            // Closed by its client, that is.
            S::Failed | S::Closed => self.set(LinkState::Failed),
            _ => {}
        }
    }

    pub(super) fn broke(&self) {
        self.stats.panicked();
        self.set(LinkState::Broken);
    }

    pub(super) fn abandon(&self) {
        self.set(LinkState::Abandoned);
    }

    fn set(&self, state: LinkState) {
        if !matches!(self.state(), LinkState::Broken | LinkState::Abandoned) {
            self.state.store(state as u8, Relaxed);
        }
        // What is sent into an interruption may still arrive.
        let open = matches!(self.state(), LinkState::Connected | LinkState::Interrupted);
        self.gate.store(open, Relaxed);
        self.wake_call();
    }

    pub(super) fn gate(&self) -> Arc<AtomicBool> {
        self.gate.clone()
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Relaxed)
    }

    /// Another connection has taken its place, or none will.
    pub(super) fn retire(&self) {
        self.retired.store(true, Relaxed);
        self.gate.store(false, Relaxed);
    }

    pub(super) fn audio_level_id(&self) -> u8 {
        self.audio_level_id.load(Relaxed)
    }

    pub(super) fn set_audio_level_id(&self, id: u8) {
        self.audio_level_id.store(id, Relaxed);
    }

    pub(super) fn source_of(&self, receiver: RTCRtpTransceiverId) -> Option<Source> {
        self.sources.read().get(&receiver).copied()
    }

    pub(super) fn set_source(&self, receiver: RTCRtpTransceiverId, source: Source) {
        self.sources.write().insert(receiver, source);
    }

    pub(super) fn wake_call(&self) {
        self.wake.notify_one();
    }

    /// The media clock.
    pub(super) fn now(&self) -> Duration {
        self.clock.elapsed()
    }
}
