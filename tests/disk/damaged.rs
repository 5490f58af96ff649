//! Bytes of the database that are not what was written.

use bedside_loadtest::{
    http::Rest,
    peer::{Peer, say},
    rng::Rng,
    server::{DataDir, Recipe, SECRET, Server},
    world::World,
    ws::Dial,
};
use bedside_protocol::ErrorCode;
use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use crate::{place::refused, run};

/// Every second one with the server running.
const ROUNDS: usize = 16;
const PAGE_BYTES: usize = 8_192;
const BIN: &str = env!("CARGO_BIN_EXE_bedside");

/// People with some messages, all of them in the database file itself.
async fn filled(dir: &DataDir) -> World {
    let server = Server::start(&Recipe::of(BIN), dir)
        .await
        .expect("it starts");
    let world = World::make(server.address, SECRET, "damage", 8, 16).await;
    let world = world.expect("people who may talk");
    for (n, pair) in world.pairs.iter().enumerate() {
        let token = &world.users[pair.members[0]].token;
        let peer = Peer::open(&Dial::new(server.address), token).await;
        let mut peer = peer.expect("a socket");
        for m in 0..20 {
            let number = (n * 100 + m) as u64;
            let text = bedside_loadtest::peer::text_of(number, 600);
            let id = peer.post(&say(pair.id, number, text));
            peer.answer(id).await.expect("an answer").expect("stored");
        }
        peer.close();
    }
    server.kill();
    let conn = rusqlite::Connection::open(dir.data().join("bedside.db")).expect("a database");
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("copied");
    world
}

/// Overwrites a part of one page behind the first, or a few bytes all over.
fn damage(path: &Path, rng: &mut Rng) {
    let mut bytes = fs::read(path).expect("the file");
    let pages = bytes.len() / PAGE_BYTES;
    if rng.below(2) == 0 {
        let page = 1 + rng.below(pages - 1);
        let from = page * PAGE_BYTES + rng.below(PAGE_BYTES / 2);
        let length = 16 + rng.below(PAGE_BYTES / 2 - 16);
        for byte in &mut bytes[from..from + length] {
            *byte = rng.below(256) as u8;
        }
    } else {
        for _ in 0..2_000 {
            let at = PAGE_BYTES + rng.below(bytes.len() - PAGE_BYTES);
            bytes[at] = rng.below(256) as u8;
        }
    }
    let mut file = File::options().write(true).open(path).expect("the file");
    file.write_all(&bytes).expect("written");
}

/// Asks for everything and says something everywhere. Whatever can be is answered.
async fn look_around(server: &Server, world: &World) -> [usize; 2] {
    let (mut good, mut bad) = (0, 0);
    for (n, pair) in world.pairs.iter().enumerate() {
        let user = &world.users[pair.members[0]];
        let mut rest = Rest::connect(server.address).await.expect("it listens");
        let path = format!(
            "/api/v1/conversations/{}/messages?after_seq=0&limit=200",
            pair.id
        );
        for path in [path.as_str(), "/api/v1/conversations"] {
            let answer = rest.ask("GET", path, &user.token, None).await;
            match answer.expect("an answer").status {
                200 => good += 1,
                // Its members may be what is damaged.
                403 | 404 | 503 => bad += 1,
                other => panic!("{path} was answered with {other}"),
            }
        }
        let Ok(mut peer) = Peer::open(&Dial::new(server.address), &user.token).await else {
            bad += 1;
            continue;
        };
        let id = peer.post(&say(
            pair.id,
            10_000 + n as u64,
            "are you there?".to_owned(),
        ));
        match peer.answer(id).await.expect("it is answered") {
            Ok(_) => good += 1,
            Err(error) => {
                // Members and relations may be what is damaged.
                use ErrorCode::{Forbidden, NotAMember, NotFound, Unavailable};
                let told = [Forbidden, NotAMember, NotFound, Unavailable];
                assert!(told.contains(&error.code), "{error}");
                bad += 1;
            }
        }
        peer.close();
    }
    [good, bad]
}

#[test]
fn damage_is_told_and_never_the_end_of_the_server() {
    let whole = DataDir::new(None).expect("a directory");
    let seed = Rng::fresh_seed();
    let mut rng = Rng::new(seed);
    let (mut refusals, mut all_good, mut all_bad) = (0, 0, 0);
    run(async {
        let world = filled(&whole).await;
        for round in 0..ROUNDS {
            let dir = DataDir::new(None).expect("a directory");
            fs::create_dir_all(dir.data()).expect("a directory");
            for file in fs::read_dir(whole.data()).expect("files").flatten() {
                fs::copy(file.path(), dir.data().join(file.file_name())).expect("copied");
            }
            let database = dir.data().join("bedside.db");
            let is_running = round % 2 == 0;
            if !is_running {
                damage(&database, &mut rng);
            }
            match Server::start(&Recipe::of(BIN), &dir).await {
                Ok(server) => {
                    if is_running {
                        damage(&database, &mut rng);
                    }
                    let [good, bad] = look_around(&server, &world).await;
                    (all_good, all_bad) = (all_good + good, all_bad + bad);
                }
                Err(_) => {
                    let said = refused(Path::new(BIN), &dir.data());
                    assert!(
                        said.contains("is damaged"),
                        "seed {seed} round {round}: {said}"
                    );
                    assert!(said.contains("restore a back-up"), "{said}");
                    refusals += 1;
                }
            }
            let log = dir.log_tail();
            assert!(
                !log.contains("panicked"),
                "seed {seed} round {round}: {log}"
            );
        }
    });
    println!("{refusals} of {ROUNDS} did not start; {all_good} went well, {all_bad} did not");
}
