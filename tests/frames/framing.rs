//! Autobahn 1: whole messages of the sizes at which the length field changes.

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
