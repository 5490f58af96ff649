//! Short forms of `scripts/long/crash` and `scripts/long/slow`, against the real binary.

use bedside_loadtest::{crash, rng::Rng, server::Recipe, slow};
use std::time::Duration;

fn recipe() -> Recipe {
    Recipe::of(env!("CARGO_BIN_EXE_bedside"))
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test)
}

#[test]
fn killed_at_random_nothing_acknowledged_is_lost_and_nothing_is_there_twice() {
    let plan = crash::Plan {
        // Kills find more than talk does: many short rounds.
        rounds: 12,
        talk_max: Duration::from_millis(120),
        seed: Rng::fresh_seed(),
        ..crash::Plan::default()
    };
    let results = run(crash::run(&plan, &recipe(), None, |line| {
        println!("{line}")
    }));
    let results = results.expect("a run");
    println!("{}", results.summary());
    assert_eq!(results.problems, Vec::<String>::new(), "seed {}", plan.seed);
    assert_eq!(results.rounds, plan.rounds);
    assert_eq!(results.sent, results.stored);
    assert_eq!(results.acked, results.stored);
    assert!(results.stored > 100 && results.doubles > 0 && results.repeated > 0);
}

#[test]
fn a_reader_that_stops_costs_little_and_catches_up() {
    let plan = slow::Plan {
        messages: 1_250,
        ..slow::Plan::default()
    };
    let results = run(slow::run(&plan, &recipe(), None, 8 * 1024)).expect("a run");
    println!("{}", results.summary());
    assert_eq!(results.problems, Vec::<String>::new());
    assert!(
        results.caught_up > 500,
        "most of it came after it reconnected"
    );
}
