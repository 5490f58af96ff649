//! A disk that takes no writes any more.

use std::process::Command;

use crate::{
    place::{Place, SMALL},
    run,
    talk::Talk,
};

const REMOUNT: &str = r#"mount -o remount,"#;

#[test]
fn a_read_only_directory_is_told_at_start() {
    let Some(place) = Place::memory(SMALL) else {
        return;
    };
    // Empty, and with a store in it.
    for round in 0..2 {
        place.sh(&format!(r#"{REMOUNT}ro "$1""#));
        let said = place.refused();
        assert!(said.contains("cannot be written"), "{said}");
        assert!(said.contains("Read-only file system"), "{said}");
        place.sh(&format!(r#"{REMOUNT}rw "$1""#));
        run(async {
            let server = place.start().await;
            let mut talk = Talk::begin(server.address).await;
            talk.say(round + 1).await;
            server.kill();
        });
    }
}

#[test]
fn while_writes_fail_reads_go_on() {
    let Some(place) = Place::memory(SMALL) else {
        return;
    };
    run(async {
        let server = place.start().await;
        let mut talk = Talk::begin(server.address).await;
        talk.say(30).await;

        // From now on every write to a file is an error.
        let pid = server.process().0.to_string();
        let limit = |bytes: &str| {
            let limit = format!("--fsize={bytes}:unlimited");
            let set = Command::new("prlimit")
                .args(["--pid", &pid, &limit])
                .status();
            assert!(set.is_ok_and(|set| set.success()));
        };
        limit("0");
        let refusal = talk.say_until_refused().await;
        assert!(refusal.message.contains("try again"), "{refusal}");
        assert_eq!(talk.say_at_once(50).await, 50);
        talk.lost_nothing().await;
        talk.is_degraded().await;

        limit("unlimited");
        talk.until_ready().await;
        talk.say_again().await;
        talk.say(5).await;
        talk.is_whole().await;

        limit("0");
        talk.say_until_refused().await;
        server.kill();
        let server = place.start().await;
        talk.go_on(server.address).await;
        talk.lost_nothing().await;
        talk.say_again().await;
        talk.is_whole().await;
    });
    assert!(!place.log().contains("panicked"), "{}", place.log());
}

#[test]
fn a_file_system_that_turns_read_only_loses_nothing() {
    let Some(place) = Place::ext4() else {
        return;
    };
    run(async {
        let server = place.start().await;
        let mut talk = Talk::begin(server.address).await;
        talk.say(30).await;

        // What the kernel does after an error of the disk.
        place.sh(&format!(r#"{REMOUNT}abort "$1""#));
        talk.say_until_refused().await;
        assert_eq!(talk.say_at_once(50).await, 50);
        talk.lost_nothing().await;
        talk.is_degraded().await;

        server.kill();
        let said = place.refused();
        assert!(said.contains("cannot be written"), "{said}");

        place.sh(r#"umount "$1" && { e2fsck -p "$2" || [ $? = 1 ]; } && mount -o loop "$2" "$1""#);
        let server = place.start().await;
        talk.go_on(server.address).await;
        talk.lost_nothing().await;
        talk.say_again().await;
        talk.is_whole().await;
    });
    assert!(!place.log().contains("panicked"), "{}", place.log());
}
