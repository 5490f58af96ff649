//! The list of direct conversations.

use bedside_actors::ports::store::PersonRecord;
use bedside_protocol::{
    Conversation, ConversationKind, Message, Timestamp, UserId, limits::CONVERSATIONS_PAGE_MAX,
};
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

use super::pair;
use crate::{
    http::{auth::Me, history, parts::HttpParts, problem::Problem},
    seeds::chat::{self, ChatMessageType, ChatUser},
};

/// Conversations of one answer. The seed's list has no pages; who talks with more people than
/// this sees those with the newest activity.
const LISTED_MAX: usize = 1_000;

/// Pages of the node that one answer looks through.
const SCANS_MAX: usize = 200;

/// A conversation with somebody.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChatConversation)]
pub(super) struct Row {
    conversation_id: String,
    other_user: ChatUser,
    last_message: LastMessage,
    unread_count: u64,
}

/// The newest message of a conversation that the seed's clients can show.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChatLastMessage)]
struct LastMessage {
    content: String,
    message_type: ChatMessageType,
    created_at: Timestamp,
    sender: UserId,
}

impl LastMessage {
    fn of(message: Message) -> Option<Self> {
        if !chat::is_visible(&message) {
            return None;
        }
        Some(Self {
            content: message.text,
            message_type: message.message_type.into(),
            created_at: message.created_at,
            sender: message.sender_id?,
        })
    }
}

/// Whether a conversation is in the ordinary list.
pub(super) const fn is_listed(conversation: &Conversation) -> bool {
    !conversation.me.archived
}

/// The caller's direct conversations that `takes` takes, by newest activity.
pub(super) async fn of(
    parts: &HttpParts,
    me: &Me,
    takes: fn(&Conversation) -> bool,
) -> Result<Vec<Conversation>, Problem> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..SCANS_MAX {
        let page = parts
            .node
            .conversations(&me.0, cursor.as_deref(), CONVERSATIONS_PAGE_MAX);
        let (rows, next) = page.await?;
        let rows = rows.into_iter().filter(|row| is_direct(row) && takes(row));
        found.extend(rows.take(LISTED_MAX - found.len()));
        cursor = next;
        if cursor.is_none() || found.len() == LISTED_MAX {
            break;
        }
    }
    Ok(found)
}

fn is_direct(conversation: &Conversation) -> bool {
    conversation.kind == ConversationKind::Direct
}

/// Unread messages over all listed direct conversations.
pub(super) async fn unread(parts: &HttpParts, me: &Me) -> Result<u64, Problem> {
    let total = parts.node.store().unread_total(me.id().clone()).await?;
    let (mut unread, mut seen) = (0, 0);
    let mut cursor: Option<String> = None;
    for _ in 0..SCANS_MAX {
        // All of it is accounted for: the older conversations have nothing to add.
        if seen >= total {
            break;
        }
        let page = parts
            .node
            .conversations(&me.0, cursor.as_deref(), CONVERSATIONS_PAGE_MAX);
        let (rows, next) = page.await?;
        let listed = rows
            .iter()
            .filter(|row| is_listed(row) && row.me.last_seq.is_none());
        for row in listed {
            seen += row.me.unread_count;
            if is_direct(row) {
                unread += row.me.unread_count;
            }
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(unread)
}

/// These conversations as the seed lists them, the newest message first. Those in which nobody
/// has said anything that can be shown are left out: the seed has none such.
pub(super) async fn rows(
    parts: &HttpParts,
    me: &Me,
    conversations: Vec<Conversation>,
) -> Result<Vec<Row>, Problem> {
    let others = conversations.iter();
    let others = others
        .filter_map(|conversation| Some(pair::other(conversation, me.id())?.user_id.clone()))
        .collect();
    let mut people = people(parts, others).await?;
    let mut rows = Vec::with_capacity(conversations.len());
    for conversation in conversations {
        let Some(other) = pair::other(&conversation, me.id()) else {
            continue;
        };
        let other_user = people
            .remove(&other.user_id)
            .map_or_else(|| ChatUser::unknown(other.user_id.clone()), ChatUser::from);
        let unread_count = conversation.me.unread_count;
        if let Some(last_message) = last_message(parts, me, conversation).await? {
            rows.push(Row {
                conversation_id: chat::conversation_id(me.id(), &other_user.id),
                other_user,
                last_message,
                unread_count,
            });
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.last_message.created_at));
    Ok(rows)
}

/// The newest message that can be shown. When the very newest cannot, the log is looked through.
async fn last_message(
    parts: &HttpParts,
    me: &Me,
    conversation: Conversation,
) -> Result<Option<LastMessage>, Problem> {
    let Some(newest) = conversation.last_message else {
        return Ok(None);
    };
    if let Some(last) = LastMessage::of(newest.message) {
        return Ok(Some(last));
    }
    let id = conversation.conversation_id;
    let found = history::newest(parts, me, id, history::Range::NEWEST).await?;
    let message = found.messages.into_iter().next();
    Ok(message.and_then(|(_, message)| LastMessage::of(message)))
}

async fn people(
    parts: &HttpParts,
    ids: Vec<UserId>,
) -> Result<HashMap<UserId, PersonRecord>, Problem> {
    let mut people = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(CONVERSATIONS_PAGE_MAX) {
        let found = parts.node.store().people(ids.to_vec()).await?;
        people.extend(found.into_iter().map(|p| (p.user_id.clone(), p)));
    }
    Ok(people)
}
