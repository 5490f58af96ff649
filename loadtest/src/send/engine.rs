//! The hot path: what is open, what was acknowledged, what was delivered.
//!
//! An acknowledgement sends the next message of a closed loop by itself, without waking a task:
//! the harness should take less CPU than what it measures.

use bedside_protocol::{ConversationId, WireFormat, codec::encode_command};
use hdrhistogram::Histogram;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

use super::{
    Plan,
    lean::{Lean, LeanData},
};
use crate::{
    Outcome, fault, peer, report,
    rng::Rng,
    world::{Pair, World},
    ws::Writer,
};

/// Faults that are kept word by word.
const FAULTS_MAX: usize = 20;

/// A message that somebody was to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Entry {
    /// Which conversation.
    pub(super) pair: u32,
    /// Its place in the log.
    pub(super) seq: u32,
    /// Which of the two members it was for.
    pub(super) to: u8,
    /// Its `client_msg_id`.
    pub(super) name: u64,
}

/// A send that is not acknowledged yet.
#[derive(Clone, Copy, Debug)]
struct Flight {
    pair: u32,
    from: u8,
    name: u64,
    since: Instant,
    /// Its end is the begin of another one.
    is_loop: bool,
}

/// What was measured between two moments.
pub(super) struct Measured {
    pub(super) latencies: Histogram<u64>,
    pub(super) retried: u64,
}

/// All state of a run.
#[derive(Debug)]
pub struct Engine {
    inner: Mutex<Inner>,
    format: WireFormat,
    text_bytes: usize,
}

#[derive(Debug)]
struct Inner {
    rng: Rng,
    pairs: Vec<Pair>,
    by_id: HashMap<ConversationId, u32>,
    writers: Vec<Option<Writer>>,
    welcomes: usize,
    /// By the number under which the answer comes.
    flights: Vec<Flight>,
    free: Vec<usize>,
    next_name: u64,
    /// Sends of a closed loop that may still begin.
    left: Option<usize>,
    is_looping: bool,
    is_measuring: bool,
    latencies: Histogram<u64>,
    retried: u64,
    acked: Vec<Entry>,
    delivered: Vec<Entry>,
    faults: Vec<String>,
}

impl Engine {
    pub(super) fn new(world: &World, plan: &Plan) -> Arc<Self> {
        let ids = world.pairs.iter().enumerate();
        Arc::new(Self {
            inner: Mutex::new(Inner {
                rng: Rng::new(plan.seed),
                pairs: world.pairs.clone(),
                by_id: ids.map(|(i, pair)| (pair.id, i as u32)).collect(),
                writers: vec![None; world.users.len()],
                welcomes: 0,
                flights: Vec::new(),
                free: Vec::new(),
                next_name: plan.seed << 40,
                left: None,
                is_looping: false,
                is_measuring: false,
                latencies: report::nanos(),
                retried: 0,
                acked: Vec::new(),
                delivered: Vec::new(),
                faults: Vec::new(),
            }),
            format: plan.format,
            text_bytes: plan.text_bytes,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attach(&self, user: usize, writer: Writer) {
        self.lock().writers[user] = Some(writer);
    }

    /// Begins a closed loop of so many sends at a time, and of so many in all if told.
    pub(super) fn start(&self, senders: usize, total: Option<usize>) {
        let mut inner = self.lock();
        inner.is_looping = true;
        inner.left = total;
        for _ in 0..senders {
            self.launch(&mut inner, Instant::now(), true);
        }
    }

    /// No more sends begin.
    pub(super) fn stop(&self) {
        self.lock().is_looping = false;
    }

    /// Sends one message that was meant to be sent at this time.
    pub(super) fn launch_at(&self, since: Instant) {
        self.launch(&mut self.lock(), since, false);
    }

    /// Begins to measure, or ends and gives what was measured.
    pub(super) fn measure(&self, on: bool) -> Measured {
        let mut inner = self.lock();
        inner.is_measuring = on;
        Measured {
            latencies: std::mem::replace(&mut inner.latencies, report::nanos()),
            retried: std::mem::take(&mut inner.retried),
        }
    }

    /// Waits until every send was acknowledged and every message delivered.
    pub(super) async fn idle(&self, patience: Duration) -> Outcome<()> {
        let deadline = Instant::now() + patience;
        loop {
            let (open, missing) = {
                let inner = self.lock();
                let open = inner.flights.len() - inner.free.len();
                (
                    open,
                    inner.acked.len().saturating_sub(inner.delivered.len()),
                )
            };
            if open == 0 && missing == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                if open == 0 {
                    // What was never delivered is found by the comparison.
                    return Ok(());
                }
                return fault(format!(
                    "{open} sends were never answered: {:?}",
                    self.faults()
                ));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn all_welcome(&self, users: usize) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.lock().welcomes < users {
            if Instant::now() > deadline {
                return fault("not every socket was welcomed");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// What was acknowledged and what was delivered, each sorted.
    pub(super) fn sorted(&self) -> (Vec<Entry>, Vec<Entry>) {
        let inner = self.lock();
        let (mut acked, mut delivered) = (inner.acked.clone(), inner.delivered.clone());
        acked.sort_unstable();
        delivered.sort_unstable();
        (acked, delivered)
    }

    pub(super) fn faults(&self) -> Vec<String> {
        self.lock().faults.clone()
    }

    fn launch(&self, inner: &mut Inner, since: Instant, is_loop: bool) {
        if is_loop {
            match &mut inner.left {
                Some(0) => return,
                Some(left) => *left -= 1,
                None => {}
            }
        }
        inner.next_name += 1;
        let flight = Flight {
            pair: inner.rng.below(inner.pairs.len()) as u32,
            from: inner.rng.below(2) as u8,
            name: inner.next_name,
            since,
            is_loop,
        };
        let id = inner.free.pop().unwrap_or(inner.flights.len());
        match inner.flights.get_mut(id) {
            Some(slot) => *slot = flight,
            None => inner.flights.push(flight),
        }
        self.write(inner, id);
    }

    fn write(&self, inner: &Inner, id: usize) {
        let flight = inner.flights[id];
        let pair = inner.pairs[flight.pair as usize];
        let text = peer::text_of(flight.name, self.text_bytes);
        let command = peer::say(pair.id, flight.name, text);
        let frame = encode_command(self.format, Some(id as u64), &command);
        if let Some(writer) = &inner.writers[pair.members[usize::from(flight.from)]] {
            writer.send(&frame);
        }
    }

    pub(super) fn on_frame(self: &Arc<Self>, user: usize, bytes: &[u8]) {
        let frame = Lean::read(self.format, bytes);
        let mut inner = self.lock();
        match frame {
            Err(error) => inner.fault(format!("a frame that cannot be read: {error}")),
            Ok(Lean {
                reply_to: Some(id),
                data: Some(data),
                error: None,
                ..
            }) => {
                self.on_ack(&mut inner, id as usize, &data);
            }
            Ok(Lean {
                reply_to: Some(id),
                error: Some(error),
                ..
            }) if error.code.retryable() => {
                inner.retried += 1;
                let (engine, wait) = (Arc::clone(self), error.retry_after_ms.max(5));
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    let inner = engine.lock();
                    engine.write(&inner, id as usize);
                });
            }
            Ok(Lean {
                error: Some(error), ..
            }) => {
                inner.fault(format!("a send was refused: {error}"));
            }
            Ok(Lean {
                kind: Some("message.created"),
                conversation_id: Some(id),
                seq: Some(seq),
                data: Some(data),
                ..
            }) => {
                inner.on_delivery(user, id, seq, &data);
            }
            Ok(Lean {
                kind: Some("session.welcome"),
                ..
            }) => inner.welcomes += 1,
            // Presence, mostly: people who share a conversation come one after the other.
            Ok(_) => {}
        }
    }

    fn on_ack(&self, inner: &mut Inner, id: usize, data: &LeanData<'_>) {
        let Some(flight) = inner.flights.get(id).copied() else {
            return inner.fault("an answer to nothing".to_owned());
        };
        let Some(seq) = data.seq else {
            return inner.fault("an acknowledgement without a seq".to_owned());
        };
        if data.duplicate {
            inner.fault(format!("seq {seq} is called a duplicate and is none"));
        }
        if inner.is_measuring {
            let nanos = flight.since.elapsed().as_nanos() as u64;
            inner.latencies.saturating_record(nanos);
        }
        inner.acked.push(Entry {
            pair: flight.pair,
            seq: seq as u32,
            to: 1 - flight.from,
            name: flight.name,
        });
        inner.free.push(id);
        if flight.is_loop && inner.is_looping {
            self.launch(inner, Instant::now(), true);
        }
    }

    pub(super) fn on_closed(&self, user: usize, code: u16) {
        let mut inner = self.lock();
        inner.writers[user] = None;
        inner.fault(format!("the socket of user {user} was closed with {code}"));
    }
}

impl Inner {
    fn on_delivery(&mut self, user: usize, id: ConversationId, seq: u64, data: &LeanData<'_>) {
        let name = data.client_msg_id.and_then(peer::number_of);
        let Some((pair, name)) = self.by_id.get(&id).copied().zip(name) else {
            return self.fault(format!("user {user} got a message that nobody sent"));
        };
        match self.pairs[pair as usize]
            .members
            .iter()
            .position(|m| *m == user)
        {
            None => self.fault(format!(
                "user {user} got a message of a foreign conversation"
            )),
            Some(to) => self.delivered.push(Entry {
                pair,
                seq: seq as u32,
                to: to as u8,
                name,
            }),
        }
    }

    fn fault(&mut self, text: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(text);
        }
    }
}
