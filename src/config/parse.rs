//! Texts to values. Each parser answers with what it expected when it cannot.

use bedside_protocol::NodeId;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use super::{LogFormat, Origin, Secret, origin};

/// A parser's answer: the value, or what was expected.
pub(super) type Parsed<T> = Result<T, &'static str>;

/// Origins in one list.
const ORIGINS_MAX: usize = 64;

/// CQL servers in the list; they name the others themselves.
const NODES_MAX: usize = 64;

/// Where CQL servers listen when nothing else is said.
const CQL_PORT: u16 = 9_042;

/// A `JWT_SECRET`: HS256 asks for a key at least as long as its hash (RFC 7518, 3.2).
pub(super) fn jwt_secret(text: &str) -> Parsed<Secret> {
    const EXPECTED: &str = "at least 32 bytes without white space at either end, or no such \
                            variable at all for demo mode";
    // A newline from a secrets file would silently make every token invalid.
    if text.len() < 32 || text.trim() != text {
        return Err(EXPECTED);
    }
    Ok(Secret::new(text))
}

/// A bearer token: printable ASCII, since it travels in a header.
pub(super) fn bearer_token(text: &str) -> Parsed<Secret> {
    if text.len() < 16 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("at least 16 printable ASCII characters without spaces");
    }
    Ok(Secret::new(text))
}

/// As Agora writes ids and certificates of projects.
fn is_agora_key(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub(super) fn agora_id(text: &str) -> Parsed<String> {
    is_agora_key(text)
        .then(|| text.to_owned())
        .ok_or("the 32 hexadecimal digits of a project at Agora")
}

pub(super) fn agora_certificate(text: &str) -> Parsed<Secret> {
    is_agora_key(text)
        .then(|| Secret::new(text))
        .ok_or("the 32 hexadecimal digits of a certificate at Agora")
}

pub(super) fn host(text: &str) -> Parsed<IpAddr> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    bare.unwrap_or(text)
        .parse()
        .map_err(|_| "an IP address to bind, such as 127.0.0.1, 0.0.0.0 or ::")
}

pub(super) fn port(text: &str) -> Parsed<u16> {
    number(text, 0..=u16::MAX).ok_or("a port from 0 to 65535")
}

pub(super) fn socket_address(text: &str) -> Parsed<SocketAddr> {
    text.parse()
        .map_err(|_| "an IP address and port, such as 127.0.0.1:9464")
}

pub(super) fn directory(text: &str) -> Parsed<PathBuf> {
    if text.contains('\0') {
        return Err("a directory");
    }
    Ok(PathBuf::from(text))
}

pub(super) fn file(text: &str) -> Parsed<PathBuf> {
    directory(text).map_err(|_| "a file")
}

/// Hosts with or without a port, as host:port.
pub(super) fn cql_nodes(text: &str) -> Parsed<Vec<String>> {
    const EXPECTED: &str = "1 to 64 CQL servers, comma separated, each as host or host:port";
    let nodes: Option<Vec<_>> = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|node| host_and_port(node, CQL_PORT))
        .collect();
    nodes
        .filter(|nodes| (1..=NODES_MAX).contains(&nodes.len()))
        .ok_or(EXPECTED)
}

/// `text` with a port, `default` when it has none. An IPv6 address with a port has brackets.
fn host_and_port(text: &str, default: u16) -> Option<String> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, default).to_string());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.to_string());
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, number(port, 1..=u16::MAX)?),
        None => (text, default),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    (!host.is_empty() && host.len() <= 253 && host.chars().all(is_name))
        .then(|| format!("{host}:{port}"))
}

/// What CQL takes without quotes, so that the name is the same wherever it is written.
pub(super) fn keyspace(text: &str) -> Parsed<String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if !starts_well || text.len() > 48 || !text.bytes().all(plain) {
        return Err("at most 48 lower-case letters, digits and underscores, a letter first");
    }
    Ok(text.to_owned())
}

pub(super) fn name(text: &str) -> Parsed<String> {
    if text.trim() != text || text.len() > 128 || text.chars().any(char::is_control) {
        return Err("a name of at most 128 bytes");
    }
    Ok(text.to_owned())
}

pub(super) fn password(text: &str) -> Parsed<Secret> {
    if text.trim() != text || text.len() > 1_024 || text.chars().any(char::is_control) {
        return Err("at most 1024 bytes without white space at either end");
    }
    Ok(Secret::new(text))
}

pub(super) fn replication(text: &str) -> Parsed<u8> {
    number(text, 1..=9).ok_or("a number from 1 to 9")
}

/// `redis://` or, with TLS, `rediss://`. What else is wrong with it is said when it is opened.
pub(super) fn redis_url(text: &str) -> Parsed<Secret> {
    let rest = text
        .strip_prefix("redis://")
        .or_else(|| text.strip_prefix("rediss://"));
    let is_good = |rest: &str| !rest.is_empty() && !rest.contains(char::is_whitespace);
    if !rest.is_some_and(is_good) {
        return Err("redis:// or rediss:// and a host, such as redis://:password@redis:6379/0");
    }
    Ok(Secret::new(text))
}

pub(super) fn host_name(text: &str) -> Parsed<String> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if text.len() > 253 || !text.chars().all(is_good) {
        return Err("the name or IP address of a host, without a port");
    }
    Ok(text.to_owned())
}

pub(super) fn port_of_server(text: &str) -> Parsed<u16> {
    number(text, 1..=u16::MAX).ok_or("a port from 1 to 65535")
}

pub(super) fn redis_db(text: &str) -> Parsed<u16> {
    number(text, 0..=u16::MAX).ok_or("a number from 0 to 65535")
}

pub(super) fn node_id(text: &str) -> Parsed<NodeId> {
    NodeId::new(text).map_err(|_| "1 to 63 of a-z, 0-9 and -")
}

/// It becomes part of the names of channels and keys.
pub(super) fn cluster_name(text: &str) -> Parsed<String> {
    node_id(text).map(|name| name.to_string())
}

/// A secret that nodes derive their keys from.
pub(super) fn cluster_key(text: &str) -> Parsed<Secret> {
    if text.len() < 32 || text.trim() != text {
        return Err("at least 32 bytes without white space at either end");
    }
    Ok(Secret::new(text))
}

/// A name that a token's claim must equal, byte by byte.
pub(super) fn claim(text: &str) -> Parsed<String> {
    if text.len() > 512 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("at most 512 bytes without white space");
    }
    Ok(text.to_owned())
}

pub(super) fn issuer_url(text: &str) -> Parsed<String> {
    const EXPECTED: &str = "an http or https URL, exactly as the tokens' iss has it";
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(EXPECTED);
    }
    claim(text).map_err(|_| EXPECTED)
}

/// `7d`, `12h`, `15m`, `30s`, or plain seconds.
pub(crate) fn lifetime(text: &str) -> Parsed<Duration> {
    const EXPECTED: &str = "a time from 1 s to 366 days, such as 7d, 12h, 15m, 30s or 3600";
    let (digits, unit_s) = match text.as_bytes().last() {
        Some(b'd') => (&text[..text.len() - 1], 86_400),
        Some(b'h') => (&text[..text.len() - 1], 3_600),
        Some(b'm') => (&text[..text.len() - 1], 60),
        Some(b's') => (&text[..text.len() - 1], 1),
        _ => (text, 1),
    };
    number(digits, 1..=366 * 86_400)
        .map(|n| n * unit_s)
        .filter(|s| *s <= 366 * 86_400)
        .map(Duration::from_secs)
        .ok_or(EXPECTED)
}

pub(super) fn origins(text: &str) -> Parsed<Vec<Origin>> {
    let origins = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(Origin::parse)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| origin::EXPECTED)?;
    if origins.len() > ORIGINS_MAX {
        return Err("at most 64 origins");
    }
    Ok(origins)
}

pub(super) fn https_origins(text: &str) -> Parsed<Vec<Origin>> {
    let origins = origins(text)?;
    if !origins.iter().all(Origin::is_https) {
        return Err("https origins only, since files hold health data");
    }
    Ok(origins)
}

pub(super) fn yes_or_no(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("true or false"),
    }
}

pub(super) fn proxies(text: &str) -> Parsed<usize> {
    number(text, 0..=8).ok_or("a number from 0 to 8")
}

pub(super) fn connections_max(text: &str) -> Parsed<usize> {
    number(text, 1..=1_000_000).ok_or("a number from 1 to 1000000")
}

pub(super) fn edit_window_ms(text: &str) -> Parsed<i64> {
    number(text, 0..=2_592_000)
        .map(|s: i64| s * 1_000)
        .ok_or("seconds from 0 to 2592000 (30 days)")
}

pub(super) fn passivate_after(text: &str) -> Parsed<Duration> {
    number(text, 1..=86_400)
        .map(Duration::from_secs)
        .ok_or("seconds from 1 to 86400 (a day)")
}

/// The port of calls; none for `off`.
pub(super) fn rtc_port(text: &str) -> Parsed<Option<u16>> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    port(text)
        .map(Some)
        .map_err(|_| "a port from 0 to 65535, or off")
}

/// Addresses that others can reach.
pub(super) fn advertised_ips(text: &str) -> Parsed<Vec<IpAddr>> {
    let ips: Result<Vec<IpAddr>, _> = listed(text).map(str::parse).collect();
    let is_good = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast();
    ips.ok()
        .filter(|ips| (1..=8).contains(&ips.len()) && ips.iter().all(is_good))
        .ok_or("1 to 8 IP addresses, comma separated, that clients can reach")
}

pub(super) fn rtc_threads(text: &str) -> Parsed<usize> {
    number(text, 1..=64).ok_or("a number from 1 to 64")
}

pub(super) fn rtc_peers_max(text: &str) -> Parsed<usize> {
    number(text, 1..=100_000).ok_or("a number from 1 to 100000")
}

pub(super) fn turn_urls(text: &str) -> Parsed<Vec<String>> {
    let urls: Vec<String> = listed(text).map(str::to_owned).collect();
    let is_good = |url: &String| {
        let rest = url.strip_prefix("turn:").or(url.strip_prefix("turns:"));
        rest.is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'"')
        })
    };
    if !(1..=8).contains(&urls.len()) || !urls.iter().all(is_good) {
        return Err("1 to 8 URLs, comma separated, such as turn:turn.example.org:3478");
    }
    Ok(urls)
}

pub(super) fn turn_ttl(text: &str) -> Parsed<Duration> {
    number(text, 60..=86_400)
        .map(Duration::from_secs)
        .ok_or("seconds from 60 to 86400 (a day)")
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

pub(super) fn on_or_off(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err("on or off"),
    }
}

/// How long Socket.IO clients outlive their tokens.
pub(super) fn socketio_expiry(text: &str) -> Parsed<Duration> {
    const EXPECTED: &str = "close, or grace:<hours> with 1 to 12 hours, such as grace:8";
    if text.eq_ignore_ascii_case("close") {
        return Ok(Duration::ZERO);
    }
    let hours = text.strip_prefix("grace:").ok_or(EXPECTED)?;
    number(hours, 1..=12)
        .map(|hours| Duration::from_secs(hours * 3_600))
        .ok_or(EXPECTED)
}

pub(super) fn retention(text: &str) -> Parsed<Duration> {
    number(text, 1..=3_650)
        .map(|days| Duration::from_secs(days * 24 * 60 * 60))
        .ok_or("days from 1 to 3650")
}

pub(super) fn log_filter(text: &str) -> Parsed<String> {
    const EXPECTED: &str = "off, error, warn, info, debug, trace, or target=level pairs";
    // The filter library reads a bare word that is no level as the name of a target and then
    // logs nothing else, so that `BEDSIDE_LOG=inof` would be silence.
    let bare_words_are_levels = text.split(',').map(str::trim).all(|part| {
        part.contains(['=', '[', ':'])
            || part
                .parse::<tracing_subscriber::filter::LevelFilter>()
                .is_ok()
    });
    if !bare_words_are_levels || tracing_subscriber::EnvFilter::try_new(text).is_err() {
        return Err(EXPECTED);
    }
    Ok(text.to_owned())
}

pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json"),
    }
}

/// Digits alone (no sign, no spaces), within bounds.
pub(super) fn number<T: std::str::FromStr + PartialOrd>(
    text: &str,
    bounds: RangeInclusive<T>,
) -> Option<T> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| bounds.contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_have_units_and_bounds() {
        for (text, want_s) in [
            ("7d", Some(604_800)),
            ("12h", Some(43_200)),
            ("15m", Some(900)),
            ("30s", Some(30)),
            ("3600", Some(3_600)),
            ("366d", Some(31_622_400)),
            ("367d", None),
            ("0", None),
            ("0d", None),
            ("-1h", None),
            ("+1h", None),
            ("1.5h", None),
            ("1 h", None),
            ("1w", None),
            ("d", None),
            ("", None),
            ("99999999999999999999d", None),
            ("١d", None),
        ] {
            assert_eq!(lifetime(text).ok().map(|d| d.as_secs()), want_s, "{text}");
        }
    }

    #[test]
    fn servers_have_a_port_in_the_end() {
        for (text, want) in [
            ("db1", Some("db1:9042")),
            ("db1:19042", Some("db1:19042")),
            ("10.0.0.1", Some("10.0.0.1:9042")),
            ("10.0.0.1:9043", Some("10.0.0.1:9043")),
            ("::1", Some("[::1]:9042")),
            ("[::1]", Some("[::1]:9042")),
            ("[::1]:9043", Some("[::1]:9043")),
            (" a.example , b:1,", Some("a.example:9042 b:1")),
            ("", None),
            (",", None),
            (":9042", None),
            ("db1:", None),
            ("db1:0", None),
            ("db1:65536", None),
            ("cql://db1", None),
            ("db 1", None),
            ("me@db1", None),
        ] {
            let nodes = cql_nodes(text).ok().map(|nodes| nodes.join(" "));
            assert_eq!(nodes.as_deref(), want, "{text:?}");
        }
        assert!(cql_nodes(&"a,".repeat(65)).is_err());
    }

    #[test]
    fn a_keyspace_needs_no_quotes() {
        let long = "k".repeat(49);
        for (text, good) in [
            ("bedside", true),
            ("clinic_2", true),
            (&long[1..], true),
            (&long, false),
            ("Bedside", false),
            ("2clinic", false),
            ("_x", false),
            ("a-b", false),
            ("a;b", false),
            ("", false),
        ] {
            assert_eq!(keyspace(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_misspelt_level_is_not_taken_for_a_target() {
        for (text, good) in [
            ("info", true),
            ("WARN", true),
            ("off", true),
            ("info,bedside=debug", true),
            ("bedside::ws=trace", true),
            ("inof", false),
            ("info,verbose", false),
            ("bedside=loud", false),
        ] {
            assert_eq!(log_filter(text).is_ok(), good, "{text}");
        }
    }
}
