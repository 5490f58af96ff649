//! What keeps the demo away from real use.

use bedside::{
    auth::{Grant, Minter, Verifier},
    demo::{self, MarkError, check_store_mark, demo_secret, is_local_host, login_allowed},
};
use bedside_protocol::{Role, Roles, Timestamp, UserId};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// A directory that is gone when the test is.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("bedside-demo-{}", uuid::Uuid::new_v4());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn the_secret_is_made_once_and_only_its_owner_reads_it() {
    let scratch = Scratch::new();
    let data_dir = scratch.0.join("made/on/the/way");
    let secret = demo_secret(&data_dir).expect("a secret");
    assert_eq!(secret.expose().len(), 43);
    assert_eq!(mode(&data_dir), 0o700);
    assert_eq!(mode(&data_dir.join("demo-secret")), 0o600);
    let files = fs::read_dir(&data_dir).expect("a directory").count();
    assert_eq!(files, 1, "no draft is left");
    assert_eq!(demo_secret(&data_dir).expect("the same"), secret);

    let other = Scratch::new();
    assert_ne!(demo_secret(&other.0).expect("another"), secret);
}

#[test]
fn starting_twice_at_once_makes_one_secret() {
    let scratch = Scratch::new();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let dir = scratch.0.clone();
            std::thread::spawn(move || demo_secret(&dir).expect("a secret"))
        })
        .collect();
    let secrets: Vec<_> = threads
        .into_iter()
        .map(|t| t.join().expect("no panic"))
        .collect();
    assert!(secrets.iter().all(|s| *s == secrets[0]));
}

#[test]
fn a_damaged_secret_is_never_used() {
    for content in [
        "",
        "\n",
        "short",
        "with spaces that make it fortythree chars!!",
    ] {
        let scratch = Scratch::new();
        fs::create_dir_all(&scratch.0).expect("a directory");
        fs::write(scratch.0.join("demo-secret"), content).expect("written");
        let error = demo_secret(&scratch.0).expect_err("damaged");
        assert!(error.to_string().contains("damaged"), "{error}");
    }
}

#[test]
fn the_demo_s_people_are_ordinary_ones() {
    let roles: Vec<Role> = demo::PEOPLE.iter().map(|p| p.role).collect();
    assert_eq!(roles, [Role::Patient, Role::Doctor, Role::Nurse]);
    assert!(demo::PEOPLE.iter().all(|p| demo::role_allowed(p.role)));
    assert!(!demo::role_allowed(Role::Admin) && !demo::role_allowed(Role::Service));
    assert!(demo::person("demo-doctor").is_some_and(|p| p.role == Role::Doctor));
    assert_eq!(demo::person("admin"), None);

    let scratch = Scratch::new();
    let secret = demo_secret(&scratch.0).expect("a secret");
    let now = Timestamp::from_millis(1_800_000_000_000);
    for person in demo::PEOPLE {
        let user_id = UserId::new(person.user_id).expect("an id");
        let grant = Grant {
            user_id: &user_id,
            roles: &[person.role.name()],
            name: Some(person.name),
            scopes: &[],
            ttl: Duration::from_secs(60),
        };
        let token = Minter::hs256(&secret, None, None).mint(&grant, now);
        let verifier = Verifier::hs256(&secret, None, None);
        let identity = verifier.verify(&token, now).expect("a good token");
        assert_eq!(identity.user_id.as_str(), person.user_id);
        assert_eq!(identity.roles, Roles::from(person.role));
        assert_eq!(&*identity.name, person.name, "not cut short");
    }
}

#[test]
fn only_this_machine_s_own_names_are_local() {
    for (host, want) in [
        ("localhost", true),
        ("LocalHost:3000", true),
        ("127.0.0.1", true),
        ("127.0.0.1:65535", true),
        ("[::1]", true),
        ("[::1]:3000", true),
        ("", false),
        (":3000", false),
        ("localhost.", false),
        ("localhost:", false),
        ("localhost:x", false),
        ("localhost:+1", false),
        ("localhost:65536", false),
        ("localhost:3000:1", false),
        ("localhost.evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("evil.example", false),
        ("127.0.0.2", false),
        ("0.0.0.0:3000", false),
        ("::1", false),
        ("[::1]evil", false),
        ("[::2]", false),
        (" localhost", false),
        ("localhost/", false),
        ("x@localhost", false),
        ("192.168.1.5:3000", false),
    ] {
        assert_eq!(is_local_host(host), want, "{host:?}");
    }
}

#[test]
fn a_login_comes_straight_from_this_machine_or_is_refused() {
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Headers<'_>, bool)] = &[
        (&[("host", "localhost:3000")], true),
        (
            &[("Host", "127.0.0.1"), ("Accept", "*/*"), ("x-forward", "1")],
            true,
        ),
        (&[], false),
        (&[("accept", "*/*")], false),
        (&[("host", "evil.example")], false),
        (&[("host", "localhost"), ("host", "localhost")], false),
        (&[("host", "localhost"), ("host", "evil.example")], false),
        (
            &[("host", "localhost"), ("forwarded", "for=1.2.3.4")],
            false,
        ),
        (&[("host", "localhost"), ("Forwarded", "")], false),
        (
            &[("X-Forwarded-For", "127.0.0.1"), ("host", "localhost")],
            false,
        ),
        (
            &[("host", "localhost"), ("x-forwarded-proto", "https")],
            false,
        ),
        (
            &[("host", "localhost"), ("X-FORWARDED-ANYTHING", "1")],
            false,
        ),
        (&[("host", "localhost"), ("via", "1.1 proxy")], false),
        (&[("host", "localhost"), ("x-real-ip", "127.0.0.1")], false),
    ];
    for (headers, want) in cases {
        let bytes = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()));
        assert_eq!(login_allowed(bytes), *want, "{headers:?}");
    }
    assert!(!login_allowed([("host", b"\xff".as_slice())]));
}

#[test]
fn a_store_keeps_to_its_own_kind() {
    for (existing, demo, want) in [
        (None, true, Ok(Some("demo"))),
        (None, false, Ok(Some("real"))),
        (Some("demo"), true, Ok(None)),
        (Some("real"), false, Ok(None)),
        (Some("real"), true, Err(MarkError::RealStoreInDemo)),
        (Some("demo"), false, Err(MarkError::DemoStoreInReal)),
        (Some(""), true, Err(MarkError::Unknown)),
        (Some("Demo"), true, Err(MarkError::Unknown)),
        (Some("other"), false, Err(MarkError::Unknown)),
    ] {
        assert_eq!(
            check_store_mark(existing, demo),
            want,
            "{existing:?} {demo}"
        );
    }
}
