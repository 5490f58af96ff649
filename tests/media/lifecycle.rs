//! Connections that end, begin anew, and are never answered.

use bedside_actors::ports::media::{Media as _, MediaError, MediaEvent, Source};
use bedside_protocol::{CallId, ParticipantId, limits};

use crate::room::{BOTH, Room, sfu, until};

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_again_has_their_place_and_the_others_are_not_bothered() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    let offers = room.offers_to(a.id).len();
    b.leave().await;
    let again = room.join_as(b.id, 9).await;
    until("the new connection is seen", || {
        a.received(b.id, Source::Camera).by_tag.contains_key(&9)
    })
    .await;
    room.until_all_see_all(&[a.clone(), again.clone()]).await;
    assert_eq!(room.offers_to(a.id).len(), offers);
    assert_eq!(a.received(b.id, Source::Camera).holes, 0);
    let numbers: Vec<_> = room.offers_to(b.id).iter().map(|offer| offer.id).collect();
    assert!(numbers.is_sorted() && numbers.len() >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_gives_other_credentials_and_media_go_on() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    let ufrag = |sdp: &str| {
        let line = sdp.lines().find(|line| line.starts_with("a=ice-ufrag:"));
        line.unwrap().to_owned()
    };
    let before = room.offers_to(a.id).pop().unwrap();
    room.sfu.restart(room.call, a.id).unwrap();
    until("a restart is offered", || {
        room.offers_to(a.id).pop().unwrap().restart
    })
    .await;
    let after = room.offers_to(a.id).pop().unwrap();
    assert_ne!(ufrag(&before.sdp), ufrag(&after.sdp));
    until("it is answered", || a.last_offer() == after.id).await;
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_is_told_and_no_longer_published() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    b.leave().await;
    until("it is told", || {
        room.told_about(b.id)
            .iter()
            .any(|event| matches!(event, MediaEvent::Interrupted(_) | MediaEvent::Failed(..)))
    })
    .await;
    assert!(
        !room
            .told_about(a.id)
            .contains(&MediaEvent::Interrupted(a.id))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_call_that_is_closed() {
    let sfu = sfu();
    for _ in 0..3 {
        let room = Room::open(&sfu);
        let (a, b) = (room.join(1).await, room.join(2).await);
        room.until_all_see_all(&[a.clone(), b.clone()]).await;
        assert_eq!(sfu.stats().peers(), 2);
        sfu.close(room.call);
        until("all places are free", || {
            sfu.stats().peers() == 0 && sfu.stats().calls() == 0
        })
        .await;
        let gone = sfu.restart(room.call, a.id);
        assert_eq!(gone, Err(MediaError::NoSuchCall));
    }
    assert_eq!(sfu.stats().panics(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_refused() {
    let room = Room::open(&sfu());
    let (call, sfu) = (room.call, &room.sfu);
    let nobody = ParticipantId::new();
    let no_place = Err(MediaError::NoSuchParticipant);
    assert_eq!(sfu.remove(call, nobody), no_place);
    assert_eq!(sfu.mute(call, nobody, Source::Camera, true), no_place);
    assert_eq!(sfu.candidate(call, nobody, ""), no_place);
    let no_call = Err(MediaError::NoSuchCall);
    assert_eq!(sfu.add(CallId::new(), nobody, BOTH), no_call);
    for _ in 0..limits::CALL_PARTICIPANTS_MAX {
        sfu.add(call, ParticipantId::new(), BOTH).unwrap();
    }
    assert_eq!(sfu.add(call, nobody, BOTH), Err(MediaError::Full));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_carries_so_many_people() {
    let sfu = sfu();
    let rooms: Vec<_> = (0..3).map(|_| Room::open(&sfu)).collect();
    let add = |room: &Room| sfu.add(room.call, ParticipantId::new(), BOTH);
    for room in &rooms[..2] {
        for _ in 0..limits::CALL_PARTICIPANTS_MAX {
            add(room).unwrap();
        }
    }
    for _ in 0..8 {
        add(&rooms[2]).unwrap();
    }
    assert_eq!(add(&rooms[2]), Err(MediaError::Overloaded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_screen_is_one_more_picture() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    room.sfu
        .publish(room.call, a.id, Source::Screen, true)
        .unwrap();
    until("both are offered it", || {
        let sections = |who| room.offers_to(who).pop().unwrap().sections.len();
        sections(a.id) == 5 && sections(b.id) == 5
    })
    .await;
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    assert!(
        !room
            .told_about(a.id)
            .contains(&MediaEvent::Published(a.id, Source::Screen))
    );
}
