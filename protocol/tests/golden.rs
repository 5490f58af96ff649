//! The exact bytes of every frame, in both formats: what clients were written against.
//!
//! `golden/` has one file per frame: its JSON text, and its MessagePack as hex. A test that fails
//! here says that a client of today would read or write something else. Fields may be added; then
//! `BEDSIDE_GOLDEN=write cargo test -p bedside-protocol --test golden` writes the files anew, and
//! fails all the same, so that nobody does it without noticing.

#[path = "golden/samples.rs"]
mod samples;

use bedside_protocol::{
    Command, CommandError, ErrorCode, Event, EventFrame, Reply, ServerFrame, WireFormat, codec,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
};

/// A frame to be written and read.
enum Frame {
    Command(Option<u64>, Command),
    Reply(u64, Reply),
    Event(EventFrame),
    Error(Option<u64>, CommandError),
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    frame: String,
    vectors: Vec<Vector>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Vector {
    case: String,
    json: String,
    msgpack: String,
}

/// The wire name of a reply's shape. A new one does not compile until it is named here.
const fn reply_name(reply: &Reply) -> &'static str {
    match reply {
        Reply::Empty(_) => "empty",
        Reply::MessageSent(_) => "message_sent",
        Reply::Logged(_) => "logged",
        Reply::Conversation(_) => "conversation",
        Reply::Mine(_) => "mine",
        Reply::Subscribed(_) => "subscribed",
        Reply::History(_) => "history",
        Reply::ReceiptTaken(_) => "receipt_taken",
        Reply::Presences(_) => "presences",
        Reply::TokenRefreshed(_) => "token_refreshed",
        Reply::Resumed(_) => "resumed",
        Reply::Joined(_) => "joined",
        Reply::Consultation(_) => "consultation",
        Reply::Welcome(_) => "welcome",
    }
}

/// The same names, to see that each has a vector.
const REPLIES: [&str; 14] = [
    "empty",
    "message_sent",
    "logged",
    "conversation",
    "mine",
    "subscribed",
    "history",
    "receipt_taken",
    "presences",
    "token_refreshed",
    "resumed",
    "joined",
    "consultation",
    "welcome",
];

impl Frame {
    fn name(&self) -> String {
        match self {
            Self::Command(_, command) => format!("command.{}", command.name()),
            Self::Reply(_, reply) => format!("reply.{}", reply_name(reply)),
            Self::Event(frame) => format!("event.{}", frame.event.name()),
            Self::Error(_, error) => format!("error.{}", error.code),
        }
    }

    fn write(&self, format: WireFormat) -> Vec<u8> {
        match self {
            Self::Command(id, command) => codec::encode_command(format, *id, command),
            Self::Reply(to, reply) => codec::encode_reply(format, *to, reply),
            Self::Event(frame) => codec::encode_event(format, frame),
            Self::Error(to, error) => codec::encode_error(format, *to, error),
        }
    }

    fn check_read(&self, format: WireFormat, bytes: &[u8]) {
        if let Self::Command(id, command) = self {
            let read = codec::decode_command(format, bytes).expect("is a command");
            assert_eq!((read.id, &read.command), (*id, command));
            return;
        }
        let read = codec::decode_server_frame(format, bytes).expect("is a frame of the server");
        match (self, read) {
            (Self::Event(frame), ServerFrame::Event(read)) => assert_eq!(read, *frame),
            (Self::Error(to, error), ServerFrame::Error { reply_to, error: e }) => {
                assert_eq!((reply_to, &e), (*to, error));
            }
            (Self::Reply(to, reply), ServerFrame::Reply { reply_to, data }) => {
                assert_eq!(reply_to, *to);
                check_reply(reply, data);
            }
            (_, read) => panic!("{} was read as {read:?}", self.name()),
        }
    }
}

/// Reads `data` as the type that the command of this reply promises.
fn check_reply(reply: &Reply, data: Value) {
    fn same<T: DeserializeOwned + PartialEq + std::fmt::Debug>(data: Value, wanted: &T) {
        let read: T = serde_json::from_value(data).expect("has the reply's type");
        assert_eq!(read, *wanted);
    }
    match reply {
        Reply::Empty(wanted) => same(data, wanted),
        Reply::MessageSent(wanted) => same(data, wanted),
        Reply::Logged(wanted) => same(data, wanted),
        Reply::Conversation(wanted) => same(data, &**wanted),
        Reply::Mine(wanted) => same(data, wanted),
        Reply::Subscribed(wanted) => same(data, wanted),
        Reply::History(wanted) => same(data, wanted),
        Reply::ReceiptTaken(wanted) => same(data, wanted),
        Reply::Presences(wanted) => same(data, wanted),
        Reply::TokenRefreshed(wanted) => same(data, wanted),
        Reply::Resumed(wanted) => same(data, wanted),
        Reply::Joined(wanted) => same(data, &**wanted),
        Reply::Consultation(wanted) => same(data, &**wanted),
        Reply::Welcome(wanted) => same(data, &**wanted),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "has half a byte");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("is hex"))
        .collect()
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// What the code writes today, by file.
fn today() -> BTreeMap<String, File> {
    let mut files = BTreeMap::new();
    for (case, frame) in samples::all() {
        let vector = Vector {
            case: case.to_owned(),
            json: String::from_utf8(frame.write(WireFormat::Json)).expect("is text"),
            msgpack: hex(&frame.write(WireFormat::MsgPack)),
        };
        let name = frame.name();
        let file = files.entry(name.clone()).or_insert_with(|| File {
            frame: name,
            vectors: Vec::new(),
        });
        file.vectors.push(vector);
    }
    files
}

fn stored() -> BTreeMap<String, File> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory()).expect("is there") {
        let path = entry.expect("is there").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let name = path.file_stem().expect("has a name").to_string_lossy();
            let text = fs::read_to_string(&path).expect("is text");
            let file: File = serde_json::from_str(&text)
                .unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
            assert_eq!(file.frame, name, "a file has another name than its frame");
            files.insert(name.into_owned(), file);
        }
    }
    files
}

fn write_anew(files: &BTreeMap<String, File>) {
    for name in stored().keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(directory().join(format!("{name}.json"))).expect("can be removed");
    }
    for (name, file) in files {
        let mut text = serde_json::to_string_pretty(file).expect("writes");
        text.push('\n');
        fs::write(directory().join(format!("{name}.json")), text).expect("can be written");
    }
}

#[test]
fn every_frame_is_written_byte_for_byte() {
    let today = today();
    match std::env::var("BEDSIDE_GOLDEN").as_deref() {
        Ok("write") => {
            write_anew(&today);
            panic!("the golden files were written anew: look at the difference, then run without");
        }
        Ok(other) => panic!("BEDSIDE_GOLDEN={other}: only write is known"),
        Err(_) => {}
    }
    let stored = stored();
    let names = |files: &BTreeMap<String, File>| files.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&stored), names(&today), "files and samples differ");
    for (name, file) in today {
        assert_eq!(stored[&name], file, "{name} is written differently");
    }
}

#[test]
fn every_frame_is_read_back() {
    let mut read = stored();
    for (case, frame) in samples::all() {
        let name = frame.name();
        let file = read.get_mut(&name).expect("has a file");
        let at = file.vectors.iter().position(|vector| vector.case == case);
        let vector = file.vectors.remove(at.expect("has a vector"));
        frame.check_read(WireFormat::Json, vector.json.as_bytes());
        frame.check_read(WireFormat::MsgPack, &unhex(&vector.msgpack));
    }
    let left: Vec<_> = read.values().flat_map(|file| &file.vectors).collect();
    assert!(left.is_empty(), "vectors without a sample: {left:?}");
}

#[test]
fn both_formats_say_the_same() {
    for (name, file) in stored() {
        for vector in file.vectors {
            let json: Value = serde_json::from_str(&vector.json).expect("is JSON");
            let msgpack: Value =
                rmp_serde::from_slice(&unhex(&vector.msgpack)).expect("is MessagePack");
            assert_eq!(json, msgpack, "{name} {}", vector.case);
        }
    }
}

#[test]
fn no_name_is_missing() {
    let stored: BTreeSet<String> = stored().into_keys().collect();
    let mut wanted = BTreeSet::new();
    wanted.extend(Command::NAMES.iter().map(|name| format!("command.{name}")));
    wanted.extend(Event::NAMES.iter().map(|name| format!("event.{name}")));
    wanted.extend(REPLIES.iter().map(|name| format!("reply.{name}")));
    wanted.extend(ErrorCode::ALL.iter().map(|code| format!("error.{code}")));
    assert_eq!(stored, wanted);
}
