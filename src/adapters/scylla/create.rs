//! Making conversations.
//!
//! The first entry of the log decides who makes a conversation: whoever writes seq 1 owns the id.
//! Its row comes last, so that what can be found is whole; what a crash leaves before it is seen
//! by nobody. The direct one of a pair has its id in `direct_conversations` first: who finds that
//! without the conversation finishes it, and whose row was taken is who made it.

use bedside_actors::ports::store::{Created, Head, NewConversation, StoreError, StoreResult};
use bedside_protocol::{ConsultationId, ConversationId, ConversationKind};
use std::sync::Arc;
use tokio::time::Instant;

use super::{
    Core,
    conversation::{self, Row},
    cql::{Query, all},
    entry::{self, Entry},
    filing::{self, Member},
    lookups,
    values::{day, json, odd, uuid_of},
};

const MAKE_PAIR: Query = Query::conditional(
    "INSERT INTO direct_conversations (low_id, high_id, conversation_id) VALUES (?, ?, ?)
     IF NOT EXISTS",
);
/// Makes a conversation with its members and the first entry of its log, or finds the direct one
/// of the pair. `consultation` names the consultation that it belongs to: its id and appointment.
pub(super) async fn conversation(
    core: &Arc<Core>,
    new: &NewConversation,
    consultation: Option<(ConsultationId, &str)>,
) -> StoreResult<Created> {
    let is_direct = new.kind == ConversationKind::Direct;
    let id = if is_direct {
        claim_pair(core, new).await?
    } else {
        new.conversation_id
    };
    if is_direct && conversation::find(&core.cql, id).await?.is_some() {
        return Ok(Created {
            conversation_id: id,
            created: false,
        });
    }
    let row = Row::of(new, id, consultation);
    let is_mine = begin(core, new, &row).await?;
    if !is_mine && !is_direct {
        return Err(StoreError::Conflict);
    }
    fill(core, new, &row).await?;
    core.cql.apply_surely(conversation::MAKE, &row).await?;
    let made = conversation::find(&core.cql, id).await?;
    core.ends.seen(id, 1);
    Ok(Created {
        conversation_id: id,
        created: made.is_some_and(|made| made.attempt == row.attempt),
    })
}

/// The id of a pair's conversation: the one that stands there, or the new one's.
async fn claim_pair(core: &Core, new: &NewConversation) -> StoreResult<ConversationId> {
    let [a, b] = new.members.as_slice() else {
        return Err(StoreError::Conflict);
    };
    let pair = lookups::pair(&a.user_id, &b.user_id);
    if let Some(id) = lookups::id_of_pair(&core.cql, pair).await? {
        return Ok(id);
    }
    let values = (pair.0, pair.1, uuid_of(new.conversation_id));
    core.cql.apply_surely(MAKE_PAIR, values).await?;
    let id = lookups::id_of_pair(&core.cql, pair).await?;
    id.ok_or_else(|| odd("pair"))
}

/// Writes the first entry of a log; whether it is this one.
async fn begin(core: &Core, new: &NewConversation, row: &Row) -> StoreResult<bool> {
    let change = json(&new.event)?;
    let entry = Entry::first(row.id(), new, row.attempt.clone(), change);
    let until = core.cql.until();
    loop {
        let tried = core.cql.apply(entry::INSERT, &entry).await;
        if tried == Ok(true) {
            return Ok(true);
        }
        let stored = core.cql.first::<Entry>(entry::ONE, entry.place()).await;
        match (stored, tried) {
            (Ok(Some(stored)), _) => return Ok(stored.attempt() == entry.attempt()),
            (Ok(None), Ok(_)) => return Err(odd("log")),
            (Ok(None), Err(error)) | (Err(error), _) if Instant::now() > until => {
                return Err(error);
            }
            _ => core.cql.pause().await,
        }
    }
}

/// Everything that belongs to a conversation and comes before its row. Writing it again, as who
/// finishes a pair's does, is harmless.
async fn fill(core: &Core, new: &NewConversation, row: &Row) -> StoreResult<()> {
    let mut put = Vec::new();
    for member in &new.members {
        let member = Member {
            user_id: member.user_id.as_str(),
            member_role: member.member_role,
            first_seq: member.first_seq,
            joined_at: member.joined_at,
        };
        put.push(filing::put_member(core, row, member, 1));
    }
    all(put).await?;
    let (id, today) = (row.id(), day(new.created_at));
    let members: Vec<&str> = new.members.iter().map(|m| m.user_id.as_str()).collect();
    filing::note_active(&core.cql, id, today, &members).await?;
    core.active.note(id, today);
    let head = Head {
        seq: 1,
        ord: 0,
        at: new.created_at,
    };
    filing::put_head(&core.cql, id, head).await
}
