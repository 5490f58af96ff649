//! Commands of the native protocol, in JSON and in MessagePack, from a client that may send
//! anything: what is read says the same when it is written again, in either format, and what is
//! refused is answered with words of ours.

use bedside_protocol::codec::{
    CommandFrame, DecodeError, ServerFrame, WireFormat, decode_command, decode_server_frame,
    encode_command, encode_error,
};

/// The longest text of an error: names of fields are the longest thing in one.
const ERROR_BYTES_MAX: usize = 120;

/// Panics when something is wrong.
pub(crate) fn check(bytes: &[u8]) {
    for format in WireFormat::ALL {
        match decode_command(format, bytes) {
            Ok(frame) => says_the_same(&frame),
            Err(refused) => is_told(format, &refused),
        }
    }
}

fn says_the_same(frame: &CommandFrame) {
    for format in WireFormat::ALL {
        let again = encode_command(format, frame.id, &frame.command);
        let read = decode_command(format, &again);
        assert_eq!(read.as_ref(), Ok(frame), "in {format:?}");
    }
}

fn is_told(format: WireFormat, refused: &DecodeError) {
    assert!(refused.error.message.len() <= ERROR_BYTES_MAX);
    assert!(refused.error.message.is_ascii());
    let answer = encode_error(format, refused.id, &refused.error);
    let read = decode_server_frame(format, &answer);
    let told = ServerFrame::Error {
        reply_to: refused.id,
        error: refused.error.clone(),
    };
    assert_eq!(read, Ok(told));
}
