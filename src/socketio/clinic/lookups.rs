//! What has to be looked up before a client's event can become a command, or an event be shown.

use bedside_actors::{outbox::SharedEvent, ports::store::StoreError};
use bedside_protocol::{
    CommandError, ConsultationId, ConversationId, MessageId, event::ReceiptChanged,
};
use std::sync::Arc;

use super::{
    client::{Client, Missing, learn},
    faces::Facts,
    hall::Hall,
    out::is_news,
};

/// The conversation of a consultation.
pub(super) async fn consultation(
    hall: &Hall,
    id: ConsultationId,
) -> Result<ConversationId, CommandError> {
    let found = hall.node.store().consultation(id).await.map_err(fault)?;
    let found = found.ok_or_else(|| CommandError::not_found("there is no such consultation"))?;
    hall.faces.note_consultation(id, found.conversation_id);
    Ok(found.conversation_id)
}

/// Where a message is, whoever may read it.
pub(super) async fn message(
    hall: &Hall,
    id: MessageId,
) -> Result<(ConversationId, u64, Arc<Facts>), CommandError> {
    let found = hall.node.store().find_message(id).await.map_err(fault)?;
    let (conversation_id, seq) = found.ok_or_else(no_message)?;
    let facts = hall.faces.find_facts(conversation_id).await;
    let facts = facts.map_err(fault)?.ok_or_else(no_message)?;
    Ok((conversation_id, seq, facts))
}

/// There is no such message, or not where it was said to be.
pub(super) fn no_message() -> CommandError {
    CommandError::not_found("there is no such message")
}

/// What the store said.
pub(super) fn fault(fault: StoreError) -> CommandError {
    tracing::error!(error = %fault, "storage failed");
    CommandError::unavailable("storage is unavailable", 200)
}

/// What is known of a conversation; none when there is none. `seq` is that of the event that is
/// to be shown, if it has one. Errors: it is not known yet.
pub(super) fn facts(
    client: &Client,
    id: ConversationId,
    seq: Option<u64>,
) -> Result<Option<Arc<Facts>>, Missing> {
    if let Some((near, facts)) = &*client.near.borrow()
        && *near == id
    {
        return Ok(facts.clone());
    }
    let faces = &client.hall.faces;
    let facts = faces.facts(id);
    let facts = facts.ok_or_else(|| learn(faces.learn_facts(id, seq)))?;
    // That there is nothing may change, so it is asked for again.
    if facts.is_some() {
        *client.near.borrow_mut() = Some((id, facts.clone()));
    }
    Ok(facts)
}

/// The last of the messages that somebody has newly read; none when they have not, or only what
/// is no message. Errors: it is not known yet.
pub(super) fn newly_read(
    client: &Client,
    event: &SharedEvent,
    id: ConversationId,
    receipt: &ReceiptChanged,
) -> Result<Option<MessageId>, Missing> {
    if !is_news(event, || client.hall.marks.grew(id, receipt)) {
        return Ok(None);
    }
    let (faces, seq) = (&client.hall.faces, receipt.read_up_to_seq);
    faces
        .last_message(id, seq)
        .ok_or_else(|| learn(faces.learn_last_message(id, seq)))
}
