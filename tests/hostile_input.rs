//! Short runs, in every test run, of what `scripts/long/fuzz` does for longer: tokens and native
//! commands of any bytes, and ones that were good before something happened to them. (Frames have
//! `frames_property.rs`; Engine.IO and Socket.IO have theirs beside the code.)

#[path = "../fuzz/checks/commands.rs"]
mod commands;
#[path = "../fuzz/checks/token.rs"]
mod token;

// Where the checks find what they check.
use bedside::{auth, config};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::{fs, path::Path};

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let files = fs::read_dir(dir).expect("seeds").flatten();
    files
        .map(|file| fs::read(file.path()).expect("a seed"))
        .collect()
}

#[derive(Clone, Debug)]
enum Damage {
    Byte(Index, u8),
    Cut(Index, Index),
    /// A part of another seed.
    Graft(Index, Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (at(), at()).prop_map(|(from, to)| Damage::Cut(from, to)),
        (at(), at(), at()).prop_map(|(at, of, from)| Damage::Graft(at, of, from)),
    ]
}

fn damaged(seeds: &[Vec<u8>], which: Index, damages: &[Damage]) -> Vec<u8> {
    let mut bytes = which.get(seeds).clone();
    for damage in damages {
        // The end is a place, too.
        let place = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match damage {
            Damage::Byte(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Byte(..) => {}
            Damage::Cut(from, to) => {
                let (from, to) = (place(from, &bytes), place(to, &bytes));
                bytes.drain(from.min(to)..from.max(to));
            }
            Damage::Graft(at, of, from) => {
                let (at, other) = (place(at, &bytes), of.get(seeds));
                let from = place(from, other);
                bytes.splice(at..at, other[from..].iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn who_says_all_that_is_to_be_said_is_let_in() {
    let seed = seeds("token").into_iter().find(|seed| seed[0] == 1);
    let seed = seed.expect("a signed one");
    let mut parts = seed[1..].split(|byte| *byte == 0xff);
    let (header, claims) = (
        parts.next().expect("a header"),
        parts.next().expect("claims"),
    );
    assert!(token::signed(header, claims));
    for (without, instead) in [
        ("\"iss\"", "\"ass\""),
        ("bedside", "bedsite"),
        ("HS256", "HS384"),
    ] {
        let change = |part: &[u8]| String::from_utf8_lossy(part).replace(without, instead);
        let is_let_in = token::signed(change(header).as_bytes(), change(claims).as_bytes());
        assert!(!is_let_in, "{instead}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_in_our_words(bytes in vec(any::<u8>(), 0..600)) {
        token::check(&bytes);
        commands::check(&bytes);
    }

    #[test]
    fn a_damaged_token_opens_nothing(
        which in any::<Index>(),
        damages in vec(damage(), 1..5),
    ) {
        token::check(&damaged(&seeds("token"), which, &damages));
    }

    #[test]
    fn a_damaged_command_says_one_thing_or_nothing(
        which in any::<Index>(),
        damages in vec(damage(), 1..5),
    ) {
        commands::check(&damaged(&seeds("commands"), which, &damages));
    }
}
