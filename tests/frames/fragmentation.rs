//! Autobahn 5.

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
