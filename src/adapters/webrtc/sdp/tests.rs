use super::*;
use proptest::prelude::*;

/// As this server makes them, shortened.
const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n\
    a=group:BUNDLE 0 1 2\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:HIfe\r\na=ice-pwd:SFsJ\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=recvonly\r\n\
    a=candidate:9 1 udp 1 127.0.0.1 40000 typ host\r\na=end-of-candidates\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96 102\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\na=recvonly\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96 102\r\na=mid:2\r\na=rtpmap:96 VP8/90000\r\na=sendonly\r\n\
    a=msid:section-2 track-2\r\n";

/// As Chromium makes them, shortened: layers, then a section that it receives.
const ANSWER: &str = "v=0\r\no=- 5 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:Xy12\r\n\
    a=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 AA:BB\r\na=setup:active\r\n\
    a=mid:0\r\na=sendonly\r\na=msid:- 11111111-aaaa\r\na=ssrc:7 cname:c\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96 102\r\na=mid:1\r\na=sendonly\r\na=msid:- 22222222-bbbb\r\n\
    a=rtpmap:96 VP8/90000\r\na=rid:q send\r\na=rid:h send\r\na=rid:f send\r\n\
    a=simulcast:send q;h;f\r\na=ssrc:8 cname:c\r\na=ssrc-group:SIM 8 9 10\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96 102\r\na=mid:2\r\na=recvonly\r\n";

#[test]
fn the_offer_says_where_this_server_is_reached() {
    let at = ["192.0.2.7:5004", "[2001:db8::7]:5004"].map(|at| at.parse().unwrap());
    let offer = with_candidates(OFFER, &at);
    let (_, sections) = sections(&offer);
    assert_eq!(sections.len(), 3);
    for section in sections {
        let candidates: Vec<&str> = section
            .lines()
            .filter(|l| l.contains("candidate"))
            .collect();
        assert_eq!(
            candidates,
            [
                "a=candidate:1 1 udp 2130706431 192.0.2.7 5004 typ host",
                "a=candidate:2 1 udp 2130706175 2001:db8::7 5004 typ host",
                "a=end-of-candidates",
            ]
        );
    }
    assert!(offer.starts_with("v=0\r\n") && !offer.contains("40000"));
}

#[test]
fn what_an_offer_carries_is_found() {
    let keys = ice_keys(OFFER).unwrap();
    assert_eq!((keys.ufrag.as_str(), keys.pwd.as_str()), ("HIfe", "SFsJ"));
    let uri = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    assert_eq!(extension_id(OFFER, uri), Some(4));
    assert_eq!(extension_id(OFFER, "urn:x"), None);
}

#[test]
fn layers_are_asked_for_where_pictures_come_in_and_only_once() {
    let offer = offer_simulcast(OFFER);
    let (head, asked) = sections(&offer);
    assert_eq!(head, sections(OFFER).0);
    let layers = "a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\n";
    assert!(!asked[0].contains("a=rid:") && !asked[2].contains("a=rid:"));
    assert!(asked[1].ends_with(layers));
    assert_eq!(offer_simulcast(&offer), offer);
}

#[test]
fn a_later_answer_does_not_bind_layers_anew() {
    let answer = strip_bound(ANSWER);
    let (_, parts) = sections(&answer);
    let (_, before) = sections(ANSWER);
    assert_eq!((parts[0], parts[2]), (before[0], before[2]));
    assert!(!parts[1].contains("a=msid:") && !parts[1].contains("a=ssrc"));
    assert!(parts[1].contains("a=rid:q send\r\n") && parts[1].contains("a=simulcast:send q;h;f"));
    let plain = ANSWER.replace("a=simulcast:send q;h;f\r\n", "");
    assert_eq!(strip_bound(&plain), plain);
}

#[test]
fn an_answer_has_the_form_of_one() {
    assert_eq!(check_answer(ANSWER, 3), Ok(()));
    assert!(check_answer(ANSWER, 2).is_err());
    assert!(check_answer(&OFFER.replace("a=ice-pwd", "a=x"), 3).is_err());
    assert!(check_answer(&ANSWER.replace("fingerprint", "x"), 3).is_err());
    assert!(check_answer(&ANSWER.replace("m=video", "m=application"), 3).is_err());
    assert!(check_answer(&ANSWER.replace(" 9 ", " 0 "), 3).is_err());
    assert!(check_answer(&ANSWER.replace("a=mid", "amid"), 3).is_err());
    assert!(check_answer(&ANSWER.replace("cname:c", "cname:\u{e9}"), 3).is_err());
    let long = format!("{ANSWER}{}", "a=x\r\n".repeat(limits::SDP_BYTES_MAX / 5));
    assert!(check_answer(&long, 3).is_err());
}

proptest! {
    #[test]
    fn whatever_comes_is_judged(text in "\\PC{0,60}", lines in proptest::collection::vec("[vmac]=[a-z0-9: ;-]{0,20}\r?\n", 0..20)) {
        let torn = lines.concat();
        for text in [text, format!("v=0\r\n{torn}")] {
            let _ = check_answer(&text, 2);
            let _ = strip_bound(&text);
            let _ = offer_simulcast(&text);
            let _ = with_candidates(&text, &[]);
            let _ = (ice_keys(&text), extension_id(&text, "x"));
        }
    }
}
