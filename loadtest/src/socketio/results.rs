//! What came of it, and the tables.

use serde::Serialize;
use std::fmt::Write as _;

use super::{Contender, RoomLoad};
use crate::{process::Memory, report::median};

/// What part of Node's memory per idle client is aimed at, at most.
const MEMORY_AIM: f64 = 0.35;

/// How many times Node's deliveries per CPU-second are aimed at, at least.
fn aim(load: &RoomLoad) -> Option<f64> {
    match load.members {
        2 => Some(4.0),
        50 => Some(8.0),
        1000 => Some(15.0),
        _ => None,
    }
}

/// Memory in one round.
#[derive(Clone, Debug, Serialize)]
pub struct IdleFigures {
    /// Whose.
    pub contender: Contender,
    /// From 1.
    pub round: usize,
    /// Clients that were open.
    pub clients: usize,
    /// With none, after some had come and gone.
    pub before: Memory,
    /// With all of them.
    pub open: Memory,
    /// What each added to RSS.
    pub kib_each: f64,
}

impl IdleFigures {
    /// One line for the terminal.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "round {} {:<9} {} idle clients: {:.2} KiB each (RSS {} -> {} MiB)",
            self.round,
            self.contender.name(),
            self.clients,
            self.kib_each,
            self.before.rss_kib / 1024,
            self.open.rss_kib / 1024,
        )
    }
}

/// Rooms of one size in one round.
#[derive(Clone, Debug, Serialize)]
pub struct RoomFigures {
    /// Whose.
    pub contender: Contender,
    /// From 1.
    pub round: usize,
    /// Which rooms.
    pub load: RoomLoad,
    /// Messages sent a second.
    pub sends_per_s: f64,
    /// Events with a message that came to clients a second.
    pub deliveries_per_s: f64,
    /// The same, per second of the server's CPU.
    pub deliveries_per_cpu_s: f64,
    /// How much of a core the server used.
    pub server_cores: f64,
    /// How much of one the harness used.
    pub client_cores: f64,
}

impl RoomFigures {
    /// One line for the terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let RoomLoad {
            members,
            rooms,
            open,
        } = self.load;
        format!(
            "round {} {:<9} {rooms} rooms of {members}, {open} open: {:>8.0} deliveries per CPU-second, \
             {:>8.0} a second ({:.0} sends), server {:.2} cores, client {:.2}",
            self.round,
            self.contender.name(),
            self.deliveries_per_cpu_s,
            self.deliveries_per_s,
            self.sends_per_s,
            self.server_cores,
            self.client_cores,
        )
    }
}

/// What came of it all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    /// Memory, each round.
    pub idle: Vec<IdleFigures>,
    /// Rooms, each round.
    pub rooms: Vec<RoomFigures>,
    /// What was wrong; empty when all is well.
    pub problems: Vec<String>,
}

impl Results {
    /// The medians, as a table in Markdown.
    #[must_use]
    pub fn tables(&self) -> String {
        let mut out = String::from(
            "| what | Bedside | in memory | socket.io | Bedside / socket.io | in memory / socket.io | aim |\n\
             |---|---|---|---|---|---|---|\n",
        );
        if let Some(first) = self.idle.first() {
            let of = |contender| {
                let own = self.idle.iter().filter(|f| f.contender == contender);
                median(own.map(|f| f.kib_each).collect())
            };
            let what = format!("KiB of RSS per idle client, {} clients", first.clients);
            let aim = format!("at most {MEMORY_AIM}");
            row(&mut out, &what, of, 2, &aim);
        }
        for load in self.loads() {
            let of = |contender| {
                let own = self.rooms.iter();
                let own = own.filter(|f| f.contender == contender && f.load == load);
                median(own.map(|f| f.deliveries_per_cpu_s).collect())
            };
            let what = format!(
                "deliveries per server CPU-second, {} rooms of {}, {} sends open",
                load.rooms, load.members, load.open
            );
            let aim = aim(&load).map_or("-".to_owned(), |aim| format!("at least {aim}"));
            row(&mut out, &what, of, 0, &aim);
        }
        out
    }

    /// Where the harness used more CPU than a server, whose figures it may then have shaped.
    #[must_use]
    pub fn busy_harness(&self) -> Vec<String> {
        let busy = self
            .rooms
            .iter()
            .filter(|f| f.client_cores > f.server_cores);
        busy.map(RoomFigures::line).collect()
    }

    fn loads(&self) -> Vec<RoomLoad> {
        let mut loads: Vec<RoomLoad> = Vec::new();
        for figures in &self.rooms {
            if !loads.contains(&figures.load) {
                loads.push(figures.load);
            }
        }
        loads
    }
}

fn row(
    out: &mut String,
    what: &str,
    of: impl Fn(Contender) -> Option<f64>,
    digits: usize,
    aim: &str,
) {
    let all = [Contender::Bedside, Contender::Memory, Contender::Node].map(of);
    let [bedside, memory, node] = all;
    let ratio = |ours: Option<f64>| ours.zip(node).map(|(ours, node)| ours / node);
    let shown = |value: Option<f64>, digits: usize| {
        value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
    };
    writeln!(
        out,
        "| {what} | {} | {} | {} | {} | {} | {aim} |",
        shown(bedside, digits),
        shown(memory, digits),
        shown(node, digits),
        shown(ratio(bedside), 2),
        shown(ratio(memory), 2),
    )
    .expect("written, because a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_medians_and_their_ratio() {
        let load = RoomLoad {
            members: 50,
            rooms: 2,
            open: 4,
        };
        let figures = |contender, per_cpu_s| RoomFigures {
            contender,
            round: 1,
            load,
            sends_per_s: 1.0,
            deliveries_per_s: 1.0,
            deliveries_per_cpu_s: per_cpu_s,
            server_cores: 1.0,
            client_cores: 0.5,
        };
        let rooms = [10.0, 900.0, 30.0].map(|value| figures(Contender::Bedside, value));
        let node = [3.0, 1.0, 2.0].map(|value| figures(Contender::Node, value));
        let results = Results {
            rooms: rooms.into_iter().chain(node).collect(),
            ..Results::default()
        };
        let row = results
            .tables()
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        assert!(
            row.ends_with("| 30 | - | 2 | 15.00 | - | at least 8 |"),
            "{row}"
        );
        assert!(results.busy_harness().is_empty());
    }
}
