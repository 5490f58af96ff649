//! RFC 6455, section 5.7, verbatim.

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
