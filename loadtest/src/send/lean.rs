//! What of a server's frame matters to a load, read in one pass: the harness should take less
//! CPU than what it measures.

use bedside_protocol::{CommandError, ConversationId, WireFormat};
use serde::Deserialize;

/// A frame.
#[derive(Deserialize)]
pub(super) struct Lean<'a> {
    #[serde(default)]
    pub(super) reply_to: Option<u64>,
    #[serde(default, rename = "type", borrow)]
    pub(super) kind: Option<&'a str>,
    #[serde(default)]
    pub(super) conversation_id: Option<ConversationId>,
    #[serde(default)]
    pub(super) seq: Option<u64>,
    #[serde(default, borrow)]
    pub(super) data: Option<LeanData<'a>>,
    #[serde(default)]
    pub(super) error: Option<CommandError>,
}

/// Its `data`, of an acknowledgement or of a message.
#[derive(Deserialize)]
pub(super) struct LeanData<'a> {
    #[serde(default)]
    pub(super) seq: Option<u64>,
    #[serde(default)]
    pub(super) duplicate: bool,
    #[serde(default, borrow)]
    pub(super) client_msg_id: Option<&'a str>,
}

impl<'a> Lean<'a> {
    pub(super) fn read(format: WireFormat, bytes: &'a [u8]) -> Result<Self, String> {
        match format {
            WireFormat::Json => serde_json::from_slice(bytes).map_err(|e| e.to_string()),
            WireFormat::MsgPack => rmp_serde::from_slice(bytes).map_err(|e| e.to_string()),
        }
    }
}
