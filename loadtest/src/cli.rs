//! The command line.

use bedside_loadtest::{
    Outcome, fault,
    faults::Nemesis,
    process::Process,
    proxy::Link,
    send::Load,
    server::{self, DataDir, Recipe, Server},
    socketio::{Contender, RoomLoad},
};
use clap::{Args, Parser, Subcommand};
use std::{net::SocketAddr, path::PathBuf};

/// Loads a Bedside server, breaks it, and checks what it promises.
#[derive(Debug, Parser)]
#[command(name = "bedside-loadtest", version)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
    /// Write the results to this file as JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// How many sends a second, how fast acknowledged; and whether all arrived
    Send(SendArgs),
    /// kill -9 under load, round after round: nothing acknowledged is lost, nothing is doubled
    Crash(CrashArgs),
    /// Faults in a cluster under load: nothing acknowledged is lost, doubled or out of order
    Faults(FaultsArgs),
    /// What a message costs a cluster at Redis and at the CQL ring
    Cost(CostArgs),
    /// A TCP balancer: round robin, past nodes that do not accept
    Balance(BalanceArgs),
    /// A TCP proxy that delays, stalls and cuts when told so
    Proxy(ProxyArgs),
    /// A reader that stops costs itself only
    Slow(SlowArgs),
    /// Memory per idle connection
    Idle(IdleArgs),
    /// Socket.IO beside Node's: memory per idle client, deliveries per CPU-second in rooms
    Socketio(SocketioArgs),
    /// What the disk can do: overwrite 16 KiB and fdatasync
    Disk(DiskArgs),
}

/// Which server: one that the harness starts, or one that runs.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// Start this program on a temporary data directory
    #[arg(long, value_name = "PATH", required_unless_present = "server")]
    pub(super) server_bin: Option<PathBuf>,
    /// The one core that the started server may use
    #[arg(long, value_name = "N")]
    pub(super) server_core: Option<usize>,
    /// A setting for the started server, as NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) server_env: Vec<String>,
    /// Where to put temporary data directories
    #[arg(long, value_name = "DIR")]
    pub(super) data_parent: Option<PathBuf>,
    /// A server that runs, as 127.0.0.1:3000
    #[arg(long, value_name = "ADDRESS", conflicts_with = "server_bin")]
    pub(super) server: Option<SocketAddr>,
    /// Its JWT_SECRET
    #[arg(long, requires = "server")]
    pub(super) secret: Option<String>,
    /// Its process id, when it runs on this machine, to read CPU and memory of
    #[arg(long, requires = "server")]
    pub(super) pid: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct SendArgs {
    #[command(flatten)]
    pub(super) target: Target,
    /// A closed loop of so many senders (64), or an open loop at a rate (500/s); may be repeated
    #[arg(long, value_name = "LOAD", default_value = "64")]
    pub(super) load: Vec<Load>,
    /// How often to measure each load
    #[arg(long, default_value_t = 1)]
    pub(super) runs: usize,
    /// Direct conversations
    #[arg(long, default_value_t = 512)]
    pub(super) conversations: usize,
    /// People, each with a socket; as many as it takes by default
    #[arg(long)]
    pub(super) users: Option<usize>,
    /// Messages to send before anything is measured
    #[arg(long, default_value_t = 0)]
    pub(super) preload: usize,
    /// Bytes of a text
    #[arg(long, default_value_t = 300)]
    pub(super) text_bytes: usize,
    /// Seconds that each load is measured for
    #[arg(long, default_value_t = 10.0)]
    pub(super) seconds: f64,
    /// Seconds that each load runs before that
    #[arg(long, default_value_t = 2.0)]
    pub(super) warm_up: f64,
    /// Conversations whose whole log is read and compared at the end
    #[arg(long, default_value_t = 1000)]
    pub(super) read_back: usize,
    /// What to call the server in the table of medians
    #[arg(long, default_value = "server")]
    pub(super) label: String,
    /// Speak MessagePack instead of JSON
    #[arg(long)]
    pub(super) msgpack: bool,
    /// Where chance starts
    #[arg(long)]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct CrashArgs {
    #[command(flatten)]
    pub(super) target: Target,
    /// How often to kill the server
    #[arg(long, default_value_t = 50)]
    pub(super) rounds: usize,
    /// People who send
    #[arg(long, default_value_t = 64)]
    pub(super) senders: usize,
    /// Direct conversations among them
    #[arg(long, default_value_t = 64)]
    pub(super) conversations: usize,
    /// The longest time from the first send of a round to the kill, milliseconds
    #[arg(long, default_value_t = 800)]
    pub(super) talk_ms: u64,
    /// Where chance starts
    #[arg(long)]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct FaultsArgs {
    /// The state directory of scripts/cluster
    #[arg(long, value_name = "DIR")]
    pub(super) state: PathBuf,
    /// What to do; may be repeated. All that the cluster has the parts for by default
    #[arg(long, value_name = "FAULT")]
    pub(super) fault: Vec<Nemesis>,
    /// How often to do each
    #[arg(long, default_value_t = 20)]
    pub(super) rounds: usize,
    /// New messages a second in all
    #[arg(long, default_value_t = 500.0)]
    pub(super) rate: f64,
    /// People, half of them doctors
    #[arg(long, default_value_t = 64)]
    pub(super) devices: usize,
    /// Direct conversations
    #[arg(long, default_value_t = 48)]
    pub(super) pairs: usize,
    /// Groups of eight
    #[arg(long, default_value_t = 6)]
    pub(super) groups: usize,
    /// Seconds that all is well before each fault
    #[arg(long, default_value_t = 3.0)]
    pub(super) talk: f64,
    /// Go on after a round in which something was wrong
    #[arg(long)]
    pub(super) go_on: bool,
    /// Where chance starts
    #[arg(long)]
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct CostArgs {
    /// The state directory of scripts/cluster
    #[arg(long, value_name = "DIR")]
    pub(super) state: PathBuf,
    /// Messages that two people on different nodes exchange
    #[arg(long, default_value_t = 500)]
    pub(super) messages: u64,
    /// Readers of one page at once
    #[arg(long, default_value_t = 1000)]
    pub(super) readers: usize,
    /// Seconds in which it is counted what happens by itself
    #[arg(long, default_value_t = 10.0)]
    pub(super) idle: f64,
}

#[derive(Debug, Args)]
pub(super) struct BalanceArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: SocketAddr,
    /// The nodes
    #[arg(
        long,
        value_name = "ADDRESS,...",
        value_delimiter = ',',
        required = true
    )]
    pub(super) to: Vec<SocketAddr>,
}

#[derive(Debug, Args)]
pub(super) struct ProxyArgs {
    /// Where it takes orders: LINK pass, delay MS, stall, cut or refuse, a line each
    #[arg(long, value_name = "ADDRESS")]
    pub(super) control: SocketAddr,
    /// What to carry, as NAME=LISTEN>TO
    #[arg(value_name = "LINK", required = true)]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Args)]
pub(super) struct SlowArgs {
    #[command(flatten)]
    pub(super) target: Target,
    /// Messages of 16 KiB that are sent while one does not read
    #[arg(long, default_value_t = 5000)]
    pub(super) messages: usize,
    /// People who send
    #[arg(long, default_value_t = 2)]
    pub(super) senders: usize,
    /// How much the server may grow by that, KiB
    #[arg(long, default_value_t = 8192)]
    pub(super) growth_kib_max: i64,
}

#[derive(Debug, Args)]
pub(super) struct IdleArgs {
    #[command(flatten)]
    pub(super) target: Target,
    /// Sockets, each of somebody else
    #[arg(long, default_value_t = 10_000)]
    pub(super) sockets: usize,
}

#[derive(Debug, Args)]
pub(super) struct SocketioArgs {
    #[command(flatten)]
    pub(super) target: Target,
    /// Node's server, a program that takes PORT and JWT_SECRET and says where it listens
    #[arg(long, value_name = "PATH")]
    pub(super) node_bin: PathBuf,
    /// Idle clients; 0 for none
    #[arg(long, default_value_t = 5_000)]
    pub(super) idle: usize,
    /// So many rooms of so many clients, with so many sends open in all; may be repeated
    #[arg(long, value_name = "LOAD", default_values = [
        "512x2:128", "512x2:1024", "20x50:40", "20x50:1000", "1x1000:8", "1x1000:64",
    ])]
    pub(super) rooms: Vec<RoomLoad>,
    /// How often to measure each server
    #[arg(long, default_value_t = 3)]
    pub(super) rounds: usize,
    /// What to measure: bedside, memory (Bedside with its store in memory), node; may be repeated
    #[arg(long, value_name = "SERVER", default_values = ["bedside", "memory", "node"])]
    pub(super) contender: Vec<Contender>,
    /// Bytes of a text
    #[arg(long, default_value_t = 100)]
    pub(super) text_bytes: usize,
    /// Seconds that each load is measured for
    #[arg(long, default_value_t = 10.0)]
    pub(super) seconds: f64,
    /// Seconds that each load runs before that
    #[arg(long, default_value_t = 3.0)]
    pub(super) warm_up: f64,
}

#[derive(Debug, Args)]
pub(super) struct DiskArgs {
    /// Where to write
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) dir: PathBuf,
    /// How often to sync
    #[arg(long, default_value_t = 3000)]
    pub(super) syncs: usize,
}

/// A server to load, and what is to be cleaned up after it.
pub(super) struct Loaded {
    pub(super) address: SocketAddr,
    pub(super) secret: String,
    pub(super) process: Option<Process>,
    pub(super) started: Option<(Server, DataDir)>,
}

impl Target {
    pub(super) fn recipe(&self) -> Outcome<Recipe> {
        let Some(program) = &self.server_bin else {
            return fault("this needs --server-bin");
        };
        let mut recipe = Recipe::of(program);
        recipe.core = self.server_core;
        for setting in &self.server_env {
            let (name, value) = setting
                .split_once('=')
                .ok_or("--server-env is NAME=VALUE")?;
            recipe.env.push((name.to_owned(), value.to_owned()));
        }
        Ok(recipe)
    }

    pub(super) async fn get(&self) -> Outcome<Loaded> {
        if let Some(address) = self.server {
            return Ok(Loaded {
                address,
                secret: self.secret.clone().ok_or("--server needs --secret")?,
                process: self.pid.map(Process),
                started: None,
            });
        }
        let dir = DataDir::new(self.data_parent.as_deref())?;
        let server = Server::start(&self.recipe()?, &dir).await?;
        println!(
            "the server listens after {} ms",
            server.ready_after.as_millis()
        );
        Ok(Loaded {
            address: server.address,
            secret: server::SECRET.to_owned(),
            process: Some(server.process()),
            started: Some((server, dir)),
        })
    }
}
