//! `scripts/cluster` and a short form of `scripts/long/faults`, on one node and the embedded
//! store: what breaks and judges the cluster is itself tried on what is known to be sound.

use bedside_loadtest::{
    bed::{Bed, Kind},
    faults::{self, Nemesis},
    rng::Rng,
    server::DataDir,
};
use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

fn cluster(state: &Path, arguments: &[&str]) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/cluster");
    let output = Command::new(script)
        .args(arguments)
        .arg("--state")
        .arg(state)
        .env("BEDSIDE_BIN", env!("CARGO_BIN_EXE_bedside"))
        .env("BEDSIDE_LOG", "warn")
        .env(
            "JWT_SECRET",
            "a secret of this test, with $pecial characters",
        )
        .output();
    output.expect("scripts/cluster can be run")
}

/// Down also when the test fails.
struct Up<'a>(&'a Path);

impl Drop for Up<'_> {
    fn drop(&mut self) {
        if self.0.exists() {
            cluster(self.0, &["down"]);
        }
    }
}

#[test]
fn a_node_that_is_killed_paused_and_restarted_under_load_keeps_everything() {
    let dir = DataDir::new(None).expect("a directory");
    let state = dir.path().join("cluster");
    let up = cluster(&state, &["up", "--alone"]);
    let _up = Up(&state);
    assert!(
        up.status.success(),
        "{}",
        String::from_utf8_lossy(&up.stderr)
    );
    let said = String::from_utf8(up.stdout).expect("text");
    let lines: Vec<_> = said.lines().map(|line| line.split("://").next()).collect();
    assert_eq!(lines, [Some("node http"), Some("balancer http")], "{said}");

    let bed = Bed::open(&state).expect("a bed");
    assert_eq!(bed.secret, "a secret of this test, with $pecial characters");
    let plan = faults::Plan {
        faults: vec![Nemesis::NodeKill, Nemesis::Rolling, Nemesis::NodePause],
        rounds: 1,
        rate: 200.0,
        devices: 32,
        pairs: 16,
        groups: 2,
        talk: Duration::from_millis(500),
        goes_on: false,
        seed: Rng::fresh_seed(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let running = faults::run(&plan, &bed, |line| println!("{line}"));
    let results = runtime
        .expect("a runtime")
        .block_on(running)
        .expect("a run");
    println!("{}", results.summary());
    assert_eq!(
        results.problems(),
        Vec::<String>::new(),
        "seed {}",
        plan.seed
    );
    assert_eq!(results.rounds.len(), 3);
    let rolling = &results.rounds[1];
    assert_eq!(rolling.fault, Nemesis::Rolling);
    assert!(rolling.lost_sockets > 0 && rolling.away.max < 30_000.0);
    assert_eq!(results.sent, results.acknowledged);
    assert_eq!(results.sent, results.stored);
    assert!(results.sent > 100 && results.reconnects > 0 && results.repeats > 0);
    assert!(results.silent > 0, "a paused node is left");

    let node = bed.all(Kind::Node).next().expect("a node").address;
    let again = cluster(&state, &["up", "--alone"]);
    assert!(!again.status.success(), "one cluster in a directory");
    assert!(std::net::TcpStream::connect(node).is_ok(), "which goes on");
    assert!(cluster(&state, &["down"]).status.success());
    assert!(!state.exists(), "nothing is left");
    assert!(
        std::net::TcpStream::connect(node).is_err(),
        "nobody is there"
    );
}
