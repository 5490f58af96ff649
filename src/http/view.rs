//! Conversations as a caller may see them.

use bedside_actors::conversation::hides_members;
use bedside_protocol::{CommandError, Conversation, ConversationId, ErrorCode};

use super::{auth::Me, parts::HttpParts, problem::Problem};

/// One conversation of the caller's, past ones too.
pub(super) async fn conversation(
    parts: &HttpParts,
    me: &Me,
    id: ConversationId,
) -> Result<Conversation, Problem> {
    Ok(parts.node.conversation(&me.0, id).await?)
}

/// One that the caller is in now.
pub(super) async fn present_conversation(
    parts: &HttpParts,
    me: &Me,
    id: ConversationId,
) -> Result<Conversation, Problem> {
    let conversation = conversation(parts, me, id).await?;
    if conversation.me.last_seq.is_some() {
        return Err(CommandError::new(
            ErrorCode::NotAMember,
            "you are no longer a member of this conversation",
        )
        .into());
    }
    Ok(conversation)
}

/// Whether the caller sees the receipts of others.
pub(super) fn sees_everyone(conversation: &Conversation) -> bool {
    conversation.me.last_seq.is_none()
        && !hides_members(conversation.kind, conversation.me.member_role)
}
