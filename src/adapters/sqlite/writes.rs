//! Writes that are no appends. They ride in the same commits, each within a savepoint.

use bedside_actors::ports::store::{
    ConversationKey, Created, NewConversation, PersonRecord, Preferences, Receipts, Relation,
};
use bedside_protocol::{ConversationKind, ConversationState, Timestamp, UserId};
use rusqlite::{OptionalExtension as _, params};

use super::{
    fault::Fault,
    pen::{Pen, find_user},
    values::{EntryKind, Named as _, conversation_id, int, json},
};

impl Pen<'_> {
    pub(super) fn create_conversation(&mut self, new: &NewConversation) -> Result<Created, Fault> {
        let pair = match (new.kind, new.members.as_slice()) {
            (ConversationKind::Direct, [a, b]) => {
                let (a, b) = (self.user_key(&a.user_id)?, self.user_key(&b.user_id)?);
                Some((a.min(b), a.max(b)))
            }
            (ConversationKind::Direct, _) => return Err(Fault::Conflict),
            _ => None,
        };
        if let Some((low, high)) = pair {
            let sql = "SELECT conversation_id FROM direct_conversations d
                JOIN conversations c ON c.key = d.conv WHERE low = ?1 AND high = ?2";
            let mut find = self.conn.prepare_cached(sql)?;
            let mut rows = find.query([low, high])?;
            if let Some(row) = rows.next()? {
                return Ok(Created {
                    conversation_id: conversation_id(row, 0)?,
                    created: false,
                });
            }
        }
        let conv = self.insert_conversation(new)?;
        if let Some((low, high)) = pair {
            let sql = "INSERT INTO direct_conversations (low, high, conv) VALUES (?1, ?2, ?3)";
            self.conn.prepare_cached(sql)?.execute([low, high, conv])?;
        }
        for member in &new.members {
            self.put_member(conv, member)?;
        }
        Ok(Created {
            conversation_id: new.conversation_id,
            created: true,
        })
    }

    /// The conversation's row and the first entry of its log.
    pub(super) fn insert_conversation(&mut self, new: &NewConversation) -> Result<i64, Fault> {
        let by = self.user_key(&new.created_by)?;
        let patient = self.optional_user_key(new.patient_id.as_ref())?;
        let at = new.created_at.as_millis();
        let sql = "INSERT INTO conversations
                (conversation_id, kind, title, patient, created_by, created_at, state)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let conv = self.conn.prepare_cached(sql)?.insert(params![
            new.conversation_id.to_bytes(),
            new.kind.name(),
            new.title,
            patient,
            by,
            at,
            ConversationState::Open.name(),
        ])?;
        let sql = "INSERT INTO messages (conv, seq, kind, sender, at, ord, sender_ord, change)
            VALUES (?1, 1, ?2, ?3, ?4, 0, 0, ?5)";
        let change = json(&new.event)?;
        let kind = EntryKind::Change.name();
        let values = params![conv, kind, by, at, change];
        let pos = self.conn.prepare_cached(sql)?.insert(values)?;
        self.began(conv, pos, by);
        Ok(conv)
    }

    pub(super) fn put_receipts(
        &mut self,
        key: ConversationKey,
        user_id: &UserId,
        receipts: Receipts,
    ) -> Result<(), Fault> {
        let user = find_user(self.conn, user_id)?.ok_or(Fault::Conflict)?;
        // The right side of each assignment sees the row as it was.
        let sql = "UPDATE conversation_members SET
                delivered_seq = MAX(delivered_seq, ?3),
                read_seq = MAX(read_seq, ?4),
                read_ord = IIF(?4 > read_seq, ?5, read_ord),
                read_sender_ord = IIF(?4 > read_seq, ?6, read_sender_ord)
            WHERE conv = ?1 AND user = ?2";
        let changed = self.conn.prepare_cached(sql)?.execute([
            key.0,
            user,
            int(receipts.delivered_seq),
            int(receipts.read_seq),
            int(receipts.read_ord),
            int(receipts.read_sender_ord),
        ])?;
        if changed == 0 {
            return Err(Fault::Conflict);
        }
        Ok(())
    }

    pub(super) fn put_preferences(
        &mut self,
        key: ConversationKey,
        user_id: &UserId,
        preferences: Preferences,
    ) -> Result<(), Fault> {
        let user = find_user(self.conn, user_id)?.ok_or(Fault::Conflict)?;
        let sql = "UPDATE conversation_members SET pinned = ?3, muted_until = ?4, archived = ?5
            WHERE conv = ?1 AND user = ?2";
        let changed = self.conn.prepare_cached(sql)?.execute(params![
            key.0,
            user,
            preferences.pinned,
            preferences.muted_until.map(Timestamp::as_millis),
            preferences.archived,
        ])?;
        if changed == 0 {
            return Err(Fault::Conflict);
        }
        Ok(())
    }

    pub(super) fn put_person(&mut self, person: &PersonRecord) -> Result<(), Fault> {
        let key = self.user_key(&person.user_id)?;
        let sql = "UPDATE users SET
                name = IIF(?2 = '', name, ?2), email = IIF(?3 = '', email, ?3), roles = ?4,
                last_seen_at = COALESCE(?5, last_seen_at)
            WHERE key = ?1";
        self.conn.prepare_cached(sql)?.execute(params![
            key,
            person.name,
            person.email,
            person.roles.bits(),
            person.last_seen_at.map(Timestamp::as_millis),
        ])?;
        Ok(())
    }

    pub(super) fn put_last_seen(&mut self, user_id: &UserId, at: Timestamp) -> Result<(), Fault> {
        let key = self.user_key(user_id)?;
        let sql = "UPDATE users SET last_seen_at = ?2 WHERE key = ?1";
        self.conn
            .prepare_cached(sql)?
            .execute([key, at.as_millis()])?;
        Ok(())
    }

    pub(super) fn put_relation(&mut self, relation: &Relation) -> Result<(), Fault> {
        let patient = self.user_key(&relation.patient_id)?;
        let user = self.user_key(&relation.user_id)?;
        let sql = "INSERT INTO relations (patient, user, kind, until) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET kind = excluded.kind, until = excluded.until";
        self.conn.prepare_cached(sql)?.execute(params![
            patient,
            user,
            relation.kind.name(),
            relation.until.map(Timestamp::as_millis),
        ])?;
        Ok(())
    }

    pub(super) fn delete_relation(
        &mut self,
        patient: &UserId,
        user: &UserId,
    ) -> Result<bool, Fault> {
        let sql = "DELETE FROM relations
            WHERE patient = (SELECT key FROM users WHERE user_id = ?1)
                AND user = (SELECT key FROM users WHERE user_id = ?2)";
        let ids = [patient.as_str(), user.as_str()];
        Ok(self.conn.prepare_cached(sql)?.execute(ids)? > 0)
    }

    pub(super) fn set_meta(&mut self, key: &str, value: &str) -> Result<(), Fault> {
        let sql = "INSERT OR REPLACE INTO store_meta (key, value) VALUES (?1, ?2)";
        self.conn.prepare_cached(sql)?.execute([key, value])?;
        Ok(())
    }
}

/// A small fact about the store.
pub(super) fn meta(conn: &rusqlite::Connection, key: &str) -> Result<Option<String>, Fault> {
    let mut find = conn.prepare_cached("SELECT value FROM store_meta WHERE key = ?1")?;
    Ok(find.query_row([key], |row| row.get(0)).optional()?)
}
