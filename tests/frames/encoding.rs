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
