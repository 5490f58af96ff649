//! A disk without any room left.

use crate::{
    place::{Place, SMALL},
    run,
    talk::Talk,
};

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_goes_on_by_itself() {
    let Some(place) = Place::memory(SMALL) else {
        return;
    };
    run(async {
        let server = place.start().await;
        let mut talk = Talk::begin(server.address).await;
        talk.say(30).await;

        place.fill();
        let refusal = talk.say_until_refused().await;
        assert_eq!(refusal.message, "storage is full");
        assert_eq!(talk.say_at_once(50).await, 50, "all of a group");
        talk.is_whole().await;
        talk.is_degraded().await;

        place.free();
        talk.until_ready().await;
        talk.say_again().await;
        talk.say(5).await;
        talk.is_whole().await;

        // And once more, with the end of the process in it.
        place.fill();
        talk.say_until_refused().await;
        server.kill();
        place.free();
        let server = place.start().await;
        talk.go_on(server.address).await;
        talk.is_whole().await;
        talk.say_again().await;
        talk.is_whole().await;
    });
    let log = place.log();
    assert!(log.contains("the disk is full"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_start_on_a_full_disk_says_so() {
    let Some(place) = Place::memory(SMALL) else {
        return;
    };
    place.fill();
    let said = place.refused();
    assert!(said.contains("is full: free some space"), "{said}");
    place.free();
    run(async {
        let server = place.start().await;
        Talk::begin(server.address).await.say(1).await;
    });
}
