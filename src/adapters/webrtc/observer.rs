//! What a connection's RTCP says, overheard next to the wire: who needs a picture anew, and how
//! much is lost in each direction.

use parking_lot::{Mutex, RwLock};
use rtc::{
    interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::{
        payload_feedbacks::{
            full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication,
        },
        receiver_report::ReceiverReport,
        reception_report::ReceptionReport,
        sender_report::SenderReport,
    },
    sansio::Protocol,
    shared::error::Error,
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    forward::Leg,
    quality::{Window, round_trip_ms},
};

/// What was overheard on one connection.
#[derive(Default)]
pub(super) struct Observed {
    legs: RwLock<HashMap<u32, Weak<Leg>>>,
    window: Mutex<Window>,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

impl Observed {
    /// Requests for pictures of this stream are its.
    pub(super) fn watch(&self, leg: &Arc<Leg>) {
        self.legs.write().insert(leg.ssrc(), Arc::downgrade(leg));
    }

    /// What was seen since this was asked last.
    pub(super) fn take(&self) -> Window {
        let mut window = std::mem::take(&mut *self.window.lock());
        window.bytes_up = self.bytes_up.swap(0, Relaxed);
        window.bytes_down = self.bytes_down.swap(0, Relaxed);
        window
    }

    fn key_frame_needed(&self, ssrc: u32) {
        let leg = self.legs.read().get(&ssrc).and_then(Weak::upgrade);
        if let Some(leg) = leg {
            leg.key_frame_needed();
        }
    }

    /// The client reports on what it was sent.
    fn reported(&self, reports: &[ReceptionReport]) {
        let mut window = self.window.lock();
        for report in reports {
            window.down.add(report.fraction_lost);
            let round_trip = round_trip_ms(ntp_now(), report.last_sender_report, report.delay);
            window.round_trip_ms = round_trip.or(window.round_trip_ms);
        }
    }

    /// This server reports on what it was sent.
    fn reporting(&self, reports: &[ReceptionReport]) {
        let mut window = self.window.lock();
        for report in reports {
            window.up.add(report.fraction_lost);
        }
    }
}

/// The middle 32 bits of the NTP time.
fn ntp_now() -> u32 {
    const FROM_1900_TO_1970_S: u64 = 2_208_988_800;
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since_1970.as_secs() + FROM_1900_TO_1970_S;
    let fraction = u64::from(since_1970.subsec_nanos()) * 65_536 / 1_000_000_000;
    (seconds << 16 | fraction) as u32
}

/// Hands everything on as it is.
pub(super) struct Observer {
    observed: Arc<Observed>,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl Observer {
    pub(super) fn new(observed: Arc<Observed>) -> Self {
        Self {
            observed,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }

    fn overhear(&self, packet: &dyn rtc::rtcp::Packet) {
        let any = packet.as_any();
        if let Some(lost) = any.downcast_ref::<PictureLossIndication>() {
            self.observed.key_frame_needed(lost.media_ssrc);
        } else if let Some(request) = any.downcast_ref::<FullIntraRequest>() {
            for entry in &request.fir {
                self.observed.key_frame_needed(entry.ssrc);
            }
        } else if let Some(report) = any.downcast_ref::<ReceiverReport>() {
            self.observed.reported(&report.reports);
        } else if let Some(report) = any.downcast_ref::<SenderReport>() {
            self.observed.reported(&report.reports);
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Observer {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        match &message.message.packet {
            Packet::Rtp(packet) => {
                let bytes = packet.payload.len() as u64;
                self.observed.bytes_up.fetch_add(bytes, Relaxed);
            }
            Packet::Rtcp(packets) => {
                for packet in packets {
                    self.overhear(packet.as_ref());
                }
            }
            _ => {}
        }
        self.inbound.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        match &message.message.packet {
            Packet::Rtp(packet) => {
                let bytes = packet.payload.len() as u64;
                self.observed.bytes_down.fetch_add(bytes, Relaxed);
            }
            Packet::Rtcp(packets) => {
                for packet in packets {
                    if let Some(report) = packet.as_any().downcast_ref::<ReceiverReport>() {
                        self.observed.reporting(&report.reports);
                    }
                }
            }
            _ => {}
        }
        self.outbound.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outbound.pop_front()
    }
}

impl Interceptor for Observer {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    fn bind_remote_stream(&mut self, _: &StreamInfo) {}

    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
