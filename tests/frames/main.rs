//! The frame parser and the header encoder, case by case: the examples of RFC 6455, section 5.7,
//! and the families of the Autobahn test suite (framing, pings and pongs, reserved bits, opcodes,
//! fragmentation, UTF-8, closing, limits).
//!
//! Every case is read several times, cut into reads in different ways, and has to give the same.

use bedside::ws::frame::*;

const LIMIT: usize = 128 * 1024;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A message that outlives the parser.
#[derive(Clone, Debug, PartialEq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Message<'_>> for Got {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Message::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Message::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Message::Close(frame) => {
                Self::Close(frame.map(|frame| (frame.code, frame.reason.to_owned())))
            }
        }
    }
}

fn got_text(text: &str) -> Got {
    Got::Text(text.to_owned())
}

fn got_binary(bytes: impl AsRef<[u8]>) -> Got {
    Got::Binary(bytes.as_ref().to_vec())
}

fn got_ping(bytes: impl AsRef<[u8]>) -> Got {
    Got::Ping(bytes.as_ref().to_vec())
}

fn got_pong(bytes: impl AsRef<[u8]>) -> Got {
    Got::Pong(bytes.as_ref().to_vec())
}

fn got_close(code: u16, reason: &str) -> Got {
    Got::Close(Some((code, reason.to_owned())))
}

/// How the input ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// All of it was consumed.
    Clean,
    /// This close code, shown by the first `at` bytes and not by fewer.
    Fails { code: u16, at: usize },
    /// Within a frame, of which at least so many bytes are needed.
    Needs(usize),
}

fn fails(code: u16, at: usize) -> End {
    End::Fails { code, at }
}

/// The length field as the RFC wants it, with the mask bit.
fn length(len: usize) -> Vec<u8> {
    match len {
        0..=125 => vec![FIN | len as u8],
        126..=0xffff => [&[FIN | 126], &(len as u16).to_be_bytes()[..]].concat(),
        _ => [&[FIN | 127], &(len as u64).to_be_bytes()[..]].concat(),
    }
}

/// A client's frame, whatever its first byte.
fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = vec![first];
    frame.extend(length(payload.len()));
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(b, k)| b ^ k));
    frame
}

fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | TEXT, payload)
}

fn binary(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | BINARY, payload)
}

fn ping(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | PING, payload)
}

fn pong(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | PONG, payload)
}

fn close(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | CLOSE, payload)
}

fn close_with(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    close([&code.to_be_bytes(), reason.as_ref()].concat())
}

/// The first piece of a text.
fn text_start(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(TEXT, payload)
}

/// The first piece of a binary message.
fn binary_start(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(BINARY, payload)
}

/// A piece in the middle.
fn more(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(CONTINUATION, payload)
}

/// The last piece.
fn last(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | CONTINUATION, payload)
}

fn stars(len: usize) -> String {
    "*".repeat(len)
}

fn fes(len: usize) -> Vec<u8> {
    vec![0xfe; len]
}

/// How a test delivers its input.
#[derive(Clone, Copy, Debug)]
enum Reads {
    Of(usize),
    AsNeeded,
}

/// What came out, and how many bytes had been read by then.
fn read(limit: usize, input: &[u8], reads: Reads) -> (Vec<Got>, End) {
    let mut parser = Parser::new(limit);
    let mut got = Vec::new();
    let mut buffer = Vec::new();
    let mut at = 0;
    loop {
        let needed = loop {
            let before = buffer.len();
            match parser.next(&mut buffer) {
                Ok(Parsed::Incomplete { needed }) => {
                    assert!(needed > before);
                    assert!(needed <= 14 + limit.max(125));
                    if before < 200 || before % 997 == 0 {
                        assert_eq!(buffer, input[at - before..at], "left as it was");
                    }
                    break needed;
                }
                Ok(Parsed::Fragment { consumed }) => {
                    buffer.drain(..consumed);
                }
                Ok(Parsed::Message { consumed, message }) => {
                    got.push(Got::from(message));
                    buffer.drain(..consumed);
                }
                Err(violation) => {
                    let code = violation.close_code;
                    assert_eq!(parser.next(&mut ping("")), Err(violation), "again");
                    return (got, End::Fails { code, at });
                }
            }
        };
        if at == input.len() {
            let end = if buffer.is_empty() {
                End::Clean
            } else {
                End::Needs(needed)
            };
            return (got, end);
        }
        let size = match reads {
            Reads::Of(size) => size,
            Reads::AsNeeded => needed - buffer.len(),
        };
        let to = input.len().min(at + size);
        buffer.extend_from_slice(&input[at..to]);
        at = to;
    }
}

/// Reads `input` in every way and expects `messages` and then `end`.
fn check_within(limit: usize, input: &[u8], messages: &[Got], end: End) {
    let (got, ended) = read(limit, input, Reads::Of(1));
    assert_eq!(got, messages);
    assert_eq!(ended, end);
    for reads in [
        Reads::Of(2),
        Reads::Of(7),
        Reads::Of(997),
        Reads::Of(usize::MAX / 2),
        Reads::AsNeeded,
    ] {
        let (got, ended) = read(limit, input, reads);
        assert_eq!(got, messages, "{reads:?}");
        match (ended, end) {
            // Not earlier than by single bytes, but maybe in a read that goes on.
            (End::Fails { code, at }, End::Fails { code: c, at: a }) => {
                assert_eq!(code, c, "{reads:?}");
                assert!(at >= a, "{reads:?}");
                if matches!(reads, Reads::AsNeeded) {
                    // Two bytes are asked for where the first may be enough to fail.
                    assert!(at <= a + 1, "{reads:?}");
                }
            }
            _ => assert_eq!(ended, end, "{reads:?}"),
        }
    }
}

/// One test for each line: a name, the frames, the messages they hold, and how it ends if not
/// clean. `within` changes the message limit.
macro_rules! cases {
    ($(
        $name:ident $(within $limit:literal)?:
            [$($frame:expr),* $(,)?] => [$($got:expr),* $(,)?] $(, $end:expr)?;
    )*) => {$(
        #[test]
        fn $name() {
            let frames: Vec<Vec<u8>> = vec![$($frame.to_vec()),*];
            let limits: &[usize] = &[$($limit,)? LIMIT];
            let ends: &[End] = &[$($end,)? End::Clean];
            check_within(limits[0], &frames.concat(), &[$($got),*], ends[0]);
        }
    )*};
}

// Down here, because of the macros above.
mod closing;
mod encoding;
mod fragmentation;
mod framing;
mod golden;
mod limits;
mod pings;
mod reserved_bits;
mod reserved_opcodes;
mod utf8;
mod violations;
