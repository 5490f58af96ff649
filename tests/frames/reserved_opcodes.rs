//! Autobahn 4.

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
