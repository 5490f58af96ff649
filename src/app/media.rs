//! What carries the calls of this server.

use bedside_actors::ports::media::{Media, NoMedia};
use std::sync::Arc;

use crate::{config::Config, metrics::Metrics};

/// Binds the port of calls. A server that cannot is one without calls, which says why.
pub(super) fn open(config: &Config, metrics: &Metrics) -> Arc<dyn Media> {
    let Some(rtc) = &config.rtc else {
        return Arc::new(NoMedia::because("BEDSIDE_RTC_PORT is off"));
    };
    start(config, rtc, metrics).unwrap_or_else(|why| {
        tracing::error!("this server carries no calls: {why}");
        Arc::new(NoMedia::because(why))
    })
}

#[cfg(feature = "webrtc")]
fn start(
    config: &Config,
    rtc: &crate::config::RtcConfig,
    metrics: &Metrics,
) -> Result<Arc<dyn Media>, String> {
    use crate::adapters::webrtc::{Options, TurnServers, WebRtc};
    use std::net::{IpAddr, Ipv4Addr};

    let advertised = if !rtc.advertised.is_empty() {
        rtc.advertised.clone()
    } else if config.is_demo() {
        vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]
    } else {
        let own = own_address().ok_or(
            "BEDSIDE_RTC_ADVERTISED_IPS is not set, and this machine \
                                       has no address towards others",
        )?;
        vec![own]
    };
    let sfu = WebRtc::start(Options {
        port: rtc.port,
        advertised,
        threads: rtc.threads,
        peers_max: rtc.peers_max,
        turn: rtc.turn.as_ref().map(|turn| TurnServers {
            urls: turn.urls.clone(),
            secret: turn.secret.clone(),
            ttl: turn.ttl,
        }),
        simulcast: false,
    })
    .map_err(|error| format!("UDP port {} (BEDSIDE_RTC_PORT): {error}", rtc.port))?;
    super::gauges::register_rtc(metrics, sfu.stats());
    tracing::info!(reached_at = ?sfu.reached_at(), "carries calls");
    Ok(sfu)
}

/// The address from which this machine would speak to others. Nothing is sent.
#[cfg(feature = "webrtc")]
fn own_address() -> Option<std::net::IpAddr> {
    // Addresses for documentation (RFC 5737, RFC 3849): the route is looked up, and no more.
    let towards = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    towards.into_iter().find_map(|(bind, to)| {
        let socket = std::net::UdpSocket::bind(bind).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

#[cfg(not(feature = "webrtc"))]
fn start(_: &Config, _: &crate::config::RtcConfig, _: &Metrics) -> Result<Arc<dyn Media>, String> {
    Err("this binary was built without the feature `webrtc`".to_owned())
}
