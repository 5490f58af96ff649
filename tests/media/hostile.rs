//! Whatever comes to the port or as an answer, people in calls are not disturbed.

use bedside_actors::ports::media::{Failure, Media as _, MediaError, MediaEvent, OfferId};
use bedside_protocol::{ParticipantId, limits};
use proptest::prelude::*;
use std::net::UdpSocket;

use crate::room::{BOTH, Room, sfu, until};

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_none_are_refused_or_cost_the_connection() {
    let room = Room::open(&sfu());
    let who = ParticipantId::new();
    room.sfu.add(room.call, who, BOTH).unwrap();
    until("it is offered", || !room.offers_to(who).is_empty()).await;
    let offer = room.offers_to(who).pop().unwrap();
    let answer = |id, sdp: &str| room.sfu.answer(room.call, who, id, sdp);
    let stale = Err(MediaError::StaleOffer);
    assert_eq!(answer(OfferId(0), "v=0"), stale);
    assert_eq!(answer(OfferId(offer.id.0 + 1), "v=0"), stale);
    let long = "v".repeat(limits::SDP_BYTES_MAX + 1);
    assert_eq!(answer(offer.id, &long), Err(MediaError::TooLarge));
    for bad in [
        "",
        "hello",
        "v=0\r\n",
        "v=0\r\nm=audio 9 X 0\r\nm=video 9 X 0\r\n",
        "v=0\r\nm=audio 9 X 0\r\nm=application 9 X 0\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\na=fingerprint:c\r\n",
    ] {
        let refused = answer(offer.id, bad);
        assert!(matches!(refused, Err(MediaError::BadAnswer(_))), "{bad}");
    }
    // It has the form of one, and is none.
    let hollow = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
                  m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\n\
                  a=fingerprint:sha-256 00\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n";
    answer(offer.id, hollow).unwrap();
    assert_eq!(answer(offer.id, hollow), stale, "an answer counts once");
    room.until_told(&MediaEvent::Failed(who, Failure::BadAnswer))
        .await;
    // The place is theirs, and takes another connection.
    room.join_as(who, 1).await;
    room.until_told(&MediaEvent::Connected(who)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_are_judged_by_their_form_and_counted() {
    let room = Room::open(&sfu());
    let who = ParticipantId::new();
    room.sfu.add(room.call, who, BOTH).unwrap();
    until("it is offered", || !room.offers_to(who).is_empty()).await;
    let good = "candidate:1 1 udp 2113937151 192.0.2.7 51371 typ host";
    for _ in 0..limits::CANDIDATES_MAX - 1 {
        room.sfu.candidate(room.call, who, good).unwrap();
    }
    let bad = room.sfu.candidate(room.call, who, "candidate:x");
    assert!(matches!(bad, Err(MediaError::BadCandidate(_))));
    let more = room.sfu.candidate(room.call, who, good);
    assert_eq!(more, Err(MediaError::TooManyCandidates));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_port_disturbs_nobody() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    let port = room.sfu.reached_at()[0];
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let bytes = proptest::collection::vec(any::<u8>(), 0..1_400);
    for _ in 0..2_000 {
        let tree = bytes.new_tree(&mut runner).unwrap();
        stranger
            .send_to(&proptest::strategy::ValueTree::current(&tree), port)
            .unwrap();
    }
    until("it was read", || room.sfu.stats().unknown_datagrams() > 500).await;
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    assert_eq!(room.sfu.stats().panics(), 0);
    assert!(
        !room
            .told()
            .iter()
            .any(|e| matches!(e, MediaEvent::Interrupted(_)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_answers_cost_their_sender_only() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    // A real answer, with lines left out, doubled and changed.
    let whole = room
        .offers_to(a.id)
        .remove(0)
        .sdp
        .replace("a=recvonly", "a=sendonly");
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    for n in 0..lines.len() * 3 {
        let mut torn = lines.clone();
        let at = n % lines.len();
        match n / lines.len() {
            0 => drop(torn.remove(at)),
            1 => torn.insert(at, lines[at]),
            _ => torn[at] = "a=x:\u{7f}\r\n",
        }
        let who = ParticipantId::new();
        room.sfu.add(room.call, who, BOTH).unwrap();
        until("it is offered", || !room.offers_to(who).is_empty()).await;
        let offer = room.offers_to(who).pop().unwrap();
        let _ = room.sfu.answer(room.call, who, offer.id, &torn.concat());
        room.sfu.remove(room.call, who).unwrap();
    }
    room.until_all_see_all(&[a, b]).await;
}
