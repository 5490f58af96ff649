//! What an entry changes besides the log, and where it can be found besides its place.
//!
//! It is filed after the entry is stored and before the entry is answered, and may be filed
//! again by anybody at any time: every write here has the entry's seq for its clock or its
//! condition, or writes what never changes. So a writer that was paused and wakes up late does no
//! harm, and a crash between the entry and its filing is mended by the next one who walks the
//! log above `conversation_heads` (`settle.rs`). The head is written last: all up to it is filed.

use bedside_actors::ports::store::{Head, Receipts, StoreResult};
use bedside_protocol::{ConsultationStatus, ConversationId, MemberRole, Timestamp};
use scylla::value::{CqlDate, CqlTimestamp};
use std::collections::HashMap;

use super::{
    Core, consultations,
    conversation::{self, Row},
    cql::{Cql, Query, all},
    entry::{Effect, Entry},
    lookups, marks, target,
    values::{
        EntryKind, Named as _, Sparse, at, count, day, int, month, named, odd, stamp, user_id,
        uuid_of,
    },
};

const MESSAGE_ID: Query =
    Query::write("INSERT INTO message_ids (message_id, conversation_id, seq) VALUES (?, ?, ?)");
const CLIENT_ID: Query = Query::write(
    "INSERT INTO client_ids (conversation_id, sender_id, client_msg_id, seq) VALUES (?, ?, ?, ?)",
);
const SENDER_HEAD: Query = Query::write(
    "INSERT INTO sender_heads (conversation_id, sender_id, sender_ord, last_seq)
     VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
);
const HEAD: Query = Query::write(
    "INSERT INTO conversation_heads (conversation_id, last_seq, last_ord, last_at)
     VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
);
const ACTIVITY: Query = Query::write(
    "INSERT INTO activity_by_user (user_id, month, day, conversation_id) VALUES (?, ?, ?, ?)",
);
const TITLE: Query = Query::conditional(
    "UPDATE conversations SET title = ?, title_seq = ? WHERE conversation_id = ? IF title_seq < ?",
);
const STATE: Query = Query::conditional(
    "UPDATE conversations SET state = ?, state_seq = ? WHERE conversation_id = ? IF state_seq < ?",
);
const CONSULTATION: Query = Query::conditional(
    "UPDATE consultations SET status = ?, started_at = ?, ended_at = ?, notes = ?, updated_at = ?,
         change_seq = ?
     WHERE appointment_id = ? IF change_seq < ?",
);
const PUT_MEMBER: Query = Query::write(
    "INSERT INTO conversation_members
         (conversation_id, user_id, member_role, first_seq, last_seq, joined_at)
     VALUES (?, ?, ?, ?, 0, ?) USING TIMESTAMP ?",
);
const PUT_MEMBERSHIP: Query = Query::write(
    "INSERT INTO conversations_by_user
         (user_id, conversation_id, kind, member_role, first_seq, last_seq)
     VALUES (?, ?, ?, ?, ?, 0) USING TIMESTAMP ?",
);
const END_MEMBER: Query = Query::write(
    "UPDATE conversation_members USING TIMESTAMP ? SET last_seq = ?
     WHERE conversation_id = ? AND user_id = ?",
);
const END_MEMBERSHIP: Query = Query::write(
    "UPDATE conversations_by_user USING TIMESTAMP ? SET last_seq = ?
     WHERE user_id = ? AND conversation_id = ?",
);

/// Files entries of one log, ascending, and then says that they are.
pub(super) async fn file(core: &Core, entries: &[Entry]) -> StoreResult<()> {
    let Some(last) = entries.last() else {
        return Ok(());
    };
    for entry in entries {
        change(core, entry).await?;
    }
    let cql = &core.cql;
    futures_util::try_join!(
        look_ups(cql, entries),
        sender_heads(cql, entries),
        activity(core, last.id(), entries),
    )?;
    let head = Head {
        seq: last.seq()?,
        ord: count(last.ord)?,
        at: last.at(),
    };
    put_head(cql, last.id(), head).await
}

/// Says that a log is filed up to here.
pub(super) async fn put_head(cql: &Cql, id: ConversationId, head: Head) -> StoreResult<()> {
    let (seq, ord) = (int(head.seq), int(head.ord));
    let values = (uuid_of(id), seq, ord, at(head.at), stamp(head.seq));
    cql.write(HEAD, values).await
}

/// Message ids and client ids.
async fn look_ups(cql: &Cql, entries: &[Entry]) -> StoreResult<()> {
    all(entries.iter().map(|entry| look_up(cql, entry)).collect()).await?;
    Ok(())
}

async fn look_up(cql: &Cql, entry: &Entry) -> StoreResult<()> {
    if entry.kind()? != EntryKind::Message {
        return Ok(());
    }
    let (id, _, seq) = entry.place();
    let by_id = async {
        match entry.message_id.0 {
            Some(message_id) => cql.write(MESSAGE_ID, (message_id, id, seq)).await,
            None => Ok(()),
        }
    };
    let by_client_id = async {
        match (&entry.sender_id.0, &entry.client_msg_id.0) {
            (Some(sender), Some(name)) => cql.write(CLIENT_ID, (id, sender, name, seq)).await,
            _ => Ok(()),
        }
    };
    futures_util::try_join!(by_id, by_client_id).map(|_| ())
}

/// How many countable messages each sender has sent.
async fn sender_heads(cql: &Cql, entries: &[Entry]) -> StoreResult<()> {
    let mut last = HashMap::new();
    for entry in entries {
        if let (EntryKind::Message, Some(sender)) = (entry.kind()?, &entry.sender_id.0) {
            last.insert(sender, entry);
        }
    }
    let mut written = Vec::new();
    for (sender, entry) in last {
        let (id, _, seq) = entry.place();
        let values = (id, sender, entry.sender_ord, seq, stamp(entry.seq()?));
        written.push(cql.write(SENDER_HEAD, values));
    }
    all(written).await?;
    Ok(())
}

/// Notes for every member that the conversation was active on the days of these entries, once a
/// day. Who comes in later gets their own note (`put_member`).
async fn activity(core: &Core, id: ConversationId, entries: &[Entry]) -> StoreResult<()> {
    let mut days: Vec<CqlDate> = entries.iter().map(|entry| day(entry.at())).collect();
    days.dedup();
    days.retain(|day| !core.active.is_noted(id, *day));
    if days.is_empty() {
        return Ok(());
    }
    let from = entries.first().map_or(Ok(0), Entry::seq)?;
    let members = marks::members(&core.cql, id).await?;
    let saw = members.iter().filter(|member| {
        let last_seq = member.last_seq.unwrap_or(0);
        last_seq == 0 || last_seq >= int(from)
    });
    let saw: Vec<&str> = saw.map(|member| member.user_id.as_str()).collect();
    for day in days {
        note_active(&core.cql, id, day, &saw).await?;
        core.active.note(id, day);
    }
    Ok(())
}

pub(super) async fn note_active(
    cql: &Cql,
    id: ConversationId,
    day: CqlDate,
    user_ids: &[&str],
) -> StoreResult<()> {
    let id = uuid_of(id);
    let noted = user_ids
        .iter()
        .map(|user_id| cql.write(ACTIVITY, (*user_id, month(day), day, id)));
    all(noted.collect()).await?;
    Ok(())
}

/// What an entry changes of its target, its conversation, its members or its consultation.
async fn change(core: &Core, entry: &Entry) -> StoreResult<()> {
    let (id, _, seq) = entry.place();
    let cql = &core.cql;
    match entry.kind()? {
        EntryKind::Message => return Ok(()),
        EntryKind::Edit | EntryKind::Delete | EntryKind::React => {
            return target::change(cql, entry).await;
        }
        EntryKind::Change | EntryKind::ConsultationStarted | EntryKind::ConsultationEnded => {}
    }
    match entry.effect()? {
        // The first entry of a log.
        None => Ok(()),
        Some(Effect::Title(title)) => {
            let done = cql.apply_surely(TITLE, (title, seq, id, seq)).await;
            done.map(|_| ())
        }
        Some(Effect::State(state)) => {
            let done = cql.apply_surely(STATE, (state, seq, id, seq)).await;
            done.map(|_| ())
        }
        Some(Effect::PutMember {
            user_id,
            member_role,
            first_seq,
            joined_at,
        }) => {
            let conversation = conversation::find(cql, entry.id()).await?;
            let conversation = conversation.ok_or_else(|| odd("conversation"))?;
            let member = Member {
                user_id: &user_id,
                member_role: named(&member_role)?,
                first_seq,
                joined_at: Timestamp::from_millis(joined_at),
            };
            put_member(core, &conversation, member, entry.seq()?).await?;
            note_active(cql, entry.id(), day(entry.at()), &[&user_id]).await
        }
        Some(Effect::EndMember(user_id)) => {
            let stamp = stamp(entry.seq()?);
            futures_util::try_join!(
                cql.write(END_MEMBER, (stamp, seq, id, &user_id)),
                cql.write(END_MEMBERSHIP, (stamp, seq, &user_id, id)),
            )
            .map(|_| ())
        }
        Some(Effect::Consultation { status, notes }) => {
            change_consultation(cql, entry, &status, notes).await
        }
        Some(Effect::Text(_)) => Err(odd("effect")),
    }
}

/// A member to be, as an entry tells of them.
pub(super) struct Member<'a> {
    pub(super) user_id: &'a str,
    pub(super) member_role: MemberRole,
    pub(super) first_seq: u64,
    pub(super) joined_at: Timestamp,
}

/// Opens a member's window. Their watermarks become at least those just below it.
pub(super) async fn put_member(
    core: &Core,
    conversation: &Row,
    member: Member<'_>,
    seq: u64,
) -> StoreResult<()> {
    let cql = &core.cql;
    let id = conversation.id();
    let role = member.member_role.name();
    let (first_seq, stamp) = (int(member.first_seq), stamp(seq));
    let user_id = user_id(member.user_id)?;
    let before = member.first_seq.saturating_sub(1);
    let raise = async {
        if before == 0 {
            return Ok(());
        }
        let below = lookups::counts_at(cql, id, before, &user_id).await?;
        let receipts = Receipts {
            delivered_seq: before,
            read_seq: before,
            read_ord: below.ord,
            read_sender_ord: below.sender_ord,
        };
        marks::raise(cql, id, &user_id, receipts).await
    };
    let list = async {
        match conversation.consultation()? {
            Some((number, appointment)) => {
                consultations::file_member(cql, appointment, number, &user_id).await
            }
            None => Ok(()),
        }
    };
    let (by, joined_at) = (member.user_id, at(member.joined_at));
    let kind = &conversation.kind;
    futures_util::try_join!(
        cql.write(
            PUT_MEMBER,
            (uuid_of(id), by, role, first_seq, joined_at, stamp)
        ),
        cql.write(
            PUT_MEMBERSHIP,
            (by, uuid_of(id), kind, role, first_seq, stamp)
        ),
        raise,
        list,
    )?;
    core.members.add(id, user_id);
    Ok(())
}

async fn change_consultation(
    cql: &Cql,
    entry: &Entry,
    status: &str,
    notes: Option<String>,
) -> StoreResult<()> {
    let conversation = conversation::find(cql, entry.id()).await?;
    let conversation = conversation.ok_or_else(|| odd("conversation"))?;
    let Some((_, appointment)) = conversation.consultation()? else {
        return Err(odd("consultation"));
    };
    let status: ConsultationStatus = named(status)?;
    let now = at(entry.at());
    let begun = status == ConsultationStatus::InProgress;
    let set = |when: bool| -> Sparse<CqlTimestamp> { when.then_some(now).into() };
    let seq = int(count(entry.place().2)?);
    let values = (
        status.name(),
        set(begun),
        set(status.is_final()),
        Sparse(notes),
        now,
        seq,
        appointment,
        seq,
    );
    cql.apply_surely(CONSULTATION, values).await.map(|_| ())
}
