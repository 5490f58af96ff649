//! The hot path: a closed loop of sends in rooms. Whoever gets their own message back has the
//! next one sent in their room, without waking a task: the harness should take less CPU than what
//! it measures.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    RoomLoad, crowd,
    line::{self, Packet},
    setup::Hall,
    text::{Finder, text_of},
};
use crate::{
    Outcome, fault,
    ws::{Incoming, Reader, Writer},
};

/// How long answers may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Faults that are kept word by word.
const FAULTS_MAX: usize = 10;

/// Clients in rooms, and what they sent and got. Gone when dropped.
pub(super) struct Rooms {
    load: RoomLoad,
    state: Arc<Mutex<State>>,
    _reading: JoinSet<()>,
}

struct State {
    members_each: usize,
    text_bytes: usize,
    clients: Vec<Client>,
    rooms: Vec<Room>,
    finder: Finder,
    acks: usize,
    sends: u32,
    deliveries: u64,
    open: usize,
    is_looping: bool,
    faults: Vec<String>,
}

/// Somebody in a room.
struct Client {
    writer: Option<Writer>,
    /// What is before and after the text of what they send.
    frame: [String; 2],
    got: Tally,
}

struct Room {
    /// Who of it sends next.
    next: usize,
    sent: Tally,
}

/// How many messages, and a sum over their numbers: two tallies that are equal are of the same
/// messages, as good as certainly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    count: u32,
    sum: u64,
}

impl Tally {
    fn add(&mut self, number: u32) {
        self.count += 1;
        // Mixed as SplitMix64 does, or 0 and 3 would be as good as 1 and 2.
        let mut mixed = (u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^= mixed >> 27;
        self.sum = self.sum.wrapping_add(mixed);
    }
}

impl Rooms {
    /// Everybody connects, and joins their room if it is one to join.
    pub(super) async fn open(
        server: SocketAddr,
        hall: &Hall,
        load: &RoomLoad,
        text_bytes: usize,
    ) -> Outcome<Self> {
        let clients = (0..hall.users.len()).map(|place| Client {
            writer: None,
            frame: frame_of(hall, load, place),
            got: Tally::default(),
        });
        let room = |_| Room {
            next: 0,
            sent: Tally::default(),
        };
        let state = Arc::new(Mutex::new(State {
            members_each: load.members,
            text_bytes,
            clients: clients.collect(),
            rooms: (0..load.rooms).map(room).collect(),
            finder: Finder::default(),
            acks: 0,
            sends: 0,
            deliveries: 0,
            open: 0,
            is_looping: false,
            faults: Vec::new(),
        }));
        let mut reading = JoinSet::new();
        crowd::open(server, &hall.users, |place, reader, writer| {
            lock(&state).clients[place].writer = Some(writer.clone());
            reading.spawn(read(Arc::clone(&state), place, reader, writer));
        })
        .await?;
        let rooms = Self {
            load: *load,
            state,
            _reading: reading,
        };
        if !load.is_direct() {
            rooms.join(hall).await?;
        }
        Ok(rooms)
    }

    async fn join(&self, hall: &Hall) -> Outcome<()> {
        for (place, user) in hall.users.iter().enumerate() {
            let chat = &hall.chats[place / self.load.members];
            let id = &user.id;
            let join = format!(r#"421["join-chat",{{"chatId":"{chat}","userId":"{id}"}}]"#);
            if let Some(writer) = &self.lock().clients[place].writer {
                writer.send(join.as_bytes());
            }
            // One after the other: each joining is told to all who have joined.
            self.wait("joined", |state| state.acks > place).await?;
        }
        Ok(())
    }

    /// Has as many sends open as the load wants.
    pub(super) fn start(&self) {
        let mut state = self.lock();
        state.is_looping = true;
        for i in 0..self.load.open {
            state.send(i % self.load.rooms);
        }
    }

    /// Sends and deliveries so far.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (u64::from(state.sends), state.deliveries)
    }

    /// Ends the loop, waits for what is under way, and says what was wrong: that somebody has not
    /// got exactly what was sent in their room, say.
    pub(super) async fn finish(&self) -> Outcome<Vec<String>> {
        self.lock().is_looping = false;
        let members = self.load.members as u64;
        let done = self
            .wait("delivered", |state| {
                state.deliveries >= u64::from(state.sends) * members
            })
            .await;
        let mut state = self.lock();
        let mut faults = std::mem::take(&mut state.faults);
        faults.extend(done.err().map(|late| late.to_string()));
        let wrong = state.clients.iter().enumerate();
        let wrong = wrong.filter(|(i, c)| c.got != state.rooms[i / self.load.members].sent);
        let wrong = wrong.count();
        if wrong > 0 {
            faults.push(format!("{wrong} clients did not get what was sent to them"));
        }
        Ok(faults)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    async fn wait(&self, what: &str, is_done: impl Fn(&State) -> bool) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            {
                let state = self.lock();
                if is_done(&state) {
                    return Ok(());
                }
                if Instant::now() > deadline || !state.faults.is_empty() {
                    let faults = state.faults.join("; ");
                    return fault(format!("not everything was {what}: {faults}"));
                }
            }
            if what == "joined" {
                tokio::task::yield_now().await;
            } else {
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this person's messages are framed by.
fn frame_of(hall: &Hall, load: &RoomLoad, place: usize) -> [String; 2] {
    let id = &hall.users[place].id;
    if load.is_direct() {
        let other = &hall.users[place ^ 1].id;
        [
            format!(r#"42["send_message",{{"receiverId":"{other}","content":""#),
            r#"","messageType":"text"}]"#.to_owned(),
        ]
    } else {
        let chat = &hall.chats[place / load.members];
        [
            format!(r#"42["send-message",{{"chatId":"{chat}","content":""#),
            format!(r#"","type":"text","senderId":"{id}"}}]"#),
        ]
    }
}

async fn read(state: Arc<Mutex<State>>, place: usize, mut reader: Reader, writer: Writer) {
    loop {
        match reader.next().await {
            Incoming::Message(bytes) => match line::packet(bytes) {
                Packet::Event(event) => lock(&state).on_event(place, event),
                Packet::Ping => line::pong(&writer),
                Packet::Ack(ack) => lock(&state).on_ack(ack),
                Packet::Refused(_) => lock(&state).fault("a client was put out".to_owned()),
                Packet::Connected | Packet::Other => {}
            },
            Incoming::Closed(code) => {
                lock(&state).fault(format!("a socket was closed with {code}"));
                return;
            }
        }
    }
}

impl State {
    fn on_event(&mut self, place: usize, event: &[u8]) {
        let is_message = event.starts_with(b"message-received\"")
            || event.starts_with(b"new_message\"")
            || event.starts_with(b"message_sent\"");
        if !is_message {
            if event.starts_with(b"error\"") {
                self.fault(String::from_utf8_lossy(event).into_owned());
            }
            return;
        }
        let Some((sender, number)) = self.finder.find(event) else {
            self.fault("a message has not the text that was sent".to_owned());
            return;
        };
        self.deliveries += 1;
        self.clients[place].got.add(number);
        if sender as usize == place {
            self.open = self.open.saturating_sub(1);
            if self.is_looping {
                self.send(place / self.members_each);
            }
        }
    }

    fn on_ack(&mut self, ack: &[u8]) {
        let ok = br#""ok":true"#;
        if ack.windows(ok.len()).any(|part| part == ok) {
            self.acks += 1;
        } else {
            self.fault(String::from_utf8_lossy(ack).into_owned());
        }
    }

    /// Has the next one of this room send a message to it.
    fn send(&mut self, room: usize) {
        let number = self.sends;
        let place = room * self.members_each + self.rooms[room].next;
        self.rooms[room].next = (self.rooms[room].next + 1) % self.members_each;
        self.rooms[room].sent.add(number);
        self.sends += 1;
        self.open += 1;
        let client = &self.clients[place];
        let [before, after] = &client.frame;
        let text = text_of(place as u32, number, self.text_bytes);
        if let Some(writer) = &client.writer {
            writer.send(format!("{before}{text}{after}").as_bytes());
        }
    }

    fn fault(&mut self, text: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_tell_a_lost_or_doubled_message() {
        let of = |numbers: &[u32]| {
            let mut tally = Tally::default();
            numbers.iter().for_each(|number| tally.add(*number));
            tally
        };
        assert_eq!(of(&[0, 1, 2]), of(&[2, 0, 1]));
        assert_ne!(of(&[0, 1, 2]), of(&[1, 2]));
        assert_ne!(of(&[0, 1, 2]), of(&[1, 1, 1]));
        assert_ne!(of(&[0, 3]), of(&[1, 2, 0]));
    }
}
