//! Who receives what.

use bedside_actors::ports::media::{Media as _, MediaEvent, Source};

use crate::room::{Room, sfu, until};

#[tokio::test(flavor = "multi_thread")]
async fn two_see_and_hear_each_other() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    for client in [&a, &b] {
        room.until_told(&MediaEvent::Connected(client.id)).await;
        for source in [Source::Microphone, Source::Camera] {
            room.until_told(&MediaEvent::Published(client.id, source))
                .await;
        }
    }
    let picture = b.received(a.id, Source::Camera);
    assert_eq!(picture.by_tag.keys().copied().collect::<Vec<_>>(), [1]);
    assert_eq!(picture.holes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_muted_is_not_passed_on_and_leaves_no_hole() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    for source in [Source::Microphone, Source::Camera] {
        room.sfu.mute(room.call, a.id, source, true).unwrap();
    }
    let voice = || b.received(a.id, Source::Microphone).packets;
    let picture = || b.received(a.id, Source::Camera).packets;
    // What is on its way may still arrive.
    let (mut before, mut quiet) = ((0, 0), 0);
    until("nothing comes any more", || {
        let now = (voice(), picture());
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
        quiet > 20
    })
    .await;
    let told = room.told();
    assert!(
        !told
            .iter()
            .any(|e| matches!(e, MediaEvent::Unpublished(..)))
    );
    for source in [Source::Microphone, Source::Camera] {
        room.sfu.mute(room.call, a.id, source, false).unwrap();
    }
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    assert_eq!(b.received(a.id, Source::Microphone).holes, 0);
    assert_eq!(b.received(a.id, Source::Camera).holes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_who_join_one_after_another_all_see_all() {
    let room = Room::open(&sfu());
    let mut clients = Vec::new();
    for tag in 1..=4 {
        clients.push(room.join(tag).await);
        room.until_all_see_all(&clients).await;
    }
    for client in &clients {
        for other in clients.iter().filter(|other| other.id != client.id) {
            assert_eq!(client.received(other.id, Source::Camera).holes, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_is_told() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    a.set_level(20);
    room.until_told(&MediaEvent::Speaking(Some(a.id))).await;
    a.set_level(127);
    b.set_level(15);
    room.until_told(&MediaEvent::Speaking(Some(b.id))).await;
    room.sfu
        .mute(room.call, b.id, Source::Microphone, true)
        .unwrap();
    room.until_told(&MediaEvent::Speaking(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_somebody_is_reached_is_told() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    let good = |event: &MediaEvent| match event {
        MediaEvent::Quality(who, quality) => {
            *who == a.id && quality.kbps_up > 100 && quality.kbps_down > 100
        }
        _ => false,
    };
    until("quality is told", || room.told().iter().any(good)).await;
    let measured = |event: &MediaEvent| matches!(event, MediaEvent::Quality(_, quality) if quality.round_trip_ms.is_some());
    until("the way is measured", || room.told().iter().any(measured)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_section_that_is_free_is_used_again() {
    let room = Room::open(&sfu());
    let (a, b) = (room.join(1).await, room.join(2).await);
    room.until_all_see_all(&[a.clone(), b.clone()]).await;
    room.sfu.remove(room.call, b.id).unwrap();
    b.leave().await;
    room.until_told(&MediaEvent::Unpublished(b.id, Source::Camera))
        .await;
    let c = room.join(3).await;
    room.until_all_see_all(&[a.clone(), c.clone()]).await;
    let last = room.offers_to(a.id).pop().unwrap();
    assert_eq!(
        last.sections.len(),
        4,
        "two of a's own and two of the others"
    );
    let picture = a.received(c.id, Source::Camera);
    assert!(picture.by_tag.contains_key(&3));
    assert_eq!(picture.holes, 0, "one stream goes on");
}
