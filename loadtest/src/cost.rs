//! What a message costs the cluster: commands and bytes at Redis, statements at the CQL ring.
//!
//! Two people on different nodes talk in turns. What Redis and the nodes' `/metrics` counted
//! meanwhile, less what they count in the same time when nobody talks, is divided by the
//! messages. Then many read the same page at once.

mod counts;

use bedside_protocol::{ConversationId, Event};
use serde::Serialize;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use tokio::{task::JoinSet, time::Instant};

use self::counts::Counts;
use crate::{
    Outcome,
    bed::{Bed, Kind},
    fault,
    http::Rest,
    peer::{self, Got, Peer},
    report::{self, Percentiles},
    world::World,
    ws::Dial,
};

/// Bytes of a text.
const TEXT_BYTES: usize = 300;
/// Messages before anything is counted: what is made at first use is made.
const WARM_UP: u64 = 20;
/// An event that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Messages that are counted.
    pub messages: u64,
    /// Readers of one page at once.
    pub readers: usize,
    /// How long it is counted what happens by itself.
    pub idle: Duration,
    /// Tells the people of one run from those of another.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Nodes of the cluster.
    pub nodes: usize,
    /// By count: a second, when nobody talks.
    pub idle_per_s: BTreeMap<String, f64>,
    /// By count: for each message, what happens by itself left out.
    pub per_message: BTreeMap<String, f64>,
    /// From the send to its acknowledgement.
    pub ack_ms: Percentiles,
    /// From the send to the other's device, on another node when there is one.
    pub delivery_ms: Percentiles,
    /// Readers of one page at once.
    pub readers: usize,
    /// By count: for all of them together.
    pub by_readers: BTreeMap<String, f64>,
    /// How long all of them took.
    pub readers_ms: f64,
}

/// Measures a cluster that runs.
///
/// # Errors
/// When it does not do what it is asked.
pub async fn run(plan: &Plan, bed: &Bed) -> Outcome<Results> {
    let nodes: Vec<SocketAddr> = bed.all(Kind::Node).map(|node| node.address).collect();
    let (Some(first), Some(last)) = (nodes.first(), nodes.last()) else {
        return fault("there are no nodes");
    };
    let tag = format!("cost-{:x}", plan.seed);
    let world = World::make(*first, &bed.secret, &tag, 2, 1).await?;
    let id = world.pairs[0].id;
    let mut chat = Chat {
        id,
        one: Peer::open(&Dial::new(*first), &world.users[0].token).await?,
        other: Peer::open(&Dial::new(*last), &world.users[1].token).await?,
        said: plan.seed << 32,
    };
    for _ in 0..WARM_UP {
        chat.turn().await?;
    }

    let begun = Instant::now();
    let before = Counts::of(bed).await?;
    tokio::time::sleep(plan.idle).await;
    let idle = Counts::of(bed).await?.since(&before);
    let idle_per_s = divided(&idle, begun.elapsed().as_secs_f64());

    let (mut acks, mut deliveries) = (report::nanos(), report::nanos());
    let before = Counts::of(bed).await?;
    let begun = Instant::now();
    for _ in 0..plan.messages {
        let (acked, delivered) = chat.turn().await?;
        acks.saturating_record(acked.as_nanos() as u64);
        deliveries.saturating_record(delivered.as_nanos() as u64);
    }
    let took_s = begun.elapsed().as_secs_f64();
    let spent = Counts::of(bed).await?.since(&before);
    let mut per_message = divided(&spent, plan.messages as f64);
    for (name, spent) in &mut per_message {
        let by_itself = idle_per_s.get(name).copied().unwrap_or(0.0) * took_s;
        *spent -= by_itself / plan.messages as f64;
    }

    let before = Counts::of(bed).await?;
    let took = read_at_once(plan.readers, *last, id, &world.users[1].token).await?;
    let by_readers = divided(&Counts::of(bed).await?.since(&before), 1.0);
    Ok(Results {
        nodes: nodes.len(),
        idle_per_s,
        per_message,
        ack_ms: Percentiles::of_nanos(&acks),
        delivery_ms: Percentiles::of_nanos(&deliveries),
        readers: plan.readers,
        by_readers,
        readers_ms: took.as_secs_f64() * 1e3,
    })
}

fn divided(counts: &Counts, by: f64) -> BTreeMap<String, f64> {
    let counts = counts.0.iter().filter(|(_, count)| **count != 0.0);
    counts.map(|(name, n)| (name.clone(), n / by)).collect()
}

/// Two people who talk in turns.
struct Chat {
    id: ConversationId,
    one: Peer,
    other: Peer,
    said: u64,
}

impl Chat {
    /// One message: until it was acknowledged, and until the other had it.
    async fn turn(&mut self) -> Outcome<(Duration, Duration)> {
        self.said += 1;
        let name = self.said;
        let begun = Instant::now();
        let text = peer::text_of(name, TEXT_BYTES);
        let command = peer::say(self.id, name, text);
        let _: bedside_protocol::reply::MessageSent = self.one.ask(&command).await?;
        let acked = begun.elapsed();
        let delivering = until_heard(&mut self.other, name);
        tokio::time::timeout(PATIENCE, delivering).await??;
        let delivered = begun.elapsed();
        std::mem::swap(&mut self.one, &mut self.other);
        Ok((acked, delivered))
    }
}

async fn until_heard(peer: &mut Peer, name: u64) -> Outcome<()> {
    let is_it = |event: &Event| {
        let Event::MessageCreated(message) = event else {
            return false;
        };
        message.client_msg_id == Some(peer::name_of(name))
    };
    loop {
        while let Some((_, frame)) = peer.events.pop_front() {
            if is_it(&frame.event) {
                return Ok(());
            }
        }
        match peer.read().await? {
            Got::Event(frame) if is_it(&frame.event) => return Ok(()),
            Got::Closed(code) => return fault(format!("closed with {code}")),
            Got::Event(_) | Got::Answer(_) => {}
        }
    }
}

/// So many ask for the newest page, each over a connection of its own, all at once.
async fn read_at_once(
    readers: usize,
    node: SocketAddr,
    id: ConversationId,
    token: &str,
) -> Outcome<Duration> {
    let mut connections = Vec::new();
    for _ in 0..readers {
        connections.push(Rest::connect(node).await?);
    }
    let path = format!("/api/v1/conversations/{id}/messages?limit=50");
    let begun = Instant::now();
    let mut reading = JoinSet::new();
    for mut rest in connections {
        let (path, token) = (path.clone(), token.to_owned());
        reading.spawn(async move { rest.ask("GET", &path, &token, None).await?.ok() });
    }
    while let Some(read) = reading.join_next().await {
        read??;
    }
    Ok(begun.elapsed())
}

impl Results {
    /// What it cost, on one page.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut names: Vec<_> = self.idle_per_s.keys().collect();
        names.extend(self.per_message.keys());
        names.extend(self.by_readers.keys());
        names.sort();
        names.dedup();
        let mut text = format!(
            "{} nodes; acknowledged {} ms; delivered {} ms; {} readers at once {:.0} ms\n\n\
             | count | idle, a second | a message | {} readers |\n|---|---|---|---|\n",
            self.nodes, self.ack_ms, self.delivery_ms, self.readers, self.readers_ms, self.readers
        );
        for name in names {
            let of = |map: &BTreeMap<String, f64>| map.get(name).copied().unwrap_or(0.0);
            text += &format!(
                "| {name} | {:.2} | {:.2} | {:.0} |\n",
                of(&self.idle_per_s),
                of(&self.per_message),
                of(&self.by_readers)
            );
        }
        text
    }
}
