//! `bedside migrate`, and servers on a keyspace that it has not been at.

use bedside::adapters::scylla::{
    CqlStore, MigrateError, Migrated, OpenError, Options, VERSION, migrate,
};

use crate::ring::{Keyspace, nodes};

/// A keyspace that is gone when the test is.
struct Fresh(Keyspace);

impl Drop for Fresh {
    fn drop(&mut self) {
        let drop = format!("DROP KEYSPACE IF EXISTS {}", self.0.name);
        self.0.tell(drop);
    }
}

fn refused(options: &Options) -> String {
    let refused = CqlStore::open(options).map(|_| ());
    refused.expect_err("no server on it").to_string()
}

#[test]
fn a_keyspace_is_made_once_and_servers_ask_for_it() {
    let Some(keyspace) = Keyspace::unmade() else {
        return;
    };
    let fresh = Fresh(keyspace);
    let options = fresh.0.options();
    let told = refused(&options);
    assert!(told.contains("Run `bedside migrate` once"), "{told}");

    let made = migrate(&options, 3).expect("a keyspace");
    assert_eq!(made.keyspace, Some(("datacenter1".to_owned(), 3)));
    assert_eq!(made.version_before, None);
    assert!(made.tables_made > 20);
    let again = migrate(&options, 3);
    let nothing = Migrated {
        keyspace: None,
        tables_made: 0,
        version_before: Some(VERSION),
    };
    assert_eq!(again, Ok(nothing));
    CqlStore::open(&options).expect("a server on it");

    let set = |version: &str| {
        let text = "UPDATE store_meta SET value = '?' WHERE key = 'schema_version' IF EXISTS";
        fresh.0.tell(text.replace('?', version));
    };
    // The schema goes first in an upgrade: servers of before go on, and may start again.
    set("1000");
    CqlStore::open(&options).expect("a server on a later schema");
    let newer = migrate(&options, 3);
    assert_eq!(newer, Err(MigrateError::Newer("1000".to_owned())));
    set("0");
    let told = refused(&options);
    assert!(told.contains("it has schema version 0"), "{told}");
    assert!(told.contains("Run `bedside migrate` once"), "{told}");
    // A migration that was cut short goes on.
    fresh.0.tell("DROP TABLE settings".to_owned());
    let mended = migrate(&options, 3).expect("it goes on");
    assert_eq!((mended.tables_made, mended.version_before), (1, Some(0)));
    CqlStore::open(&options).expect("a server on it");
}

#[test]
fn what_the_ring_cannot_do_is_told() {
    let Some(nodes) = nodes() else {
        return;
    };
    let options = Options::new(nodes, "bedside_test_never_made");
    let many = migrate(&options, 9);
    let MigrateError::TooFewNodes(datacenter, _, 9) = many.expect_err("too many copies") else {
        panic!("another fault");
    };
    assert_eq!(datacenter, "datacenter1");
    let mut elsewhere = options.clone();
    elsewhere.datacenter = Some("nowhere".to_owned());
    let wrong = OpenError::NoDatacenter("nowhere".to_owned(), "datacenter1".to_owned());
    assert_eq!(migrate(&elsewhere, 3), Err(MigrateError::Open(wrong)));
    let mut nobody = options;
    nobody.nodes = vec!["127.0.0.1:1".to_owned()];
    let refused = migrate(&nobody, 3).expect_err("nobody there");
    let told = refused.to_string();
    assert!(
        told.starts_with("no CQL node of 127.0.0.1:1 can be used"),
        "{told}"
    );
}
