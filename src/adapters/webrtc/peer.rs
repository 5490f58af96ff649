//! One participant's connection: its sections, the offer that waits, and who is behind each
//! section.

use bedside_actors::ports::media::{Carries, Offer, OfferId, Section, Source};
use bedside_protocol::ParticipantId;
use futures_util::FutureExt as _;
use rtc::{
    media_stream::MediaStreamTrack,
    peer_connection::configuration::RTCOfferOptions,
    rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind},
    shared::error::Result,
};
use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};
use tokio::time::Instant;
use webrtc::{
    media_stream::{track_local::static_rtp::TrackLocalStaticRTP, track_remote::TrackRemote},
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
        RTCPeerConnectionState, RTCSessionDescription,
    },
    rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit, RtpTransceiver},
};

use super::{
    forward::{Leg, Publication},
    ingest,
    link::{Link, LinkState},
    media_engine::{self, AUDIO_LEVEL_URI},
    mux::{Mux, Route},
    observer::{Observed, Observer},
    runtime::PeerRuntime,
    sdp,
};

pub(super) struct Peer {
    connection: Arc<dyn PeerConnection>,
    route: Route,
    pub(super) link: Arc<Link>,
    pub(super) observed: Arc<Observed>,
    lines: Vec<Line>,
    pub(super) waiting: Option<Waiting>,
    /// Something changed since the last offer.
    pub(super) changed: bool,
    pub(super) restart: bool,
    /// Since when it tries to connect; none when it need not.
    pub(super) trying_since: Option<Instant>,
    answers: u32,
    /// What of it has been told.
    pub(super) told: Told,
}

/// An offer that waits for its answer.
pub(super) struct Waiting {
    pub(super) offer: Offer,
    pub(super) since: Instant,
    /// Which lines it has agreed to once it is answered.
    lines: usize,
    type_is_restart: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Connected,
    Interrupted,
    Failed,
}

/// A media section.
struct Line {
    transceiver: Arc<dyn RtpTransceiver>,
    purpose: Purpose,
}

enum Purpose {
    /// What the participant sends.
    Yours(Source),
    /// What they receive.
    Theirs {
        leg: Arc<Leg>,
        is_audio: bool,
        behind: Option<Behind>,
    },
}

/// What somebody else sends.
#[derive(Clone)]
pub(super) struct Behind {
    pub(super) who: ParticipantId,
    pub(super) source: Source,
    pub(super) publication: Arc<Publication>,
}

impl Behind {
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.publication, &other.publication)
    }
}

/// What a connection needs of its surroundings.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) mux: Arc<Mux>,
    /// Where clients reach this server.
    pub(super) reached_at: Arc<[SocketAddr]>,
    /// Whether clients are asked for several layers of their picture.
    pub(super) simulcast: bool,
}

struct Handler(Arc<Link>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.0.changed(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let link = self.0.clone();
        tokio::spawn(async move {
            let read = AssertUnwindSafe(ingest::read(track, link.clone()));
            if read.catch_unwind().await.is_err() {
                link.broke();
            }
        });
    }
}

impl Peer {
    /// Makes the connection. Nothing is offered yet.
    pub(super) async fn connect(link: Arc<Link>, around: &Surroundings) -> Result<Self> {
        let observed = Arc::<Observed>::default();
        let (engine, registry) = media_engine::engine(Observer::new(observed.clone()))?;
        let route = around.mux.route();
        let broken = {
            let link = Arc::downgrade(&link);
            Arc::new(move || {
                if let Some(link) = link.upgrade() {
                    link.broke();
                }
            })
        };
        let runtime = PeerRuntime::new(around.mux.clone(), route.inlet(), broken);
        // Only for its socket's address; see the runtime.
        let mut addresses = vec!["127.0.0.1:0"];
        if around.reached_at.iter().any(SocketAddr::is_ipv6) {
            addresses.push("[::1]:0");
        }
        let connection = PeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_media_engine(engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(media_engine::settings())
            .with_runtime(runtime)
            .with_handler(Arc::new(Handler(link.clone())))
            .with_udp_addrs(addresses)
            .build()
            .await?;
        link.stats.peer_made();
        Ok(Self {
            connection: Arc::new(connection),
            route,
            link,
            observed,
            lines: Vec::new(),
            waiting: None,
            changed: true,
            restart: false,
            trying_since: None,
            answers: 0,
            told: Told::Nothing,
        })
    }

    pub(super) fn is_connected(&self) -> bool {
        self.link.state() == LinkState::Connected
    }

    /// Has a section for each source that the participant may send from.
    pub(super) async fn receive(&mut self) -> Result<()> {
        let allowed: Vec<Source> = self.link.place.allowed().collect();
        for source in allowed {
            let has = |line: &Line| matches!(line.purpose, Purpose::Yours(s) if s == source);
            if self.lines.iter().any(has) {
                continue;
            }
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                streams: vec![],
                send_encodings: vec![],
            };
            let transceiver = self
                .connection
                .add_transceiver_from_kind(kind(source.is_audio()), Some(init))
                .await?;
            self.link.set_source(transceiver.id(), source);
            self.lines.push(Line {
                transceiver,
                purpose: Purpose::Yours(source),
            });
            self.changed = true;
        }
        Ok(())
    }

    /// Has a section for each of these, and nothing else behind any. Sections that are free are
    /// used again, so that there are never more than were needed at once.
    pub(super) async fn subscribe(&mut self, wanted: &[Behind]) -> Result<()> {
        for line in &mut self.lines {
            if let Purpose::Theirs { leg, behind, .. } = &mut line.purpose
                && let Some(old) = behind.as_ref()
                && !wanted.iter().any(|new| new.is(old))
            {
                leg.agree(false);
                old.publication.remove_leg(leg);
                *behind = None;
            }
        }
        for new in wanted {
            let has = |line: &Line| matches!(&line.purpose, Purpose::Theirs { behind: Some(old), .. } if old.is(new));
            if self.lines.iter().any(has) {
                continue;
            }
            self.changed = true;
            let free = self
                .lines
                .iter_mut()
                .find_map(|line| match &mut line.purpose {
                    Purpose::Theirs {
                        leg,
                        is_audio,
                        behind,
                    } if behind.is_none() && *is_audio == new.source.is_audio() => {
                        Some((leg, behind))
                    }
                    _ => None,
                });
            if let Some((leg, behind)) = free {
                new.publication.add_leg(leg);
                *behind = Some(new.clone());
            } else {
                self.add_line(new).await?;
            }
        }
        Ok(())
    }

    async fn add_line(&mut self, new: &Behind) -> Result<()> {
        let is_audio = new.source.is_audio();
        let codecs = if is_audio {
            media_engine::audio_codecs()
        } else {
            media_engine::video_codecs()
        };
        let number = self.lines.len();
        let ssrc = random_ssrc();
        // Who is behind a section changes, so that its names say nothing.
        let track = MediaStreamTrack::new(
            format!("section-{number}"),
            format!("track-{number}"),
            String::new(),
            kind(is_audio),
            vec![RTCRtpEncodingParameters {
                rtp_coding_parameters: RTCRtpCodingParameters {
                    ssrc: Some(ssrc),
                    ..Default::default()
                },
                codec: codecs[0].rtp_codec.clone(),
                ..Default::default()
            }],
        );
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: vec![],
            send_encodings: vec![],
        };
        let transceiver = self
            .connection
            .add_transceiver_from_track(track.clone(), Some(init))
            .await?;
        // All codecs, and not only that of the track. A client that has only some of them has
        // said so by now, and gets those.
        if let Err(error) = transceiver.set_codec_preferences(codecs.clone()).await {
            tracing::debug!(%error, "a client has not all codecs");
        }
        let leg = Leg::new(ssrc, track, self.link.gate(), self.link.stats.clone());
        self.observed.watch(&leg);
        new.publication.add_leg(&leg);
        self.lines.push(Line {
            transceiver,
            purpose: Purpose::Theirs {
                leg,
                is_audio,
                behind: Some(new.clone()),
            },
        });
        Ok(())
    }

    /// The next offer, which waits for its answer from now on.
    pub(super) async fn offer(&mut self, id: OfferId, around: &Surroundings) -> Result<Offer> {
        let restart = std::mem::take(&mut self.restart);
        self.changed = false;
        let options = RTCOfferOptions {
            ice_restart: restart,
        };
        let made = self.connection.create_offer(Some(options)).await?;
        let mut text = sdp::with_candidates(&made.sdp, &around.reached_at);
        if around.simulcast {
            text = sdp::offer_simulcast(&text);
        }
        if let Some(keys) = sdp::ice_keys(&text) {
            self.route.admit(keys);
        }
        if let Some(id) = sdp::extension_id(&text, AUDIO_LEVEL_URI) {
            self.link.set_audio_level_id(id);
        }
        self.connection.set_local_description(made).await?;
        let offer = Offer {
            id,
            sdp: text,
            sections: self.sections().await?,
            restart,
        };
        let now = Instant::now();
        if restart || self.answers == 0 {
            self.trying_since = Some(now);
        }
        self.waiting = Some(Waiting {
            offer: offer.clone(),
            since: now,
            lines: self.lines.len(),
            type_is_restart: restart,
        });
        self.link.place.wait_for(id, offer.sections.len());
        Ok(offer)
    }

    async fn sections(&self) -> Result<Vec<Section>> {
        let mut sections = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            sections.push(Section {
                mid: line.transceiver.mid().await?.unwrap_or_default(),
                carries: self.carries(&line.purpose),
            });
        }
        Ok(sections)
    }

    fn carries(&self, purpose: &Purpose) -> Carries {
        match purpose {
            Purpose::Yours(source) if self.link.place.publication(*source).is_allowed() => {
                Carries::Yours(*source)
            }
            Purpose::Theirs {
                behind: Some(behind),
                ..
            } => Carries::Theirs(behind.who, behind.source),
            _ => Carries::Nothing,
        }
    }

    /// Takes the answer to the offer that waits.
    pub(super) async fn answer(&mut self, text: String) -> Result<()> {
        let text = if self.answers == 0 {
            text
        } else {
            sdp::strip_bound(&text)
        };
        let answer = RTCSessionDescription::answer(text)?;
        self.connection.set_remote_description(answer).await?;
        self.answers += 1;
        let Some(waiting) = self.waiting.take() else {
            return Ok(());
        };
        for (line, section) in self.lines[..waiting.lines]
            .iter()
            .zip(&waiting.offer.sections)
        {
            let Purpose::Theirs { leg, behind, .. } = &line.purpose else {
                continue;
            };
            // Only what the client knows to be there: it may have changed since.
            let agreed = behind.as_ref().is_some_and(|behind| {
                section.carries == Carries::Theirs(behind.who, behind.source)
            });
            leg.agree(agreed);
        }
        if waiting.type_is_restart {
            self.key_frames_needed();
        }
        Ok(())
    }

    /// All pictures that the participant receives, anew.
    pub(super) fn key_frames_needed(&self) {
        for line in &self.lines {
            if let Purpose::Theirs { leg, .. } = &line.purpose {
                leg.key_frame_needed();
            }
        }
    }

    /// Ends the connection. What others receive of the participant goes on with the next one.
    pub(super) fn close(self) {
        self.link.retire();
        for line in &self.lines {
            if let Purpose::Theirs {
                leg,
                behind: Some(behind),
                ..
            } = &line.purpose
            {
                behind.publication.remove_leg(leg);
            }
        }
        let (connection, route) = (self.connection, self.route);
        // It takes its time, and there are others to look after.
        tokio::spawn(async move {
            let closed = AssertUnwindSafe(connection.close()).catch_unwind().await;
            if !matches!(closed, Ok(Ok(()))) {
                tracing::debug!("a connection did not close cleanly");
            }
            drop(route);
        });
    }
}

const fn kind(is_audio: bool) -> RtpCodecKind {
    if is_audio {
        RtpCodecKind::Audio
    } else {
        RtpCodecKind::Video
    }
}

fn random_ssrc() -> u32 {
    getrandom::u32().unwrap_or(1).max(1)
}
