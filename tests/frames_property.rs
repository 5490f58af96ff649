//! The frame parser against streams that nobody thought of: what a client sends comes out again
//! however it is masked, fragmented and cut into reads, and bytes that are no such stream give
//! what a second, naive reading of RFC 6455 gives.

use bedside::ws::frame::*;
use proptest::{collection::vec, prelude::*, sample::Index};

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

impl Got {
    fn opcode_and_payload(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Text(text) => (1, text.clone().into_bytes()),
            Self::Binary(bytes) => (2, bytes.clone()),
            Self::Close(None) => (8, vec![]),
            Self::Close(Some((code, reason))) => {
                (8, [&code.to_be_bytes(), reason.as_bytes()].concat())
            }
            Self::Ping(bytes) => (9, bytes.clone()),
            Self::Pong(bytes) => (10, bytes.clone()),
        }
    }
}

/// What a stream gave.
#[derive(Debug, PartialEq)]
struct Outcome {
    messages: Vec<Got>,
    /// Bytes that were consumed as frames.
    consumed: usize,
    violation: Option<Violation>,
}

/// How a stream is delivered.
#[derive(Clone, Copy, Debug)]
enum Reads<'a> {
    Whole,
    /// In turn, again and again.
    Of(&'a [usize]),
    /// What the parser asked for, no more.
    AsNeeded,
}

fn read(limit: usize, input: &[u8], reads: Reads<'_>) -> Outcome {
    let mut parser = Parser::new(limit);
    let mut outcome = Outcome {
        messages: Vec::new(),
        consumed: 0,
        violation: None,
    };
    let mut sizes = match reads {
        Reads::Of(sizes) => sizes.iter().cycle(),
        _ => [].iter().cycle(),
    };
    let mut buffer: Vec<u8> = Vec::new();
    let mut at = 0;
    loop {
        let before = buffer.len();
        let needed = match parser.next(&mut buffer) {
            Ok(Parsed::Incomplete { needed }) => {
                assert!(needed > before && needed <= 14 + limit.max(125));
                if before < 256 {
                    assert_eq!(buffer, input[at - before..at], "left as it was");
                }
                needed
            }
            Ok(Parsed::Fragment { consumed }) => {
                assert!(0 < consumed && consumed <= before);
                outcome.consumed += consumed;
                buffer.drain(..consumed);
                continue;
            }
            Ok(Parsed::Message { consumed, message }) => {
                assert!(0 < consumed && consumed <= before);
                match message {
                    Message::Text(text) => assert!(text.len() <= limit),
                    Message::Binary(bytes) => assert!(bytes.len() <= limit),
                    Message::Ping(bytes) | Message::Pong(bytes) => assert!(bytes.len() <= 125),
                    Message::Close(_) => {}
                }
                outcome.messages.push(message.into());
                outcome.consumed += consumed;
                buffer.drain(..consumed);
                continue;
            }
            Err(violation) => {
                assert_eq!(parser.next(&mut []), Err(violation), "again");
                outcome.violation = Some(violation);
                return outcome;
            }
        };
        if at == input.len() {
            assert_eq!(outcome.consumed + buffer.len(), input.len());
            return outcome;
        }
        let size = match reads {
            Reads::Whole => input.len(),
            Reads::Of(_) => *sizes.next().expect("cycles, because it is not empty"),
            Reads::AsNeeded => needed - before,
        };
        let to = input.len().min(at + size);
        buffer.extend_from_slice(&input[at..to]);
        at = to;
    }
}

/// Reads `input` in every way; they have to agree.
fn read_all_ways(limit: usize, input: &[u8], sizes: &[usize]) -> Outcome {
    let whole = read(limit, input, Reads::Whole);
    assert_eq!(read(limit, input, Reads::Of(&[1])), whole, "byte by byte");
    assert_eq!(read(limit, input, Reads::Of(sizes)), whole, "in pieces");
    assert_eq!(read(limit, input, Reads::AsNeeded), whole, "as needed");
    whole
}

/// A frame as a client writes it.
fn frame(first: u8, key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    frame
}

/// What a client sends at once.
#[derive(Clone, Debug)]
enum Unit {
    Control(Got),
    Data {
        message: Got,
        /// Where it is cut into fragments.
        cuts: Vec<Index>,
        /// What comes after the first fragment, after the second and so on.
        between: Vec<Got>,
    },
}

/// The bytes of `units`, and the messages in the order in which they are complete.
fn written(units: &[Unit], keys: &[[u8; 4]]) -> (Vec<u8>, Vec<Got>) {
    let mut keys = keys.iter().copied().cycle();
    let mut bytes = Vec::new();
    let mut messages = Vec::new();
    let mut write = |first: u8, payload: &[u8]| {
        let key = keys.next().expect("cycles, because it is not empty");
        bytes.extend(frame(first, key, payload));
    };
    for unit in units {
        match unit {
            Unit::Control(control) => {
                let (opcode, payload) = control.opcode_and_payload();
                write(0x80 | opcode, &payload);
                messages.push(control.clone());
            }
            Unit::Data {
                message,
                cuts,
                between,
            } => {
                let (opcode, payload) = message.opcode_and_payload();
                let mut ends: Vec<usize> = cuts
                    .iter()
                    .map(|cut| cut.index(payload.len() + 1))
                    .collect();
                ends.sort_unstable();
                let mut from = 0;
                for (i, end) in ends.into_iter().enumerate() {
                    write(if i == 0 { opcode } else { 0 }, &payload[from..end]);
                    from = end;
                    if let Some(control) = between.get(i) {
                        let (opcode, payload) = control.opcode_and_payload();
                        write(0x80 | opcode, &payload);
                        messages.push(control.clone());
                    }
                }
                let first = if cuts.is_empty() { 0x80 | opcode } else { 0x80 };
                write(first, &payload[from..]);
                messages.push(message.clone());
            }
        }
    }
    (bytes, messages)
}

/// Whether bytes are text, or might become text: from the definition of UTF-8, by looking at
/// which characters are still possible.
#[derive(Debug, PartialEq)]
enum Utf8 {
    Valid,
    Open,
    Bad,
}

fn utf8(mut bytes: &[u8]) -> Utf8 {
    while let Some(first) = bytes.first() {
        let (len, bits) = match first {
            0x00..=0x7f => (1, first & 0x7f),
            0xc0..=0xdf => (2, first & 0x1f),
            0xe0..=0xef => (3, first & 0x0f),
            0xf0..=0xf7 => (4, first & 0x07),
            _ => return Utf8::Bad,
        };
        let have = len.min(bytes.len());
        let (mut lowest, mut highest) = (u32::from(bits), u32::from(bits));
        for i in 1..len {
            let (low, high) = match bytes.get(i) {
                Some(byte) if byte & 0xc0 == 0x80 => (byte & 0x3f, byte & 0x3f),
                Some(_) => {
                    // Bad here, whatever the character would have been.
                    return Utf8::Bad;
                }
                None => (0, 0x3f),
            };
            lowest = lowest << 6 | u32::from(low);
            highest = highest << 6 | u32::from(high);
        }
        let possible = (lowest..=highest).any(|scalar| {
            char::from_u32(scalar).is_some_and(|character| character.len_utf8() == len)
        });
        if !possible {
            return Utf8::Bad;
        }
        if have < len {
            return Utf8::Open;
        }
        bytes = &bytes[len..];
    }
    Utf8::Valid
}

/// RFC 6455 once more, with all bytes at hand and no thought of speed: the messages, the bytes
/// of whole frames, and the close code.
fn reference(limit: usize, input: &[u8]) -> (Vec<Got>, usize, Option<u16>) {
    let mut messages = Vec::new();
    let mut started: Option<(u8, Vec<u8>)> = None;
    let mut at = 0;
    loop {
        macro_rules! fail {
            ($code:expr) => {
                return (messages, at, Some($code))
            };
        }
        macro_rules! byte {
            ($i:expr) => {
                match input.get(at + $i) {
                    Some(byte) => usize::from(*byte),
                    None => return (messages, at, None),
                }
            };
        }
        let first = byte!(0);
        let (fin, opcode) = (first >= 128, (first % 16) as u8);
        let control = opcode >= 8;
        if first / 16 % 8 != 0
            || ![0, 1, 2, 8, 9, 10].contains(&opcode)
            || control && !fin
            || !control && (opcode == 0) != started.is_some()
        {
            fail!(1002);
        }
        let second = byte!(1);
        if second < 128 || control && second > 128 + 125 {
            fail!(1002);
        }
        let (length_bytes, least) = match second - 128 {
            126 => (2, 126),
            127 => (8, 65536),
            _ => (0, 0),
        };
        let mut len = if length_bytes == 0 {
            (second - 128) as u128
        } else {
            0
        };
        for i in 0..length_bytes {
            let _ = byte!(1 + length_bytes);
            len = len * 256 + byte!(2 + i) as u128;
        }
        if len < least || len >= 1 << 63 {
            fail!(1002);
        }
        let before = started.as_ref().map_or(0, |(_, bytes)| bytes.len());
        if !control && len + before as u128 > limit as u128 {
            fail!(1009);
        }
        let len = len as usize;
        let key_at = 2 + length_bytes;
        if input.len() - at < key_at + 4 + len {
            return (messages, at, None);
        }
        let payload: Vec<u8> = (0..len)
            .map(|i| input[at + key_at + 4 + i] ^ input[at + key_at + i % 4])
            .collect();

        match opcode {
            9 => messages.push(Got::Ping(payload)),
            10 => messages.push(Got::Pong(payload)),
            8 if payload.is_empty() => messages.push(Got::Close(None)),
            8 => {
                if payload.len() == 1 {
                    fail!(1002);
                }
                let code = u16::from(payload[0]) * 256 + u16::from(payload[1]);
                let defined = [
                    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
                ];
                if !defined.contains(&code) && !(3000..5000).contains(&code) {
                    fail!(1002);
                }
                if utf8(&payload[2..]) != Utf8::Valid {
                    fail!(1007);
                }
                let reason = String::from_utf8_lossy(&payload[2..]).into_owned();
                messages.push(Got::Close(Some((code, reason))));
            }
            _ => {
                let (kind, mut bytes) = started.take().unwrap_or((opcode, vec![]));
                bytes.extend(payload);
                if kind == 1 {
                    match utf8(&bytes) {
                        Utf8::Bad => fail!(1007),
                        Utf8::Open if fin => fail!(1007),
                        _ => {}
                    }
                }
                if !fin {
                    started = Some((kind, bytes));
                } else if kind == 1 {
                    messages.push(Got::Text(String::from_utf8_lossy(&bytes).into_owned()));
                } else {
                    messages.push(Got::Binary(bytes));
                }
            }
        }
        at += key_at + 4 + len;
    }
}

/// Reads `input` in every way and as the reference does.
fn check_against_reference(limit: usize, input: &[u8], sizes: &[usize]) {
    let outcome = read_all_ways(limit, input, sizes);
    let code = outcome.violation.map(|violation| violation.close_code);
    assert_eq!(
        (outcome.messages, outcome.consumed, code),
        reference(limit, input)
    );
}

fn any_text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..24).prop_map(String::from_iter)
}

/// Mostly short, sometimes about as long as makes the length field change.
fn any_data() -> impl Strategy<Value = Got> {
    prop_oneof![
        8 => any_text().prop_map(Got::Text),
        8 => vec(any::<u8>(), 0..40).prop_map(Got::Binary),
        4 => (120_usize..132).prop_map(|len| Got::Text("~".repeat(len))),
        4 => (any::<u8>(), 120_usize..132).prop_map(|(byte, len)| Got::Binary(vec![byte; len])),
        1 => (any::<u8>(), 65_530_usize..65_542).prop_map(|(b, len)| Got::Binary(vec![b; len])),
        1 => (21_840_usize..21_850).prop_map(|len| Got::Text("€".repeat(len))),
    ]
}

fn any_control() -> impl Strategy<Value = Got> {
    let code = prop_oneof![1000_u16..=1003, 1007_u16..=1014, 3000_u16..=4999];
    prop_oneof![
        3 => vec(any::<u8>(), 0..=125).prop_map(Got::Ping),
        3 => vec(any::<u8>(), 0..=125).prop_map(Got::Pong),
        1 => Just(Got::Close(None)),
        1 => (code, any_text()).prop_map(|(code, reason)| Got::Close(Some((code, reason)))),
    ]
}

fn any_unit() -> impl Strategy<Value = Unit> {
    let data = (
        any_data(),
        vec(any::<Index>(), 0..6),
        vec(any_control(), 0..4),
    );
    prop_oneof![
        1 => any_control().prop_map(Unit::Control),
        2 => data.prop_map(|(message, cuts, between)| Unit::Data { message, cuts, between }),
    ]
}

fn any_keys() -> impl Strategy<Value = Vec<[u8; 4]>> {
    vec(any::<[u8; 4]>(), 1..6)
}

fn any_sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(
        prop_oneof![4 => 1_usize..8, 2 => 8_usize..200, 1 => 200_usize..40_000],
        1..8,
    )
}

/// Limits about the size of what the strategies write.
fn any_limit() -> impl Strategy<Value = usize> {
    prop_oneof![
        0_usize..64,
        100_usize..200,
        65_500_usize..65_560,
        Just(1 << 20)
    ]
}

/// The first byte of a frame: most often one that may be right.
fn any_first_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        12 => prop::sample::select(vec![0x00, 0x80, 0x01, 0x81, 0x02, 0x82, 0x88, 0x89, 0x8a]),
        12 => prop::sample::select(vec![0x00, 0x80, 0x01]),
        1 => any::<u8>(),
    ]
}

/// Bytes at the borders of what UTF-8 allows.
fn any_utf8_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => any::<char>().prop_map(|character| character.to_string().into_bytes()),
        1 => prop::sample::select(vec![
            0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
            0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
        ])
        .prop_map(|byte| vec![byte]),
    ];
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whatever the masks, the fragments and the reads, what was sent comes out, in order.
    #[test]
    fn messages_come_back(
        units in vec(any_unit(), 0..8),
        keys in any_keys(),
        sizes in any_sizes(),
    ) {
        let (input, messages) = written(&units, &keys);
        let outcome = read_all_ways(1 << 20, &input, &sizes);
        prop_assert_eq!(outcome.violation, None);
        prop_assert_eq!(outcome.consumed, input.len());
        prop_assert_eq!(outcome.messages, messages);
    }

    /// Under a limit that some messages are over.
    #[test]
    fn limits_are_kept(
        limit in any_limit(),
        units in vec(any_unit(), 0..6),
        keys in any_keys(),
        sizes in any_sizes(),
    ) {
        let (input, _) = written(&units, &keys);
        check_against_reference(limit, &input, &sizes);
    }

    /// No bytes make it panic or consume more than there is.
    #[test]
    fn arbitrary_bytes(
        limit in any_limit(),
        input in vec(any::<u8>(), 0..400),
        sizes in any_sizes(),
    ) {
        check_against_reference(limit, &input, &sizes);
    }

    /// Streams that are all but right: bytes overwritten, the end cut off.
    #[test]
    fn damaged_streams(
        limit in any_limit(),
        units in vec(any_unit(), 1..5),
        keys in any_keys(),
        damage in vec((any::<Index>(), any::<u8>()), 0..4),
        end in any::<Index>(),
        sizes in any_sizes(),
    ) {
        let (mut input, _) = written(&units, &keys);
        for (at, byte) in damage {
            let at = at.index(input.len());
            input[at] = byte;
        }
        input.truncate(input.len() - end.index(input.len()) / 4);
        check_against_reference(limit, &input, &sizes);
    }

    /// Frames with any first byte, in any order, with text that is nearly UTF-8.
    #[test]
    fn disordered_frames(
        limit in any_limit(),
        frames in vec((any_first_byte(), any::<[u8; 4]>(), any_utf8_like()), 0..10),
        sizes in any_sizes(),
    ) {
        let input: Vec<u8> = frames
            .iter()
            .flat_map(|(first, key, payload)| frame(*first, *key, payload))
            .collect();
        check_against_reference(limit, &input, &sizes);
    }

    /// A text in fragments fails or not as its bytes say, in the fragment that shows it.
    #[test]
    fn fragments_of_text(
        pieces in vec(any_utf8_like(), 1..8),
        keys in any_keys(),
        sizes in any_sizes(),
    ) {
        let mut input = Vec::new();
        for (i, (piece, key)) in pieces.iter().zip(keys.iter().cycle()).enumerate() {
            let fin = if i + 1 == pieces.len() { 0x80 } else { 0 };
            input.extend(frame(fin | u8::from(i == 0), *key, piece));
        }
        check_against_reference(1 << 20, &input, &sizes);
    }

    /// The naive decoder of this file and the standard library's agree.
    #[test]
    fn reference_utf8_is_utf8(bytes in any_utf8_like()) {
        let expected = match str::from_utf8(&bytes) {
            Ok(_) => Utf8::Valid,
            Err(e) if e.error_len().is_none() => Utf8::Open,
            Err(_) => Utf8::Bad,
        };
        prop_assert_eq!(utf8(&bytes), expected);
    }

    /// The server's header says its length in the shortest form and has no mask.
    #[test]
    fn headers_hold_their_length(
        opcode in prop::sample::select(vec![Opcode::Continuation, Opcode::Text, Opcode::Binary]),
        len in prop_oneof![0_usize..200, 65_000_usize..66_000, 0_usize..=isize::MAX as usize],
    ) {
        let header = frame_header(opcode, len);
        let (start, length) = header.as_slice().split_at(2);
        prop_assert_eq!(start[0], 0x80 | opcode as u8);
        prop_assert_eq!(start[1] & 0x80, 0);
        let said = length.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        match (start[1], length.len()) {
            (126, 2) => prop_assert!(said == len as u64 && len > 125),
            (127, 8) => prop_assert!(said == len as u64 && len > 65535),
            (short, 0) => prop_assert_eq!(usize::from(short), len),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// What the server writes as a close frame is one that a strict reader takes.
    #[test]
    fn close_payloads_are_taken(
        code in 3000_u16..5000,
        reason in vec(any::<char>(), 0..80).prop_map(String::from_iter),
        key in any::<[u8; 4]>(),
    ) {
        let payload = close_payload(code, &reason);
        prop_assert!(payload.len() <= 125);
        prop_assert!(payload.len() == 2 + reason.len() || payload.len() > 121);
        let mut input = frame(0x88, key, &payload);
        match Parser::new(0).next(&mut input) {
            Ok(Parsed::Message { message: Message::Close(Some(close)), .. }) => {
                prop_assert_eq!(close.code, code);
                prop_assert!(reason.starts_with(close.reason));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
