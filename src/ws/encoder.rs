//! How frames of the native protocol look on the wire: complete WebSocket frames, which a server
//! sends unmasked, so that every socket of one format shares the same bytes.

use bedside_actors::outbox::Encoder;
use bedside_protocol::{CommandError, EventFrame, Reply, WireFormat, codec};
use bytes::Bytes;

use super::frame::{Opcode, framed};

/// The encoder of `bedside.v1.json`.
pub static JSON: NativeEncoder = NativeEncoder {
    format: WireFormat::Json,
    slot: 0,
};
/// The encoder of `bedside.v1.msgpack`.
pub static MSGPACK: NativeEncoder = NativeEncoder {
    format: WireFormat::MsgPack,
    slot: 1,
};

/// Writes frames in one of the native formats.
#[derive(Debug)]
pub struct NativeEncoder {
    format: WireFormat,
    slot: usize,
}

impl NativeEncoder {
    /// The encoder of a format.
    #[must_use]
    pub fn of(format: WireFormat) -> &'static Self {
        match format {
            WireFormat::Json => &JSON,
            WireFormat::MsgPack => &MSGPACK,
        }
    }

    fn frame(&self, payload: &[u8]) -> Bytes {
        let opcode = match self.format {
            WireFormat::Json => Opcode::Text,
            WireFormat::MsgPack => Opcode::Binary,
        };
        framed(opcode, payload).into()
    }
}

impl Encoder for NativeEncoder {
    fn slot(&self) -> usize {
        self.slot
    }

    fn event(&self, frame: &EventFrame) -> Bytes {
        self.frame(&codec::encode_event(self.format, frame))
    }

    fn reply(&self, reply_to: u64, reply: &Reply) -> Bytes {
        self.frame(&codec::encode_reply(self.format, reply_to, reply))
    }

    fn error(&self, reply_to: Option<u64>, error: &CommandError) -> Bytes {
        self.frame(&codec::encode_error(self.format, reply_to, error))
    }
}
