//! Stretches of a log, with messages as they stand now.

use bedside_actors::ports::store::{LogPage, LogRange, Revision, page::PageBuilder};
use bedside_protocol::{
    ClientMsgId, ConversationId, Event, LastMessage, LoggedEvent, Message, UserId,
    event::{MessageDeleted, MessageReacted, MessageUpdated},
};
use rusqlite::{Connection, Row};

use super::lookups::conversation;
use crate::adapters::sqlite::{
    fault::Fault,
    values::{
        EntryKind, Named, count, from_json, from_json_list, int, message_id, optional_count,
        optional_time, optional_user_id, required, time,
    },
};

/// The columns that [`logged`] reads: an entry, and the present text of its target.
const ENTRY: &str = "
    SELECT m.seq, m.kind, u.user_id, m.at, m.message_id, m.message_type, m.text, m.attachments,
        m.reply_to_seq, m.client_msg_id, m.composed_at, m.edited_at, m.deleted_at, m.reactions,
        m.target_seq, m.emoji, m.is_on, m.change, t.text, t.deleted_at
    FROM messages m
    LEFT JOIN users u ON u.key = m.sender
    LEFT JOIN messages t ON t.conv = m.conv AND t.seq = m.target_seq";

pub(crate) fn read(
    conn: &Connection,
    conversation_id: ConversationId,
    range: LogRange,
) -> Result<LogPage, Fault> {
    let Some(conv) = conversation(conn, conversation_id)? else {
        return Ok(LogPage::default());
    };
    let order = if range.newest_first { "DESC" } else { "ASC" };
    let sql =
        format!("{ENTRY} WHERE m.conv = ?1 AND m.seq BETWEEN ?2 AND ?3 ORDER BY m.seq {order}");
    let mut read = conn.prepare_cached(&sql)?;
    let mut rows = read.query([conv, int(range.from_seq), int(range.to_seq)])?;
    let mut page = PageBuilder::new(range);
    while let Some(row) = rows.next()? {
        if !page.push(logged(row)?) {
            break;
        }
    }
    Ok(page.finish())
}

/// The newest message of a window.
pub(crate) fn last_message(
    conn: &Connection,
    conv: i64,
    from_seq: u64,
    to_seq: u64,
) -> Result<Option<LastMessage>, Fault> {
    let sql = format!(
        "{ENTRY} WHERE m.conv = ?1 AND m.seq BETWEEN ?2 AND ?3 AND m.kind = 'message'
         ORDER BY m.seq DESC LIMIT 1"
    );
    let mut read = conn.prepare_cached(&sql)?;
    let mut rows = read.query([conv, int(from_seq), int(to_seq)])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(LastMessage {
        seq: count(row, 0)?,
        message: message(row)?,
    }))
}

pub(crate) fn revisions(
    conn: &Connection,
    conversation_id: ConversationId,
    seq: u64,
) -> Result<Vec<Revision>, Fault> {
    let Some(conv) = conversation(conn, conversation_id)? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT rev, text, replaced_at FROM message_revisions
        WHERE conv = ?1 AND seq = ?2 ORDER BY rev";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([conv, int(seq)])?;
    let mut revisions = Vec::new();
    while let Some(row) = rows.next()? {
        revisions.push(Revision {
            rev: row.get(0)?,
            text: row.get(1)?,
            replaced_at: time(row, 2)?,
        });
    }
    Ok(revisions)
}

fn logged(row: &Row<'_>) -> Result<LoggedEvent, Fault> {
    let event = match EntryKind::read(row, 1)? {
        EntryKind::Message => Event::MessageCreated(message(row)?),
        EntryKind::Edit => Event::MessageUpdated(MessageUpdated {
            target_seq: target_seq(row)?,
            message_id: message_id(row, 4)?,
            user_id: author(row)?,
            text: row.get::<_, Option<String>>(18)?.unwrap_or_default(),
            edited_at: time(row, 3)?,
        }),
        EntryKind::Delete => Event::MessageDeleted(MessageDeleted {
            target_seq: target_seq(row)?,
            message_id: message_id(row, 4)?,
            user_id: author(row)?,
            deleted_at: time(row, 3)?,
        }),
        EntryKind::React => {
            // What was put on a message that is deleted now must not show.
            let shows = optional_time(row, 19)?.is_none();
            let emoji: Option<String> = row.get(15)?;
            Event::MessageReacted(MessageReacted {
                target_seq: target_seq(row)?,
                message_id: message_id(row, 4)?,
                user_id: author(row)?,
                emoji: emoji.filter(|_| shows).unwrap_or_default(),
                on: shows && required(row, 16, "is_on")?,
                at: time(row, 3)?,
            })
        }
        EntryKind::Change => Event::ConversationChanged(from_json(row, 17)?),
        EntryKind::ConsultationStarted => Event::ConsultationStarted(from_json(row, 17)?),
        EntryKind::ConsultationEnded => Event::ConsultationEnded(from_json(row, 17)?),
    };
    Ok(LoggedEvent {
        seq: count(row, 0)?,
        event,
    })
}

fn message(row: &Row<'_>) -> Result<Message, Fault> {
    let client_msg_id: Option<String> = row.get(9)?;
    let client_msg_id = client_msg_id.map(|id| ClientMsgId::new(&id)).transpose();
    Ok(Message {
        message_id: message_id(row, 4)?,
        sender_id: optional_user_id(row, 2)?,
        message_type: Named::read(row, 5)?,
        text: required(row, 6, "text")?,
        attachments: from_json_list(row, 7)?,
        reply_to_seq: optional_count(row, 8)?,
        client_msg_id: client_msg_id.map_err(|_| Fault::Value("client_msg_id"))?,
        composed_at: optional_time(row, 10)?,
        created_at: time(row, 3)?,
        edited_at: optional_time(row, 11)?,
        deleted_at: optional_time(row, 12)?,
        reactions: from_json_list(row, 13)?,
    })
}

fn author(row: &Row<'_>) -> Result<UserId, Fault> {
    optional_user_id(row, 2)?.ok_or(Fault::Value("sender"))
}

fn target_seq(row: &Row<'_>) -> Result<u64, Fault> {
    optional_count(row, 14)?.ok_or(Fault::Value("target_seq"))
}
