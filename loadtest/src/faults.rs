//! Faults under load, round after round, one kind at a time, on the processes that
//! `scripts/cluster` started.
//!
//! ```text
//! talk    everyone sends at their pace, through all nodes and the balancer; each send has a
//!         client_msg_id and is posted until it is acknowledged, wherever that works
//! strike  the fault begins, holds, ends; everyone goes on
//! whole   from its end until all that was acknowledged, and one new message in each
//!         conversation, has reached every member's device
//! calm    nobody says anything new; what is open is finished
//! judge   acknowledged = stored = seen by each member, dense, one order, nothing twice;
//!         receipts only grow; unread counts are what the log says
//! ```
//!
//! What a device saw came live or by `sync.resume` and the pages that it asked for, from
//! whichever node it was at. What is stored is read through REST, through another node each
//! time, and at the end once more from the beginning through every node.

mod audit;
mod board;
mod device;
mod judge;
mod memory;
mod nemesis;
mod results;
mod town;

use hdrhistogram::Histogram;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet, time::Instant};

pub use self::{
    judge::Verdict,
    nemesis::Nemesis,
    results::{Kind, Results, Round},
};

use self::{
    audit::Auditor,
    board::{Board, Orders},
    memory::Memory,
    town::Town,
};
use crate::{
    Outcome,
    bed::{self, Bed},
    fault,
    report::Percentiles,
    rng::Rng,
};

/// How long everyone may take to be whole, or calm, before the run is given up.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often the board is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to do to the cluster; each is done `rounds` times.
    pub faults: Vec<Nemesis>,
    /// How often each.
    pub rounds: usize,
    /// New messages a second, of all devices together.
    pub rate: f64,
    /// People, half of them doctors.
    pub devices: usize,
    /// Direct conversations.
    pub pairs: usize,
    /// Groups of eight.
    pub groups: usize,
    /// How long all is well before each fault.
    pub talk: Duration,
    /// Whether rounds go on after one in which something was wrong.
    pub goes_on: bool,
    /// Where chance starts.
    pub seed: u64,
}

/// Runs the plan.
///
/// # Errors
/// When it cannot be run. What the cluster did wrong is in the results instead.
pub async fn run(plan: &Plan, bed: &Bed, say: impl Fn(&str)) -> Outcome<Results> {
    let mut play = Play::begin(plan, bed).await?;
    let mut results = Results {
        seed: plan.seed,
        rate: plan.rate,
        devices: play.memories.len(),
        conversations: play.conversations,
        ..Results::default()
    };
    'all: for turn in 1..=plan.rounds {
        for nemesis in &plan.faults {
            let round = match play.round(*nemesis).await {
                Ok(round) => round,
                Err(error) => {
                    results.broken = Some(format!("{nemesis} round {turn}: {error}"));
                    break 'all;
                }
            };
            say(&round.line(turn));
            let is_good = round.verdict.is_good();
            results.rounds.push(round);
            if !is_good && !plan.goes_on {
                break 'all;
            }
        }
    }
    play.end(&mut results).await;
    Ok(results)
}

struct Play<'a> {
    plan: &'a Plan,
    bed: &'a Bed,
    board: Arc<Board>,
    orders: watch::Sender<Orders>,
    devices: JoinSet<()>,
    memories: Vec<Arc<Mutex<Memory>>>,
    conversations: usize,
    auditor: Auditor,
    rng: Rng,
}

impl<'a> Play<'a> {
    async fn begin(plan: &'a Plan, bed: &'a Bed) -> Outcome<Self> {
        let nodes: Vec<SocketAddr> = bed.all(bed::Kind::Node).map(|n| n.address).collect();
        let Some(first) = nodes.first() else {
            return fault("there are no nodes");
        };
        let balancer = bed.all(bed::Kind::Balancer).map(|b| b.address);
        let entries: Vec<_> = nodes.iter().copied().chain(balancer).collect();
        let town = Town::make(plan, *first, &bed.secret).await?;
        let board = Arc::new(Board::new());
        let (orders, told) = watch::channel(Orders::default());
        let made = town.devices(plan, &entries, &board, &told);
        let memories = made.iter().map(|d| Arc::clone(&d.memory)).collect();
        let auditor = Auditor::new(nodes, &made);
        let mut devices = JoinSet::new();
        for device in made {
            devices.spawn(device.live());
        }
        let play = Self {
            plan,
            bed,
            board,
            orders,
            devices,
            memories,
            conversations: town.conversations.len(),
            auditor,
            rng: Rng::new(plan.seed),
        };
        play.until_calm().await?;
        Ok(play)
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(change);
    }

    async fn round(&mut self, nemesis: Nemesis) -> Outcome<Round> {
        let victim = nemesis.choose(self.bed, &mut self.rng)?;
        let begun = Instant::now();
        self.order(|orders| orders.talk = true);
        tokio::time::sleep(self.plan.talk).await;
        let calm_latency = self.board.take_latency();
        self.board.take_away();
        nemesis.strike(self.bed, &victim).await?;
        let ended = Instant::now();
        let whole = self.until_whole().await?;
        let whole_ms = ended.elapsed().as_secs_f64() * 1e3;
        let fault_latency = self.board.take_latency();
        let away = self.board.take_away();
        victim.ready().await?;
        self.order(|orders| {
            orders.talk = false;
            orders.go_home += 1;
        });
        self.until_calm().await?;
        let verdict = self.auditor.audit(&self.memories).await?;
        let of = |latency: &Histogram<u64>| Percentiles::of_nanos(latency);
        Ok(Round {
            fault: nemesis,
            victim: victim.name,
            whole_ms,
            probes_ms: whole,
            seconds: begun.elapsed().as_secs_f64(),
            before: of(&calm_latency),
            during: of(&fault_latency),
            lost_sockets: away.len(),
            away: of(&away),
            verdict,
        })
    }

    /// Until every device has all that is acknowledged and one new message of each conversation
    /// went through. Tells how long these took, milliseconds.
    async fn until_whole(&self) -> Outcome<f64> {
        let begun = Instant::now();
        let acked = self.board.acked();
        self.board.await_probes();
        self.order(|orders| orders.probe += 1);
        let until = begun + PATIENCE;
        while self.board.lacking(&acked).0 > 0 {
            self.pause(until, &acked, "whole").await?;
        }
        let probes_ms = begun.elapsed().as_secs_f64() * 1e3;
        let acked = self.board.acked();
        while self.board.lacking(&acked).1 > 0 {
            self.pause(until, &acked, "whole").await?;
        }
        Ok(probes_ms)
    }

    async fn until_calm(&self) -> Outcome<()> {
        let until = Instant::now() + PATIENCE;
        while self.board.idle() < self.memories.len() {
            self.pause(until, &self.board.acked(), "calm").await?;
        }
        Ok(())
    }

    async fn pause(
        &self,
        until: Instant,
        acked: &std::collections::HashMap<bedside_protocol::ConversationId, u64>,
        state: &str,
    ) -> Outcome<()> {
        if Instant::now() > until {
            let (probes, behind) = self.board.lacking(acked);
            let busy = self.memories.len() - self.board.idle();
            return fault(format!(
                "not {state} after {} s: {probes} probes are not acknowledged, {behind} views \
                 are behind, {busy} devices wait for something",
                PATIENCE.as_secs()
            ));
        }
        tokio::time::sleep(LOOK).await;
        Ok(())
    }

    /// A last look at everything, from the beginning and through every node.
    async fn end(&mut self, results: &mut Results) {
        self.order(|orders| orders.talk = false);
        // What is not whole yet is for the verdict to tell.
        let _ = self.until_calm().await;
        match self.auditor.audit_all(&self.memories).await {
            Ok((verdict, stored)) => {
                results.verdict = verdict;
                results.stored = stored;
            }
            Err(error) => {
                let text = format!("the last look failed: {error}");
                results.broken.get_or_insert(text);
            }
        }
        self.order(|orders| orders.stop = true);
        self.devices.shutdown().await;
        results.count(&self.memories);
    }
}
