//! How many sends a second, how fast acknowledged, at what CPU; and whether all of it arrived,
//! once and in order.
//!
//! A closed loop keeps so many sends open at a time; an open loop sends at a rate, at random
//! moments, and counts each latency from the moment that was meant, so that a stall is not
//! hidden by sending less during it. Every message goes to one other member, who is there.
//!
//! One session may send 200 commands a second. So the sends are spread over more people than
//! are open at a time: with 64 people alone a closed loop would measure that limit.

mod check;
mod engine;
mod lean;
mod results;

use bedside_protocol::WireFormat;
use hdrhistogram::Histogram;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::Instant};

pub use check::Checked;
pub use engine::Engine;
pub use results::{Figures, Median, Results};

use crate::{
    Fault, Outcome, fault,
    process::Process,
    report::Percentiles,
    rng::Rng,
    world::World,
    ws::{self, Dial},
};

/// Fewer people than this would meet the limit of commands per session before the server's own.
const USERS_MIN: usize = 512;
/// Sockets that are opened at once.
const OPENING: usize = 32;
/// How long answers and events may take after the last send.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How much to ask of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// So many sends open at any time.
    Closed(usize),
    /// So many sends a second, whatever the server does.
    Open(f64),
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed(senders) => write!(f, "closed {senders}"),
            Self::Open(rate) => write!(f, "open {rate}/s"),
        }
    }
}

impl std::str::FromStr for Load {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "either how many senders, as 64, or a rate, as 500/s".to_owned();
        match text.strip_suffix("/s") {
            Some(rate) => rate.parse().map(Self::Open).map_err(|_| bad()),
            None => text.parse().map(Self::Closed).map_err(|_| bad()),
        }
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The loads, one after the other; all of them in each run.
    pub loads: Vec<Load>,
    /// How often.
    pub runs: usize,
    /// Direct conversations.
    pub conversations: usize,
    /// People; none for as many as it takes.
    pub users: Option<usize>,
    /// Messages that are there before anything is measured.
    pub preload: usize,
    /// Bytes of a text.
    pub text_bytes: usize,
    /// How long each load is measured.
    pub measure: Duration,
    /// How long it runs before that.
    pub warm_up: Duration,
    /// Conversations whose whole log is read and compared at the end.
    pub read_back: usize,
    /// What to speak.
    pub format: WireFormat,
    /// Where chance starts.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            loads: vec![Load::Closed(64)],
            runs: 1,
            conversations: 512,
            users: None,
            preload: 0,
            text_bytes: 300,
            measure: Duration::from_secs(10),
            warm_up: Duration::from_secs(2),
            read_back: 1_000,
            format: WireFormat::Json,
            seed: 1,
        }
    }
}

/// Runs the plan against a server.
///
/// # Errors
/// When it cannot be run. What the server did wrong is in [`Results::checked`] instead.
pub async fn run(
    plan: &Plan,
    server: SocketAddr,
    secret: &str,
    process: Option<Process>,
    say: impl Fn(&str),
) -> Outcome<Results> {
    let least = World::users_needed(plan.conversations);
    let users = plan.users.unwrap_or(least.max(USERS_MIN));
    say(&format!(
        "making {users} people and {} conversations",
        plan.conversations
    ));
    let tag = format!("send{}", plan.seed);
    let world = World::make(server, secret, &tag, users, plan.conversations).await?;
    let engine = Engine::new(&world, plan);
    connect(&engine, &world, server, plan.format).await?;
    if plan.preload > 0 {
        say(&format!("sending {} messages ahead", plan.preload));
        engine.start(64, Some(plan.preload));
        engine.idle(Duration::from_secs(3_600)).await?;
    }
    let mut figures = Vec::new();
    for run in 1..=plan.runs {
        for load in &plan.loads {
            let one = measure(&engine, *load, run, plan, process).await?;
            say(&one.line());
            figures.push(one);
        }
    }
    let memory = process.and_then(Process::memory);
    say("comparing what was acknowledged, delivered and stored");
    let checked = check::check(&engine, &world, server, plan).await?;
    Ok(Results {
        conversations: plan.conversations,
        users,
        preload: plan.preload,
        text_bytes: plan.text_bytes,
        figures,
        checked,
        memory,
    })
}

async fn connect(
    engine: &Arc<Engine>,
    world: &World,
    server: SocketAddr,
    format: WireFormat,
) -> Outcome<()> {
    let dial = Dial {
        format,
        ..Dial::new(server)
    };
    let mut opening = JoinSet::new();
    for (user, person) in world.users.iter().enumerate() {
        if opening.len() >= OPENING {
            joined(engine, opening.join_next().await)?;
        }
        let (dial, token) = (dial.clone(), person.token.clone());
        opening.spawn(async move { Ok::<_, Fault>((user, ws::open(&dial, &token).await?)) });
    }
    while !opening.is_empty() {
        joined(engine, opening.join_next().await)?;
    }
    engine.all_welcome(world.users.len()).await
}

type Opened = Outcome<(usize, (ws::Reader, ws::Writer))>;

fn joined(
    engine: &Arc<Engine>,
    opened: Option<Result<Opened, tokio::task::JoinError>>,
) -> Outcome<()> {
    let Some(opened) = opened else { return Ok(()) };
    let (user, (mut reader, writer)) = opened??;
    engine.attach(user, writer);
    let engine = Arc::clone(engine);
    tokio::spawn(async move {
        loop {
            match reader.next().await {
                ws::Incoming::Message(bytes) => engine.on_frame(user, bytes),
                ws::Incoming::Closed(code) => return engine.on_closed(user, code),
            }
        }
    });
    Ok(())
}

async fn measure(
    engine: &Arc<Engine>,
    load: Load,
    run: usize,
    plan: &Plan,
    process: Option<Process>,
) -> Outcome<Figures> {
    let rate = match load {
        Load::Closed(senders) => {
            engine.start(senders, None);
            None
        }
        Load::Open(rate) => Some(rate),
    };
    let mut rng = Rng::new(plan.seed ^ run as u64);
    offer(engine, rate, plan.warm_up, &mut rng).await;
    let cpu = || {
        (
            process.and_then(Process::cpu),
            process.and_then(|p| p.cpu_of_threads("store")),
        )
    };
    let (before, own_before, begun) = (cpu(), Process::own().cpu(), Instant::now());
    engine.measure(true);
    let late = offer(engine, rate, plan.measure, &mut rng).await;
    let taken = begun.elapsed();
    let (after, own_after) = (cpu(), Process::own().cpu());
    let measured = engine.measure(false);
    engine.stop();
    engine.idle(DRAIN_TIMEOUT).await?;

    let acked = measured.latencies.len();
    if acked == 0 {
        return fault("nothing was acknowledged");
    }
    let each = |before: Option<Duration>, after: Option<Duration>| {
        Some((after?.saturating_sub(before?)).as_secs_f64() * 1e6 / acked as f64)
    };
    let own = own_after
        .zip(own_before)
        .map_or(0.0, |(a, b)| (a - b).as_secs_f64());
    Ok(Figures {
        load: load.to_string(),
        run,
        acked,
        acked_per_s: acked as f64 / taken.as_secs_f64(),
        ack_ms: Percentiles::of_nanos(&measured.latencies),
        late_ms: rate.map(|_| Percentiles::of_nanos(&late)),
        server_cpu_us: each(before.0, after.0),
        store_cpu_us: each(before.1, after.1),
        client_cores: own / taken.as_secs_f64(),
        retried: measured.retried,
    })
}

/// Lets time pass; at a rate, sends meanwhile. Returns how late it was with each.
async fn offer(
    engine: &Arc<Engine>,
    rate: Option<f64>,
    lasting: Duration,
    rng: &mut Rng,
) -> Histogram<u64> {
    let mut late = crate::report::nanos();
    let end = Instant::now() + lasting;
    let Some(rate) = rate else {
        tokio::time::sleep_until(end).await;
        return late;
    };
    let mut due = Instant::now();
    loop {
        due += Duration::from_secs_f64(rng.poisson_gap_s(rate));
        if due > end {
            return late;
        }
        // Timers are good to a millisecond, which is more than an acknowledgement takes: the
        // last stretch is waited for awake. That is why the harness wants a core for itself.
        let rough = due.checked_sub(Duration::from_micros(1_500)).unwrap_or(due);
        tokio::time::sleep_until(rough).await;
        while Instant::now() < due {
            tokio::task::yield_now().await;
        }
        late.saturating_record(due.elapsed().as_nanos() as u64);
        engine.launch_at(due);
    }
}
