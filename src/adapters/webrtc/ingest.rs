//! What one participant sends from one source: read, and passed on.

use futures_util::FutureExt as _;
use rtc::{
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
    rtp::Packet,
    rtp_transceiver::{RTCRtpTransceiverId, rtp_sender::RtpCodecKind},
};
use std::{sync::Arc, time::Duration};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use bedside_actors::ports::media::Source;

use super::{codec::Codec, forward::Publication, layers::Layers, link::Link};

/// Pictures are asked for anew at most this often, whoever needs them: one serves all.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(500);

/// Reads a track until it ends, or its connection is replaced.
pub(super) async fn read(track: Arc<dyn TrackRemote>, link: Arc<Link>) {
    let by_kind = match track.kind().await {
        RtpCodecKind::Audio => Source::Microphone,
        _ => Source::Camera,
    };
    let mut ingest = Ingest {
        publication: link.place.publication(by_kind).clone(),
        source: by_kind,
        link,
        track,
        layers: Layers::default(),
        asked_at: None,
    };
    while let Some(event) = ingest.track.poll().await {
        if ingest.link.is_retired() {
            return;
        }
        match event {
            TrackRemoteEvent::OnOpen(opened) => {
                let receiver = RTCRtpTransceiverId::from(opened.receiver_id);
                ingest.opened(receiver, opened.ssrc, opened.rid.as_deref());
            }
            TrackRemoteEvent::OnRtpPacket(packet) => ingest.packet(&packet),
            TrackRemoteEvent::OnEnded => return,
            _ => {}
        }
    }
}

struct Ingest {
    publication: Arc<Publication>,
    source: Source,
    link: Arc<Link>,
    track: Arc<dyn TrackRemote>,
    layers: Layers,
    asked_at: Option<Duration>,
}

impl Ingest {
    fn opened(&mut self, receiver: RTCRtpTransceiverId, ssrc: u32, layer: Option<&str>) {
        if let Some(source) = self.link.source_of(receiver) {
            self.source = source;
            self.publication = self.link.place.publication(source).clone();
        }
        if let Some(layer) = layer {
            self.layers.opened(ssrc, layer);
        }
    }

    fn packet(&mut self, packet: &Packet) {
        let ssrc = packet.header.ssrc;
        let now = self.link.now();
        if !self.layers.passes(ssrc, now) {
            return;
        }
        let Some(codec) = Codec::of(packet.header.payload_type) else {
            return;
        };
        let is_audio = codec == Codec::Opus;
        if is_audio != self.source.is_audio() {
            return;
        }
        if is_audio {
            self.hear_level(packet);
        }
        if self.publication.forward(packet, codec, now) {
            self.link.wake_call();
        }
        if !is_audio {
            self.ask_for_key_frame(ssrc, now);
        }
    }

    fn hear_level(&self, packet: &Packet) {
        let level = self.link.audio_level_id();
        if let Some(value) = packet.header.get_extension(level)
            && let Some(byte) = value.first()
        {
            // RFC 6464: the lower seven bits are how far below the loudest it is.
            self.publication.hear_level(127 - (byte & 0x7f));
        }
    }

    fn ask_for_key_frame(&mut self, ssrc: u32, now: Duration) {
        let too_soon = |at: Duration| now < at + KEY_FRAME_INTERVAL;
        if self.asked_at.is_some_and(too_soon) || !self.publication.take_key_frame_needed() {
            return;
        }
        let request = PictureLossIndication {
            sender_ssrc: 0,
            media_ssrc: ssrc,
        };
        match self
            .track
            .write_rtcp(vec![Box::new(request)])
            .now_or_never()
        {
            Some(Ok(())) => {
                self.asked_at = Some(now);
                self.link.stats.key_frame_asked();
            }
            _ => self.publication.key_frame_needed(),
        }
    }
}
