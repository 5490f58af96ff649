//! Settings of calls: their port, and the TURN servers that clients may use.

use std::{net::IpAddr, time::Duration};

use super::{
    Secret, parse,
    source::Reader,
    variable::{self as v},
};

/// How calls are carried.
#[derive(Clone, Debug)]
pub struct RtcConfig {
    /// `BEDSIDE_RTC_PORT`, default off: the UDP port of all calls; 0 takes any free one.
    pub port: u16,
    /// `BEDSIDE_RTC_ADVERTISED_IPS`: where clients reach it; empty for the address that this
    /// machine has towards others.
    pub advertised: Vec<IpAddr>,
    /// `BEDSIDE_RTC_THREADS`, 1..=64, default 1.
    pub threads: usize,
    /// `BEDSIDE_RTC_PEERS_MAX`, 1..=100,000, default 1,000: people in all calls together.
    pub peers_max: usize,
    /// `TURN_URLS` with `TURN_SECRET`; none for calls without a relay.
    pub turn: Option<TurnConfig>,
}

/// TURN servers that share a secret with this one.
#[derive(Clone, Debug)]
pub struct TurnConfig {
    /// `TURN_URLS`, at most 8.
    pub urls: Vec<String>,
    /// `TURN_SECRET`.
    pub secret: Secret,
    /// `TURN_TTL_S`, 60 s..=1 d, default 1 h: how long a client may ask them for a relay.
    pub ttl: Duration,
}

/// None when calls are off. Its settings are checked in any case.
pub(super) fn read(r: &mut Reader<'_>) -> Option<RtcConfig> {
    let port = r.required(v::BEDSIDE_RTC_PORT, parse::rtc_port);
    let advertised = r.optional(v::BEDSIDE_RTC_ADVERTISED_IPS, parse::advertised_ips);
    let threads = r.required(v::BEDSIDE_RTC_THREADS, parse::rtc_threads);
    let peers_max = r.required(v::BEDSIDE_RTC_PEERS_MAX, parse::rtc_peers_max);
    let urls = r.optional(v::TURN_URLS, parse::turn_urls);
    let secret = r.optional(v::TURN_SECRET, parse::password);
    let ttl = r.required(v::TURN_TTL_S, parse::turn_ttl);
    if r.is_set(v::TURN_URLS) != r.is_set(v::TURN_SECRET) {
        r.fault(
            v::TURN_URLS,
            "one of TURN_URLS and TURN_SECRET",
            "both, or neither",
        );
    }
    let turn = urls
        .zip(secret)
        .map(|(urls, secret)| TurnConfig { urls, secret, ttl });
    Some(RtcConfig {
        port: port?,
        advertised: advertised.unwrap_or_default(),
        threads,
        peers_max,
        turn,
    })
}
