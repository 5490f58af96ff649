//! The direct conversation of the caller and somebody else.

use bedside_actors::ports::store::PersonRecord;
use bedside_protocol::{
    CommandError, Conversation, Message, Role, UserId, conversation::Member, reply::MessageSent,
};

use crate::{
    http::{auth::Me, messages, parts::HttpParts, problem::Problem, view},
    seeds::chat::{self, ChatMessage, ChatUser},
};

/// A direct conversation and its two people.
pub(super) struct Pair {
    pub(super) conversation: Conversation,
    me: ChatUser,
    other: ChatUser,
}

/// The direct conversation with somebody; none when there is none yet and there could be one.
///
/// # Errors
/// `not_found` and `forbidden` as for sending to them.
pub(super) async fn conversation(
    parts: &HttpParts,
    me: &Me,
    other: &UserId,
) -> Result<Option<Conversation>, Problem> {
    let (one, two) = (me.id().clone(), other.clone());
    match parts.node.store().direct_of(one, two).await? {
        Some(id) => Ok(Some(view::conversation(parts, me, id).await?)),
        None => {
            parts.node.may_write_to(&me.0, other).await?;
            Ok(None)
        }
    }
}

/// One message that the caller just sent, as it stands now.
pub(super) async fn message(
    parts: &HttpParts,
    me: &Me,
    sent: &MessageSent,
) -> Result<ChatMessage, Problem> {
    let found = messages::message(parts, me, sent.conversation_id, sent.seq).await?;
    let conversation = view::conversation(parts, me, sent.conversation_id).await?;
    let pair = Pair::of(parts, me, conversation).await?;
    let mut messages = pair.messages(vec![(found.seq, found.message)]);
    // A retry of what was taken back since.
    messages
        .pop()
        .ok_or_else(|| CommandError::not_found("the message was deleted").into())
}

/// The other one of a direct conversation.
pub(super) fn other<'a>(conversation: &'a Conversation, me: &UserId) -> Option<&'a Member> {
    let mut members = conversation.members.iter();
    members.find(|member| member.user_id != *me)
}

impl Pair {
    /// As [`conversation`].
    pub(super) async fn find(
        parts: &HttpParts,
        me: &Me,
        other: &UserId,
    ) -> Result<Option<Self>, Problem> {
        Ok(match conversation(parts, me, other).await? {
            Some(conversation) => Some(Self::of(parts, me, conversation).await?),
            None => None,
        })
    }

    async fn of(parts: &HttpParts, me: &Me, conversation: Conversation) -> Result<Self, Problem> {
        let other_id = other(&conversation, me.id())
            .map(|member| member.user_id.clone())
            .ok_or_else(|| CommandError::not_found("there is nobody else in it"))?;
        let ids = vec![me.id().clone(), other_id.clone()];
        let mut people = parts.node.store().people(ids).await?;
        Ok(Self {
            conversation,
            me: take(&mut people, me.id()).map_or_else(|| from_token(me), ChatUser::from),
            other: take(&mut people, &other_id)
                .map_or_else(|| ChatUser::unknown(other_id), ChatUser::from),
        })
    }

    /// Messages of this conversation as the seed shows them.
    pub(super) fn messages(&self, messages: Vec<(u64, Message)>) -> Vec<ChatMessage> {
        let messages = messages.into_iter();
        messages
            .filter_map(|(seq, message)| {
                let by_me = message.sender_id.as_ref() == Some(&self.me.id);
                let is_read = self.read_up_to(!by_me) >= seq;
                chat::message(&message, &self.me, &self.other, is_read)
            })
            .collect()
    }

    /// The read watermark of the caller, or of the other one.
    fn read_up_to(&self, mine: bool) -> u64 {
        if mine {
            return self.conversation.me.read_up_to_seq;
        }
        other(&self.conversation, &self.me.id).map_or(0, |member| member.read_up_to_seq)
    }
}

fn take(people: &mut Vec<PersonRecord>, id: &UserId) -> Option<PersonRecord> {
    let at = people.iter().position(|person| person.user_id == *id)?;
    Some(people.swap_remove(at))
}

/// The caller's own row is written behind the first request that they make.
fn from_token(me: &Me) -> ChatUser {
    let role: Option<Role> = me.0.roles.iter().next();
    ChatUser {
        fullname: me.0.name.to_string(),
        role,
        ..ChatUser::unknown(me.id().clone())
    }
}
