//! Autobahn 7.

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
