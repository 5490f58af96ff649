//! Memory per idle connection.
//!
//! Idle means: signed in, welcomed, and answering the server's pings.

use bedside_protocol::{Command, MessageSend, Role, UserId, codec::encode_command};
use serde::Serialize;
use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    Fault, Outcome, fault, peer,
    process::{Memory, Process},
    server::{DataDir, Recipe, SECRET, Server},
    world::User,
    ws::{self, Dial, Incoming, Writer},
};

/// Sockets that are opened at once: what the server lets wait for their welcome per address.
const OPENING: usize = 48;
/// Sockets from one address.
const PER_ADDRESS: usize = 1_000;
/// How long the server may take until all were welcomed or answered.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(5);
/// Conversations leave memory after being idle for so long, seconds.
const PASSIVATE_AFTER_S: u64 = 5;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Sockets.
    pub sockets: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    /// Sockets.
    pub sockets: usize,
    /// How long it took to open them all, seconds.
    pub opened_in_s: f64,
    /// The server with none, after some had come and gone.
    pub before: Memory,
    /// With all of them open.
    pub open: Memory,
    /// After each sent a message to its neighbour and got one.
    pub talked: Memory,
    /// When the conversations have left memory again.
    pub quiet: Memory,
    /// KiB of RSS per connection at these three times.
    pub kib_each: [f64; 3],
    /// What was wrong; empty when all is well.
    pub problems: Vec<String>,
}

impl Results {
    /// What happened, on one page.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} sockets, opened in {:.1} s; RSS {} MiB before, {} with all open\n\
             KiB per connection: {:.2} idle; {:.2} after each sent a message and got one; \
             {:.2} when the conversations were idle, too\n\
             {} problems",
            self.sockets,
            self.opened_in_s,
            self.before.rss_kib / 1024,
            self.open.rss_kib / 1024,
            self.kib_each[0],
            self.kib_each[1],
            self.kib_each[2],
            self.problems.len(),
        )
    }
}

/// What the sockets heard.
#[derive(Debug, Default)]
struct Heard {
    welcomes: AtomicUsize,
    answers: AtomicUsize,
    messages: AtomicUsize,
    closed: AtomicUsize,
}

/// Runs the plan.
///
/// # Errors
/// When it cannot be run. What the server did wrong is in [`Results::problems`] instead.
pub async fn run(plan: Plan, recipe: &Recipe, data_parent: Option<&Path>) -> Outcome<Results> {
    let dir = DataDir::new(data_parent)?;
    let mut recipe = recipe.clone();
    let passivate = (
        "BEDSIDE_PASSIVATE_AFTER_S".to_owned(),
        PASSIVATE_AFTER_S.to_string(),
    );
    recipe.env.push(passivate);
    let server = Server::start(&recipe, &dir).await?;
    let done = play(plan, &server).await;
    done.map_err(|error| format!("{error}\n{}", dir.log_tail()).into())
}

async fn play(plan: Plan, server: &Server) -> Outcome<Results> {
    let process = server.process();
    let warm = Crowd::open(server, "warm", 200).await?;
    drop(warm);
    let before = settled(process).await?;

    let begun = Instant::now();
    let crowd = Crowd::open(server, "idle", plan.sockets).await?;
    let opened_in_s = begun.elapsed().as_secs_f64();
    let open = settled(process).await?;

    crowd.everyone_talks().await?;
    let talked = settled(process).await?;
    sleep(Duration::from_secs(3 * PASSIVATE_AFTER_S)).await;
    let quiet = settled(process).await?;

    let each =
        |memory: Memory| (memory.rss_kib as f64 - before.rss_kib as f64) / plan.sockets as f64;
    let closed = crowd.heard.closed.load(Ordering::Relaxed);
    let mut problems = Vec::new();
    if closed > 0 {
        problems.push(format!("{closed} sockets were closed"));
    }
    Ok(Results {
        sockets: plan.sockets,
        opened_in_s,
        before,
        open,
        talked,
        quiet,
        kib_each: [each(open), each(talked), each(quiet)],
        problems,
    })
}

async fn settled(process: Process) -> Outcome<Memory> {
    sleep(SETTLE).await;
    Ok(process
        .memory()
        .ok_or("the server's memory cannot be read")?)
}

/// Many sockets of as many people.
struct Crowd {
    users: Vec<User>,
    writers: Vec<Writer>,
    heard: Arc<Heard>,
    /// Ends the reading when it is dropped.
    _reading: JoinSet<()>,
}

impl Crowd {
    async fn open(server: &Server, tag: &str, count: usize) -> Outcome<Self> {
        let roles = [Role::Doctor, Role::Nurse];
        let user = |i: usize| User::new(SECRET, format!("{tag}-{i}"), roles[i % 2]);
        let users: Vec<_> = (0..count).map(user).collect();
        let heard = Arc::new(Heard::default());
        let mut reading = JoinSet::new();
        let mut writers = Vec::new();
        let mut opening = JoinSet::new();
        let mut next = 0;
        while writers.len() < count {
            while next < count && opening.len() < OPENING {
                let from = 1 + u8::try_from(next / PER_ADDRESS).unwrap_or(u8::MAX);
                let dial = Dial {
                    from: Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, from))),
                    ..Dial::new(server.address)
                };
                let token = users[next].token.clone();
                let user = next;
                opening
                    .spawn(async move { Ok::<_, Fault>((user, ws::open(&dial, &token).await?)) });
                next += 1;
            }
            let Some(opened) = opening.join_next().await else {
                break;
            };
            let (user, (mut reader, writer)) = opened??;
            writers.push((user, writer));
            let heard = Arc::clone(&heard);
            reading.spawn(async move {
                loop {
                    match reader.next().await {
                        Incoming::Message(bytes) => heard.message(bytes),
                        Incoming::Closed(_) => {
                            heard.closed.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                    }
                }
            });
        }
        writers.sort_by_key(|(user, _)| *user);
        heard
            .wait(|heard| &heard.welcomes, count, "welcomed")
            .await?;
        Ok(Self {
            users,
            writers: writers.into_iter().map(|(_, writer)| writer).collect(),
            heard,
            _reading: reading,
        })
    }

    /// Each sends one message to its neighbour, and gets one.
    async fn everyone_talks(&self) -> Outcome<()> {
        let pairs = self.users.len() / 2;
        for i in 0..pairs * 2 {
            let send = Command::MessageSend(MessageSend {
                to_user_id: Some(UserId::new(&self.users[i ^ 1].id)?),
                text: peer::text_of(i as u64, 300),
                ..MessageSend::default()
            });
            let frame = encode_command(bedside_protocol::WireFormat::Json, Some(1), &send);
            self.writers[i].send(&frame);
            if i % OPENING == 0 {
                // Not all at once: the server may answer that it is too busy.
                self.heard
                    .wait(
                        |heard| &heard.answers,
                        i.saturating_sub(OPENING),
                        "answered",
                    )
                    .await?;
            }
        }
        self.heard
            .wait(|heard| &heard.answers, pairs * 2, "answered")
            .await?;
        self.heard
            .wait(|heard| &heard.messages, pairs * 2, "written to")
            .await
    }
}

impl Heard {
    fn message(&self, bytes: &[u8]) {
        let has = |what: &[u8]| {
            bytes
                .windows(what.len())
                .take(64)
                .any(|window| window == what)
        };
        let counter = if has(b"\"session.welcome\"") {
            &self.welcomes
        } else if has(b"\"message.created\"") {
            &self.messages
        } else if has(b"\"reply_to\"") && !has(b"\"error\"") {
            &self.answers
        } else {
            return;
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    async fn wait(
        &self,
        counter: impl Fn(&Self) -> &AtomicUsize,
        count: usize,
        what: &str,
    ) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        while counter(self).load(Ordering::Relaxed) < count {
            if Instant::now() > deadline {
                let so_far = counter(self).load(Ordering::Relaxed);
                return fault(format!("only {so_far} of {count} were {what}"));
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }
}
