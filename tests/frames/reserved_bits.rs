//! Autobahn 3: no extension is negotiated.

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
