//! A process that is killed while it writes: what it acknowledged is stored, and no half of
//! anything is.

use bedside::adapters::sqlite::{Options, SqliteStore};
use bedside_actors::{
    ports::store::{AppendSink, Appended, Select, Store},
    testkit::store_contract::{
        Fixture, Room,
        fixture::{EVERYTHING, client_id, edit, user},
    },
};
use bedside_protocol::{ConversationId, Event, LoggedEvent};
use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, SystemTime},
};

use crate::{listen, scratch::Scratch};

const ROUNDS: usize = 10;
const ROOMS: usize = 64;
/// Tells the test binary, started again, that it is the one to be killed, and where to write.
const DIRECTORY: &str = "BEDSIDE_TEST_CRASH_DIRECTORY";

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = Scratch::new();
    let (store, fx) = listen(dir.path(), &Options::default());
    for _ in 0..ROOMS {
        fx.room(&["d1"]).await;
    }
    store.close().await;
    let mut acked: HashMap<ConversationId, u64> = HashMap::new();
    let mut random = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(1, |d| d.subsec_nanos());
    for round in 0..ROUNDS {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let after = Duration::from_millis(u64::from(150 + random % 450));
        let lines = run_and_kill(dir.path(), after);
        for line in &lines {
            let (id, seq) = line.split_once(' ').expect("an id and a seq");
            let id = id.parse().expect("an id");
            let seq: u64 = seq.parse().expect("a seq");
            let highest = acked.entry(id).or_default();
            *highest = seq.max(*highest);
        }
        let stored = check(dir.path(), &acked).await;
        println!(
            "round {round}: killed after {after:?}, {} acked, {stored} stored",
            lines.len()
        );
    }
    assert!(
        acked.len() == ROOMS,
        "every room should have been written to"
    );
}

/// Starts the writing process, kills it, and returns what it had acknowledged.
fn run_and_kill(dir: &Path, after: Duration) -> Vec<String> {
    let binary = std::env::current_exe().expect("this test");
    let mut child = Command::new(binary)
        .args(["--exact", "crash::the_one_that_is_killed", "--nocapture"])
        .env(DIRECTORY, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let out = BufReader::new(child.stdout.take().expect("its output"));
    let reader = std::thread::spawn(move || {
        let lines = out.lines().map_while(Result::ok);
        let acks = lines.filter_map(|line| Some(line.split_once("ack ")?.1.to_owned()));
        acks.collect::<Vec<_>>()
    });
    std::thread::sleep(after);
    child.kill().expect("killed");
    child.wait().expect("gone");
    let mut lines = reader.join().expect("its output, read");
    // The last line may have been cut off by the kill.
    lines.pop();
    lines
}

/// Asserts that acked is within stored, and that what is stored is whole; how much it is.
async fn check(dir: &Path, acked: &HashMap<ConversationId, u64>) -> usize {
    let (store, _) = listen(dir, &Options::default());
    let mut stored = 0;
    for (id, highest) in acked {
        let page = store.read_log(*id, EVERYTHING).await.expect("a log");
        let seqs: Vec<_> = page.events.iter().map(|logged| logged.seq).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "dense");
        assert!(seqs.len() as u64 >= *highest, "{highest} was acknowledged");
        stored += seqs.len();
        check_edits(&page.events);
        for seq in [2, *highest].into_iter().filter(|seq| seq % 8 != 0) {
            let found = store.find_sent(*id, user("d1"), client_id(&format!("c{seq}")));
            let found = found.await.expect("a look-up");
            assert_eq!(found.map(|sent| sent.seq), Some(seq));
        }
    }
    store.close().await;
    stored
}

/// A message is edited when, and only when, the log holds the edit.
fn check_edits(events: &[LoggedEvent]) {
    let edits = events.iter().filter_map(|logged| match &logged.event {
        Event::MessageUpdated(updated) => Some((updated.target_seq, logged.seq)),
        _ => None,
    });
    let edits: HashMap<_, _> = edits.collect();
    for logged in events {
        if let Event::MessageCreated(message) = &logged.event {
            let edited_by = edits.get(&logged.seq);
            let expected = edited_by.map_or_else(
                || format!("text {}", logged.seq),
                |by| format!("edited by {by}"),
            );
            assert_eq!(message.text, expected, "seq {}", logged.seq);
        }
    }
}

/// Passes answers on to the thread of their conversation.
struct Route(HashMap<ConversationId, mpsc::Sender<Appended>>);

impl AppendSink for Route {
    fn appended(&self, batch: Vec<Appended>) {
        for appended in batch {
            if let Some(thread) = self.0.get(&appended.conversation_id) {
                let _ = thread.send(appended);
            }
        }
    }
}

/// The child of the test above, which kills it. Nothing where nobody started it as one.
#[test]
fn the_one_that_is_killed() {
    let Some(dir) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let options = Options {
        // So small that kills hit checkpoints and the fold too.
        checkpoint_bytes: 512 * 1_024,
        fold_rows: 500,
        ..Options::default()
    };
    let store = SqliteStore::open(Path::new(&dir), &options).expect("the store");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let rooms = runtime.expect("a runtime").block_on(rooms(&store));
    let (senders, threads): (HashMap<_, _>, Vec<_>) = rooms
        .into_iter()
        .map(|room| {
            let (sender, answers) = mpsc::channel();
            ((room.id, sender), (room, answers))
        })
        .unzip();
    store.connect(vec![Arc::new(Route(senders))]);
    std::thread::scope(|scope| {
        for (room, answers) in threads {
            scope.spawn(|| write_for_ever(&*store, room, answers));
        }
    });
}

async fn rooms(store: &Arc<SqliteStore>) -> Vec<Room> {
    let select = Select::Page {
        after: None,
        limit: ROOMS,
        without: Vec::new(),
    };
    let listed = store.conversations(user("d1"), select).await;
    let mut rooms = Vec::new();
    for row in listed.expect("a listing").rows {
        let loaded = store.load(row.conversation_id, true).await;
        let loaded = loaded.expect("a load").expect("known");
        rooms.push(Room::of(
            Fixture::deaf(store.clone()),
            row.conversation_id,
            &loaded,
        ));
    }
    rooms
}

/// Appends, waits, says so; every eighth entry edits the one before it.
fn write_for_ever(store: &dyn Store, mut room: Room, answers: mpsc::Receiver<Appended>) {
    let mut last = None;
    loop {
        let seq = room.seq + 1;
        let append = match last.take() {
            Some(message) if seq.is_multiple_of(8) => {
                let text = format!("edited by {seq}");
                room.entry(Some("d1"), edit(seq - 1, &message, &text))
            }
            _ if seq.is_multiple_of(8) => {
                // The process before this one wrote the message: its id is not known here.
                let title = bedside_actors::ports::store::ChangeEffect::Title(seq.to_string());
                let change = bedside_protocol::event::Change::Updated;
                room.entry(
                    Some("d1"),
                    bedside_actors::testkit::store_contract::fixture::change(change, title),
                )
            }
            _ => {
                let (append, message) = room.text("d1", &format!("text {seq}"));
                last = Some(message);
                append
            }
        };
        room.took(&append);
        store.append(0, append);
        let answer = answers.recv().expect("an answer");
        assert_eq!((answer.seq, answer.result), (seq, Ok(())));
        let line = format!("ack {} {seq}\n", room.id);
        std::io::stdout()
            .lock()
            .write_all(line.as_bytes())
            .expect("said");
    }
}
