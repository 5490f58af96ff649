//! A client of a call that shares no code with the server's side of it: the same stack at the
//! other end, with sources that can be told apart.

use bedside_actors::ports::media::{
    Carries, Media, MediaError, MediaEvent, Offer, OfferId, Source,
};
use bedside_protocol::{CallId, ParticipantId};
use bytes::Bytes;
use parking_lot::Mutex;
use rtc::{
    media_stream::MediaStreamTrack,
    rtp::{Packet, header::Header},
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters,
        RTCRtpHeaderExtensionCapability, RtpCodecKind,
    },
};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use webrtc::{
    media_stream::{
        track_local::TrackLocal as _,
        track_local::static_rtp::TrackLocalStaticRTP,
        track_remote::{TrackRemote, TrackRemoteEvent},
    },
    peer_connection::{
        MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
        RTCConfigurationBuilder, RTCSessionDescription, Registry, SettingEngineBuilder,
        register_default_interceptors,
    },
    rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit},
};

const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// What came on one received stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    /// Packets, by the tag of who sent them.
    pub(crate) by_tag: HashMap<u8, u32>,
    pub(crate) packets: u32,
    /// Numbers that were left out.
    pub(crate) holes: u32,
    last_seq: Option<u16>,
}

/// What a client has received, by the name of the track in the offer.
pub(crate) type Inbox = Arc<Mutex<HashMap<String, Received>>>;

pub(crate) struct Client {
    pub(crate) id: ParticipantId,
    call: CallId,
    media: Arc<dyn Media>,
    connection: Arc<dyn PeerConnection>,
    pub(crate) inbox: Inbox,
    pub(crate) offers: Mutex<Vec<Offer>>,
    sources: Vec<Arc<TrackSource>>,
    stop: Arc<AtomicBool>,
}

pub(crate) struct TrackSource {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    is_audio: bool,
    tag: u8,
    /// 0 for the loudest.
    level: AtomicU32,
    /// The number of the extension that says so; 0 before the first offer.
    level_id: AtomicU32,
}

struct Handler(Inbox);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let inbox = self.0.clone();
        tokio::spawn(async move {
            let name = track.track_id().await;
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    inbox.lock().entry(name.clone()).or_default().take(&packet);
                }
            }
        });
    }
}

impl Received {
    fn take(&mut self, packet: &Packet) {
        let seq = packet.header.sequence_number;
        if let Some(last) = self.last_seq {
            let step = seq.wrapping_sub(last);
            if step > 1 && step < 0x8000 {
                self.holes += u32::from(step - 1);
            }
        }
        self.last_seq = Some(seq);
        self.packets += 1;
        if let Some(tag) = packet.payload.last() {
            *self.by_tag.entry(*tag).or_default() += 1;
        }
    }
}

impl Client {
    /// A client that sends a voice and a picture.
    pub(crate) async fn with_id(
        media: Arc<dyn Media>,
        call: CallId,
        id: ParticipantId,
        tag: u8,
    ) -> Arc<Self> {
        let mut engine = MediaEngine::default();
        engine
            .register_default_codecs()
            .expect("a client that works");
        let level = RTCRtpHeaderExtensionCapability {
            uri: AUDIO_LEVEL_URI.to_owned(),
        };
        engine
            .register_header_extension(level, RtpCodecKind::Audio, None)
            .expect("a client that works");
        let registry = register_default_interceptors(Registry::new(), &mut engine)
            .expect("a client that works");
        let inbox = Inbox::default();
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
            .build();
        let connection = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(settings)
            .with_handler(Arc::new(Handler(inbox.clone())))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await
            .expect("a client that works");
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);
        let mut sources = Vec::new();
        for is_audio in [true, false] {
            sources.push(source(connection.as_ref(), tag, is_audio).await);
        }
        let client = Arc::new(Self {
            id,
            call,
            media,
            connection,
            inbox,
            offers: Mutex::default(),
            sources,
            stop: Arc::default(),
        });
        for source in &client.sources {
            tokio::spawn(source.clone().send(client.stop.clone()));
        }
        client
    }

    /// Answers an offer as a page does.
    pub(crate) async fn answer(&self, offer: Offer) -> Result<(), MediaError> {
        let (id, text) = (offer.id, offer.sdp.clone());
        let level = text.lines().find(|line| line.ends_with(AUDIO_LEVEL_URI));
        let level = level.and_then(|line| line.strip_prefix("a=extmap:")?.split(' ').next());
        for source in &self.sources {
            let id = level.map_or(0, |id| id.parse().expect("a client that works"));
            source.level_id.store(id, Relaxed);
        }
        self.offers.lock().push(offer);
        let offer = RTCSessionDescription::offer(text).expect("a client that works");
        self.connection
            .set_remote_description(offer)
            .await
            .expect("a client that works");
        let answer = self
            .connection
            .create_answer(None)
            .await
            .expect("a client that works");
        self.connection
            .set_local_description(answer.clone())
            .await
            .expect("a client that works");
        self.media.answer(self.call, self.id, id, &answer.sdp)
    }

    /// The number of the last offer.
    pub(crate) fn last_offer(&self) -> OfferId {
        self.offers.lock().last().expect("a client that works").id
    }

    /// What came of this source of somebody's, as the last offer says.
    pub(crate) fn received(&self, who: ParticipantId, source: Source) -> Received {
        let offers = self.offers.lock();
        let Some(offer) = offers.last() else {
            return Received::default();
        };
        let wanted = Carries::Theirs(who, source);
        let Some(section) = offer.sections.iter().position(|s| s.carries == wanted) else {
            return Received::default();
        };
        let inbox = self.inbox.lock();
        inbox
            .get(&format!("track-{section}"))
            .cloned()
            .unwrap_or_default()
    }

    /// 0 for the loudest, 127 for silence.
    pub(crate) fn set_level(&self, level: u32) {
        self.sources[0].level.store(level, Relaxed);
    }

    pub(crate) async fn leave(&self) {
        self.stop.store(true, Relaxed);
        self.connection.close().await.expect("a client that works");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

async fn source(connection: &dyn PeerConnection, tag: u8, is_audio: bool) -> Arc<TrackSource> {
    let ssrc = u32::from(tag) << 8 | u32::from(is_audio) | 0x5000_0000;
    let (kind, codec) = if is_audio {
        let codec = RTCRtpCodec {
            mime_type: "audio/opus".to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: vec![],
        };
        (RtpCodecKind::Audio, codec)
    } else {
        let codec = RTCRtpCodec {
            mime_type: "video/VP8".to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: vec![],
        };
        (RtpCodecKind::Video, codec)
    };
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..Default::default()
        },
        codec,
        ..Default::default()
    };
    let name = format!("mine-{is_audio}");
    let track = MediaStreamTrack::new(name.clone(), name, String::new(), kind, vec![coding]);
    let track = Arc::new(TrackLocalStaticRTP::new(track));
    let init = RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Sendonly,
        streams: vec![],
        send_encodings: vec![],
    };
    connection
        .add_transceiver_from_track(track.clone(), Some(init))
        .await
        .expect("a client that works");
    Arc::new(TrackSource {
        track,
        ssrc,
        is_audio,
        tag,
        level: AtomicU32::new(127),
        level_id: AtomicU32::new(0),
    })
}

impl TrackSource {
    /// 50 packets a second, every tenth picture whole.
    async fn send(self: Arc<Self>, stop: Arc<AtomicBool>) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let ticks_a_packet = if self.is_audio { 960 } else { 1_800 };
        for n in 0_u32.. {
            ticks.tick().await;
            if stop.load(Relaxed) {
                return;
            }
            let header = Header {
                version: 2,
                payload_type: if self.is_audio { 111 } else { 96 },
                sequence_number: n as u16,
                timestamp: n.wrapping_mul(ticks_a_packet),
                ssrc: self.ssrc,
                marker: !self.is_audio,
                ..Header::default()
            };
            let mut packet = Packet {
                header,
                payload: self.payload(n),
            };
            let (id, level) = (self.level_id.load(Relaxed), self.level.load(Relaxed));
            if self.is_audio && id != 0 {
                let level = Bytes::copy_from_slice(&[0x80 | level as u8]);
                packet
                    .header
                    .set_extension(id as u8, level)
                    .expect("a client that works");
            }
            // Before the connection is there it fails, as on a page.
            let _ = self.track.write_rtp(packet).await;
        }
    }

    fn payload(&self, n: u32) -> Bytes {
        if self.is_audio {
            return Bytes::copy_from_slice(&[0xfc, 0xff, self.tag]);
        }
        let [high, low] = ((n as u16 & 0x7fff) | 0x8000).to_be_bytes();
        let delta = u8::from(!n.is_multiple_of(10));
        let mut payload = vec![0x90, 0x80, high, low, 0x10 | delta];
        payload.resize(900, 0);
        payload.push(self.tag);
        payload.into()
    }
}

/// Whose event it is.
pub(crate) fn about(event: &MediaEvent) -> Option<ParticipantId> {
    match event {
        MediaEvent::Offer(who, _)
        | MediaEvent::Connected(who)
        | MediaEvent::Interrupted(who)
        | MediaEvent::Failed(who, _)
        | MediaEvent::Published(who, _)
        | MediaEvent::Unpublished(who, _)
        | MediaEvent::Quality(who, _) => Some(*who),
        MediaEvent::Speaking(_) | MediaEvent::Lost => None,
    }
}
