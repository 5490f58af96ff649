//! `kill -9` under load, round after round, on one data directory.
//!
//! ```text
//! talk      everyone sends as fast as they are answered; 1 in 16 sends is posted twice at once
//! kill -9   at a random moment; in 1 round of 8 once more while they come back
//! return    restart, reconnect, sync.resume; what is stored is read through REST meanwhile
//!           -> everyone has all of it within a second of their welcome, without new traffic
//! resend    what was not acknowledged, with the same client_msg_id
//! repeat    something that was acknowledged: same answer; with another text: conflict
//! judge     acknowledged = stored, dense, nothing twice, everyone's list is the log
//! ```
//!
//! `kill -9` keeps what the kernel has not written yet. So this shows that the order of storing
//! and answering is right, and not what a power cut does.

mod ledger;
mod member;
mod results;
mod resume;

use bedside_protocol::ConversationId;
use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::Instant};

pub(crate) use self::ledger::{Ack, Entry};
pub use self::results::Results;

use self::{ledger::Ledger, member::Member};
use crate::{
    Fault, Outcome,
    report::median,
    rng::Rng,
    server::{DataDir, Recipe, SECRET, Server},
    world::World,
    ws::Dial,
};

/// How long it is waited for what comes later than that, to tell how late.
const PATIENCE: Duration = Duration::from_secs(5);
/// Problems that are told word by word.
const PROBLEMS_MAX: usize = 20;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How often the server is killed.
    pub rounds: usize,
    /// People who send.
    pub senders: usize,
    /// Direct conversations among them.
    pub conversations: usize,
    /// The longest time from the first send to the kill.
    pub talk_max: Duration,
    /// Where chance starts.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rounds: 50,
            senders: 64,
            conversations: 64,
            talk_max: Duration::from_millis(800),
            seed: 1,
        }
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
    say: impl Fn(&str),
) -> Outcome<Results> {
    let dir = DataDir::new(data_parent)?;
    let mut play = Play::set_up(plan, recipe, &dir).await?;
    for round in 1..=plan.rounds {
        let line = match play.round(round).await {
            Ok(line) => line,
            Err(error) => {
                say(&dir.log_tail());
                play.problems.push(format!("round {round}: {error}"));
                break;
            }
        };
        say(&line);
        if !play.problems.is_empty() {
            break;
        }
    }
    // Once more from the beginning, as a new device would read it.
    if play.problems.is_empty() {
        play.ledger.forget();
        play.ledger.read(play.server()?.address).await?;
        play.judge();
    }
    Ok(play.results())
}

struct Play<'a> {
    plan: &'a Plan,
    recipe: &'a Recipe,
    dir: &'a DataDir,
    server: Option<Server>,
    members: Vec<Member>,
    ledger: Ledger,
    rng: Rng,
    rounds: usize,
    second_kills: usize,
    ready_ms: Vec<f64>,
    seen_ms: Vec<f64>,
    problems: Vec<String>,
}

impl<'a> Play<'a> {
    async fn set_up(plan: &'a Plan, recipe: &'a Recipe, dir: &'a DataDir) -> Outcome<Self> {
        let server = Server::start(recipe, dir).await?;
        let world = World::make(
            server.address,
            SECRET,
            "crash",
            plan.senders,
            plan.conversations,
        )
        .await?;
        let member = |(i, user): (usize, &crate::world::User)| {
            let own = world.pairs.iter().filter(|pair| pair.members.contains(&i));
            Member::new(
                i,
                user.clone(),
                own.map(|pair| pair.id).collect(),
                plan.seed,
            )
        };
        let members = world.users.iter().enumerate().map(member);
        let readers = world.pairs.iter().map(|pair| {
            let reader = &world.users[pair.members[0]];
            (pair.id, Arc::new(reader.token.clone()))
        });
        let mut play = Self {
            plan,
            recipe,
            dir,
            members: members.filter(|m| !m.conversations.is_empty()).collect(),
            ledger: Ledger::new(readers.collect()),
            server: Some(server),
            rng: Rng::new(plan.seed),
            rounds: 0,
            second_kills: 0,
            ready_ms: Vec::new(),
            seen_ms: Vec::new(),
            problems: Vec::new(),
        };
        play.everyone_returns().await?;
        // Nobody has been welcomed before.
        play.seen_ms.clear();
        Ok(play)
    }

    fn server(&self) -> Outcome<&Server> {
        Ok(self.server.as_ref().ok_or("there is no server")?)
    }

    async fn round(&mut self, round: usize) -> Outcome<String> {
        let talk = self.some_time(self.plan.talk_max);
        let before = self.acked();
        let server = self.server.take().ok_or("there is no server")?;
        let kill = async {
            tokio::time::sleep(talk).await;
            server.kill();
        };
        let members = std::mem::take(&mut self.members);
        let talking = on_all(members, |mut member: Member| async move {
            let talked = member.talk().await;
            (member, talked)
        });
        let (members, ()) = tokio::join!(talking, kill);
        self.members = members?;

        // Some stay away for some rounds, and are then too far behind for a replay.
        for member in &mut self.members {
            let goes_on = if member.is_away {
                !self.rng.one_in(4)
            } else {
                self.rng.one_in(24)
            };
            member.is_away = goes_on && round < self.plan.rounds;
        }
        self.restart().await?;
        if self.rng.one_in(8) {
            self.second_kills += 1;
            self.kill_while_returning().await?;
            self.restart().await?;
        }
        let longest = self.everyone_returns().await?;
        self.everyone_mends().await?;
        self.judge();
        self.rounds = round;
        Ok(format!(
            "round {round}: killed after {} ms, {} acknowledged, ready again after {:.0} ms, \
             all seen {:.0} ms after welcome",
            talk.as_millis(),
            self.acked() - before,
            self.ready_ms.last().copied().unwrap_or(0.0),
            longest,
        ))
    }

    fn some_time(&mut self, max: Duration) -> Duration {
        let ms = usize::try_from(max.as_millis()).unwrap_or(1).max(1);
        Duration::from_millis(5 + self.rng.below(ms) as u64)
    }

    async fn restart(&mut self) -> Outcome<()> {
        let server = Server::start(self.recipe, self.dir).await?;
        self.ready_ms.push(server.ready_after.as_secs_f64() * 1e3);
        self.server = Some(server);
        Ok(())
    }

    async fn kill_while_returning(&mut self) -> Outcome<()> {
        let server = self.server.take().ok_or("there is no server")?;
        let dial = Dial::new(server.address);
        let after = self.some_time(Duration::from_millis(40));
        let kill = async {
            tokio::time::sleep(after).await;
            server.kill();
        };
        let members = std::mem::take(&mut self.members);
        let returning = on_all(members, |mut member: Member| {
            let dial = dial.clone();
            async move {
                if !member.is_away {
                    // However far it came; what it got stays with it.
                    let _ = member.try_to_resume(&dial).await;
                    member.vanish();
                }
                (member, Ok(()))
            }
        });
        let (members, ()) = tokio::join!(returning, kill);
        self.members = members?;
        Ok(())
    }

    /// Everyone reconnects and resumes, while the logs are read through REST. Nobody sends, so
    /// what is stored is what everyone has to see. Returns the longest that it took, ms.
    async fn everyone_returns(&mut self) -> Outcome<f64> {
        let address = self.server()?.address;
        let (tell, told) = watch::channel(None);
        let members = std::mem::take(&mut self.members);
        let returning = on_all(members, |mut member: Member| {
            let told = told.clone();
            async move {
                let returned = match member.is_away {
                    true => Ok(()),
                    false => member.return_and_see(&Dial::new(address), told).await,
                };
                (member, returned)
            }
        });
        let ledger = &mut self.ledger;
        let reading = async {
            let heads = ledger.read(address).await?;
            tell.send_replace(Some(Arc::new(heads)));
            Ok::<_, Fault>(tell)
        };
        let (members, reading) = tokio::join!(returning, reading);
        // What failed first is why the others did.
        reading?;
        self.members = members?;
        let mut longest = 0.0_f64;
        for member in self.members.iter_mut() {
            if let Some(seen) = member.seen_after.take() {
                longest = longest.max(seen.as_secs_f64() * 1e3);
                self.seen_ms.push(seen.as_secs_f64() * 1e3);
            }
        }
        Ok(longest)
    }

    /// Resends what was not acknowledged, repeats what was, and reads what that made.
    async fn everyone_mends(&mut self) -> Outcome<()> {
        let members = std::mem::take(&mut self.members);
        self.members = on_all(members, |mut member: Member| async move {
            let mended = match member.is_away {
                true => Ok(()),
                false => member.mend().await,
            };
            (member, mended)
        })
        .await?;
        let heads = Arc::new(self.ledger.read(self.server()?.address).await?);
        let members = std::mem::take(&mut self.members);
        self.members = on_all(members, |mut member: Member| {
            let heads = Arc::clone(&heads);
            async move {
                let read = member.read_up_to(&heads, Instant::now() + PATIENCE).await;
                (member, read)
            }
        })
        .await?;
        Ok(())
    }

    fn judge(&mut self) {
        self.ledger.judge(&self.members);
        self.problems.append(&mut self.ledger.problems);
        for member in &mut self.members {
            self.problems.append(&mut member.problems);
            if !member.is_away && !member.open.is_empty() {
                self.problems
                    .push("a resent message was not acknowledged".to_owned());
            }
        }
    }

    fn acked(&self) -> usize {
        self.members.iter().map(|member| member.acks.len()).sum()
    }

    fn results(mut self) -> Results {
        let longest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let sum = |of: fn(&Member) -> u64| self.members.iter().map(of).sum::<u64>();
        self.problems.truncate(PROBLEMS_MAX);
        Results {
            seed: self.plan.seed,
            rounds: self.rounds,
            second_kills: self.second_kills,
            sent: self.members.iter().map(|member| member.sent.len()).sum(),
            acked: self.acked(),
            stored: self.ledger.messages(),
            doubles: sum(|m| m.counts.doubles),
            resent: sum(|m| m.counts.resent),
            stored_unacked: sum(|m| m.counts.stored_unacked),
            repeated: sum(|m| m.counts.repeated),
            resumed: sum(|m| m.counts.resumed),
            resets: sum(|m| m.counts.resets),
            again: sum(|m| m.counts.again),
            ready_ms: [
                median(self.ready_ms.clone()).unwrap_or(0.0),
                longest(&self.ready_ms),
            ],
            seen_ms: [
                median(self.seen_ms.clone()).unwrap_or(0.0),
                longest(&self.seen_ms),
            ],
            returns_behind: self.seen_ms.len(),
            problems: self.problems,
        }
    }
}

/// The heads of all logs, once they are known.
type Heads = watch::Receiver<Option<Arc<HashMap<ConversationId, u64>>>>;

/// Does something with every member at once, each in a task of its own; in the same order.
async fn on_all<F, A>(members: Vec<Member>, act: F) -> Outcome<Vec<Member>>
where
    F: Fn(Member) -> A,
    A: Future<Output = (Member, Outcome<()>)> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (i, member) in members.into_iter().enumerate() {
        let acting = act(member);
        tasks.spawn(async move { (i, acting.await) });
    }
    let mut done = Vec::new();
    while let Some(one) = tasks.join_next().await {
        let (i, (member, result)) = one?;
        result?;
        done.push((i, member));
    }
    done.sort_by_key(|(i, _)| *i);
    Ok(done.into_iter().map(|(_, member)| member).collect())
}
