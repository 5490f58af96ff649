//! Several servers believe at once that a conversation is theirs, and nothing but the store is
//! between them: random senders that insist on any of them, pauses, lost answers, panics and
//! restarts. In the end acknowledged is stored, the log is dense, each name is in it once, and
//! every client has seen it in its order.
//!
//! A failure prints its seed: run it again with `BEDSIDE_SEED=<seed>`; more schedules with
//! `BEDSIDE_SCHEDULES=<count>`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    ports::{
        clock::HurriedClock,
        store::{LogRange, Select, Store},
    },
    testkit::{
        client::{Client, PlainIdentities, config},
        liar::{Disk, Fate, Liar},
        owner,
    },
};
use bedside_protocol::{
    Command, ConversationId, ConversationKind, Event, LoggedEvent, Role, event::Change,
};
use common::{receiver::Receiver, *};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// The first one makes the conversation; the last one is taken out of it and let in again.
const SENDERS: [&str; 3] = ["head", "s", "t"];

struct Server {
    liar: Arc<Liar>,
    node: Arc<Node>,
    receiver: Receiver,
    /// Nothing is committed, and nobody waits for an answer of it.
    is_held: bool,
    /// It was told to: what it passes on late may be overtaken.
    hands_over: bool,
}

fn start(dice: &Dice, disk: &Arc<Disk>, lies: bool) -> Server {
    let liar = Liar::new(disk);
    let mut config = config();
    config.arbiters = 1 + dice.roll(2) as usize;
    config.passivate_after = Duration::from_millis([2, 60_000][dice.roll(2) as usize]);
    if lies {
        let (fates, moods, panics) = (dice.clone(), dice.clone(), dice.clone());
        liar.fates(move |_| match fates.roll(40) {
            0 => Fate::Lose,
            1 => Fate::StoreAndDeny,
            2 => Fate::Full,
            _ => Fate::Store,
        });
        liar.moods(move |name| name != "put_person" && moods.one_in(60));
        liar.slow(Duration::from_micros(dice.roll(600)));
        if dice.one_in(4) {
            liar.slow_reads(Duration::from_micros(1 + dice.roll(1_000)));
        }
        config.on_command = Some(Arc::new(move |_, _| {
            assert!(!panics.one_in(80), "a fault that a test injected");
        }));
    }
    let clock = Arc::new(HurriedClock(20));
    let node = Node::start(config, liar.clone(), clock, Arc::new(PlainIdentities));
    Server {
        liar,
        node,
        receiver: Receiver::default(),
        is_held: false,
        hands_over: false,
    }
}

/// What a client was told of a send: where it is, and what it is called.
type Place = (u64, String, String);

fn place(reply: &Value) -> Place {
    let text = |name: &str| reply[name].to_string();
    (
        reply["seq"].as_u64().expect("a seq"),
        text("message_id"),
        text("created_at"),
    )
}

/// Something that somebody wants done.
#[derive(Clone)]
struct Wish {
    name: String,
    command: Command,
}

/// One who sends, through any server, and insists.
#[derive(Default)]
struct Sender {
    /// One device per server.
    devices: Vec<Option<Client>>,
    /// Not known to be done.
    open: Vec<Wish>,
    /// All sends, to insist on old ones too.
    sent: Vec<Wish>,
    /// By server.
    posted: Vec<(usize, u64, Wish)>,
    /// Where the last send went that was new to its server, and that one's device had posted.
    last_new: Vec<u64>,
    acked: BTreeMap<String, Place>,
    refused: BTreeSet<String>,
    /// The highest read watermark that was acknowledged.
    read: u64,
    count: usize,
}

impl Sender {
    fn wish(&mut self, kind: &str, who: &str, make: impl FnOnce(&str) -> Command) -> Wish {
        let name = format!("{kind}-{who}-{}", self.count);
        self.count += 1;
        let command = make(&name);
        let wish = Wish { name, command };
        self.open.push(wish.clone());
        wish
    }

    async fn post(&mut self, servers: &[Server], at: usize, who: &str, wish: Wish) {
        self.devices.resize_with(servers.len(), || None);
        self.last_new.resize(servers.len(), 0);
        let device = &mut self.devices[at];
        if device.as_ref().is_none_or(|d| d.outbox().is_closed()) {
            self.posted.retain(|(server, ..)| *server != at);
            self.last_new[at] = 0;
            *device = Some(Client::open(&servers[at].node, who, Role::Nurse).await);
        }
        let client = device.as_mut().expect("it was just made");
        if let Some(id) = client.try_post(wish.command.clone()) {
            self.posted.push((at, id, wish));
        }
    }

    /// Takes in the answers of all servers that answer.
    async fn listen(&mut self, servers: &[Server]) {
        for (at, id, wish) in std::mem::take(&mut self.posted) {
            if servers[at].is_held {
                self.posted.push((at, id, wish));
                continue;
            }
            let Some(client) = &mut self.devices[at] else {
                continue;
            };
            match client.answer_or_cut(id).await {
                None => self.devices[at] = None,
                Some(answer) => {
                    if let Ok(reply) = &answer
                        && reply["duplicate"] == false
                        && !servers[at].hands_over
                    {
                        let seq = reply["seq"].as_u64().expect("a seq");
                        assert!(seq > self.last_new[at], "a later one overtook it");
                        self.last_new[at] = seq;
                    }
                    self.answered(&wish, answer);
                }
            }
        }
    }

    fn answered(&mut self, wish: &Wish, answer: Result<Value, bedside_protocol::CommandError>) {
        let reply = match answer {
            Ok(reply) => reply,
            Err(error) if error.code.retryable() => return,
            Err(_) => {
                self.refused.insert(wish.name.clone());
                return self.open.retain(|open| open.name != wish.name);
            }
        };
        self.open.retain(|open| open.name != wish.name);
        match &wish.command {
            Command::MessageSend(_) => {
                let place = place(&reply);
                let before = self.acked.insert(wish.name.clone(), place.clone());
                assert!(
                    before.is_none_or(|before| before == place),
                    "one send, two places"
                );
            }
            Command::ReceiptRead(read) => {
                let taken = reply["up_to_seq"].as_u64().expect("a seq");
                assert!(taken >= read.up_to_seq, "a read mark was lost");
                self.read = self.read.max(read.up_to_seq);
            }
            _ => {}
        }
    }
}

struct World {
    dice: Dice,
    disk: Arc<Disk>,
    servers: Vec<Server>,
    senders: [Sender; 3],
    id: ConversationId,
}

impl World {
    async fn new(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let disk = Disk::new();
        let maker = start(&dice, &disk, false);
        know(&maker.node, &SENDERS.map(|who| (who, Role::Nurse))).await;
        know(&maker.node, &[("r", Role::Nurse)]).await;
        let mut head = Client::open(&maker.node, SENDERS[0], Role::Nurse).await;
        let create = group(ConversationKind::InternalStaff, None, &["s", "t", "r"]);
        let id = make(&mut head, create).await;
        maker.node.shut_down().await;
        let count = 2 + dice.roll(2);
        let servers = (0..count).map(|_| start(&dice, &disk, true)).collect();
        Self {
            dice,
            disk,
            servers,
            senders: Default::default(),
            id,
        }
    }

    fn any_server(&self) -> usize {
        self.dice.roll(self.servers.len() as u64) as usize
    }

    async fn restart(&mut self, at: usize, lies: bool) {
        let server = &self.servers[at];
        server.liar.kill();
        server.node.shut_down().await;
        let receiver = std::mem::take(&mut self.servers[at].receiver);
        self.servers[at] = start(&self.dice, &self.disk, lies);
        self.servers[at].receiver = receiver;
    }

    /// A place of the log that somebody was told of.
    fn known_seq(&self) -> Option<u64> {
        let acked: Vec<_> = self.senders.iter().flat_map(|s| s.acked.values()).collect();
        let which = self.dice.roll(acked.len().max(1) as u64) as usize;
        acked.get(which).map(|(seq, ..)| *seq)
    }

    async fn step(&mut self) {
        let (i, at, id) = (self.dice.roll(3) as usize, self.any_server(), self.id);
        let who = SENDERS[i];
        let seq = self.known_seq();
        let sender = &mut self.senders[i];
        match self.dice.roll(24) {
            0..9 => {
                let wish = sender.wish("m", who, |name| say_once(id, name, name));
                sender.sent.push(wish.clone());
                // Through one server, or through several at once.
                for _ in 0..=u64::from(self.dice.one_in(3)) * self.dice.roll(3) {
                    let at = self.dice.roll(self.servers.len() as u64) as usize;
                    sender.post(&self.servers, at, who, wish.clone()).await;
                }
            }
            9..11 => {
                if let Some(wish) = sender.sent.last().cloned() {
                    sender.post(&self.servers, at, who, wish).await;
                }
            }
            11..13 => {
                let roll = self.dice.roll(5);
                if let Some(seq) = seq {
                    let wish = sender.wish("c", who, |name| match roll {
                        0 => edit(id, seq, name),
                        1 => delete(id, seq),
                        2 => react(id, seq, "👍", true),
                        _ => read(id, seq),
                    });
                    sender.post(&self.servers, at, who, wish).await;
                }
            }
            13 => {
                let is_out = self.dice.one_in(2);
                let head = &mut self.senders[0];
                let wish = head.wish("t", SENDERS[0], |_| match is_out {
                    true => remove(id, SENDERS[2]),
                    false => Command::MemberAdd(add(id, SENDERS[2])),
                });
                // Once: one that is done late would undo what came since.
                head.open.retain(|open| open.name != wish.name);
                head.post(&self.servers, at, SENDERS[0], wish).await;
            }
            14..17 => sender.listen(&self.servers).await,
            17 => {
                let server = &mut self.servers[at];
                server.is_held = !server.is_held;
                match server.is_held {
                    true => server.liar.hold(),
                    false => server.liar.release(),
                }
            }
            18 => owner::refresh(&self.servers[at].node, id),
            19 if self.dice.one_in(2) => {
                self.servers[at].hands_over = true;
                owner::hand_over(&self.servers[at].node, id);
            }
            20 => {
                let Server { receiver, node, .. } = &mut self.servers[at];
                receiver.sync(node, id).await;
            }
            21 => self.servers[at].receiver.listen(id).await,
            22 if self.dice.one_in(4) => self.restart(at, true).await,
            _ => tokio::time::sleep(Duration::from_millis(self.dice.roll(3))).await,
        }
    }

    /// From now on all goes well, and everybody insists until nothing is open.
    async fn heal(&mut self) {
        for at in 0..self.servers.len() {
            if self.dice.one_in(3) {
                self.restart(at, false).await;
            }
            self.servers[at].is_held = false;
            self.servers[at].liar.be_honest();
        }
        for (i, who) in SENDERS.into_iter().enumerate() {
            self.senders[i].listen(&self.servers).await;
            let mut rounds = 0;
            while !self.senders[i].open.is_empty() {
                rounds += 1;
                assert!(rounds < 10_000, "{who} insists in vain");
                for wish in self.senders[i].open.clone().into_iter().take(16) {
                    let at = self.any_server();
                    self.senders[i].post(&self.servers, at, who, wish).await;
                }
                self.senders[i].listen(&self.servers).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Everybody who listens learns all, when the servers look at what they were not told.
    async fn everybody_sees(&mut self, head: u64) {
        let id = self.id;
        for Server { receiver, node, .. } in &mut self.servers {
            let mut waited = 0;
            while !receiver.sync(node, id).await || receiver.position() < head {
                owner::refresh(node, id);
                tokio::time::sleep(Duration::from_millis(1)).await;
                receiver.listen(id).await;
                waited += 1;
                assert!(
                    waited < 10_000,
                    "stuck at {} of {head}",
                    receiver.position()
                );
            }
        }
    }

    async fn check(&mut self) {
        let range = LogRange {
            from_seq: 1,
            to_seq: u64::MAX,
            newest_first: false,
            limit: usize::MAX,
            bytes_max: usize::MAX,
        };
        let memory = self.disk.memory();
        let head = memory.load(self.id, true).await.unwrap().unwrap().head;
        let log = memory.read_log(self.id, range).await.unwrap().events;
        assert!(
            log.iter().map(|logged| logged.seq).eq(1..=head.seq),
            "dense"
        );
        self.everybody_sees(head.seq).await;
        for server in &self.servers {
            let seen: Vec<_> = server
                .receiver
                .log
                .iter()
                .map(|(seq, e)| (*seq, id_of(e)))
                .collect();
            let stored: Vec<_> = log
                .iter()
                .map(|logged| (logged.seq, id_of(&logged.event)))
                .collect();
            assert_eq!(seen, stored, "every client's order is the log's");
        }
        self.check_names(&log, head.ord);
        check_membership(&log);
        self.check_read_marks().await;
    }

    /// What was acknowledged as read is. Not for the one who comes and goes: what came before
    /// their window counts as read by their coming in, which may yet fail.
    async fn check_read_marks(&self) {
        for (who, sender) in SENDERS.into_iter().zip(&self.senders).take(2) {
            let memory = self.disk.memory();
            let rows = Select::Ids(vec![self.id]);
            let mine = memory.conversations(user(who), rows).await.unwrap().rows;
            let read = mine[0].me.read_up_to_seq;
            assert!(read >= sender.read, "{who}: {read}, not {}", sender.read);
        }
    }

    /// Acknowledged is stored, each once.
    fn check_names(&self, log: &[LoggedEvent], ord: u64) {
        let mut stored = BTreeMap::new();
        for LoggedEvent { seq, event } in log {
            if let Event::MessageCreated(message) = event {
                let name = message.client_msg_id.as_ref().expect("a name").to_string();
                let id = message.message_id.to_string();
                assert_eq!(stored.insert(name, (*seq, id)), None, "a name is used once");
            }
        }
        assert_eq!(ord, stored.len() as u64);
        for sender in &self.senders {
            for (name, (seq, message_id, _)) in &sender.acked {
                let (at, id) = stored.remove(name).expect("acknowledged is stored");
                assert_eq!((at, format!("\"{id}\"")), (*seq, message_id.clone()));
            }
            // An earlier try of somebody who has gone since.
            stored.retain(|name, _| !sender.refused.contains(name));
        }
        assert!(stored.is_empty(), "stored is acknowledged: {stored:?}");
    }
}

fn id_of(event: &Event) -> String {
    match event {
        Event::MessageCreated(message) => message.message_id.to_string(),
        other => other.name().to_owned(),
    }
}

/// Nobody's message is in the log where they are not in the conversation.
fn check_membership(log: &[LoggedEvent]) {
    let mut is_in = true;
    for logged in log {
        match &logged.event {
            Event::ConversationChanged(changed) => match changed.change {
                Change::MemberAdded => is_in = true,
                Change::MemberRemoved => {
                    assert!(is_in, "nobody goes twice");
                    is_in = false;
                }
                _ => {}
            },
            Event::MessageCreated(message) => {
                let by = message.sender_id.as_ref().map(|by| by.as_str());
                assert!(
                    is_in || by != Some(SENDERS[2]),
                    "{} by who has gone",
                    logged.seq
                );
            }
            _ => {}
        }
    }
}

async fn schedule(seed: u64) {
    let mut world = World::new(seed).await;
    for _ in 0..60 + world.dice.roll(80) {
        world.step().await;
    }
    world.heal().await;
    world.check().await;
    for server in &world.servers {
        server.node.shut_down().await;
    }
}

#[test]
fn one_log_for_all_owners_under_random_schedules() {
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
