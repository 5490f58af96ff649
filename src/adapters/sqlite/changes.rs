//! Entries that change something besides the log. Each runs within a savepoint of its own.

use bedside_actors::ports::store::{
    Append, AppendBody, ChangeEffect, NewMember, page::toggle_reaction,
};
use bedside_protocol::{MessageId, Reaction, Timestamp, UserId};
use rusqlite::params;

use super::{
    consultations::entry_of,
    fault::Fault,
    pen::Pen,
    reads::lookups,
    values::{EntryKind, Named as _, from_json_list, int, json, json_list},
};

const INSERT_ENTRY: &str = "
    INSERT INTO messages (conv, seq, kind, sender, at, ord, sender_ord, message_id, target_seq,
        emoji, is_on, change)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// The columns of an entry that only some kinds have.
#[derive(Default)]
struct Detail<'a> {
    target: Option<(u64, MessageId)>,
    reaction: Option<(&'a str, bool)>,
    change: Option<String>,
}

/// The row of a message that is about to change.
struct Target {
    pos: i64,
    reactions: Vec<Reaction>,
}

impl Pen<'_> {
    /// The entry, and what it changes.
    pub(super) fn append_change(&mut self, append: &Append) -> Result<(), Fault> {
        let conv = append.key.0;
        match &append.body {
            AppendBody::Message { .. } => Err(Fault::Conflict),
            AppendBody::Edit {
                target_seq,
                message_id,
                text,
            } => {
                let target = self.target(conv, *target_seq, *message_id)?;
                self.keep_revision(&target, append.at)?;
                let sql = "UPDATE messages SET text = ?2, edited_at = ?3 WHERE pos = ?1";
                let values = params![target.pos, text, append.at.as_millis()];
                self.conn.prepare_cached(sql)?.execute(values)?;
                let target = Some((*target_seq, *message_id));
                self.insert_entry(
                    append,
                    EntryKind::Edit,
                    &Detail {
                        target,
                        ..Detail::default()
                    },
                )
            }
            AppendBody::Delete {
                target_seq,
                message_id,
            } => {
                let target = self.target(conv, *target_seq, *message_id)?;
                self.keep_revision(&target, append.at)?;
                let sql = "UPDATE messages SET text = '', attachments = NULL, reactions = NULL,
                    deleted_at = ?2 WHERE pos = ?1";
                let values = params![target.pos, append.at.as_millis()];
                self.conn.prepare_cached(sql)?.execute(values)?;
                let target = Some((*target_seq, *message_id));
                self.insert_entry(
                    append,
                    EntryKind::Delete,
                    &Detail {
                        target,
                        ..Detail::default()
                    },
                )
            }
            AppendBody::React {
                target_seq,
                message_id,
                emoji,
                on,
            } => {
                let by = append.by.as_ref().ok_or(Fault::Conflict)?;
                let mut target = self.target(conv, *target_seq, *message_id)?;
                toggle_reaction(&mut target.reactions, emoji, by, *on);
                let sql = "UPDATE messages SET reactions = ?2 WHERE pos = ?1";
                let values = params![target.pos, json_list(&target.reactions)?];
                self.conn.prepare_cached(sql)?.execute(values)?;
                let detail = Detail {
                    target: Some((*target_seq, *message_id)),
                    reaction: Some((emoji, *on)),
                    ..Detail::default()
                };
                self.insert_entry(append, EntryKind::React, &detail)
            }
            AppendBody::Consultation {
                event,
                status,
                notes,
            } => {
                let (kind, change) = entry_of(event)?;
                self.change_consultation(append, *status, notes.as_deref())?;
                self.insert_entry(
                    append,
                    kind,
                    &Detail {
                        change: Some(change),
                        ..Detail::default()
                    },
                )
            }
            AppendBody::Change { event, effect } => {
                self.change(conv, effect, append.seq)?;
                let change = Some(json(event)?);
                self.insert_entry(
                    append,
                    EntryKind::Change,
                    &Detail {
                        change,
                        ..Detail::default()
                    },
                )
            }
        }
    }

    fn insert_entry(
        &mut self,
        append: &Append,
        kind: EntryKind,
        detail: &Detail<'_>,
    ) -> Result<(), Fault> {
        let sender = self.optional_user_key(append.by.as_ref())?;
        let pos = self.conn.prepare_cached(INSERT_ENTRY)?.insert(params![
            append.key.0,
            int(append.seq),
            kind.name(),
            sender,
            append.at.as_millis(),
            int(append.ord),
            int(append.sender_ord),
            detail.target.map(|(_, id)| id.to_bytes()),
            detail.target.map(|(seq, _)| int(seq)),
            detail.reaction.map(|(emoji, _)| emoji),
            detail.reaction.map(|(_, on)| on),
            detail.change,
        ])?;
        self.added(append, pos, sender, None);
        Ok(())
    }

    /// The message to change; one that was deleted is not there any more.
    fn target(&mut self, conv: i64, seq: u64, message_id: MessageId) -> Result<Target, Fault> {
        let sql = "SELECT pos, reactions FROM messages
            WHERE conv = ?1 AND seq = ?2 AND kind = 'message' AND message_id = ?3
                AND deleted_at IS NULL";
        let mut find = self.conn.prepare_cached(sql)?;
        let mut rows = find.query(params![conv, int(seq), message_id.to_bytes()])?;
        let row = rows.next()?.ok_or(Fault::Conflict)?;
        Ok(Target {
            pos: row.get(0)?,
            reactions: from_json_list(row, 1)?,
        })
    }

    fn keep_revision(&mut self, target: &Target, replaced_at: Timestamp) -> Result<(), Fault> {
        let sql = "INSERT INTO message_revisions (conv, seq, rev, text, attachments, replaced_at)
            SELECT conv, seq,
                1 + (SELECT COUNT(*) FROM message_revisions r WHERE r.conv = m.conv AND r.seq = m.seq),
                text, attachments, ?2
            FROM messages m WHERE pos = ?1";
        let values = params![target.pos, replaced_at.as_millis()];
        self.conn.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    fn change(&mut self, conv: i64, effect: &ChangeEffect, seq: u64) -> Result<(), Fault> {
        match effect {
            ChangeEffect::Title(title) => {
                let sql = "UPDATE conversations SET title = ?2 WHERE key = ?1";
                self.conn
                    .prepare_cached(sql)?
                    .execute(params![conv, title])?;
            }
            ChangeEffect::State(state) => {
                let sql = "UPDATE conversations SET state = ?2 WHERE key = ?1";
                let values = params![conv, state.name()];
                self.conn.prepare_cached(sql)?.execute(values)?;
            }
            ChangeEffect::PutMember(member) => {
                self.put_member(conv, member)?;
                self.file_consultation_member(conv, &member.user_id)?;
            }
            ChangeEffect::EndMember(user_id) => self.end_member(conv, user_id, seq)?,
        }
        Ok(())
    }

    pub(super) fn put_member(&mut self, conv: i64, member: &NewMember) -> Result<(), Fault> {
        let user = self.user_key(&member.user_id)?;
        let before = member.first_seq.saturating_sub(1);
        let below = lookups::counts_at(self.conn, conv, before, Some(user))?;
        let sql = "INSERT INTO conversation_members AS m (conv, user, member_role, first_seq,
                joined_at, delivered_seq, read_seq, read_ord, read_sender_ord)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)
            ON CONFLICT (conv, user) DO UPDATE SET
                member_role = ?3, first_seq = ?4, last_seq = NULL, joined_at = ?5,
                delivered_seq = MAX(m.delivered_seq, ?6),
                read_seq = MAX(m.read_seq, ?6),
                read_ord = IIF(?6 > m.read_seq, ?7, m.read_ord),
                read_sender_ord = IIF(?6 > m.read_seq, ?8, m.read_sender_ord)";
        self.conn.prepare_cached(sql)?.execute(params![
            conv,
            user,
            member.member_role.name(),
            int(member.first_seq),
            member.joined_at.as_millis(),
            int(before),
            int(below.ord),
            int(below.sender_ord),
        ])?;
        Ok(())
    }

    fn end_member(&mut self, conv: i64, user_id: &UserId, seq: u64) -> Result<(), Fault> {
        let user = self.user_key(user_id)?;
        let sql = "UPDATE conversation_members SET last_seq = ?3
            WHERE conv = ?1 AND user = ?2 AND last_seq IS NULL";
        let changed = self
            .conn
            .prepare_cached(sql)?
            .execute([conv, user, int(seq)])?;
        if changed == 0 {
            return Err(Fault::Conflict);
        }
        Ok(())
    }
}
