//! Candidates of clients. This server is reachable itself, so that it needs none of them and
//! looks at their form only.

use bedside_protocol::limits;

/// Whether this is a candidate as clients send them, or the empty one at the end, in a word about
/// what is wrong.
pub(super) fn check(candidate: &str) -> Result<(), &'static str> {
    if candidate.is_empty() {
        return Ok(());
    }
    if candidate.len() > limits::CANDIDATE_BYTES_MAX {
        return Err("it is too long");
    }
    if candidate.bytes().any(|b| !(0x20..0x7f).contains(&b)) {
        return Err("it has characters that no candidate has");
    }
    let rest = candidate
        .strip_prefix("candidate:")
        .or_else(|| candidate.strip_prefix("a=candidate:"))
        .ok_or("it is no candidate")?;
    let mut fields = rest.split(' ');
    let mut next = || fields.next().filter(|field| !field.is_empty());
    let foundation = next().ok_or("it has no foundation")?;
    if foundation.len() > 32 {
        return Err("its foundation is too long");
    }
    number(next(), 256).ok_or("it has no component")?;
    let transport = next().ok_or("it has no transport")?;
    if !["udp", "tcp"].contains(&transport.to_ascii_lowercase().as_str()) {
        return Err("its transport is unknown");
    }
    number(next(), u64::from(u32::MAX)).ok_or("it has no priority")?;
    next().ok_or("it has no address")?;
    number(next(), 65_535).ok_or("it has no port")?;
    if next() != Some("typ") || next().is_none() {
        return Err("it has no type");
    }
    Ok(())
}

fn number(field: Option<&str>, max: u64) -> Option<u64> {
    field?.parse().ok().filter(|n| *n <= max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_browsers_send_passes() {
        for candidate in [
            "",
            "candidate:1 1 udp 2113937151 192.0.2.7 51371 typ host generation 0 ufrag Xy network-cost 999",
            "candidate:842163049 1 udp 1677729535 203.0.113.9 40000 typ srflx raddr 10.0.0.2 rport 40000",
            "candidate:0 1 UDP 2122252543 0f9a2c7e-93d1-4f0c-9b3e-0a1b2c3d4e5f.local 50000 typ host",
            "candidate:2 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active",
            "a=candidate:7 1 udp 1 2001:db8::1 9 typ relay raddr ::1 rport 1",
        ] {
            assert_eq!(check(candidate), Ok(()), "{candidate}");
        }
    }

    #[test]
    fn others_do_not() {
        for candidate in [
            "candidat:1 1 udp 1 192.0.2.7 1 typ host",
            "candidate:1 1 sctp 1 192.0.2.7 1 typ host",
            "candidate:1 1 udp 1 192.0.2.7 65536 typ host",
            "candidate:1 1 udp 4294967296 192.0.2.7 1 typ host",
            "candidate:1 1 udp 1 192.0.2.7 1 type host",
            "candidate:1 1 udp 1 192.0.2.7 1 typ",
            "candidate:1 1 udp 1 192.0.2.7 1 typ host\r\na=setup:active",
            "candidate:",
        ] {
            assert!(check(candidate).is_err(), "{candidate}");
        }
        let long = format!("candidate:1 1 udp 1 {} 1 typ host", "a".repeat(600));
        assert_eq!(check(&long), Err("it is too long"));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_judged(text in "\\PC{0,80}") {
            let _ = check(&text);
            let _ = check(&format!("candidate:{text}"));
        }
    }
}
