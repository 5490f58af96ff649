//! The frame parser on arbitrary bytes, in arbitrary reads: it never panics, never consumes more
//! than there is, leaves an incomplete frame as it was, keeps the limit, and its outcome does not
//! depend on how the bytes were cut.
//!
//! The input is a few bytes of setup, then the stream itself or, because a fuzzer finds it hard to
//! keep lengths and masks right, a recipe for well-formed frames, or a script of one byte for each
//! frame, which soon has fragments that are cut within characters.

#![no_main]

#[path = "../../src/ws/frame.rs"]
#[allow(dead_code, reason = "only the server needs all of it")]
mod frame;

use frame::{Message, Opcode, Parsed, Parser, Violation, close_payload, framed};
use libfuzzer_sys::fuzz_target;

const LIMITS: [usize; 8] = [0, 1, 5, 125, 126, 1000, 65_536, 131_072];

/// A message that outlives the parser.
#[derive(Debug, PartialEq)]
enum Got {
    Fragment,
    Message { opcode: Opcode, payload: Vec<u8> },
}

impl From<Message<'_>> for Got {
    fn from(message: Message<'_>) -> Self {
        let (opcode, payload) = match message {
            Message::Text(text) => (Opcode::Text, text.as_bytes().to_vec()),
            Message::Binary(bytes) => (Opcode::Binary, bytes.to_vec()),
            Message::Ping(bytes) => (Opcode::Ping, bytes.to_vec()),
            Message::Pong(bytes) => (Opcode::Pong, bytes.to_vec()),
            Message::Close(None) => (Opcode::Close, vec![]),
            Message::Close(Some(close)) => (
                Opcode::Close,
                [&close.code.to_be_bytes(), close.reason.as_bytes()].concat(),
            ),
        };
        Self::Message { opcode, payload }
    }
}

/// What a stream gave.
#[derive(Debug, PartialEq)]
struct Outcome {
    got: Vec<Got>,
    consumed: usize,
    violation: Option<Violation>,
}

/// What the first bytes of the input choose.
#[derive(Clone, Copy)]
struct Setup {
    limit: usize,
    /// The limit after this many frames.
    limit_later: usize,
    frames_until_later: usize,
    sizes: [u8; 4],
}

/// How a stream is delivered.
#[derive(Clone, Copy)]
enum Reads {
    Whole,
    Bytes,
    Sizes,
    AsNeeded,
}

fn read(setup: Setup, input: &[u8], reads: Reads) -> Outcome {
    let limit_max = setup.limit.max(setup.limit_later);
    let mut parser = Parser::new(setup.limit);
    let mut outcome = Outcome {
        got: Vec::new(),
        consumed: 0,
        violation: None,
    };
    let mut sizes = setup.sizes.into_iter().cycle();
    let mut buffer: Vec<u8> = Vec::new();
    let mut at = 0;
    loop {
        let before = buffer.len();
        let (consumed, got) = match parser.next(&mut buffer) {
            Ok(Parsed::Incomplete { needed }) => {
                assert!(needed > before && needed <= 14 + limit_max.max(125));
                assert_eq!(buffer, input[at - before..at]);
                if at == input.len() {
                    assert_eq!(outcome.consumed + before, input.len());
                    return outcome;
                }
                let size = match reads {
                    Reads::Whole => input.len(),
                    Reads::Bytes => 1,
                    Reads::Sizes => 1 + usize::from(sizes.next().unwrap_or(0)),
                    Reads::AsNeeded => needed - before,
                };
                let to = input.len().min(at + size);
                buffer.extend_from_slice(&input[at..to]);
                at = to;
                continue;
            }
            Ok(Parsed::Fragment { consumed }) => (consumed, Got::Fragment),
            Ok(Parsed::Message { consumed, message }) => (consumed, message.into()),
            Err(violation) => {
                assert!([1002, 1007, 1009].contains(&violation.close_code));
                assert_eq!(parser.next(&mut []), Err(violation));
                outcome.violation = Some(violation);
                return outcome;
            }
        };
        assert!(0 < consumed && consumed <= before);
        if let Got::Message { opcode, payload } = &got {
            match opcode {
                Opcode::Text | Opcode::Binary => assert!(payload.len() <= limit_max),
                _ => assert!(payload.len() <= 125),
            }
        }
        outcome.consumed += consumed;
        outcome.got.push(got);
        buffer.drain(..consumed);
        if outcome.got.len() == setup.frames_until_later {
            parser.set_message_bytes_max(setup.limit_later);
        }
    }
}

/// A client's frame with a minimal length and a good mask, whatever its first byte.
fn client_frame(first: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut frame = framed(Opcode::Binary, payload);
    let payload_at = frame.len() - payload.len();
    frame[0] = first;
    frame[1] |= 0x80;
    for (byte, key) in frame[payload_at..].iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    frame.splice(payload_at..payload_at, key);
    frame
}

/// Frames from pieces of `recipe`: a first byte, a length and a payload each.
fn from_recipe(mut recipe: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let [first, len, rest @ ..] = recipe {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        recipe = rest;
        stream.extend(client_frame(*first, payload, key));
    }
    stream
}

/// Frames of which each byte of `script` chooses the first byte, mostly one that is in order, and
/// the payload, mostly what comes next in a text, cut anywhere or between two characters.
fn from_script(script: &[u8], key: [u8; 4]) -> Vec<u8> {
    const STARTS: [u8; 8] = [0x01, 0x01, 0x01, 0x81, 0x02, 0x82, 0x89, 0x80];
    const CONTINUES: [u8; 8] = [0x00, 0x00, 0x00, 0x80, 0x80, 0x80, 0x89, 0x81];
    const TEXT: &str = "aµ€😀\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}";
    const OTHERS: [&[u8]; 16] = [
        b"\x80",
        b"\xbf",
        b"\xc0",
        b"\xe0",
        b"\xe0\x9f",
        b"\xed\x9f",
        b"\xed\xa0",
        b"\xf0\x9f\x98",
        b"\xf4\x8f",
        b"\xf4\x90",
        b"\xff",
        b"\x03",
        b"\x03\xe8",
        b"\x03\xed",
        &[b'b'; 125],
        &[b'c'; 300],
    ];
    let mut stream = Vec::new();
    let mut under_way = false;
    let mut text_at = 0;
    for byte in script {
        let firsts = if under_way { CONTINUES } else { STARTS };
        let first = firsts[usize::from(byte >> 5)];
        let control = first & 8 != 0;
        if !control {
            if !under_way {
                text_at = 0;
            }
            under_way = first & 0x80 == 0;
        }
        let choice = usize::from(byte & 31);
        let payload = match choice {
            0..16 => {
                let mut to = TEXT.len().min(text_at + choice % 8);
                if choice >= 8 {
                    to = TEXT.ceil_char_boundary(to);
                }
                let payload = &TEXT.as_bytes()[text_at..to];
                if !control {
                    text_at = to;
                }
                payload
            }
            _ => OTHERS[choice - 16],
        };
        // A close among the pings, now and then.
        let first = if control && choice > 24 { 0x88 } else { first };
        stream.extend(client_frame(first, payload, key));
    }
    stream
}

fuzz_target!(|data: &[u8]| {
    let Some((&[flags, later, a, b, c, d], rest)) = data.split_first_chunk() else {
        return;
    };
    let setup = Setup {
        limit: LIMITS[usize::from(flags & 7)],
        limit_later: LIMITS[usize::from(later & 7)],
        frames_until_later: usize::from(later >> 3),
        sizes: [a, b, c, d],
    };
    let stream = match flags >> 3 & 3 {
        0 => &from_script(rest, [a, b, c, d]),
        1 => &from_recipe(rest, [a, b, c, d]),
        _ => rest,
    };

    let whole = read(setup, stream, Reads::Whole);
    for reads in [Reads::Bytes, Reads::Sizes, Reads::AsNeeded] {
        assert_eq!(read(setup, stream, reads), whole);
    }

    // What was understood can be said again, and what was wrong can be told.
    for got in &whole.got {
        if let Got::Message { opcode, payload } = got {
            assert!(framed(*opcode, payload).ends_with(payload));
        }
    }
    if let Some(violation) = whole.violation {
        let payload = close_payload(violation.close_code, violation.reason);
        assert!(framed(Opcode::Close, &payload).len() <= 2 + 125);
    }
});
