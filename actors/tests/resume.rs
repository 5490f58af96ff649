//! Nobody misses anything: random senders, retries, cuts, restarts, panics and lies of the
//! store, and in the end the receiver's list is the log, each entry once and in order.
//!
//! A failure prints its seed: run it again with `BEDSIDE_SEED=<seed>`; more schedules with
//! `BEDSIDE_SCHEDULES=<count>`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    ports::{clock::HurriedClock, store::Store},
    testkit::{
        client::{Client, PlainIdentities, config},
        liar::{Disk, Fate, Liar},
    },
};
use bedside_protocol::{Command, ConversationId, ConversationKind, ErrorCode, Event, Role};
use common::{receiver::Receiver, *};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

const SENDERS: [&str; 3] = ["s0", "s1", "s2"];

/// A server that can be restarted over the same disk.
struct Server {
    dice: Dice,
    disk: Arc<Disk>,
    liar: Arc<Liar>,
    node: Arc<Node>,
}

fn start(dice: &Dice, disk: &Arc<Disk>, lies: bool) -> (Arc<Liar>, Arc<Node>) {
    let liar = Liar::new(disk);
    if dice.one_in(2) {
        liar.be_alone();
    }
    let mut config = config();
    config.arbiters = 1 + dice.roll(2) as usize;
    config.passivate_after = Duration::from_millis([1, 3, 60_000][dice.roll(3) as usize]);
    if lies {
        let (fates, moods, panics) = (dice.clone(), dice.clone(), dice.clone());
        liar.fates(move |_| match fates.roll(24) {
            0 => Fate::Lose,
            1 => Fate::StoreAndDeny,
            2 => Fate::Full,
            _ => Fate::Store,
        });
        let kept = ["create_conversation", "put_person"];
        liar.moods(move |name| !kept.contains(&name) && moods.one_in(30));
        liar.slow(Duration::from_micros(dice.roll(400)));
        if dice.one_in(6) {
            liar.slow_reads(Duration::from_micros(1 + dice.roll(1_000)));
        }
        config.on_command = Some(Arc::new(move |_, _| {
            assert!(!panics.one_in(60), "a fault that a test injected");
        }));
    }
    let clock = Arc::new(HurriedClock(500));
    let node = Node::start(config, liar.clone(), clock, Arc::new(PlainIdentities));
    (liar, node)
}

impl Server {
    async fn restart(&mut self, lies: bool) {
        // Whatever waits for its commit is lost, and nobody is answered any more.
        self.liar.kill();
        self.node.shut_down().await;
        (self.liar, self.node) = start(&self.dice, &self.disk, lies);
    }
}

/// One who sends, and insists.
#[derive(Default)]
struct Sender {
    client: Option<Client>,
    /// What it wants done and does not know to be: the name of a send, or a change.
    open: Vec<(String, Command)>,
    /// Posts that wait for an answer: index into `open` by name.
    posted: Vec<(u64, String)>,
    acked: BTreeMap<String, u64>,
    /// All sends, to insist on old ones too.
    sent: Vec<(String, Command)>,
    count: usize,
}

impl Sender {
    async fn connect(&mut self, server: &Server, who: &str) -> &mut Client {
        if self.client.as_ref().is_none_or(|c| c.outbox().is_closed()) {
            self.posted.clear();
            self.client = Some(Client::open(&server.node, who, Role::Nurse).await);
        }
        self.client.as_mut().expect("it was just made")
    }

    fn next_send(&mut self, id: ConversationId, i: usize) -> (String, Command) {
        let name = format!("m{i}-{}", self.count);
        self.count += 1;
        let command = say_once(id, &format!("text of {name}"), &name);
        self.open.push((name.clone(), command.clone()));
        self.sent.push((name.clone(), command.clone()));
        (name, command)
    }

    async fn post(&mut self, server: &Server, who: &str, name: String, command: Command) {
        let client = self.connect(server, who).await;
        if let Some(id) = client.try_post(command) {
            self.posted.push((id, name));
        }
    }

    /// Takes in the answers to what was posted.
    async fn listen(&mut self) {
        let Some(client) = &mut self.client else {
            return;
        };
        for (id, name) in std::mem::take(&mut self.posted) {
            match client.answer_or_cut(id).await {
                None => return,
                Some(Ok(reply)) => {
                    let seq = reply["seq"].as_u64().expect("a seq");
                    let before = self.acked.insert(name.clone(), seq);
                    assert!(
                        !name.starts_with('m') || before.is_none_or(|before| before == seq),
                        "one send, two seqs"
                    );
                    self.open.retain(|(open, _)| *open != name);
                }
                // Changes of what was deleted meanwhile.
                Some(Err(error)) if !error.code.retryable() => {
                    assert_eq!(error.code, ErrorCode::NotFound, "{error:?}");
                    self.open.retain(|(open, _)| *open != name);
                }
                Some(Err(_)) => {}
            }
        }
    }
}

async fn schedule(seed: u64) {
    let dice = Dice::new(seed);
    let disk = Disk::new();
    let (liar, node) = start(&dice, &disk, false);
    know(&node, &SENDERS.map(|s| (s, Role::Nurse))).await;
    know(&node, &[("r", Role::Nurse)]).await;
    let mut maker = Client::open(&node, "s0", Role::Nurse).await;
    let create = group(ConversationKind::InternalStaff, None, &["s1", "s2", "r"]);
    let id = make(&mut maker, create).await;
    drop(maker);
    let mut server = Server {
        dice: dice.clone(),
        disk,
        liar,
        node,
    };
    server.restart(true).await;
    let mut senders: [Sender; 3] = Default::default();
    let mut receiver = Receiver::default();
    for _ in 0..40 + dice.roll(60) {
        let i = dice.roll(3) as usize;
        let (who, sender) = (SENDERS[i], &mut senders[i]);
        match dice.roll(20) {
            0..8 => {
                // Now and then more than the server remembers by heart.
                let burst = if dice.one_in(200) { 100 } else { 1 };
                for n in 1..=burst {
                    let (name, command) = sender.next_send(id, i);
                    for _ in 0..=u64::from(dice.one_in(4)) {
                        sender
                            .post(&server, who, name.clone(), command.clone())
                            .await;
                    }
                    if n % 25 == 0 {
                        sender.listen().await;
                    }
                }
            }
            8..11 => {
                let own: Vec<_> = sender
                    .acked
                    .iter()
                    .filter(|(n, _)| n.starts_with('m'))
                    .collect();
                if !own.is_empty() {
                    let seq = *own[dice.roll(own.len() as u64) as usize].1;
                    let name = format!("c{i}-{}", sender.count);
                    sender.count += 1;
                    let command = match dice.roll(4) {
                        0 => edit(id, seq, &name),
                        1 => delete(id, seq),
                        on => react(id, seq, "👍", on == 2),
                    };
                    sender.open.push((name.clone(), command.clone()));
                    sender.post(&server, who, name, command).await;
                }
            }
            // Insists on something, answered or not.
            11 => {
                if !sender.sent.is_empty() {
                    let which = dice.roll(sender.sent.len() as u64) as usize;
                    let (name, command) = sender.sent[which].clone();
                    sender.post(&server, who, name, command).await;
                }
            }
            12 => sender.client = None,
            13..15 => sender.listen().await,
            15 => receiver.client = None,
            16..18 => {
                receiver.sync(&server.node, id).await;
            }
            18 => receiver.listen(id).await,
            _ if dice.one_in(3) => server.restart(true).await,
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    if dice.one_in(2) {
        server.restart(false).await;
    } else {
        server.liar.be_honest();
    }
    check(&server, id, &mut senders, &mut receiver).await;
    server.node.shut_down().await;
}

/// Tries until nothing is open.
async fn insist(server: &Server, who: &str, sender: &mut Sender) {
    while !sender.open.is_empty() {
        for (name, command) in sender.open.clone().into_iter().take(16) {
            sender.post(server, who, name, command).await;
        }
        sender.listen().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn check(
    server: &Server,
    id: ConversationId,
    senders: &mut [Sender; 3],
    receiver: &mut Receiver,
) {
    // Half of the time it is there to the end, and half of the time it comes back then.
    if server.dice.one_in(2) {
        while !receiver.sync(&server.node, id).await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // The last one is stored and denied: nothing comes after it that would show the hole.
    for (i, (who, sender)) in SENDERS.into_iter().zip(senders.iter_mut()).enumerate() {
        sender.listen().await;
        insist(server, who, sender).await;
        if i + 1 == SENDERS.len() {
            server.liar.fates(|_| Fate::StoreAndDeny);
            let (name, command) = sender.next_send(id, i);
            sender.post(server, who, name, command).await;
            sender.listen().await;
            server.liar.be_honest();
            insist(server, who, sender).await;
        }
    }
    let memory = server.disk.memory();
    let stored = memory.load(id, true).await.unwrap().unwrap();
    while !receiver.sync(&server.node, id).await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut waited = 0;
    while receiver.position() < stored.head.seq {
        // What was stored and not yet shown is shown without anybody's asking.
        tokio::time::sleep(Duration::from_millis(1)).await;
        receiver.listen(id).await;
        waited += 1;
        assert!(
            waited < 5_000,
            "stuck at {} of {}",
            receiver.position(),
            stored.head.seq
        );
    }
    assert!(receiver.log.keys().copied().eq(1..=stored.head.seq));
    let acked: BTreeMap<_, _> = senders.iter().flat_map(|s| s.acked.clone()).collect();
    let mut names = HashMap::new();
    for (seq, event) in &receiver.log {
        if let Event::MessageCreated(message) = event {
            let name = message.client_msg_id.as_ref().expect("a name").to_string();
            assert_eq!(
                acked.get(&name),
                Some(seq),
                "stored is acknowledged: {name}"
            );
            assert_eq!(names.insert(name, *seq), None, "a name is used once");
        }
    }
    let sends = acked.keys().filter(|name| name.starts_with('m')).count();
    assert_eq!(names.len(), sends, "acknowledged is stored");
    assert_eq!(stored.head.ord, sends as u64);
    let rows = bedside_actors::ports::store::Select::Ids(vec![id]);
    let view = memory.conversations(user("r"), rows).await.unwrap().rows;
    assert_eq!(view[0].me.unread_count, sends as u64);
}

#[test]
fn the_receivers_list_is_the_log_under_random_schedules() {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    std::panic::set_hook(Box::new(|info| {
        let injected = info
            .payload_as_str()
            .is_some_and(|p| p.contains("a test injected"));
        if !injected {
            eprintln!("{info}");
        }
    }));
    let seeds = match number("BEDSIDE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("BEDSIDE_SCHEDULES").unwrap_or(200),
    };
    run(async {
        for seed in seeds {
            let failed = Printed(seed);
            schedule(seed).await;
            std::mem::forget(failed);
        }
    });
}

/// Says which schedule failed, when it is dropped in a panic.
struct Printed(u64);

impl Drop for Printed {
    fn drop(&mut self) {
        eprintln!("failed: run again with BEDSIDE_SEED={}", self.0);
    }
}
