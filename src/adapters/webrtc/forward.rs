//! Who receives what: the table that packets go by. What a participant sends is read on the task
//! of its own track and written to each receiver from there; no mailbox and no lock that is held
//! for long lies between.

use bytes::Bytes;
use futures_util::FutureExt as _;
use parking_lot::{Mutex, RwLock};
use rtc::rtp::{Packet, header::Header};
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use webrtc::media_stream::track_local::{TrackLocal as _, static_rtp::TrackLocalStaticRTP};

use super::{
    codec::Codec,
    rewrite::{Incoming, Rewriter, Stretch, Verdict},
    stats::Stats,
};

/// What comes of one source of one participant. It outlives their connections.
#[derive(Default)]
pub(super) struct Publication {
    allowed: AtomicBool,
    muted: AtomicBool,
    /// How often passing it on was taken up again.
    turn: AtomicU32,
    legs: RwLock<Vec<Arc<Leg>>>,
    key_frame_needed: AtomicBool,
    /// When its last packet came, in milliseconds of the media clock; 0 for never.
    heard_ms: AtomicU64,
    /// How loud it is, 0..=127.
    level: AtomicU8,
}

impl Publication {
    pub(super) fn is_allowed(&self) -> bool {
        self.allowed.load(Relaxed)
    }

    pub(super) fn allow(&self, allowed: bool) {
        self.allowed.store(allowed, Relaxed);
        if !allowed {
            self.forget();
        }
    }

    /// Nothing of it has come yet.
    pub(super) fn forget(&self) {
        self.heard_ms.store(0, Relaxed);
        self.level.store(0, Relaxed);
    }

    pub(super) fn mute(&self, muted: bool) {
        if self.muted.swap(muted, Relaxed) && !muted {
            // What was held back is no loss, which is what a hole in the numbers would say.
            self.turn.fetch_add(1, Relaxed);
            self.key_frame_needed();
        }
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted.load(Relaxed)
    }

    /// Whether something came within this time before `now`.
    pub(super) fn is_live(&self, now: Duration, within: Duration) -> bool {
        let heard_ms = self.heard_ms.load(Relaxed);
        heard_ms != 0 && Duration::from_millis(heard_ms) + within >= now
    }

    pub(super) fn hear_level(&self, level: u8) {
        self.level.store(level, Relaxed);
    }

    /// How loud it is for others, 0..=127.
    pub(super) fn level(&self) -> u8 {
        if self.is_muted() {
            0
        } else {
            self.level.load(Relaxed)
        }
    }

    pub(super) fn key_frame_needed(&self) {
        self.key_frame_needed.store(true, Relaxed);
    }

    /// Whether somebody needs a picture anew. It is up to who asks to see to it.
    pub(super) fn take_key_frame_needed(&self) -> bool {
        self.key_frame_needed.load(Relaxed) && self.key_frame_needed.swap(false, Relaxed)
    }

    pub(super) fn add_leg(self: &Arc<Self>, leg: &Arc<Leg>) {
        *leg.source.write() = Arc::downgrade(self);
        self.legs.write().push(leg.clone());
        self.key_frame_needed();
    }

    pub(super) fn remove_leg(&self, leg: &Arc<Leg>) {
        self.legs.write().retain(|other| !Arc::ptr_eq(other, leg));
        *leg.source.write() = Weak::new();
    }

    /// Passes a packet on. Whether it is the first one that came in a while.
    pub(super) fn forward(&self, packet: &Packet, codec: Codec, now: Duration) -> bool {
        if !self.is_allowed() {
            return false;
        }
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
        let first = self.heard_ms.swap(now_ms, Relaxed) == 0;
        if self.is_muted() {
            return first;
        }
        let stretch = Stretch {
            ssrc: packet.header.ssrc,
            turn: self.turn.load(Relaxed),
        };
        let mut needed = false;
        for leg in self.legs.read().iter() {
            needed |= leg.forward(packet, codec, stretch, now);
        }
        if needed {
            self.key_frame_needed();
        }
        first
    }
}

/// One stream that one participant receives: whatever is put behind it, theirs or another's.
pub(super) struct Leg {
    ssrc: u32,
    track: Arc<TrackLocalStaticRTP>,
    /// Whether the receiver's connection takes anything.
    gate: Arc<AtomicBool>,
    /// Whether the receiver has agreed to what is behind it now.
    agreed: AtomicBool,
    rewriter: Mutex<Rewriter>,
    source: RwLock<Weak<Publication>>,
    stats: Arc<Stats>,
}

impl Leg {
    pub(super) fn new(
        ssrc: u32,
        track: Arc<TrackLocalStaticRTP>,
        gate: Arc<AtomicBool>,
        stats: Arc<Stats>,
    ) -> Arc<Self> {
        Arc::new(Self {
            ssrc,
            track,
            gate,
            agreed: AtomicBool::new(false),
            rewriter: Mutex::default(),
            source: RwLock::default(),
            stats,
        })
    }

    pub(super) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn agree(&self, agreed: bool) {
        self.agreed.store(agreed, Relaxed);
        if agreed {
            self.key_frame_needed();
        }
    }

    /// Whoever sends what is behind it shall send a picture that needs no other.
    pub(super) fn key_frame_needed(&self) {
        if let Some(source) = self.source.read().upgrade() {
            source.key_frame_needed();
        }
    }

    /// Whether it needs a picture that needs no other.
    fn forward(&self, packet: &Packet, codec: Codec, stretch: Stretch, at: Duration) -> bool {
        if !self.agreed.load(Relaxed) || !self.gate.load(Relaxed) {
            return false;
        }
        let verdict = self.rewriter.lock().rewrite(Incoming {
            stretch,
            codec,
            seq: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            payload: &packet.payload,
            at,
        });
        let outgoing = match verdict {
            Verdict::Send(outgoing) => outgoing,
            Verdict::Drop => return false,
            Verdict::NeedsKeyFrame => return true,
        };
        // A header of its own: extensions of the sender's connection mean something else on
        // this one, or nothing.
        let header = Header {
            version: 2,
            marker: packet.header.marker,
            payload_type: packet.header.payload_type,
            sequence_number: outgoing.seq,
            timestamp: outgoing.timestamp,
            ssrc: self.ssrc,
            ..Header::default()
        };
        let payload = match outgoing.payload {
            Some(payload) => Bytes::from(payload),
            None => packet.payload.clone(),
        };
        // A connection that is too slow loses it, and asks again if it wants it. To wait would be
        // to let all others wait.
        match self
            .track
            .write_rtp(Packet { header, payload })
            .now_or_never()
        {
            Some(Ok(())) => self.stats.forwarded(),
            _ => self.stats.dropped(),
        }
        false
    }
}
