//! A reader that stops costs itself only.
//!
//! In a care team some people send large messages, one reads everything and one stops reading.
//! Before that the same number of messages is sent twice without the slow one: once so that
//! what the server keeps anyway (page cache, the newest messages of a conversation) is in its
//! memory already, and once more to see how much it grows when nobody is slow.

mod reader;
mod team;

use bedside_protocol::{CloseCode, limits::TEXT_BYTES_MAX};
use serde::Serialize;
use std::{collections::HashSet, path::Path, time::Duration};
use tokio::{sync::oneshot, time::Instant};

use self::{
    reader::{Follower, Log, resume, take},
    team::Team,
};
use crate::{
    Outcome,
    peer::{Got, Peer},
    process::{Memory, Process},
    server::{DataDir, Recipe, Server},
    ws::Dial,
};

/// What the kernel may keep for the slow one, bytes (it takes twice as much).
const RECEIVE_BUFFER_BYTES: u32 = 16 * 1024;
/// The code that a slow reader is closed with.
const SLOW_CONSUMER: u16 = CloseCode::SlowConsumer.number();
/// How long the server may take over anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the server's memory is looked at.
const SAMPLING: Duration = Duration::from_millis(10);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Messages of 16 KiB that are sent while one does not read.
    pub messages: usize,
    /// People who send: each may send 200 a second, after 600 at once.
    pub senders: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            messages: 5_000,
            senders: 2,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    /// Messages sent while one did not read.
    pub messages: usize,
    /// Bytes of their texts.
    pub megabytes: f64,
    /// The server before anything was sent.
    pub at_start: Memory,
    /// Without the slow one, after as much had been sent already.
    pub control: Phase,
    /// While one did not read.
    pub slow: Phase,
    /// The code that the slow one was closed with, once it read again.
    pub close_code: u16,
    /// Messages that it still got then.
    pub read_late: usize,
    /// Messages that it got after reconnecting.
    pub caught_up: usize,
    /// How long that took, seconds.
    pub catch_up_seconds: f64,
    /// Messages that the fast reader got.
    pub fast_got: usize,
    /// How often the fast reader or a sender was too slow, too, and had to reconnect. On a busy
    /// machine the harness may not get the CPU to read as fast as the server writes.
    pub cuts: usize,
    /// What was wrong; empty when all is well.
    pub problems: Vec<String>,
}

/// The server while so many messages were sent.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Phase {
    /// How long that took, seconds.
    pub seconds: f64,
    /// CPU of the server, seconds.
    pub cpu_seconds: f64,
    /// Memory at its begin.
    pub before: Memory,
    /// The most that was seen.
    pub peak: Memory,
    /// How much that is more, KiB of RSS.
    pub growth_kib: i64,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "RSS {} KiB before, {} at its peak: growth {} KiB; {:.1} s, server CPU {:.1} s",
            self.before.rss_kib, self.peak.rss_kib, self.growth_kib, self.seconds, self.cpu_seconds,
        )
    }
}

impl Results {
    /// How much more the server grew with the slow one than without, KiB.
    #[must_use]
    pub fn cost_kib(&self) -> i64 {
        self.slow.growth_kib - self.control.growth_kib.max(0)
    }

    /// What happened, on one page.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} messages, {:.0} MB\n\
             without it:         {}\n\
             one does not read:  {}\n\
             the slow one got {} late, was closed with {}, and caught up on {} in {:.1} s\n\
             the fast one got {}; it and the senders had to reconnect {} times\n\
             {} problems",
            self.messages,
            self.megabytes,
            self.control,
            self.slow,
            self.read_late,
            self.close_code,
            self.caught_up,
            self.catch_up_seconds,
            self.fast_got,
            self.cuts,
            self.problems.len(),
        )
    }
}

/// Runs the plan.
///
/// # Errors
/// When it cannot be run. What the server did wrong is in [`Results::problems`] instead.
pub async fn run(
    plan: &Plan,
    recipe: &Recipe,
    data_parent: Option<&Path>,
    growth_kib_max: i64,
) -> Outcome<Results> {
    let dir = DataDir::new(data_parent)?;
    let server = Server::start(recipe, &dir).await?;
    let done = play(plan, &server, growth_kib_max).await;
    done.map_err(|error| format!("{error}\n{}", dir.log_tail()).into())
}

async fn play(plan: &Plan, server: &Server, growth_kib_max: i64) -> Outcome<Results> {
    let (address, process) = (server.address, server.process());
    let team = Team::make(address, plan.senders).await?;
    let dial = Dial::new(address);
    let mut results = Results {
        messages: plan.messages,
        megabytes: (plan.messages * TEXT_BYTES_MAX) as f64 / 1e6,
        at_start: process.memory().unwrap_or_default(),
        ..Results::default()
    };

    let count = plan.messages;
    let fast = Follower::start(&dial, &team, 3 * count).await?;
    team.send(&dial, 0, count).await?;
    results.control = phase(process, team.send(&dial, count, count)).await?;
    // It has all of that, as far as the server knows: reading it now would only leave the
    // server's memory larger, and hide what the slow one costs.
    let known = 2 * count + 1;
    let mut slow_log: Log = vec![None; known];
    let narrow = Dial {
        receive_buffer_bytes: Some(RECEIVE_BUFFER_BYTES),
        ..dial.clone()
    };
    let mut slow = Peer::open(&narrow, &team.slow.token).await?;
    resume(&mut slow, &team, &mut slow_log).await?;
    let sending = async {
        team.send(&dial, 2 * count, count).await?;
        fast.followed().await
    };
    let mut followed = None;
    let phase = phase(process, async {
        followed = Some(sending.await?);
        Ok(())
    });
    results.slow = phase.await?;
    let (fast_log, fast_cuts) = followed.ok_or("nobody followed")?;
    results.cuts = fast_cuts + team.cuts();

    // It wakes up: what lies in the buffers, then the end.
    results.close_code = loop {
        match tokio::time::timeout(PATIENCE, slow.read()).await?? {
            Got::Closed(code) => break code,
            Got::Event(frame) => take(&mut slow_log, &team, *frame)?,
            Got::Answer(_) => {}
        }
    };
    results.read_late = slow_log.len() - known;
    let (had, begun) = (slow_log.len(), Instant::now());
    let mut slow = Peer::open(&dial, &team.slow.token).await?;
    resume(&mut slow, &team, &mut slow_log).await?;
    results.caught_up = slow_log.len() - had;
    results.catch_up_seconds = begun.elapsed().as_secs_f64();
    results.fast_got = fast_log.len() - 1;

    judge(
        &mut results,
        &fast_log,
        &slow_log[known..],
        plan,
        growth_kib_max,
    );
    Ok(results)
}

fn judge(
    results: &mut Results,
    fast: &[Option<u64>],
    slow: &[Option<u64>],
    plan: &Plan,
    growth_kib_max: i64,
) {
    let mut problems = Vec::new();
    let sent = 3 * plan.messages;
    let names: HashSet<_> = fast.iter().flatten().collect();
    if fast.len() != sent + 1 || names.len() != sent {
        problems.push(format!("the fast one got {} of {sent}", names.len()));
    }
    let missed = &fast[fast.len().min(2 * plan.messages + 1)..];
    if slow != missed {
        problems.push(format!(
            "the slow one has {} messages of {}, or not the same",
            slow.len(),
            missed.len()
        ));
    }
    if results.close_code != SLOW_CONSUMER {
        problems.push(format!(
            "the slow one was closed with {}",
            results.close_code
        ));
    }
    if results.cost_kib() > growth_kib_max {
        problems.push(format!("the slow one cost {} KiB", results.cost_kib()));
    }
    results.problems = problems;
}

/// Measures the server while something is done.
async fn phase(process: Process, act: impl Future<Output = Outcome<()>>) -> Outcome<Phase> {
    let before = process.memory().unwrap_or_default();
    let cpu = || process.cpu().unwrap_or_default();
    let (cpu_before, begun, watch) = (cpu(), Instant::now(), Watch::start(process));
    act.await?;
    let peak = watch.stop().await?;
    Ok(Phase {
        seconds: begun.elapsed().as_secs_f64(),
        cpu_seconds: cpu().saturating_sub(cpu_before).as_secs_f64(),
        before,
        peak,
        growth_kib: peak.rss_kib as i64 - before.rss_kib as i64,
    })
}

/// Looks at a process's memory all the time.
struct Watch {
    stop: oneshot::Sender<()>,
    watching: tokio::task::JoinHandle<Memory>,
}

impl Watch {
    fn start(process: Process) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let watching = tokio::spawn(async move {
            let mut peak = Memory::default();
            loop {
                let now = process.memory().unwrap_or_default();
                if now.rss_kib > peak.rss_kib {
                    peak = now;
                }
                if tokio::time::timeout(SAMPLING, &mut stopped).await.is_ok() {
                    return peak;
                }
            }
        });
        Self { stop, watching }
    }

    async fn stop(self) -> Outcome<Memory> {
        // It ends by itself only when the process is gone, and then there is nobody to tell.
        let _ = self.stop.send(());
        Ok(self.watching.await?)
    }
}
