//! `bedside-loadtest`: see `--help`.

mod cli;

use bedside_loadtest::{
    Outcome, balance,
    bed::Bed,
    cost, crash, disk, fault, faults, idle,
    process::Machine,
    proxy,
    report::Report,
    rng::Rng,
    send::{self, Plan},
    server::Recipe,
    slow, socketio,
};
use bedside_protocol::WireFormat;
use clap::Parser as _;
use serde::Serialize;
use std::{path::PathBuf, process::ExitCode, time::Duration};

use cli::{Cli, Command, CrashArgs, FaultsArgs, SendArgs, SocketioArgs};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // One thread: with the server on one core, the harness has the other to itself.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bedside-loadtest: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Outcome<()> {
    let machine = Machine::here();
    println!(
        "{} | {} of {} cores | kernel {} | load {} | harness {}",
        machine.cpu,
        machine.cores_allowed,
        machine.cores,
        machine.kernel,
        machine.load,
        env!("CARGO_PKG_VERSION")
    );
    match cli.command {
        Command::Send(args) => {
            let results = send(args).await?;
            let problems = results.checked.problems.clone();
            finish("send", machine, cli.json, results, &problems)
        }
        Command::Crash(args) => {
            let results = crash(args).await?;
            let problems = results.problems.clone();
            finish("crash", machine, cli.json, results, &problems)
        }
        Command::Faults(args) => {
            let results = faults(args).await?;
            let problems = results.problems();
            finish("faults", machine, cli.json, results, &problems)
        }
        Command::Cost(args) => {
            let bed = Bed::open(&args.state)?;
            let plan = cost::Plan {
                messages: args.messages,
                readers: args.readers,
                idle: Duration::from_secs_f64(args.idle),
                seed: Rng::fresh_seed(),
            };
            let results = cost::run(&plan, &bed).await?;
            println!("{}", results.summary());
            finish("cost", machine, cli.json, results, &[])
        }
        Command::Balance(args) => balance::run(args.listen, args.to).await,
        Command::Proxy(args) => proxy::run(args.links, args.control).await,
        Command::Slow(args) => {
            let plan = slow::Plan {
                messages: args.messages,
                senders: args.senders,
            };
            let (recipe, parent) = (args.target.recipe()?, args.target.data_parent.as_deref());
            let results = slow::run(&plan, &recipe, parent, args.growth_kib_max).await?;
            println!("{}", results.summary());
            let problems = results.problems.clone();
            finish("slow", machine, cli.json, results, &problems)
        }
        Command::Idle(args) => {
            let plan = idle::Plan {
                sockets: args.sockets,
            };
            let (recipe, parent) = (args.target.recipe()?, args.target.data_parent.as_deref());
            let results = idle::run(plan, &recipe, parent).await?;
            println!("{}", results.summary());
            let problems = results.problems.clone();
            finish("idle", machine, cli.json, results, &problems)
        }
        Command::Socketio(args) => {
            let results = socketio(args).await?;
            let problems = results.problems.clone();
            finish("socketio", machine, cli.json, results, &problems)
        }
        Command::Disk(args) => {
            let floor = disk::fdatasync_floor(&args.dir, args.syncs)?;
            println!("fdatasync after 16 KiB in place, ms: {}", floor.ms);
            finish("disk", machine, cli.json, floor, &[])
        }
    }
}

/// Writes the results down; what the server did wrong is the end of the run.
fn finish<T: Serialize>(
    scenario: &'static str,
    machine: Machine,
    json: Option<PathBuf>,
    results: T,
    problems: &[String],
) -> Outcome<()> {
    let report = Report::new(scenario, machine, results);
    if let Some(path) = json {
        report.write(&path)?;
    }
    println!("load after: {}", report.load_after);
    if problems.is_empty() {
        return Ok(());
    }
    fault(format!(
        "the server broke its promises:\n  {}",
        problems.join("\n  ")
    ))
}

async fn send(args: SendArgs) -> Outcome<send::Results> {
    let plan = Plan {
        loads: args.load,
        runs: args.runs,
        conversations: args.conversations,
        users: args.users,
        preload: args.preload,
        text_bytes: args.text_bytes,
        measure: Duration::from_secs_f64(args.seconds),
        warm_up: Duration::from_secs_f64(args.warm_up),
        read_back: args.read_back,
        format: if args.msgpack {
            WireFormat::MsgPack
        } else {
            WireFormat::Json
        },
        seed: args.seed.unwrap_or_else(Rng::fresh_seed),
    };
    println!("seed {}", plan.seed);
    let target = args.target.get().await?;
    let say = |text: &str| println!("{text}");
    let done = send::run(&plan, target.address, &target.secret, target.process, say).await;
    if let Some((_, dir)) = &target.started {
        println!("data directory: {} MB", dir.bytes() / 1_000_000);
        if done.is_err() {
            eprintln!("{}", dir.log_tail());
        }
    }
    let results = done?;
    println!("| load | acked/s | p50 ms | p99 ms | p99.9 ms | server us/send | store's part |");
    for median in results.medians() {
        println!("{}", median.row(&args.label));
    }
    println!("{}", results.summary());
    Ok(results)
}

async fn crash(args: CrashArgs) -> Outcome<crash::Results> {
    let plan = crash::Plan {
        rounds: args.rounds,
        senders: args.senders,
        conversations: args.conversations,
        talk_max: Duration::from_millis(args.talk_ms),
        seed: args.seed.unwrap_or_else(Rng::fresh_seed),
    };
    println!("seed {}", plan.seed);
    let recipe = args.target.recipe()?;
    let parent = args.target.data_parent.as_deref();
    let results = crash::run(&plan, &recipe, parent, |line| println!("{line}")).await?;
    println!("{}", results.summary());
    Ok(results)
}

async fn faults(args: FaultsArgs) -> Outcome<faults::Results> {
    let bed = Bed::open(&args.state)?;
    let mut faults = args.fault;
    if faults.is_empty() {
        let all = faults::Nemesis::ALL.iter().copied();
        faults = all.filter(|fault| fault.fits(&bed)).collect();
    }
    let plan = faults::Plan {
        faults,
        rounds: args.rounds,
        rate: args.rate,
        devices: args.devices,
        pairs: args.pairs,
        groups: args.groups,
        talk: Duration::from_secs_f64(args.talk),
        goes_on: args.go_on,
        seed: args.seed.unwrap_or_else(Rng::fresh_seed),
    };
    println!("seed {}", plan.seed);
    let results = faults::run(&plan, &bed, |line| println!("{line}")).await?;
    println!("{}", results.summary());
    Ok(results)
}

async fn socketio(args: SocketioArgs) -> Outcome<socketio::Results> {
    let plan = socketio::Plan {
        idle: args.idle,
        loads: args.rooms,
        rounds: args.rounds,
        contenders: args.contender,
        text_bytes: args.text_bytes,
        measure: Duration::from_secs_f64(args.seconds),
        warm_up: Duration::from_secs_f64(args.warm_up),
    };
    let bedside = args.target.recipe()?;
    let node = Recipe {
        program: args.node_bin,
        env: vec![("NODE_ENV".to_owned(), "production".to_owned())],
        ..bedside.clone()
    };
    let parent = args.target.data_parent.as_deref();
    let say = |line: &str| println!("{line}");
    let results = socketio::run(&plan, &bedside, &node, parent, say).await?;
    for line in results.busy_harness() {
        println!("the harness used more CPU than the server: {line}");
    }
    println!("{}", results.tables());
    Ok(results)
}
