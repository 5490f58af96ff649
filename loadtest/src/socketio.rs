//! Socket.IO beside Node's: memory per idle client, and deliveries per CPU-second of the server
//! in rooms of several sizes.
//!
//! Both servers speak to the same clients, over raw WebSocket frames, in the events of the seeds:
//! `send_message` in rooms of two, `send-message` in larger ones. A delivery is one event that
//! carries a message: to the receiver, and to the sender, who gets their own, too. Bedside checks
//! rights and stores each message durably; Node's server does neither.

mod crowd;
mod line;
mod results;
mod rooms;
mod setup;
mod text;

use serde::Serialize;
use std::{path::Path, time::Duration};
use tokio::time::{Instant, sleep};

pub use results::{IdleFigures, Results, RoomFigures};

use crate::{
    Outcome, fault,
    process::{Memory, Process},
    server::{DataDir, Recipe, SECRET, Server},
    world::User,
};
use bedside_protocol::Role;
use crowd::Idle;
use rooms::Rooms;
use setup::Hall;

/// Clients that come and go before memory is read for the first time.
const WARM: usize = 200;
/// How long a server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(5);

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Contender {
    /// Bedside, storing each message durably.
    Bedside,
    /// Bedside with its store in memory, to tell what storing costs.
    Memory,
    /// Node's socket.io, storing nothing.
    Node,
}

impl Contender {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bedside => "Bedside",
            Self::Memory => "in memory",
            Self::Node => "socket.io",
        }
    }
}

impl std::str::FromStr for Contender {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "bedside" => Ok(Self::Bedside),
            "memory" => Ok(Self::Memory),
            "node" => Ok(Self::Node),
            _ => Err("bedside, memory or node".to_owned()),
        }
    }
}

/// Rooms of one size, all busy at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RoomLoad {
    /// Clients in each.
    pub members: usize,
    /// How many.
    pub rooms: usize,
    /// Sends that are open at any time, in all of them together.
    pub open: usize,
}

impl RoomLoad {
    /// Whether two people write to each other directly.
    const fn is_direct(&self) -> bool {
        self.members == 2
    }
}

impl std::str::FromStr for RoomLoad {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (rooms, open) = text.split_once(':')?;
            let (rooms, members) = rooms.split_once('x')?;
            let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
            Some(Self {
                members: number(members).filter(|members| *members > 1)?,
                rooms: number(rooms)?,
                open: number(open)?,
            })
        };
        parse()
            .ok_or_else(|| "rooms, members of each and sends that are open, as 20x50:40".to_owned())
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Idle clients; none for no such measurement.
    pub idle: usize,
    /// Rooms, one load after the other.
    pub loads: Vec<RoomLoad>,
    /// How often all of it.
    pub rounds: usize,
    /// What is compared.
    pub contenders: Vec<Contender>,
    /// Bytes of a text.
    pub text_bytes: usize,
    /// How long each load is measured.
    pub measure: Duration,
    /// How long it runs before that.
    pub warm_up: Duration,
}

/// Runs the plan, round by round with one server after the other.
///
/// # Errors
/// When it cannot be run. What a server did wrong is in [`Results::problems`] instead.
pub async fn run(
    plan: &Plan,
    bedside: &Recipe,
    node: &Recipe,
    data_parent: Option<&Path>,
    say: impl Fn(&str),
) -> Outcome<Results> {
    let mut results = Results::default();
    for round in 1..=plan.rounds {
        let mut contenders = plan.contenders.clone();
        if round % 2 == 0 {
            contenders.reverse();
        }
        for contender in contenders {
            let recipe = match contender {
                Contender::Bedside => bedside.clone(),
                Contender::Memory => in_memory(bedside),
                Contender::Node => node.clone(),
            };
            // Where messages would be stored makes no difference to those who send none.
            if plan.idle > 0 && contender != Contender::Memory {
                let (dir, server) = start(&recipe, data_parent).await?;
                let done = idle(plan, contender, round, &server, &mut results.problems).await;
                let figures = with_log(done, &dir)?;
                say(&figures.line());
                results.idle.push(figures);
            }
            for load in &plan.loads {
                let (dir, server) = start(&recipe, data_parent).await?;
                let problems = &mut results.problems;
                let done = busy(plan, load, contender, round, &server, problems).await;
                let figures = with_log(done, &dir)?;
                say(&figures.line());
                results.rooms.push(figures);
            }
        }
    }
    Ok(results)
}

fn in_memory(bedside: &Recipe) -> Recipe {
    let mut recipe = bedside.clone();
    let setting = ("BEDSIDE_STORE".to_owned(), "memory".to_owned());
    recipe.env.push(setting);
    recipe
}

async fn start(recipe: &Recipe, data_parent: Option<&Path>) -> Outcome<(DataDir, Server)> {
    let dir = DataDir::new(data_parent)?;
    let server = Server::start(recipe, &dir).await?;
    Ok((dir, server))
}

/// What the server said last, when it went wrong.
fn with_log<T>(done: Outcome<T>, dir: &DataDir) -> Outcome<T> {
    done.map_err(|error| format!("{error}\n{}", dir.log_tail()).into())
}

async fn idle(
    plan: &Plan,
    contender: Contender,
    round: usize,
    server: &Server,
    problems: &mut Vec<String>,
) -> Outcome<IdleFigures> {
    let users = |tag: &str, count: usize| -> Vec<User> {
        let user = |i: usize| User::new(SECRET, format!("{tag}-{i}"), Role::Doctor);
        (0..count).map(user).collect()
    };
    let process = server.process();
    drop(Idle::open(server.address, &users("warm", WARM)).await?);
    let before = settled(contender, process).await?;
    let crowd = Idle::open(server.address, &users("idle", plan.idle)).await?;
    let open = settled(contender, process).await?;
    if crowd.closed() > 0 {
        let (closed, name) = (crowd.closed(), contender.name());
        problems.push(format!("{name} closed {closed} idle clients"));
    }
    let grown = open.rss_kib as f64 - before.rss_kib as f64;
    Ok(IdleFigures {
        contender,
        round,
        clients: plan.idle,
        before,
        open,
        kib_each: grown / plan.idle as f64,
    })
}

async fn settled(contender: Contender, process: Process) -> Outcome<Memory> {
    sleep(SETTLE).await;
    if contender == Contender::Node {
        // It collects its garbage at this signal: otherwise its memory would be counted with it.
        let pid = process.0.to_string();
        let told = std::process::Command::new("kill")
            .args(["-USR2", &pid])
            .status()?;
        if !told.success() {
            return fault("the server could not be told to collect its garbage");
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(process
        .memory()
        .ok_or("the server's memory cannot be read")?)
}

async fn busy(
    plan: &Plan,
    load: &RoomLoad,
    contender: Contender,
    round: usize,
    server: &Server,
    problems: &mut Vec<String>,
) -> Outcome<RoomFigures> {
    let hall = Hall::make(contender, server.address, load).await?;
    let rooms = Rooms::open(server.address, &hall, load, plan.text_bytes).await?;
    let (process, own) = (server.process(), Process::own());
    rooms.start();
    sleep(plan.warm_up).await;
    let cpu = || Some((process.cpu()?, own.cpu()?));
    let (before, (sends_before, deliveries_before)) = (cpu(), rooms.counts());
    let begun = Instant::now();
    sleep(plan.measure).await;
    let (after, (sends, deliveries)) = (cpu(), rooms.counts());
    let seconds = begun.elapsed().as_secs_f64();
    for problem in rooms.finish().await? {
        let (name, members) = (contender.name(), load.members);
        problems.push(format!("{name}, rooms of {members}: {problem}"));
    }
    let Some(((server_before, own_before), (server_after, own_after))) = before.zip(after) else {
        return fault("the CPU time of server or harness cannot be read");
    };
    let deliveries = (deliveries - deliveries_before) as f64;
    let server_cpu_s = (server_after - server_before).as_secs_f64();
    Ok(RoomFigures {
        contender,
        round,
        load: *load,
        sends_per_s: (sends - sends_before) as f64 / seconds,
        deliveries_per_s: deliveries / seconds,
        deliveries_per_cpu_s: deliveries / server_cpu_s,
        server_cores: server_cpu_s / seconds,
        client_cores: (own_after - own_before).as_secs_f64() / seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_read_as_it_is_written() {
        let load = RoomLoad {
            members: 50,
            rooms: 20,
            open: 40,
        };
        assert_eq!("20x50:40".parse(), Ok(load));
        for wrong in [
            "", "20x50", "20:40", "0x50:40", "20x1:40", "20x50:0", "axb:c",
        ] {
            assert!(wrong.parse::<RoomLoad>().is_err(), "{wrong}");
        }
    }
}
