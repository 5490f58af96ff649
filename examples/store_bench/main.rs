//! How quick the SQLite store is, against its own floor, in one run:
//!
//! - `sync`: overwrite 16 KiB in place and `fdatasync`, one after the other;
//! - `raw`: the group-commit loop alone, with the store's tables, INSERT and checkpoint policy:
//!   one writer thread, nothing checked, nothing filed;
//! - `store`: the same rows through [`Store::append`].
//!
//! ```text
//! cargo run --release --example store_bench -- --dir data/bench --rows 300000 \
//!     --conversations 100000 --outstanding 64 --seconds 8
//! ```
//!
//! Bodies have 300 bytes and client ids 16; conversations are taken at random; `outstanding`
//! rows wait for their commit at any time. A huge `--fold-rows` shows what filing the look-ups
//! costs. The directory is emptied first.

#![expect(
    clippy::disallowed_methods,
    reason = "it measures real time, and nobody tests it with a clock of their own"
)]

mod raw;

use bedside::adapters::sqlite::{Options, SqliteStore};
use bedside_actors::ports::store::{
    Append, AppendBody, AppendSink, Appended, Attempt, ConversationKey, Store,
};
use bedside_protocol::{
    ClientMsgId, ConversationId, Message, MessageId, MessageType, Timestamp, UserId,
};
use clap::{Arg, Command, value_parser};
use rusqlite::{Connection, params};
use std::{
    collections::HashMap,
    error::Error,
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Setup {
    dir: PathBuf,
    rows: u64,
    conversations: u64,
    outstanding: usize,
    fold_rows: usize,
    duration: Duration,
}

fn main() -> Result<()> {
    let number = |name: &'static str, default: &'static str| {
        let arg = Arg::new(name).long(name).default_value(default);
        arg.value_parser(value_parser!(u64))
    };
    let args = Command::new("store_bench")
        .arg(
            Arg::new("dir")
                .long("dir")
                .default_value("target/store_bench"),
        )
        .arg(
            Arg::new("modes")
                .long("modes")
                .default_value("sync,raw,store"),
        )
        .arg(number("rows", "300000"))
        .arg(number("conversations", "100000"))
        .arg(number("outstanding", "64"))
        .arg(number("fold-rows", "16384"))
        .arg(number("seconds", "8"))
        .get_matches();
    let get = |name: &str| args.get_one::<u64>(name).copied().unwrap_or_default();
    let text = |name: &str| args.get_one::<String>(name).cloned().unwrap_or_default();
    let setup = Setup {
        dir: PathBuf::from(text("dir")),
        rows: get("rows"),
        conversations: get("conversations"),
        outstanding: usize::try_from(get("outstanding"))?,
        fold_rows: usize::try_from(get("fold-rows"))?,
        duration: Duration::from_secs(get("seconds")),
    };
    println!(
        "{} rows before, {} conversations, {} outstanding, {:?} each",
        setup.rows, setup.conversations, setup.outstanding, setup.duration
    );
    println!("mode      per s   us CPU     p50 ms   p99 ms  p99.9 ms   max ms");
    for mode in text("modes").split(',') {
        fs::create_dir_all(&setup.dir)?;
        fs::remove_dir_all(&setup.dir)?;
        fs::create_dir_all(&setup.dir)?;
        match mode {
            "sync" => sync(&setup)?,
            "raw" => raw::raw(&setup)?,
            "store" => store(&setup)?,
            other => return Err(format!("no such mode: {other}").into()),
        }
    }
    Ok(())
}

/// What a run measured.
struct Measured {
    cpu_before: f64,
    began: Instant,
    latencies_us: Vec<u32>,
}

impl Measured {
    fn begin() -> Result<Self> {
        Ok(Self {
            cpu_before: cpu_seconds()?,
            began: Instant::now(),
            latencies_us: Vec::new(),
        })
    }

    fn note(&mut self, since: Instant) {
        let us = since.elapsed().as_micros();
        self.latencies_us
            .push(u32::try_from(us).unwrap_or(u32::MAX));
    }

    fn print(mut self, mode: &str) -> Result<()> {
        let seconds = self.began.elapsed().as_secs_f64();
        let cpu = cpu_seconds()? - self.cpu_before;
        let count = self.latencies_us.len();
        self.latencies_us.sort_unstable();
        let ms = |share: f64| {
            let at = ((count as f64 * share) as usize).min(count.saturating_sub(1));
            self.latencies_us
                .get(at)
                .map_or(0.0, |us| f64::from(*us) / 1e3)
        };
        println!(
            "{mode:<6} {:>8.0} {:>8.1}   {:>8.2} {:>8.2}  {:>8.2} {:>8.2}",
            count as f64 / seconds,
            cpu * 1e6 / count as f64,
            ms(0.5),
            ms(0.99),
            ms(0.999),
            ms(1.0),
        );
        Ok(())
    }
}

/// User and system time of this process.
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // After the name, which may hold anything: state is field 3, utime 14, stime 15.
    let fields = stat.rsplit_once(')').ok_or("an odd /proc/self/stat")?.1;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

fn sync(setup: &Setup) -> Result<()> {
    let file = File::create(setup.dir.join("sync"))?;
    let block = vec![0xa5; 16 * 1_024];
    file.write_all_at(&block, 0)?;
    file.sync_all()?;
    let mut measured = Measured::begin()?;
    while measured.began.elapsed() < setup.duration / 2 {
        let since = Instant::now();
        file.write_all_at(&block, 0)?;
        file.sync_data()?;
        measured.note(since);
    }
    measured.print("sync")
}

/// One conversation to write to.
struct Target {
    id: ConversationId,
    key: i64,
    seq: u64,
    busy: bool,
}

/// Makes the files with `rows` rows in `conversations` logs.
fn prepare(setup: &Setup) -> Result<Vec<Target>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = SqliteStore::open(&setup.dir, &Options::default())?;
    runtime.block_on(store.close());
    let mut conn = Connection::open(setup.dir.join("bedside.db"))?;
    let write = conn.transaction()?;
    write.execute("INSERT INTO users (key, user_id) VALUES (1, 'd1')", [])?;
    let mut targets = Vec::new();
    {
        let mut conversation = write.prepare(
            "INSERT INTO conversations VALUES (?1, ?2, 'care_team', '', NULL, 1, 0, 'open', 1)",
        )?;
        for key in 1..=i64::try_from(setup.conversations)? {
            let id = ConversationId::new();
            conversation.execute(params![key, id.to_bytes()])?;
            targets.push(Target {
                id,
                key,
                seq: 0,
                busy: false,
            });
        }
        let mut insert = write.prepare(INSERT)?;
        let body = "x".repeat(300);
        let rows = setup.rows.max(setup.conversations);
        for n in 0..usize::try_from(rows)? {
            let count = targets.len();
            let target = &mut targets[n % count];
            target.seq += 1;
            insert_row(&mut insert, target.key, target.seq, &body)?;
        }
    }
    write.commit()?;
    Ok(targets)
}

const INSERT: &str = "INSERT INTO messages (conv, seq, kind, sender, at, ord, sender_ord,
        message_id, message_type, client_msg_id, body_hash, reply_to_seq, composed_at, text,
        attachments)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

fn insert_row(
    insert: &mut rusqlite::Statement<'_>,
    key: i64,
    seq: u64,
    body: &str,
) -> rusqlite::Result<()> {
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    let none = None::<i64>;
    let (id, hash) = (MessageId::new().to_bytes(), [7u8; 16]);
    let (at, client_id) = (Timestamp::now().as_millis(), client_id(key, seq));
    insert.execute(params![
        key,
        seq,
        "message",
        1,
        at,
        seq,
        seq,
        id,
        "text",
        client_id,
        hash,
        none,
        none,
        body,
        None::<String>,
    ])?;
    Ok(())
}

fn client_id(key: i64, seq: i64) -> String {
    format!("{:08x}{:08x}", key & 0xffff_ffff, seq & 0xffff_ffff)
}

/// Keeps `outstanding` rows waiting until the time is over. `push` hands in a row of the n-th
/// target; `committed` brings the ids of what was stored.
fn drive(
    setup: &Setup,
    mode: &str,
    mut targets: Vec<Target>,
    push: impl Fn(&Target),
    committed: &mpsc::Receiver<Vec<ConversationId>>,
) -> Result<()> {
    let by_id: HashMap<_, _> = targets.iter().enumerate().map(|(n, t)| (t.id, n)).collect();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut began = HashMap::new();
    let mut next = |targets: &mut Vec<Target>, began: &mut HashMap<usize, Instant>| {
        loop {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let n = (random % targets.len() as u64) as usize;
            if !targets[n].busy {
                targets[n].busy = true;
                targets[n].seq += 1;
                began.insert(n, Instant::now());
                push(&targets[n]);
                return;
            }
        }
    };
    // The first second warms up.
    let warm = Instant::now() + Duration::from_secs(1);
    let mut measured = None::<Measured>;
    for _ in 0..setup.outstanding {
        next(&mut targets, &mut began);
    }
    loop {
        let batch = committed.recv()?;
        if measured.is_none() && Instant::now() >= warm {
            measured = Some(Measured::begin()?);
        }
        for id in batch {
            let n = by_id[&id];
            targets[n].busy = false;
            let since = began.remove(&n).ok_or("answered twice")?;
            if let Some(measured) = &mut measured {
                measured.note(since);
            }
            next(&mut targets, &mut began);
        }
        match measured.take() {
            Some(done) if done.began.elapsed() >= setup.duration => return done.print(mode),
            going_on => measured = going_on,
        }
    }
}

/// Passes answers to the driver.
struct Sink(mpsc::Sender<Vec<ConversationId>>);

impl AppendSink for Sink {
    fn appended(&self, batch: Vec<Appended>) {
        let failed = batch.iter().find(|appended| appended.result.is_err());
        assert!(failed.is_none(), "{failed:?}");
        let _ = self
            .0
            .send(batch.iter().map(|a| a.conversation_id).collect());
    }
}

/// Through the port.
fn store(setup: &Setup) -> Result<()> {
    let targets = prepare(setup)?;
    let options = Options {
        fold_rows: setup.fold_rows,
        ..Options::default()
    };
    let store = SqliteStore::open(&setup.dir, &options)?;
    let (done, committed) = mpsc::channel();
    store.connect(vec![Arc::new(Sink(done))]);
    let sender = UserId::new("d1")?;
    let body = "x".repeat(300);
    let push = |target: &Target| {
        let seq = i64::try_from(target.seq).unwrap_or(i64::MAX);
        let at = Timestamp::now();
        let message = Message {
            message_id: MessageId::new(),
            sender_id: Some(sender.clone()),
            message_type: MessageType::Text,
            text: body.clone(),
            attachments: Vec::new(),
            reply_to_seq: None,
            client_msg_id: ClientMsgId::new(&client_id(target.key, seq)).ok(),
            composed_at: None,
            created_at: at,
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
        };
        let append = Append {
            conversation_id: target.id,
            key: ConversationKey(target.key),
            seq: target.seq,
            attempt: Attempt::next(),
            at,
            by: Some(sender.clone()),
            ord: target.seq,
            sender_ord: target.seq,
            body: AppendBody::Message {
                message: Arc::new(message),
                body_hash: [7; 16],
            },
        };
        store.append(0, append);
    };
    drive(setup, "store", targets, push, &committed)?;
    println!("       {:?}", store.stats());
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(store.close());
    Ok(())
}
