//! What is offered: codecs, header extensions, and how each connection is set up.

use rtc::{
    ice::{mdns::MulticastDnsMode, network_type::NetworkType},
    interceptor::{NackGeneratorBuilder, NackResponderBuilder},
    rtp_transceiver::rtp_sender::{
        RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability,
        RtpCodecKind,
    },
    sdp::extmap::SDES_MID_URI,
    shared::error::Result,
};
use std::time::Duration;
use webrtc::peer_connection::{
    MediaEngine, Registry, SettingEngine, SettingEngineBuilder, Slot, configure_rtcp_reports,
    configure_simulcast_extension_headers, configure_twcc_receiver_only,
};

use super::{
    codec::{H264_TYPE, OPUS_TYPE, VP8_TYPE},
    observer::Observer,
};

pub(super) const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// Packets of each outgoing stream that are kept for whoever lost them: some seconds of pictures.
const KEPT_PACKETS: u16 = 512;
/// How often a lost packet is asked for, 100 ms apart.
const ASKED_TIMES: u16 = 10;

/// Codecs of pictures, the preferred one first. There is none for retransmissions (RTX): they go
/// by the stream itself, which is what works with layers and with the congestion control.
pub(super) fn video_codecs() -> Vec<RTCRtpCodecParameters> {
    let feedback = [
        ("nack", ""),
        ("nack", "pli"),
        ("ccm", "fir"),
        ("transport-cc", ""),
    ];
    let codec = |name: &str, format: &str, payload_type| RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: format!("video/{name}"),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format.to_owned(),
            rtcp_feedback: feedback
                .iter()
                .map(|(typ, parameter)| RTCPFeedback {
                    typ: (*typ).to_owned(),
                    parameter: (*parameter).to_owned(),
                })
                .collect(),
        },
        payload_type,
    };
    // Constrained baseline, which all browsers have.
    let h264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
    vec![codec("VP8", "", VP8_TYPE), codec("H264", h264, H264_TYPE)]
}

pub(super) fn audio_codecs() -> Vec<RTCRtpCodecParameters> {
    vec![RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: "audio/opus".to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: vec![],
        },
        payload_type: OPUS_TYPE,
    }]
}

/// Codecs and what happens to packets on their way through a connection.
pub(super) fn engine(observer: Observer) -> Result<(MediaEngine, Registry)> {
    let mut engine = MediaEngine::default();
    for codec in audio_codecs() {
        engine.register_codec(codec, RtpCodecKind::Audio)?;
    }
    for codec in video_codecs() {
        engine.register_codec(codec, RtpCodecKind::Video)?;
    }
    configure_simulcast_extension_headers(&mut engine)?;
    for uri in [SDES_MID_URI, AUDIO_LEVEL_URI] {
        let extension = RTCRtpHeaderExtensionCapability {
            uri: uri.to_owned(),
        };
        engine.register_header_extension(extension, RtpCodecKind::Audio, None)?;
    }
    let registry = configure_twcc_receiver_only(Registry::new(), &mut engine)?;
    let registry = configure_rtcp_reports(registry)
        .with(
            Slot::NackResponder,
            NackResponderBuilder::new().with_size(KEPT_PACKETS).build(),
        )
        .with(
            Slot::NackGenerator,
            NackGeneratorBuilder::new()
                .with_max_nacks_per_packet(ASKED_TIMES)
                .build(),
        )
        // Next to the wire, where it sees all reports, also those that are made on the way.
        .with(Slot::from(500), observer);
    Ok((engine, registry))
}

/// ICE-lite: this server answers checks and makes none, so that it needs no candidates of clients.
pub(super) fn settings() -> SettingEngine {
    SettingEngineBuilder::new()
        .with_lite(true)
        .with_network_types(vec![NetworkType::Udp4, NetworkType::Udp6])
        .with_include_loopback_candidate(true)
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_ice_timeouts(
            Some(Duration::from_secs(4)),
            Some(Duration::from_secs(26)),
            Some(Duration::from_secs(2)),
        )
        .build()
}
