//! The numbers of what one receiver is sent. Whatever takes turns behind it (somebody who comes
//! again, somebody else, silence while muted), the receiver sees one stream that goes on: dense
//! sequence numbers, time as it passed, and for VP8 its picture numbers.

use std::time::Duration;

use super::codec::{Codec, Vp8};

/// Which stretch of which stream a packet is of. Within one, numbers are moved by the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) ssrc: u32,
    /// Counts how often its forwarding was taken up again.
    pub(super) turn: u32,
}

/// The numbers of an incoming packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming<'a> {
    pub(super) stretch: Stretch,
    pub(super) codec: Codec,
    pub(super) seq: u16,
    pub(super) timestamp: u32,
    pub(super) payload: &'a [u8],
    /// When it came, by any clock that only goes forward.
    pub(super) at: Duration,
}

/// The numbers that it is sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) seq: u16,
    pub(super) timestamp: u32,
    /// The payload, where it has numbers of its own that had to be moved.
    pub(super) payload: Option<Vec<u8>>,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Send(Outgoing),
    /// It cannot be shown: it is of before this stretch began.
    Drop,
    /// Nothing can be shown until a packet comes with which a decoder can begin.
    NeedsKeyFrame,
}

/// State of one receiver's stream.
#[derive(Debug, Default)]
pub(super) struct Rewriter {
    current: Option<Current>,
    last: Option<Last>,
}

#[derive(Debug)]
struct Current {
    stretch: Stretch,
    codec: Codec,
    first_seq: u16,
    seq_by: u16,
    timestamp_by: u32,
    picture_id_by: u16,
    tl0_by: u8,
}

/// The newest of what was sent.
#[derive(Debug)]
struct Last {
    seq: u16,
    timestamp: u32,
    at: Duration,
    picture_id: u16,
    tl0: u8,
}

impl Rewriter {
    pub(super) fn rewrite(&mut self, packet: Incoming<'_>) -> Verdict {
        let vp8 = (packet.codec == Codec::Vp8)
            .then(|| Vp8::parse(packet.payload))
            .flatten();
        let goes_on =
            |current: &Current| current.stretch == packet.stretch && current.codec == packet.codec;
        if !self.current.as_ref().is_some_and(goes_on) {
            if !packet.codec.starts_afresh(packet.payload) {
                return Verdict::NeedsKeyFrame;
            }
            self.current = Some(self.begin(&packet, vp8.as_ref()));
        }
        let Some(current) = &self.current else {
            return Verdict::Drop;
        };
        if is_before(packet.seq, current.first_seq) {
            return Verdict::Drop;
        }
        let outgoing = Outgoing {
            seq: packet.seq.wrapping_add(current.seq_by),
            timestamp: packet.timestamp.wrapping_add(current.timestamp_by),
            payload: current.moved(packet.payload, vp8.as_ref()),
        };
        // The border moves along, or it would seem to lie ahead after half a round of numbers.
        let behind = packet.seq.wrapping_sub(0x4000);
        let newest = self.note(&packet, &outgoing, vp8.as_ref());
        if let Some(current) = &mut self.current
            && newest
            && is_before(current.first_seq, behind)
        {
            current.first_seq = behind;
        }
        Verdict::Send(outgoing)
    }

    fn begin(&self, packet: &Incoming<'_>, vp8: Option<&Vp8>) -> Current {
        let mut current = Current {
            stretch: packet.stretch,
            codec: packet.codec,
            first_seq: packet.seq,
            seq_by: 0,
            timestamp_by: 0,
            picture_id_by: 0,
            tl0_by: 0,
        };
        if let Some(last) = &self.last {
            let passed = packet.at.saturating_sub(last.at).as_micros();
            let ticks = passed * u128::from(packet.codec.clock_rate()) / 1_000_000;
            let timestamp = last.timestamp.wrapping_add((ticks as u32).max(1));
            current.seq_by = last.seq.wrapping_add(1).wrapping_sub(packet.seq);
            current.timestamp_by = timestamp.wrapping_sub(packet.timestamp);
            if let Some(id) = vp8.and_then(Vp8::picture_id) {
                current.picture_id_by = last.picture_id.wrapping_add(1).wrapping_sub(id);
            }
            if let Some(tl0) = vp8.and_then(Vp8::tl0) {
                current.tl0_by = last.tl0.wrapping_add(1).wrapping_sub(tl0);
            }
        }
        current
    }

    /// Remembers the newest. Whether this packet is it.
    fn note(&mut self, packet: &Incoming<'_>, sent: &Outgoing, vp8: Option<&Vp8>) -> bool {
        let newest = self
            .last
            .as_ref()
            .is_none_or(|last| is_before(last.seq, sent.seq));
        if !newest {
            return false;
        }
        let before = self.last.take();
        let (id_before, tl0_before) = before.map_or((0, 0), |last| (last.picture_id, last.tl0));
        let by = self.current.as_ref();
        let (id_by, tl0_by) = by.map_or((0, 0), |by| (by.picture_id_by, by.tl0_by));
        let id = vp8.and_then(Vp8::picture_id);
        let tl0 = vp8.and_then(Vp8::tl0);
        self.last = Some(Last {
            seq: sent.seq,
            timestamp: sent.timestamp,
            at: packet.at,
            picture_id: id.map_or(id_before, |id| id.wrapping_add(id_by)),
            tl0: tl0.map_or(tl0_before, |tl0| tl0.wrapping_add(tl0_by)),
        });
        true
    }
}

impl Current {
    fn moved(&self, payload: &[u8], vp8: Option<&Vp8>) -> Option<Vec<u8>> {
        let vp8 = vp8.filter(|_| (self.picture_id_by, self.tl0_by) != (0, 0))?;
        let mut payload = payload.to_vec();
        vp8.move_on(&mut payload, self.picture_id_by, self.tl0_by);
        Some(payload)
    }
}

/// Whether one sequence number lies before another, on a circle of 65,536.
const fn is_before(one: u16, other: u16) -> bool {
    one != other && other.wrapping_sub(one) < 0x8000
}

#[cfg(test)]
mod tests;
