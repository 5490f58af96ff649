//! Making conversations.

use bedside_actors::ports::store::{Created, NewConversation, StoreResult};
use bedside_protocol::ConsultationId;
use std::sync::Arc;

use super::{Core, not_there_yet};

/// Makes a conversation with its members and the first entry of its log, or finds the direct one
/// of the pair. `consultation` names the consultation that it belongs to: its id and appointment.
pub(super) async fn conversation(
    _core: &Arc<Core>,
    _new: &NewConversation,
    _consultation: Option<(ConsultationId, &str)>,
) -> StoreResult<Created> {
    not_there_yet()
}
