//! Autobahn 9 and 10, and what the limit means.

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
