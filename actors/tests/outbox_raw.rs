//! A raw outbox, for transports that write each event in their own words: items in order and
//! within bounds, own events too, notes of the transport, and typing without a subscription.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod outbox_kit;

use bedside_actors::{
    node::Node,
    outbox::{Ambient, Drained, Item, Outbox},
    session::SessionHandle,
    testkit::{
        client::{Client, config, identity, node, say},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    CloseCode, Command, CommandError, CommandFrame, ConversationId, ConversationKind, Event,
    LoggedEvent, RelationKind, Reply, Role, Roles, event::SyncBatch, limits, reply::History,
};
use common::{clinic::clinic, *};
use outbox_kit::{message, typing as typing_event};
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// In words: what each item is.
fn word(item: &Item) -> String {
    match item {
        Item::Frame(_) => "frame".to_owned(),
        Item::Event(event) => match (&event.frame().event, event.frame().seq) {
            (Event::TypingChanged(t), _) => {
                format!(
                    "{} {}",
                    t.user_id,
                    if t.typing { "writes" } else { "stops" }
                )
            }
            (event, None) => event.name().to_owned(),
            (_, Some(seq)) => seq.to_string(),
        },
        Item::Reply(id, _) => format!("reply {id}"),
        Item::Error(id, error) => format!("error {id:?} {}", error.code),
        Item::Note(note) => (*note.downcast_ref::<&str>().unwrap()).to_owned(),
    }
}

fn drain(outbox: &Outbox) -> (Vec<String>, Poll<Drained>) {
    let (mut items, mut cx) = (VecDeque::new(), Context::from_waker(Waker::noop()));
    loop {
        match outbox.poll_items(&mut cx, &mut items, 3) {
            Poll::Ready(Drained::Frames) => {}
            end => return (items.iter().map(word).collect(), end),
        }
    }
}

fn raw() -> Arc<Outbox> {
    Outbox::raw(Roles::NONE, Ambient::default())
}

#[test]
fn items_come_in_the_order_in_which_they_were_pushed() {
    let (outbox, id) = (raw(), ConversationId::new());
    let empty = Reply::Empty(bedside_protocol::reply::Empty {});
    outbox.event(&message(id, 1, "text"));
    outbox.reply(7, &empty);
    outbox.note(Arc::new("a note"), 10, false);
    outbox.event(&typing_event(id));
    outbox.error(None, &CommandError::invalid("no"));
    outbox.event(&message(id, 2, "text"));
    outbox.close(CloseCode::Replaced);
    outbox.note(Arc::new("late"), 10, false);
    let (items, end) = drain(&outbox);
    let expected = [
        "1",
        "reply 7",
        "a note",
        "s writes",
        "error None invalid_argument",
        "2",
    ];
    assert_eq!(items, expected);
    assert_eq!(end, Poll::Ready(Drained::Closed(CloseCode::Replaced)));
}

#[test]
fn positions_and_holes_are_as_in_any_outbox() {
    let (outbox, id) = (raw(), ConversationId::new());
    for seq in [1, 1, 3, 2] {
        outbox.event(&message(id, seq, "text"));
    }
    assert_eq!(
        drain(&outbox),
        (vec![], Poll::Ready(Drained::Holes(vec![id])))
    );
    assert_eq!(outbox.begin_fill(id, None), Some(1));
    for seq in [2, 3] {
        outbox.fill(id, seq, &message(id, seq, "text"));
    }
    assert!(outbox.end_fill(id, 3));
    assert_eq!(drain(&outbox).0, ["1", "2", "3"]);
}

#[test]
fn a_note_is_for_a_raw_outbox_alone() {
    let encoded = outbox_kit::outbox();
    encoded.note(Arc::new("a note"), 10, false);
    assert_eq!(outbox_kit::drain(&encoded), (vec![], Poll::Pending));
    assert!(!encoded.hears_itself() && raw().hears_itself());
    // It does not listen either: typing is subscribed to.
    let id = ConversationId::new();
    encoded.listen(id);
    assert!(!encoded.listens_to(id));
    assert_eq!(encoded.ambient(), Ambient::default());
}

#[test]
fn ephemeral_notes_go_first_and_others_close_what_is_full() {
    let max = limits::OUTBOX_FRAMES_MAX;
    let outbox = raw();
    for _ in 0..max / 2 {
        outbox.note(Arc::new("may go"), 10, true);
    }
    for _ in 0..max / 2 {
        outbox.note(Arc::new("stays"), 10, false);
    }
    outbox.note(Arc::new("may go"), 10, true);
    assert!(!outbox.is_closed());
    let (items, end) = drain(&outbox);
    assert_eq!(end, Poll::Pending);
    assert_eq!(
        items.iter().filter(|item| *item == "stays").count(),
        max / 2
    );
    for _ in 0..max {
        outbox.note(Arc::new("stays"), 10, false);
    }
    outbox.note(Arc::new("may go"), 10, true);
    assert!(!outbox.is_closed());
    outbox.note(Arc::new("too many"), 10, false);
    let slow = Poll::Ready(Drained::Closed(CloseCode::SlowConsumer));
    assert_eq!(drain(&outbox), (vec![], slow));
    let heavy = raw();
    heavy.note(Arc::new("large"), limits::OUTBOX_BYTES_MAX, false);
    assert!(!heavy.is_closed(), "one large item always has its turn");
    heavy.note(Arc::new("small"), 1, false);
    assert!(heavy.is_closed());
}

/// How many pushes close an outbox that nobody reads.
fn pushes_until_closed(push: impl Fn(&Outbox, u64)) -> u64 {
    let outbox = raw();
    let closes = |n: &u64| {
        push(&outbox, *n);
        outbox.is_closed()
    };
    (1..10_000).find(closes).expect("it is closed at last")
}

#[test]
fn texts_weigh_what_they_are_long() {
    let (id, text) = (ConversationId::new(), "x".repeat(limits::TEXT_BYTES_MAX));
    // 1 MiB of texts of 16 KiB each, and then one more.
    let most = (limits::OUTBOX_BYTES_MAX / limits::TEXT_BYTES_MAX) as u64 + 1;
    let page: Vec<_> = (1..=8)
        .map(|seq| LoggedEvent {
            seq,
            event: message(id, seq, &text).frame().event.clone(),
        })
        .collect();
    let said = pushes_until_closed(|outbox, n| outbox.event(&message(id, n, &text)));
    assert!((most - 2..=most).contains(&said), "{said} messages");
    let most = most / 8 + 1;
    let history = Reply::History(History {
        events: page.clone(),
        head_seq: 8,
        first_seq: 1,
        log_start_seq: 1,
        has_more: false,
    });
    let pages = pushes_until_closed(|outbox, n| outbox.reply(n, &history));
    assert!((most - 2..=most).contains(&pages), "{pages} pages");
    let batch = SyncBatch {
        events: page,
        head_seq: 8,
    };
    let batch = bedside_actors::outbox::SharedEvent::new(bedside_protocol::EventFrame::about(
        id,
        Event::SyncBatch(batch),
    ));
    let batches = pushes_until_closed(|outbox, _| outbox.event(&batch));
    assert!((most - 2..=most).contains(&batches), "{batches} batches");
    // What weighs next to nothing is bounded by its number.
    let empty = Reply::Empty(bedside_protocol::reply::Empty {});
    let small = pushes_until_closed(|outbox, n| outbox.reply(n, &empty));
    assert_eq!(small, limits::OUTBOX_FRAMES_MAX as u64 + 1);
}

/// A device of a raw transport.
struct Raw {
    session: SessionHandle,
    outbox: Arc<Outbox>,
    items: VecDeque<Item>,
}

impl Raw {
    async fn open(node: &Arc<Node>, who: &str, role: Role, ambient: Ambient) -> Self {
        let identity = identity(who, role);
        let outbox = Outbox::raw(identity.roles, ambient);
        let session = node.open_session(identity, outbox.clone());
        let mut raw = Self {
            session,
            outbox,
            items: VecDeque::new(),
        };
        raw.until("session.welcome").await;
        raw
    }

    fn post(&self, id: u64, command: Command) {
        let frame = CommandFrame {
            id: Some(id),
            command,
        };
        self.session.command(frame).unwrap();
    }

    /// All up to and with the first item of this word, without seqs of other conversations.
    async fn until(&mut self, wanted: &str) -> Vec<String> {
        let mut words = Vec::new();
        loop {
            while let Some(item) = self.items.pop_front() {
                words.push(word(&item));
                if word(&item) == wanted {
                    return words;
                }
            }
            let items = &mut self.items;
            let drained = std::future::poll_fn(|cx| self.outbox.poll_items(cx, items, 64));
            let drained = tokio::time::timeout(Duration::from_secs(20), drained).await;
            match drained.unwrap_or_else(|_| panic!("no {wanted} after {words:?}")) {
                Drained::Frames => {}
                Drained::Holes(holes) => self.session.fill_holes(holes),
                Drained::Closed(code) => panic!("closed with {code:?}"),
            }
        }
    }

    /// What came before the answer to a command that changes nothing.
    async fn so_far(&mut self) -> Vec<String> {
        self.post(u64::MAX, resume(&[]));
        let mut words = self.until(&format!("reply {}", u64::MAX)).await;
        words.pop();
        words
    }

    /// Who wrote and who stopped so far.
    async fn heard(&mut self) -> Vec<String> {
        let mut words = self.so_far().await;
        words.retain(|word| word.ends_with(" writes") || word.ends_with(" stops"));
        words
    }
}

fn honest() -> Arc<Node> {
    node(config(), Liar::new(&Disk::new()))
}

#[test]
fn its_own_messages_come_back_to_it_once_and_after_the_answer() {
    run(async {
        let node = honest();
        let (_patient, mut doctor, id) = pair(&node).await;
        let mut socket = Raw::open(&node, "p", Role::Patient, Ambient::default()).await;
        let mut other = Raw::open(&node, "p", Role::Patient, Ambient::default()).await;
        socket.post(1, say(id, "hello"));
        assert_eq!(socket.until("2").await, ["reply 1", "2"]);
        doctor.say(id, "hello yourself").await.unwrap();
        assert_eq!(socket.until("3").await, ["3"]);
        assert_eq!(other.until("3").await, ["2", "3"]);
        // A retry is answered, and shown no second time.
        for n in [4, 5] {
            socket.post(n, say_once(id, "once", "m1"));
        }
        let mut words = socket.until("reply 5").await;
        if !words.contains(&"4".to_owned()) {
            words.extend(socket.until("4").await);
        }
        words.extend(socket.so_far().await);
        words.sort();
        assert_eq!(words, ["4", "reply 4", "reply 5"]);
    });
}

const BOTH: Ambient = Ambient {
    direct_typing: true,
    consultation_typing: true,
};

#[test]
fn typing_is_heard_where_the_transport_hears_it() {
    run(async {
        let node = honest();
        let (mut patient, mut doctor, made) = clinic(&node).await;
        let direct = make(&mut patient, direct("d")).await;
        doctor.see(direct, 1).await;
        let consultation = made.conversation_id;
        let chats = Ambient {
            consultation_typing: false,
            ..BOTH
        };
        let rooms = Ambient {
            direct_typing: false,
            ..BOTH
        };
        let mut deaf = Raw::open(&node, "p", Role::Patient, Ambient::default()).await;
        let mut chats = Raw::open(&node, "p", Role::Patient, chats).await;
        let mut rooms = Raw::open(&node, "p", Role::Patient, rooms).await;
        let mut own = Raw::open(&node, "d", Role::Doctor, BOTH).await;
        let mut native = Client::open(&node, "p", Role::Patient).await;
        doctor.ask(typing(direct, true)).await.unwrap();
        doctor.ask(typing(consultation, true)).await.unwrap();
        // Renewed, which is no news.
        doctor.ask(typing(direct, true)).await.unwrap();
        doctor.ask(typing(direct, false)).await.unwrap();
        assert_eq!(chats.heard().await, ["d writes", "d stops"]);
        assert_eq!(rooms.heard().await, ["d writes"]);
        assert_eq!(deaf.heard().await, [""; 0]);
        assert_eq!(own.heard().await, [""; 0], "not back to the typist");
        native.ask(resume(&[])).await.unwrap();
        let is_typing = |event: &Event| matches!(event, Event::TypingChanged(_));
        assert!(!native.events.iter().any(|frame| is_typing(&frame.event)));
        // What is said ends it.
        doctor.say(consultation, "well").await.unwrap();
        assert_eq!(rooms.until("2").await, ["d stops", "2"]);
    });
}

#[test]
fn it_listens_to_a_group_until_it_does_not() {
    run(async {
        let node = honest();
        know(&node, &[("n", Role::Nurse)]).await;
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        let kind = ConversationKind::InternalStaff;
        let id = make(&mut doctor, group(kind, None, &["n"])).await;
        let mut nurse = Raw::open(&node, "n", Role::Nurse, BOTH).await;
        doctor.ask(typing(id, true)).await.unwrap();
        assert_eq!(nurse.heard().await, [""; 0], "a group is listened to first");
        nurse.outbox.listen(id);
        assert!(nurse.outbox.listens_to(id));
        doctor.ask(typing(id, false)).await.unwrap();
        assert_eq!(nurse.heard().await, ["d stops"]);
        nurse.outbox.unlisten(id);
        doctor.ask(typing(id, true)).await.unwrap();
        assert_eq!(nurse.heard().await, [""; 0]);
        // Taken out, it hears nothing, whatever it listens to.
        nurse.outbox.listen(id);
        doctor.ask(remove(id, "n")).await.unwrap();
        nurse.until("2").await;
        doctor.ask(typing(id, false)).await.unwrap();
        assert_eq!(nurse.heard().await, [""; 0]);
    });
}

#[test]
fn typing_reaches_only_who_may_hear_it() {
    run(async {
        let node = honest();
        let (_patient, mut doctor, id) = pair(&node).await;
        let mut ear = Raw::open(&node, "p", Role::Patient, BOTH).await;
        // A stranger may listen to what they like.
        let mut stranger = Raw::open(&node, "x", Role::Nurse, BOTH).await;
        stranger.outbox.listen(id);
        doctor.ask(typing(id, true)).await.unwrap();
        assert_eq!(ear.heard().await, ["d writes"]);
        assert_eq!(stranger.heard().await, [""; 0]);
        // The relation ends: so does what is heard of each other.
        node.delete_relation(user("p"), user("d")).await.unwrap();
        doctor.ask(typing(id, false)).await.unwrap_err();
        assert_eq!(ear.until("2").await, ["2"]);
        relate(&node, "p", "d", RelationKind::Clinician).await;
        ear.until("3").await;
        // News: its readers do not see each other, nor who writes it.
        know(&node, &[("n", Role::Nurse)]).await;
        let kind = ConversationKind::Broadcast;
        let news = make(&mut doctor, group(kind, None, &["n"])).await;
        let mut reader = Raw::open(&node, "n", Role::Nurse, BOTH).await;
        reader.outbox.listen(news);
        doctor.ask(typing(news, true)).await.unwrap();
        assert_eq!(reader.heard().await, [""; 0]);
    });
}
