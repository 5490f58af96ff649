//! Autobahn 2.

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
