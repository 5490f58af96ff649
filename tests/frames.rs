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

/// RFC 6455, section 5.7, verbatim.
mod golden {
    use super::*;

    const UNMASKED_TEXT: [u8; 7] = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    const MASKED_TEXT: [u8; 11] = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    const FIRST_FRAGMENT: [u8; 5] = [0x01, 0x03, 0x48, 0x65, 0x6c];
    const LAST_FRAGMENT: [u8; 4] = [0x80, 0x02, 0x6c, 0x6f];
    const UNMASKED_PING: [u8; 7] = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    const MASKED_PONG: [u8; 11] = [
        0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    const HEADER_OF_256: [u8; 4] = [0x82, 0x7e, 0x01, 0x00];
    const HEADER_OF_64K: [u8; 10] = [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];

    /// The same frame from a client whose masking key is 0.
    fn from_client(frame: &[u8], header_len: usize) -> Vec<u8> {
        let (header, payload) = frame.split_at(header_len);
        let mut frame = [header, &[0; 4], payload].concat();
        frame[1] |= 0x80;
        frame
    }

    cases! {
        masked_text: [MASKED_TEXT] => [got_text("Hello")];
        masked_pong: [MASKED_PONG] => [got_pong("Hello")];
        unmasked_text_is_refused: [UNMASKED_TEXT] => [], fails(1002, 2);
        unmasked_first_fragment_is_refused: [FIRST_FRAGMENT, LAST_FRAGMENT] => [], fails(1002, 2);
        unmasked_last_fragment_is_refused:
            [from_client(&FIRST_FRAGMENT, 2), LAST_FRAGMENT] => [], fails(1002, 11);
        unmasked_ping_is_refused: [UNMASKED_PING] => [], fails(1002, 2);
        unmasked_256_bytes_are_refused: [HEADER_OF_256, fes(256)] => [], fails(1002, 2);
        unmasked_64k_bytes_are_refused: [HEADER_OF_64K, fes(65536)] => [], fails(1002, 2);
        fragments_with_a_mask_of_zeros:
            [from_client(&FIRST_FRAGMENT, 2), from_client(&LAST_FRAGMENT, 2)]
            => [got_text("Hello")];
        ping_with_a_mask_of_zeros: [from_client(&UNMASKED_PING, 2)] => [got_ping("Hello")];
        of_256_bytes_with_a_mask_of_zeros:
            [from_client(&HEADER_OF_256, 4), fes(256)] => [got_binary(fes(256))];
        of_64k_bytes_with_a_mask_of_zeros:
            [from_client(&HEADER_OF_64K, 10), fes(65536)] => [got_binary(fes(65536))];
    }

    #[test]
    fn text_is_encoded() {
        assert_eq!(framed(Opcode::Text, b"Hello"), UNMASKED_TEXT);
    }

    #[test]
    fn ping_is_encoded() {
        assert_eq!(framed(Opcode::Ping, b"Hello"), UNMASKED_PING);
    }

    #[test]
    fn last_fragment_is_encoded() {
        assert_eq!(framed(Opcode::Continuation, b"lo"), LAST_FRAGMENT);
    }

    #[test]
    fn of_256_bytes_is_encoded() {
        let frame = framed(Opcode::Binary, &fes(256));
        assert_eq!(frame, [&HEADER_OF_256[..], &fes(256)].concat());
    }

    #[test]
    fn of_64k_bytes_is_encoded() {
        let frame = framed(Opcode::Binary, &fes(65536));
        assert_eq!(frame, [&HEADER_OF_64K[..], &fes(65536)].concat());
    }
}

/// Autobahn 1: whole messages of the sizes at which the length field changes.
mod framing {
    use super::*;

    cases! {
        nothing: [[0; 0]] => [];
        text_of_0: [text("")] => [got_text("")];
        text_of_1: [text("*")] => [got_text("*")];
        text_of_124: [text(stars(124))] => [got_text(&stars(124))];
        text_of_125: [text(stars(125))] => [got_text(&stars(125))];
        text_of_126: [text(stars(126))] => [got_text(&stars(126))];
        text_of_127: [text(stars(127))] => [got_text(&stars(127))];
        text_of_128: [text(stars(128))] => [got_text(&stars(128))];
        text_of_65535: [text(stars(65535))] => [got_text(&stars(65535))];
        text_of_65536: [text(stars(65536))] => [got_text(&stars(65536))];
        binary_of_0: [binary("")] => [got_binary("")];
        binary_of_1: [binary([0])] => [got_binary([0])];
        binary_of_124: [binary(fes(124))] => [got_binary(fes(124))];
        binary_of_125: [binary(fes(125))] => [got_binary(fes(125))];
        binary_of_126: [binary(fes(126))] => [got_binary(fes(126))];
        binary_of_127: [binary(fes(127))] => [got_binary(fes(127))];
        binary_of_128: [binary(fes(128))] => [got_binary(fes(128))];
        binary_of_65535: [binary(fes(65535))] => [got_binary(fes(65535))];
        binary_of_65536: [binary(fes(65536))] => [got_binary(fes(65536))];
        one_message_after_the_other:
            [text("a"), binary("b"), text(""), binary(""), text("c")]
            => [got_text("a"), got_binary("b"), got_text(""), got_binary(""), got_text("c")];

        cut_after_a_byte: [[FIN | TEXT]] => [], End::Needs(2);
        cut_in_a_16_bit_length: [[FIN | TEXT, FIN | 126, 0]] => [], End::Needs(4);
        cut_in_a_64_bit_length: [[FIN | TEXT, FIN | 127, 0, 0]] => [], End::Needs(10);
        cut_before_the_key: [[FIN | TEXT, FIN | 5]] => [], End::Needs(11);
        cut_in_the_key: [[FIN | TEXT, FIN | 5, 1, 2, 3]] => [], End::Needs(11);
        cut_before_the_payload: [&text("Hello")[..6]] => [], End::Needs(11);
        cut_in_the_payload: [&text("Hello")[..10]] => [], End::Needs(11);
        cut_in_the_second_frame:
            [ping("x"), &text(stars(300))[..299]] => [got_ping("x")], End::Needs(308);
        cut_in_a_big_frame:
            [&binary(fes(65536))[..20]] => [], End::Needs(14 + 65536);

        without_a_mask: [[FIN | BINARY, 0]] => [], fails(1002, 2);
        without_a_mask_and_long: [[FIN | BINARY, 127]] => [], fails(1002, 2);
        control_without_a_mask: [[FIN | PONG, 0]] => [], fails(1002, 2);
        second_frame_without_a_mask:
            [text("a"), [FIN | TEXT, 1, b'b']] => [got_text("a")], fails(1002, 9);

        length_0_in_16_bits: [[FIN | TEXT, FIN | 126, 0, 0]] => [], fails(1002, 4);
        length_125_in_16_bits: [[FIN | TEXT, FIN | 126, 0, 125]] => [], fails(1002, 4);
        length_126_in_16_bits:
            [[FIN | BINARY, FIN | 126, 0, 126], [0; 4], fes(126)] => [got_binary(fes(126))];
        length_0_in_64_bits:
            [[FIN | TEXT, FIN | 127, 0, 0, 0, 0, 0, 0, 0, 0]] => [], fails(1002, 10);
        length_125_in_64_bits:
            [[FIN | TEXT, FIN | 127, 0, 0, 0, 0, 0, 0, 0, 125]] => [], fails(1002, 10);
        length_126_in_64_bits:
            [[FIN | TEXT, FIN | 127, 0, 0, 0, 0, 0, 0, 0, 126]] => [], fails(1002, 10);
        length_65535_in_64_bits:
            [[FIN | TEXT, FIN | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]] => [], fails(1002, 10);
        length_65536_in_64_bits:
            [[FIN | BINARY, FIN | 127, 0, 0, 0, 0, 0, 1, 0, 0], [0; 4], fes(65536)]
            => [got_binary(fes(65536))];
        length_with_only_the_top_bit:
            [[FIN | TEXT, FIN | 127, 0x80, 0, 0, 0, 0, 0, 0, 0]] => [], fails(1002, 10);
        length_with_all_bits:
            [[FIN | TEXT, FIN | 127, 255, 255, 255, 255, 255, 255, 255, 255]]
            => [], fails(1002, 10);
    }
}

/// Autobahn 2.
mod pings {
    use super::*;

    cases! {
        empty_ping: [ping("")] => [got_ping("")];
        ping_with_text: [ping("Hello, world!")] => [got_ping("Hello, world!")];
        ping_with_bytes_that_are_not_text:
            [ping([0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff])]
            => [got_ping([0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff])];
        ping_of_125: [ping(fes(125))] => [got_ping(fes(125))];
        ping_of_126: [ping(fes(126))] => [], fails(1002, 2);
        ping_of_65536: [ping(fes(65536))] => [], fails(1002, 2);
        empty_pong: [pong("")] => [got_pong("")];
        pong_with_text: [pong("unsolicited")] => [got_pong("unsolicited")];
        pong_of_125: [pong(fes(125))] => [got_pong(fes(125))];
        pong_of_126: [pong(fes(126))] => [], fails(1002, 2);
        pong_of_65536: [pong(fes(65536))] => [], fails(1002, 2);
        pong_then_ping: [pong("a"), ping("b")] => [got_pong("a"), got_ping("b")];
        ten_pings:
            [(0..10).flat_map(|n| ping([n])).collect::<Vec<_>>()]
            => [
                got_ping([0]), got_ping([1]), got_ping([2]), got_ping([3]), got_ping([4]),
                got_ping([5]), got_ping([6]), got_ping([7]), got_ping([8]), got_ping([9]),
            ];
        ping_before_and_after_text:
            [ping("1"), text("2"), ping("3")] => [got_ping("1"), got_text("2"), got_ping("3")];
        ping_over_the_message_limit within 3: [ping("four")] => [got_ping("four")];
    }
}

/// Autobahn 3: no extension is negotiated.
mod reserved_bits {
    use super::*;

    cases! {
        rsv_1_on_text: [frame(FIN | 0x40 | TEXT, "x")] => [], fails(1002, 1);
        rsv_2_on_text: [frame(FIN | 0x20 | TEXT, "x")] => [], fails(1002, 1);
        rsv_3_on_text: [frame(FIN | 0x10 | TEXT, "x")] => [], fails(1002, 1);
        rsv_1_2_on_text: [frame(FIN | 0x60 | TEXT, "x")] => [], fails(1002, 1);
        rsv_1_3_on_binary: [frame(FIN | 0x50 | BINARY, "x")] => [], fails(1002, 1);
        rsv_2_3_on_ping: [frame(FIN | 0x30 | PING, "x")] => [], fails(1002, 1);
        rsv_1_2_3_on_close: [frame(FIN | 0x70 | CLOSE, "")] => [], fails(1002, 1);
        rsv_1_on_pong: [frame(FIN | 0x40 | PONG, "")] => [], fails(1002, 1);
        rsv_1_on_a_first_fragment: [frame(0x40 | TEXT, "x")] => [], fails(1002, 1);
        rsv_1_on_a_continuation:
            [text_start("x"), frame(FIN | 0x40 | CONTINUATION, "x")] => [], fails(1002, 8);
        rsv_3_after_a_good_message:
            [text("x"), frame(FIN | 0x10 | TEXT, "x")] => [got_text("x")], fails(1002, 8);
    }
}

/// Autobahn 4.
mod reserved_opcodes {
    use super::*;

    cases! {
        opcode_3: [frame(FIN | 3, "")] => [], fails(1002, 1);
        opcode_4: [frame(FIN | 4, "reserved")] => [], fails(1002, 1);
        opcode_5: [text("x"), frame(FIN | 5, "")] => [got_text("x")], fails(1002, 8);
        opcode_6: [text("x"), frame(FIN | 6, "y"), ping("")] => [got_text("x")], fails(1002, 8);
        opcode_7: [frame(FIN | 7, "reserved")] => [], fails(1002, 1);
        opcode_11: [frame(FIN | 11, "")] => [], fails(1002, 1);
        opcode_12: [frame(FIN | 12, "reserved")] => [], fails(1002, 1);
        opcode_13: [text("x"), frame(FIN | 13, "")] => [got_text("x")], fails(1002, 8);
        opcode_14: [text("x"), frame(FIN | 14, "y"), ping("")] => [got_text("x")], fails(1002, 8);
        opcode_15: [frame(FIN | 15, "reserved")] => [], fails(1002, 1);
        opcode_3_without_fin: [frame(3, "")] => [], fails(1002, 1);
        opcode_11_without_fin: [frame(11, "")] => [], fails(1002, 1);
        opcode_3_within_fragments: [text_start("x"), frame(3, "")] => [], fails(1002, 8);
    }
}

/// Autobahn 5.
mod fragmentation {
    use super::*;

    cases! {
        ping_in_fragments: [frame(PING, "a"), last("b")] => [], fails(1002, 1);
        pong_in_fragments: [frame(PONG, "a"), last("b")] => [], fails(1002, 1);
        close_in_fragments: [frame(CLOSE, ""), last("")] => [], fails(1002, 1);
        ping_in_fragments_within_text:
            [text_start("a"), frame(PING, "b")] => [], fails(1002, 8);
        text_in_two: [text_start("Hel"), last("lo")] => [got_text("Hello")];
        text_in_three:
            [text_start("a"), more("b"), last("c")] => [got_text("abc")];
        binary_in_two: [binary_start([0xff]), last([0xfe])] => [got_binary([0xff, 0xfe])];
        binary_in_three:
            [binary_start([1]), more([2]), last([3])] => [got_binary([1, 2, 3])];
        binary_in_fragments_is_not_checked_for_utf8:
            [binary_start([0xc0]), more([0x80]), last([0xff])] => [got_binary([0xc0, 0x80, 0xff])];
        big_text_in_two:
            [text_start(stars(60000)), last(stars(60000))] => [got_text(&stars(120_000))];
        a_hundred_single_bytes:
            [
                text_start("*"),
                (1..99).flat_map(|_| more("*")).collect::<Vec<_>>(),
                last("*"),
            ]
            => [got_text(&stars(100))];
        empty_fragments_only:
            [text_start(""), more(""), more(""), last("")] => [got_text("")];
        empty_binary_fragments_only: [binary_start(""), last("")] => [got_binary("")];
        empty_at_both_ends:
            [text_start(""), more("middle"), last("")] => [got_text("middle")];
        empty_in_the_middle:
            [text_start("a"), more(""), last("b")] => [got_text("ab")];

        ping_between:
            [text_start("a"), ping("p"), last("b")] => [got_ping("p"), got_text("ab")];
        pings_and_pongs_between:
            [text_start("a"), ping("1"), more("b"), pong("2"), ping("3"), last("c")]
            => [got_ping("1"), got_pong("2"), got_ping("3"), got_text("abc")];
        ping_between_before_any_content:
            [binary_start(""), ping(""), last([1])] => [got_ping(""), got_binary([1])];
        close_between:
            [text_start("a"), close_with(1001, "bye")] => [got_close(1001, "bye")];

        continuation_first: [last("x")] => [], fails(1002, 1);
        continuation_first_without_fin: [more("x")] => [], fails(1002, 1);
        continuation_first_and_empty: [last("")] => [], fails(1002, 1);
        continuation_after_a_whole_text:
            [text("a"), last("b")] => [got_text("a")], fails(1002, 8);
        continuation_after_a_fragmented_text:
            [text_start("a"), last("b"), last("c")] => [got_text("ab")], fails(1002, 15);
        continuation_without_fin_after_a_fragmented_text:
            [text_start("a"), last("b"), more("c")] => [got_text("ab")], fails(1002, 15);
        continuation_after_a_ping: [ping("a"), more("b")] => [got_ping("a")], fails(1002, 8);

        text_within_text: [text_start("a"), text("b")] => [], fails(1002, 8);
        first_fragment_within_text: [text_start("a"), text_start("b")] => [], fails(1002, 8);
        binary_within_text: [text_start("a"), binary("b")] => [], fails(1002, 8);
        text_within_binary: [binary_start("a"), text("b")] => [], fails(1002, 8);
        binary_within_an_empty_start: [binary_start(""), binary("")] => [], fails(1002, 7);
        text_within_text_after_a_ping:
            [text_start("a"), ping(""), text("b")] => [got_ping("")], fails(1002, 14);

        fragmented_messages_one_after_the_other:
            [
                text_start("a"), last("b"),
                binary_start("c"), last("d"),
                text("e"),
                text_start("f"), ping(""), last("g"),
            ]
            => [
                got_text("ab"), got_binary("cd"), got_text("e"), got_ping(""), got_text("fg"),
            ];
        never_finished: [text_start("a"), more("b")] => [];
    }

    #[test]
    fn each_key_is_its_own() {
        let mut input = vec![0x01, 0x83, 1, 2, 3, 4, b'H' ^ 1, b'e' ^ 2, b'l' ^ 3];
        input.extend([0x80, 0x82, 9, 8, 7, 6, b'l' ^ 9, b'o' ^ 8]);
        check_within(LIMIT, &input, &[got_text("Hello")], End::Clean);
    }

    #[test]
    fn fragments_say_what_they_consumed() {
        let mut parser = Parser::new(LIMIT);
        let mut input = [text_start("abc"), last("d")].concat();
        assert_eq!(
            parser.next(&mut input),
            Ok(Parsed::Fragment { consumed: 9 })
        );
        assert_eq!(
            parser.next(&mut input[9..]),
            Ok(Parsed::Message {
                consumed: 7,
                message: Message::Text("abcd")
            })
        );
    }
}

/// Autobahn 6, and the sequences of Markus Kuhn's decoder test.
mod utf8 {
    use super::*;

    /// What is known about a sequence of bytes.
    #[derive(Clone, Copy)]
    enum Is {
        Valid,
        /// So many bytes show that no text goes like this.
        BadAfter(usize),
        /// The start of a text that is not all there.
        Truncated,
    }

    const GREETING: &str = "Hello-µ@ßöäüàá-UTF-8!!";

    fn check(bytes: &[u8], is: Is) {
        check_alone(bytes, is);
        let shifted = match is {
            Is::BadAfter(n) => Is::BadAfter(GREETING.len() + n),
            is => is,
        };
        check_alone(&[GREETING.as_bytes(), bytes].concat(), shifted);

        // A reason for closing is text as well.
        let input = close_with(1000, bytes);
        match is {
            Is::Valid => {
                let reason = str::from_utf8(bytes).expect("valid, says the table");
                check_within(LIMIT, &input, &[got_close(1000, reason)], End::Clean);
            }
            _ => check_within(LIMIT, &input, &[], fails(1007, input.len())),
        }
    }

    fn check_alone(bytes: &[u8], is: Is) {
        let whole: &[Got] = &match is {
            Is::Valid => vec![got_text(
                str::from_utf8(bytes).expect("valid, says the table"),
            )],
            _ => vec![],
        };

        // In one frame.
        let input = text(bytes);
        match is {
            Is::Valid => check_within(LIMIT, &input, whole, End::Clean),
            _ => check_within(LIMIT, &input, &[], fails(1007, input.len())),
        }

        // In two, cut at every byte.
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            let input = [text_start(head), ping("between"), last(tail)].concat();
            let after_ping = [&[got_ping("between")], whole].concat();
            match is {
                Is::Valid => check_within(LIMIT, &input, &after_ping, End::Clean),
                Is::BadAfter(n) if at >= n => {
                    check_within(LIMIT, &input, &[], fails(1007, text_start(head).len()));
                }
                _ => check_within(LIMIT, &input, &after_ping, fails(1007, input.len())),
            }
        }

        // Every byte in its own, then an empty end: bad bytes fail at once.
        let mut input = text_start("");
        let start = input.len();
        input.extend(bytes.iter().flat_map(|byte| more([*byte])));
        let piece = more([0]).len();
        input.extend(last(""));
        match is {
            Is::Valid => check_within(LIMIT, &input, whole, End::Clean),
            Is::BadAfter(n) => check_within(LIMIT, &input, &[], fails(1007, start + n * piece)),
            Is::Truncated => check_within(LIMIT, &input, &[], fails(1007, input.len())),
        }
    }

    macro_rules! sequences {
        ($($name:ident: $bytes:expr => $is:expr;)*) => {$(
            #[test]
            fn $name() {
                check(&$bytes[..], $is);
            }
        )*};
    }

    use Is::{BadAfter, Truncated, Valid};

    sequences! {
        valid_empty: b"" => Valid;
        valid_ascii: b"Hello" => Valid;
        valid_nul: b"\x00" => Valid;
        valid_kosme: b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5" => Valid;
        valid_mixed: "aµ€😀".as_bytes() => Valid;
        valid_first_of_2: b"\xc2\x80" => Valid;
        valid_first_of_3: b"\xe0\xa0\x80" => Valid;
        valid_first_of_4: b"\xf0\x90\x80\x80" => Valid;
        valid_last_of_1: b"\x7f" => Valid;
        valid_last_of_2: b"\xdf\xbf" => Valid;
        valid_last_of_3: b"\xef\xbf\xbf" => Valid;
        valid_last_of_4: b"\xf4\x8f\xbf\xbf" => Valid;
        valid_before_surrogates: b"\xed\x9f\xbf" => Valid;
        valid_after_surrogates: b"\xee\x80\x80" => Valid;
        valid_replacement: b"\xef\xbf\xbd" => Valid;
        valid_byte_order_mark: b"\xef\xbb\xbf" => Valid;
        valid_noncharacter_fffe: b"\xef\xbf\xbe" => Valid;
        valid_noncharacter_1fffe: b"\xf0\x9f\xbf\xbe" => Valid;
        valid_noncharacter_10fffe: b"\xf4\x8f\xbf\xbe" => Valid;
        valid_last_noncharacter_of_plane_3: b"\xf0\xbf\xbf\xbf" => Valid;

        lone_continuation_first: b"\x80" => BadAfter(1);
        lone_continuation_last: b"\xbf" => BadAfter(1);
        lone_continuations: b"\x80\xbf\x80\xbf\x80\xbf" => BadAfter(1);
        continuation_after_ascii: b"a\x80" => BadAfter(2);
        continuation_too_many: b"\xc2\x80\x80" => BadAfter(3);
        continuation_too_many_after_4: b"\xf0\x90\x80\x80\x80" => BadAfter(5);

        start_c0_and_space: b"\xc0 " => BadAfter(1);
        start_c2_and_space: b"\xc2 " => BadAfter(2);
        start_df_and_space: b"\xdf " => BadAfter(2);
        start_e0_and_space: b"\xe0 " => BadAfter(2);
        start_ef_and_space: b"\xef " => BadAfter(2);
        start_f0_and_space: b"\xf0 " => BadAfter(2);
        start_f4_and_space: b"\xf4 " => BadAfter(2);
        start_twice: b"\xc2\xc2\x80" => BadAfter(2);
        two_of_3_and_space: b"\xe1\x80 " => BadAfter(3);
        two_of_4_and_space: b"\xf1\x80 " => BadAfter(3);
        three_of_4_and_space: b"\xf1\x80\x80 " => BadAfter(4);
        three_of_4_and_a_start: b"\xf1\x80\x80\xc2" => BadAfter(4);

        impossible_f5: b"\xf5\x80\x80\x80" => BadAfter(1);
        impossible_f7: b"\xf7\xbf\xbf\xbf" => BadAfter(1);
        impossible_f8_of_5: b"\xf8\x88\x80\x80\x80" => BadAfter(1);
        impossible_fb_of_5: b"\xfb\xbf\xbf\xbf\xbf" => BadAfter(1);
        impossible_fc_of_6: b"\xfc\x84\x80\x80\x80\x80" => BadAfter(1);
        impossible_fd_of_6: b"\xfd\xbf\xbf\xbf\xbf\xbf" => BadAfter(1);
        impossible_fe: b"\xfe" => BadAfter(1);
        impossible_ff: b"\xff" => BadAfter(1);
        impossible_fe_fe_ff_ff: b"\xfe\xfe\xff\xff" => BadAfter(1);

        overlong_slash_of_2: b"\xc0\xaf" => BadAfter(1);
        overlong_slash_of_3: b"\xe0\x80\xaf" => BadAfter(2);
        overlong_slash_of_4: b"\xf0\x80\x80\xaf" => BadAfter(2);
        overlong_slash_of_5: b"\xf8\x80\x80\x80\xaf" => BadAfter(1);
        overlong_slash_of_6: b"\xfc\x80\x80\x80\x80\xaf" => BadAfter(1);
        overlong_last_of_2: b"\xc1\xbf" => BadAfter(1);
        overlong_last_of_3: b"\xe0\x9f\xbf" => BadAfter(2);
        overlong_last_of_4: b"\xf0\x8f\xbf\xbf" => BadAfter(2);
        overlong_nul_of_2: b"\xc0\x80" => BadAfter(1);
        overlong_nul_of_3: b"\xe0\x80\x80" => BadAfter(2);
        overlong_nul_of_4: b"\xf0\x80\x80\x80" => BadAfter(2);

        surrogate_d800: b"\xed\xa0\x80" => BadAfter(2);
        surrogate_db7f: b"\xed\xad\xbf" => BadAfter(2);
        surrogate_db80: b"\xed\xae\x80" => BadAfter(2);
        surrogate_dbff: b"\xed\xaf\xbf" => BadAfter(2);
        surrogate_dc00: b"\xed\xb0\x80" => BadAfter(2);
        surrogate_df80: b"\xed\xbe\x80" => BadAfter(2);
        surrogate_dfff: b"\xed\xbf\xbf" => BadAfter(2);
        surrogate_pair: b"\xed\xa0\x80\xed\xb0\x80" => BadAfter(2);

        above_10ffff: b"\xf4\x90\x80\x80" => BadAfter(2);
        above_10ffff_within_text:
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited" => BadAfter(13);
        surrogate_within_text:
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited" => BadAfter(13);

        truncated_1_of_2: b"\xc2" => Truncated;
        truncated_1_of_3: b"\xe0" => Truncated;
        truncated_2_of_3: b"\xe0\xa0" => Truncated;
        truncated_2_of_3_last: b"\xef\xbf" => Truncated;
        truncated_1_of_4: b"\xf0" => Truncated;
        truncated_2_of_4: b"\xf0\x90" => Truncated;
        truncated_3_of_4: b"\xf0\x90\x80" => Truncated;
        truncated_3_of_4_last: b"\xf4\x8f\xbf" => Truncated;
        truncated_after_text: b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce" => Truncated;
    }

    cases! {
        bad_piece_fails_before_the_next:
            [text_start(b"ok\xff"), last("never read")] => [], fails(1007, 9);
        ping_does_not_hide_an_open_character:
            [text_start(b"\xe2\x82"), ping(b"\xac"), last(b"\xac")]
            => [got_ping(b"\xac"), got_text("€")];
        open_character_does_not_leak_into_the_next_message:
            [text_start("€"), last(b"\xe2\x82\xac"), text_start("a"), more("b"), last("")]
            => [got_text("€€"), got_text("ab")];
        open_character_that_the_last_fragment_ends:
            [text_start(b"\xe2\x82"), last(b"\xac"), text_start("a"), more("b"), last("")]
            => [got_text("€"), got_text("ab")];
        open_character_across_empty_fragments:
            [text_start(b"\xf0"), more(""), more(b"\x9f"), more(""), more(b"\x98\x80"), last("")]
            => [got_text("😀")];
    }
}

/// Autobahn 7.
mod closing {
    use super::*;

    cases! {
        without_payload: [close("")] => [Got::Close(None)];
        with_one_byte: [close([0x03])] => [], fails(1002, 7);
        with_a_code: [close_with(1000, "")] => [got_close(1000, "")];
        with_a_code_and_reason:
            [close_with(1000, "Hello World!")] => [got_close(1000, "Hello World!")];
        with_the_longest_reason:
            [close_with(1000, stars(123))] => [got_close(1000, &stars(123))];
        with_a_reason_too_long: [close_with(1000, stars(124))] => [], fails(1002, 2);
        with_a_reason_that_is_not_utf8:
            [close_with(1000, b"\xce\xba\xe1\xbd\xb9\xcf\xed\xa0\x80")] => [], fails(1007, 17);
        with_a_reason_cut_in_a_character:
            [close_with(1000, b"\xe2\x82")] => [], fails(1007, 10);
        with_a_bad_code_and_a_bad_reason: [close_with(1005, b"\xff")] => [], fails(1002, 9);
        over_the_message_limit within 0: [close_with(1000, "bye")] => [got_close(1000, "bye")];
        twice: [close(""), close("")] => [Got::Close(None), Got::Close(None)];
        within_fragments_without_payload:
            [text_start("a"), close("")] => [Got::Close(None)];
        before_a_ping_leaves_the_rest_to_the_caller:
            [close_with(1000, ""), ping("")] => [got_close(1000, ""), got_ping("")];
    }

    macro_rules! codes {
        ($($name:ident: $code:literal => $valid:literal;)*) => {$(
            #[test]
            fn $name() {
                assert_eq!(close_code_is_valid_on_wire($code), $valid);
                for reason in ["", "a reason"] {
                    let input = close_with($code, reason);
                    if $valid {
                        check_within(LIMIT, &input, &[got_close($code, reason)], End::Clean);
                    } else {
                        check_within(LIMIT, &input, &[], fails(1002, input.len()));
                    }
                }
            }
        )*};
    }

    codes! {
        code_0: 0 => false;
        code_999: 999 => false;
        code_1000: 1000 => true;
        code_1001: 1001 => true;
        code_1002: 1002 => true;
        code_1003: 1003 => true;
        code_1004: 1004 => false;
        code_1005: 1005 => false;
        code_1006: 1006 => false;
        code_1007: 1007 => true;
        code_1008: 1008 => true;
        code_1009: 1009 => true;
        code_1010: 1010 => true;
        code_1011: 1011 => true;
        code_1012: 1012 => true;
        code_1013: 1013 => true;
        code_1014: 1014 => true;
        code_1015: 1015 => false;
        code_1016: 1016 => false;
        code_1100: 1100 => false;
        code_2000: 2000 => false;
        code_2999: 2999 => false;
        code_3000: 3000 => true;
        code_3999: 3999 => true;
        code_4000: 4000 => true;
        code_4999: 4999 => true;
        code_5000: 5000 => false;
        code_65535: 65535 => false;
    }

    #[test]
    fn codes_are_4_ranges() {
        let valid = (0..=u16::MAX).filter(|code| close_code_is_valid_on_wire(*code));
        let expected = (1000..=1003).chain(1007..=1014).chain(3000..=4999);
        assert!(valid.eq(expected));
    }

    #[test]
    fn payload_is_code_and_reason() {
        assert_eq!(close_payload(1000, ""), [0x03, 0xe8]);
        assert_eq!(close_payload(4401, "no"), [0x11, 0x31, b'n', b'o']);
    }

    #[test]
    fn payload_keeps_a_reason_of_123_bytes() {
        let payload = close_payload(1000, &stars(123));
        assert_eq!(payload.len(), 125);
        assert_eq!(payload, close_payload(1000, &stars(124)));
    }

    #[test]
    fn payload_cuts_between_characters() {
        for pad in 0..8 {
            for character in ["µ", "€", "😀"] {
                let reason = stars(pad) + &character.repeat(80);
                let payload = close_payload(1000, &reason);
                assert!(payload.len() <= 125);
                assert!(payload.len() > 125 - character.len());
                let kept = str::from_utf8(&payload[2..]).expect("cut between characters");
                assert!(reason.starts_with(kept));
                check_within(
                    LIMIT,
                    &close(&payload),
                    &[got_close(1000, kept)],
                    End::Clean,
                );
            }
        }
    }
}

/// Autobahn 9 and 10, and what the limit means.
mod limits {
    use super::*;

    cases! {
        text_at_the_limit within 5: [text("Hello")] => [got_text("Hello")];
        text_over_the_limit within 4: [text("Hello")] => [], fails(1009, 2);
        binary_at_the_limit within 5: [binary("Hello")] => [got_binary("Hello")];
        binary_over_the_limit within 4: [binary("Hello")] => [], fails(1009, 2);
        empty_text_within_no_limit_at_all within 0: [text("")] => [got_text("")];
        a_byte_over_no_limit_at_all within 0: [text("x")] => [], fails(1009, 2);
        only_the_header_is_needed within 4: [[FIN | TEXT, FIN | 5]] => [], fails(1009, 2);
        a_16_bit_length_at_the_limit within 8192:
            [text(stars(8192))] => [got_text(&stars(8192))];
        a_16_bit_length_over_the_limit within 8192:
            [[FIN | TEXT, FIN | 126, 0x20, 0x01]] => [], fails(1009, 4);
        a_64_bit_length_at_the_limit within 131_072:
            [binary(fes(131_072))] => [got_binary(fes(131_072))];
        a_64_bit_length_over_the_limit within 131_072:
            [[FIN | BINARY, FIN | 127, 0, 0, 0, 0, 0, 2, 0, 1]] => [], fails(1009, 10);
        a_length_of_4_gib:
            [[FIN | BINARY, FIN | 127, 0, 0, 0, 1, 0, 0, 0, 0]] => [], fails(1009, 10);
        the_greatest_length:
            [[FIN | BINARY, FIN | 127, 0x7f, 255, 255, 255, 255, 255, 255, 255]]
            => [], fails(1009, 10);
        a_length_not_minimal_and_over_the_limit within 4:
            [[FIN | TEXT, FIN | 126, 0, 5]] => [], fails(1002, 4);
        bad_text_over_the_limit_is_not_read within 1: [text(b"\xff\xff")] => [], fails(1009, 2);

        fragments_at_the_limit within 6:
            [text_start("ab"), more("cd"), last("ef")] => [got_text("abcdef")];
        last_fragment_over_the_limit within 5:
            [text_start("ab"), more("cd"), last("ef")] => [], fails(1009, 18);
        middle_fragment_over_the_limit within 3:
            [text_start("ab"), more("cd"), last("ef")] => [], fails(1009, 10);
        first_fragment_over_the_limit within 1:
            [text_start("ab"), last("")] => [], fails(1009, 2);
        empty_fragments_at_the_limit within 2:
            [text_start("ab"), more(""), more(""), last("")] => [got_text("ab")];
        ping_within_fragments_does_not_count within 2:
            [text_start("a"), ping("12345"), last("b")] => [got_ping("12345"), got_text("ab")];
        the_sum_starts_again_with_each_message within 3:
            [text_start("ab"), last("c"), text_start("de"), last("f"), text("ghi")]
            => [got_text("abc"), got_text("def"), got_text("ghi")];
        sum_that_would_overflow within 1000:
            [
                binary_start(fes(1000)),
                [CONTINUATION, FIN | 127, 0x7f, 255, 255, 255, 255, 255, 255, 255],
            ]
            => [], fails(1009, 1018);
    }

    #[test]
    fn parser_is_small() {
        assert!(size_of::<Parser>() <= 64);
    }

    #[test]
    fn no_limit_does_not_overflow() {
        let mut parser = Parser::new(usize::MAX);
        let mut header = [0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255];
        match parser.next(&mut header) {
            Ok(Parsed::Incomplete { needed }) => assert_eq!(needed as u64, (u64::MAX >> 1) + 14),
            Err(violation) => assert_eq!(violation.close_code, 1009),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn limit_can_be_raised() {
        let mut parser = Parser::new(3);
        let mut hello = text("Hello");
        assert!(parser.next(&mut text("abc")).is_ok());
        parser.set_message_bytes_max(5);
        assert_eq!(
            parser.next(&mut hello),
            Ok(Parsed::Message {
                consumed: 11,
                message: Message::Text("Hello")
            })
        );
    }

    #[test]
    fn limit_can_be_raised_within_a_message() {
        let mut parser = Parser::new(3);
        assert!(parser.next(&mut text_start("abc")).is_ok());
        parser.set_message_bytes_max(5);
        assert_eq!(
            parser.next(&mut last("de")),
            Ok(Parsed::Message {
                consumed: 8,
                message: Message::Text("abcde")
            })
        );
    }

    #[test]
    fn limit_can_be_lowered_within_a_message() {
        let mut parser = Parser::new(5);
        assert!(parser.next(&mut text_start("abc")).is_ok());
        parser.set_message_bytes_max(2);
        let violation = parser.next(&mut last("")).expect_err("3 bytes are over 2");
        assert_eq!(violation.close_code, 1009);
    }

    #[test]
    fn limit_can_be_lowered_while_a_frame_arrives() {
        let mut parser = Parser::new(5);
        let mut hello = text("Hello");
        assert_eq!(
            parser.next(&mut hello[..8]),
            Ok(Parsed::Incomplete { needed: 11 })
        );
        parser.set_message_bytes_max(4);
        let violation = parser
            .next(&mut hello[..8])
            .expect_err("5 bytes are over 4");
        assert_eq!(violation.close_code, 1009);
    }
}

mod violations {
    use super::*;

    /// One input for each.
    fn all() -> Vec<Violation> {
        [
            frame(0xc1, ""),
            frame(0x83, ""),
            frame(0x09, ""),
            last(""),
            [text_start(""), text("")].concat(),
            vec![0x81, 0],
            ping(fes(126)),
            vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
            vec![0x81, 0xfe, 0, 0],
            close([3]),
            close_with(1006, ""),
            text([0xff]),
            text("four"),
        ]
        .iter()
        .map(|input| {
            let mut parser = Parser::new(3);
            let mut input = input.clone();
            let skip = match parser.next(&mut input) {
                Ok(Parsed::Fragment { consumed }) => consumed,
                Err(violation) => return violation,
                other => panic!("{other:?}"),
            };
            parser
                .next(&mut input[skip..])
                .expect_err("wrong in its second frame")
        })
        .collect()
    }

    #[test]
    fn reasons_differ() {
        let all = all();
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a.reason != b.reason), "{a}");
        }
    }

    #[test]
    fn reasons_fit_in_a_close_frame() {
        for violation in all() {
            assert!(violation.reason.is_ascii());
            let payload = close_payload(violation.close_code, violation.reason);
            assert_eq!(payload[2..], *violation.reason.as_bytes());
        }
    }

    #[test]
    fn display_and_error() {
        let violation = Parser::new(1).next(&mut [0x81, 0]).expect_err("no mask");
        let error: Box<dyn std::error::Error> = Box::new(violation);
        assert_eq!(error.to_string(), "frame without a mask (1002)");
    }

    #[test]
    fn nothing_is_read_after_one() {
        let mut parser = Parser::new(LIMIT);
        let violation = parser.next(&mut text([0xff])).expect_err("not UTF-8");
        let mut good = text("good");
        assert_eq!(parser.next(&mut good), Err(violation));
        assert_eq!(good, text("good"), "left as it was");
        assert_eq!(parser.next(&mut []), Err(violation));
    }
}

mod encoding {
    use super::*;

    macro_rules! headers {
        ($($name:ident: $opcode:ident, $len:expr => $bytes:expr;)*) => {$(
            #[test]
            fn $name() {
                assert_eq!(frame_header(Opcode::$opcode, $len).as_slice(), $bytes);
            }
        )*};
    }

    headers! {
        header_of_0: Text, 0 => [0x81, 0];
        header_of_1: Binary, 1 => [0x82, 1];
        header_of_125: Text, 125 => [0x81, 125];
        header_of_126: Text, 126 => [0x81, 126, 0, 126];
        header_of_127: Text, 127 => [0x81, 126, 0, 127];
        header_of_128: Binary, 128 => [0x82, 126, 0, 128];
        header_of_65535: Binary, 65535 => [0x82, 126, 0xff, 0xff];
        header_of_65536: Binary, 65536 => [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        header_of_the_longest_slice: Binary, isize::MAX as usize
            => [&[0x82, 127][..], &(isize::MAX as u64).to_be_bytes()].concat();
        header_of_a_ping: Ping, 0 => [0x89, 0];
        header_of_a_pong: Pong, 125 => [0x8a, 125];
        header_of_a_close: Close, 2 => [0x88, 2];
    }

    #[test]
    fn empty_frames() {
        assert_eq!(framed(Opcode::Text, b""), [0x81, 0]);
        assert_eq!(framed(Opcode::Close, b""), [0x88, 0]);
        assert_eq!(framed(Opcode::Pong, b""), [0x8a, 0]);
    }

    #[test]
    fn close_frame_of_a_violation() {
        let frame = framed(Opcode::Close, &close_payload(1007, "text is not UTF-8"));
        assert_eq!(frame[..4], [0x88, 19, 0x03, 0xef]);
        assert_eq!(frame[4..], *b"text is not UTF-8");
    }
}
