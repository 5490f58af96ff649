//! Autobahn 6, and the sequences of Markus Kuhn's decoder test.

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
