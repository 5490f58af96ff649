//! What is done to offers and answers as texts. Pure; hostile texts cost an error.

use bedside_protocol::limits;
use std::{fmt::Write as _, net::SocketAddr};

/// The credentials by which a client is let into a connection.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct IceKeys {
    pub(super) ufrag: String,
    pub(super) pwd: String,
}

/// The value of the first `a=` line of this name.
pub(super) fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| {
        line.strip_prefix("a=")?
            .strip_prefix(name)?
            .strip_prefix(':')
    })
}

/// The credentials that an offer carries.
pub(super) fn ice_keys(sdp: &str) -> Option<IceKeys> {
    Some(IceKeys {
        ufrag: attribute(sdp, "ice-ufrag")?.to_owned(),
        pwd: attribute(sdp, "ice-pwd")?.to_owned(),
    })
}

/// The number that a header extension has in this offer.
pub(super) fn extension_id(sdp: &str, uri: &str) -> Option<u8> {
    sdp.lines().find_map(|line| {
        let (id, rest) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
        (rest.split(' ').next() == Some(uri)).then(|| id.parse().ok())?
    })
}

/// The media sections, each with its `m=` line, after what comes before them.
pub(super) fn sections(sdp: &str) -> (&str, Vec<&str>) {
    let mut starts: Vec<usize> = sdp.match_indices("\nm=").map(|(at, _)| at + 1).collect();
    let head = &sdp[..starts.first().copied().unwrap_or(sdp.len())];
    starts.push(sdp.len());
    let sections = starts.windows(2).map(|ends| &sdp[ends[0]..ends[1]]);
    (head, sections.collect())
}

/// The offer with the places where this server is reached instead of those that the connection
/// believes in, which are of sockets that nobody else can reach. No more will follow.
pub(super) fn with_candidates(offer: &str, reached_at: &[SocketAddr]) -> String {
    let (head, sections) = sections(offer);
    let mut text = without(head, is_candidate);
    for section in sections {
        text.push_str(&without(section, is_candidate));
        for (n, at) in reached_at.iter().enumerate() {
            // RFC 8445, 5.1.2.1: host candidates, the first one preferred.
            let priority = (126 << 24) + ((65_535 - n as u32) << 8) + 255;
            let (ip, port) = (at.ip(), at.port());
            let n = n + 1;
            let written = write!(
                text,
                "a=candidate:{n} 1 udp {priority} {ip} {port} typ host\r\n"
            );
            debug_assert!(written.is_ok(), "a String takes all that is written to it");
        }
        text.push_str("a=end-of-candidates\r\n");
    }
    text
}

fn is_candidate(line: &str) -> bool {
    line.starts_with("a=candidate:") || line == "a=end-of-candidates"
}

/// The text without the lines that are like this.
fn without(text: &str, unwanted: impl Fn(&str) -> bool) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .filter(|line| !unwanted(line.trim_end_matches(['\r', '\n'])))
        .collect()
}

/// Layers of a picture that a client is asked for, the smallest first.
pub(super) const LAYERS: [&str; 3] = ["q", "h", "f"];

/// The offer with a request for all layers in each section through which pictures come in, in the
/// text for the client only: the connection learns of them from the answer.
///
/// A section that has such a request is left alone. From the second offer on the connection makes
/// it by itself, and clients refuse two.
pub(super) fn offer_simulcast(offer: &str) -> String {
    let (head, sections) = sections(offer);
    let mut text = head.to_owned();
    for section in sections {
        text.push_str(section);
        let incoming = section.starts_with("m=video") && has_line(section, "a=recvonly");
        if incoming && !section.contains("\na=simulcast:") {
            for layer in LAYERS {
                text.push_str(&format!("a=rid:{layer} recv\r\n"));
            }
            text.push_str(&format!("a=simulcast:recv {}\r\n", LAYERS.join(";")));
        }
    }
    text
}

/// A later answer without what would have the connection bind the layers anew.
///
/// They are bound by a header extension that clients leave out once they know that it was seen,
/// so that layers bound anew stay silent for ever. The request for layers stays: later offers
/// mirror it. Not for a first answer, which has to bind them.
pub(super) fn strip_bound(answer: &str) -> String {
    let (head, sections) = sections(answer);
    let mut text = head.to_owned();
    for section in sections {
        if section.contains("\na=simulcast:") {
            let binds = |line: &str| line.starts_with("a=msid:") || line.starts_with("a=ssrc");
            text.push_str(&without(section, binds));
        } else {
            text.push_str(section);
        }
    }
    text
}

fn has_line(section: &str, wanted: &str) -> bool {
    section.lines().any(|line| line == wanted)
}

/// Whether a client's answer has the form of one to an offer with so many sections, in a word
/// about what it lacks.
pub(super) fn check_answer(answer: &str, offered: usize) -> Result<(), &'static str> {
    if answer.len() > limits::SDP_BYTES_MAX {
        return Err("it is too long");
    }
    if !answer.starts_with("v=0") {
        return Err("it is no session description");
    }
    if answer.bytes().any(|b| b == 0 || b >= 0x80) {
        return Err("it has characters that no description has");
    }
    if answer
        .lines()
        .any(|line| line.as_bytes().get(1) != Some(&b'='))
    {
        return Err("it has lines that no description has");
    }
    let (head, sections) = sections(answer);
    if sections.len() != offered {
        return Err("its media sections are not those of the offer");
    }
    let kinds = sections.iter().map(|section| section.split(' ').next());
    if kinds
        .clone()
        .any(|kind| !matches!(kind, Some("m=audio" | "m=video")))
    {
        return Err("it has media that were not offered");
    }
    for needed in ["ice-ufrag", "ice-pwd", "fingerprint"] {
        if attribute(head, needed).is_none() && attribute(answer, needed).is_none() {
            return Err("it lacks what a connection is made with");
        }
    }
    if sections.iter().all(|section| is_rejected(section)) {
        return Err("it rejects all media");
    }
    Ok(())
}

fn is_rejected(section: &str) -> bool {
    section.split(' ').nth(1) == Some("0")
}

#[cfg(test)]
mod tests;
