//! One person's device, which lives through all faults: it sends at its own pace, asks again
//! until it is answered, goes to another node when one is silent or gone, and resumes.

use bedside_protocol::{Command, ConversationId, Event, command::Receipt};
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

use super::{
    board::{Board, Orders},
    memory::{Memory, TEXT_BYTES},
};
use crate::{
    Outcome,
    peer::{self, Got, Peer},
    rng::Rng,
    world::User,
};

mod answers;
mod entering;

/// An answer that takes longer does not come: the socket is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Refusals in a row after which another node is tried.
const REFUSALS_MAX: u32 = 5;
/// Sends that may be open before new ones are left out.
const OPEN_MAX: usize = 64;
/// How often a device says how far it has read, on average.
const READ_EVERY_S: f64 = 2.0;
/// 1 of so many sends is posted twice at once, and 1 of so many once more after its answer.
const TWICE_ONE_IN: usize = 16;

/// A conversation as one device has it.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub(super) id: ConversationId,
    /// In which of the turns its probe falls to this device: turn % of = at.
    pub(super) at: u64,
    pub(super) of: u64,
}

/// One device.
pub(super) struct Device {
    pub(super) number: usize,
    pub(super) user: User,
    pub(super) conversations: Vec<Own>,
    /// Its own entry first, then the others.
    pub(super) entries: Vec<SocketAddr>,
    /// Messages a second. One that only listens (0) says its probes and nothing else, so that it
    /// stays with a node that others leave because it is silent.
    pub(super) rate: f64,
    pub(super) memory: Arc<Mutex<Memory>>,
    pub(super) board: Arc<Board>,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) rng: Rng,
    pub(super) life: Life,
}

/// What changes while it lives.
#[derive(Default)]
pub(super) struct Life {
    peer: Option<Peer>,
    /// Which of the entries it is at.
    at: usize,
    /// Whether it was welcomed and has resumed.
    is_in: bool,
    has_been_in: bool,
    /// Since when it has none, though it would like to.
    away_since: Option<Instant>,
    /// When the server told it to come back.
    back_at: Option<Instant>,
    done: Orders,
    /// What is asked and not answered, on this socket.
    asked: HashMap<u64, Asked>,
    /// In the order of asking, for the deadline.
    deadlines: VecDeque<(Instant, u64)>,
    /// What to post again, and when.
    again: VecDeque<(Instant, u64)>,
    /// What to read again, and when.
    pages: VecDeque<(Instant, ConversationId)>,
    refusals: u32,
    /// Refusals and lost sockets since something went well.
    troubles: u32,
    /// When each open send was first posted, and whether it is a probe.
    begun: HashMap<u64, (Instant, bool)>,
    next_send: Option<Instant>,
    next_read: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Send { name: u64, is_repeat: bool },
    Page(ConversationId),
    Read(ConversationId, u64),
    Resume,
}

enum Step {
    Got(Outcome<Got>),
    Due,
    Told,
}

impl Device {
    /// Lives until it is told to leave.
    pub(super) async fn live(mut self) {
        while !self.orders.borrow().stop {
            if self.life.peer.is_none() {
                self.enter().await;
                continue;
            }
            self.act().await;
            let is_idle = self.life.is_in
                && self.life.asked.is_empty()
                && self.life.again.is_empty()
                && self.life.pages.is_empty()
                && self.memory().open.is_empty();
            self.board.set_idle(self.number, is_idle);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn act(&mut self) {
        let due = self.next_due();
        let Some(peer) = &mut self.life.peer else {
            return;
        };
        let step = tokio::select! {
            got = peer.read() => Step::Got(got),
            () = tokio::time::sleep_until(due) => Step::Due,
            changed = self.orders.changed() => match changed {
                Ok(()) => Step::Told,
                Err(_) => Step::Due,
            },
        };
        match step {
            Step::Got(Ok(Got::Answer(id))) => self.on_answer(id),
            Step::Got(Ok(Got::Event(frame))) => {
                let id = frame.conversation_id;
                if let Event::SessionClosing(closing) = &frame.event {
                    let after = closing.reconnect_after_ms.map(Duration::from_millis);
                    self.life.back_at = after.map(|after| Instant::now() + after);
                }
                let to_page = self.memory().on_event(*frame);
                self.on_progress(id, to_page);
            }
            Step::Got(Ok(Got::Closed(_))) => self.leave(true),
            Step::Got(Err(error)) => {
                self.memory().problem(format!("a frame was wrong: {error}"));
                self.leave(true);
            }
            Step::Due => self.on_time(),
            Step::Told => self.on_orders(),
        }
    }

    fn next_due(&self) -> Instant {
        let life = &self.life;
        let send = life.next_send.filter(|_| life.is_in);
        let read = life.next_read.filter(|_| life.is_in);
        let deadline = life.deadlines.front().map(|(at, _)| *at);
        let again = life.again.iter().map(|(at, _)| *at).min();
        let page = life.pages.iter().map(|(at, _)| *at).min();
        let all = [send, read, deadline, again, page];
        let far = Instant::now() + ANSWER_WITHIN;
        all.into_iter().flatten().min().unwrap_or(far)
    }

    fn on_orders(&mut self) {
        let told = *self.orders.borrow_and_update();
        let done = std::mem::replace(&mut self.life.done, told);
        let now = Instant::now();
        if told.talk && !done.talk && self.rate > 0.0 {
            self.life.next_send = Some(now + self.gap(self.rate));
            self.life.next_read = Some(now + self.gap(1.0 / READ_EVERY_S));
        }
        if !told.talk {
            self.life.next_send = None;
            self.life.next_read = None;
        }
        if told.probe != done.probe {
            let mine = |own: &&Own| told.probe % own.of == own.at;
            let mine: Vec<_> = self.conversations.iter().filter(mine).cloned().collect();
            for own in mine {
                self.say_something(own.id, true);
            }
        }
        if told.go_home != done.go_home && self.life.at != 0 {
            self.life.at = 0;
            self.leave(false);
        }
    }

    fn gap(&mut self, per_second: f64) -> Duration {
        Duration::from_secs_f64(self.rng.poisson_gap_s(per_second).min(60.0))
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        while let Some((at, id)) = self.life.deadlines.front().copied() {
            if !self.life.asked.contains_key(&id) {
                self.life.deadlines.pop_front();
                continue;
            }
            if at <= now {
                self.memory().counts.silent += 1;
                return self.leave(true);
            }
            break;
        }
        if !self.life.is_in {
            return;
        }
        for name in due(&mut self.life.again, now) {
            self.post_again(name);
        }
        for id in due(&mut self.life.pages, now) {
            self.page(id);
        }
        // What was written while there was no socket is said now.
        while let Some(at) = self.life.next_send.filter(|at| *at <= now) {
            let next = at + self.gap(self.rate);
            self.life.next_send = Some(next).filter(|_| self.life.done.talk);
            if self.memory().open.len() < OPEN_MAX {
                let id = self.conversations[self.rng.below(self.conversations.len())].id;
                self.say_something(id, false);
            } else {
                self.memory().counts.left_out += 1;
            }
        }
        if self.life.next_read.is_some_and(|at| at <= now) {
            self.life.next_read = Some(now + self.gap(1.0 / READ_EVERY_S));
            self.read_something();
        }
    }

    /// A new message. Without a socket it waits for one.
    fn say_something(&mut self, id: ConversationId, is_probe: bool) {
        let name = self.memory().send_to(id);
        self.life.begun.insert(name, (Instant::now(), is_probe));
        self.board.set_idle(self.number, false);
        if self.life.is_in {
            let times = 1 + usize::from(self.rng.one_in(TWICE_ONE_IN));
            for _ in 0..times {
                self.post_send(name, false);
            }
        }
    }

    fn read_something(&mut self) {
        let id = self.conversations[self.rng.below(self.conversations.len())].id;
        let (position, read) = {
            let memory = self.memory();
            let read = memory.read.get(&id).copied().unwrap_or(0);
            (memory.position(id), read)
        };
        if position > read {
            let receipt = Receipt {
                conversation_id: id,
                up_to_seq: position,
            };
            self.ask(&Command::ReceiptRead(receipt), Asked::Read(id, position));
        }
    }

    fn ask(&mut self, command: &Command, asked: Asked) {
        if let Some(peer) = &mut self.life.peer {
            let id = peer.post(command);
            self.life.asked.insert(id, asked);
            let deadline = Instant::now() + ANSWER_WITHIN;
            self.life.deadlines.push_back((deadline, id));
        }
    }

    fn post_send(&mut self, name: u64, is_repeat: bool) {
        let Some(to) = self.memory().destination(name) else {
            return;
        };
        let command = peer::say(to, name, peer::text_of(name, TEXT_BYTES));
        self.ask(&command, Asked::Send { name, is_repeat });
    }

    fn post_again(&mut self, name: u64) {
        let is_open = {
            let mut memory = self.memory();
            let is_open = memory.open.contains(&name);
            memory.counts.retries += u64::from(is_open);
            memory.counts.repeats += u64::from(!is_open);
            is_open
        };
        self.post_send(name, !is_open);
    }

    /// How long to wait before the next try: doubled with each that failed, up to a second, and
    /// a bit of chance, so that what is overloaded is not asked by everyone at once.
    fn patience(&mut self) -> Duration {
        let doubled = self.life.troubles.min(5);
        self.life.troubles += 1;
        let ms = 32_u64 << doubled;
        Duration::from_millis(ms + self.rng.below(usize::try_from(ms).unwrap_or(1)) as u64)
    }

    /// Tells the board how far it has come, and reads what is missing.
    fn on_progress(&mut self, id: Option<ConversationId>, to_page: Option<ConversationId>) {
        if let Some(id) = id {
            let memory = self.memory();
            if memory.seen.contains_key(&id) {
                self.board.on_position(id, self.number, memory.position(id));
            }
        }
        if let Some(id) = to_page {
            self.page(id);
        }
    }

    fn page(&mut self, id: ConversationId) {
        let after = self.memory().position(id);
        self.ask(&peer::history(id, after), Asked::Page(id));
    }
}

/// Takes out what is due.
fn due<T: Copy>(waiting: &mut VecDeque<(Instant, T)>, now: Instant) -> Vec<T> {
    let is_due = |(at, _): &(Instant, T)| *at <= now;
    let due = waiting
        .iter()
        .filter(|one| is_due(one))
        .map(|(_, what)| *what);
    let due = due.collect();
    waiting.retain(|one| !is_due(one));
    due
}
