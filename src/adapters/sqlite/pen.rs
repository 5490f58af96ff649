//! What the writer thread writes with: the hot insert, and what it remembers of the tables.

use bedside_actors::ports::store::{Append, AppendBody, BodyHash};
use bedside_protocol::{Message, UserId};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};
use std::collections::HashMap;

use super::{
    fault::Fault,
    fold::FoldRow,
    unfiled::SentName,
    values::{EntryKind, Named as _, int, json_list},
};

/// Conversations and users whose keys and heads are remembered; past it all are forgotten, and
/// each is read again when it is next met.
const REMEMBERED_MAX: usize = 1 << 17;

const INSERT_MESSAGE: &str = "
    INSERT INTO messages (conv, seq, kind, sender, at, ord, sender_ord, message_id,
        message_type, client_msg_id, body_hash, reply_to_seq, composed_at, text, attachments)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// Writes within the transaction that the writer has opened.
pub(super) struct Pen<'c> {
    pub(super) conn: &'c Connection,
    insert_message: CachedStatement<'c>,
    /// The last seq of conversations lately written to: the fence that refuses a gap.
    heads: HashMap<i64, u64>,
    users: HashMap<UserId, i64>,
    /// What this transaction added to the log.
    added: Vec<FoldRow>,
}

impl<'c> Pen<'c> {
    pub(super) fn new(conn: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            conn,
            insert_message: conn.prepare_cached(INSERT_MESSAGE)?,
            heads: HashMap::new(),
            users: HashMap::new(),
            added: Vec::new(),
        })
    }

    /// The transaction is stored: what it added to the log.
    pub(super) fn committed(&mut self) -> impl Iterator<Item = FoldRow> {
        self.added.drain(..)
    }

    /// The transaction is undone, so nothing that was learned in it holds.
    pub(super) fn rolled_back(&mut self) {
        self.added.clear();
        self.heads.clear();
        self.users.clear();
    }

    /// Does `what` or nothing of it.
    pub(super) fn atomically<T>(
        &mut self,
        what: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.conn.prepare_cached("SAVEPOINT one")?.execute([])?;
        let added = self.added.len();
        let done = what(self);
        let spares = done
            .as_ref()
            .err()
            .is_some_and(Fault::spares_the_transaction);
        if spares && !self.conn.is_autocommit() {
            self.conn.prepare_cached("ROLLBACK TO one")?.execute([])?;
            self.added.truncate(added);
            // It may have made users, who are gone now.
            self.users.clear();
        }
        if done.is_ok() || spares {
            self.conn.prepare_cached("RELEASE one")?.execute([])?;
        }
        done
    }

    /// Appends an entry with all that belongs to it, when it is the next one.
    pub(super) fn append(&mut self, append: &Append) -> Result<(), Fault> {
        let conv = append.key.0;
        if append.seq != self.head(conv)? + 1 {
            return Err(Fault::Conflict);
        }
        let done = match &append.body {
            AppendBody::Message { message, body_hash } => {
                self.insert_message(append, message, body_hash)
            }
            _ => self.atomically(|pen| pen.append_change(append)),
        };
        match done {
            Ok(()) => self.heads.insert(conv, append.seq),
            // Should the index have refused what the head allowed, the head is wrong.
            Err(_) => self.heads.remove(&conv),
        };
        done
    }

    /// The last seq of a conversation's log.
    fn head(&mut self, conv: i64) -> Result<u64, Fault> {
        if let Some(head) = self.heads.get(&conv) {
            return Ok(*head);
        }
        let mut read = self
            .conn
            .prepare_cached("SELECT MAX(seq) FROM messages WHERE conv = ?1")?;
        let head: Option<i64> = read.query_one([conv], |row| row.get(0))?;
        // Every conversation has its creation at 1, so one without a head does not exist.
        let head = head.ok_or(Fault::Conflict)?.unsigned_abs();
        if self.heads.len() >= REMEMBERED_MAX {
            self.heads.clear();
        }
        self.heads.insert(conv, head);
        Ok(head)
    }

    pub(super) fn user_key(&mut self, user_id: &UserId) -> Result<i64, Fault> {
        if let Some(key) = self.users.get(user_id) {
            return Ok(*key);
        }
        let known = find_user(self.conn, user_id)?;
        let key = match known {
            Some(key) => key,
            None => {
                let sql = "INSERT INTO users (user_id) VALUES (?1)";
                self.conn.prepare_cached(sql)?.insert([user_id.as_str()])?
            }
        };
        if self.users.len() >= REMEMBERED_MAX {
            self.users.clear();
        }
        self.users.insert(user_id.clone(), key);
        Ok(key)
    }

    pub(super) fn optional_user_key(&mut self, id: Option<&UserId>) -> Result<Option<i64>, Fault> {
        id.map(|id| self.user_key(id)).transpose()
    }

    /// The one statement of a plain message: nothing else is written for it.
    fn insert_message(
        &mut self,
        append: &Append,
        message: &Message,
        body_hash: &BodyHash,
    ) -> Result<(), Fault> {
        let sender = self.optional_user_key(message.sender_id.as_ref())?;
        let message_id = message.message_id.to_bytes();
        let pos = self.insert_message.insert(params![
            append.key.0,
            int(append.seq),
            EntryKind::Message.name(),
            sender,
            append.at.as_millis(),
            int(append.ord),
            int(append.sender_ord),
            message_id,
            message.message_type.name(),
            message.client_msg_id.as_ref().map(|id| id.as_str()),
            body_hash,
            message.reply_to_seq.map(int),
            message.composed_at.map(|at| at.as_millis()),
            message.text,
            json_list(&message.attachments)?,
        ])?;
        self.added(append, pos, sender, Some(message));
        Ok(())
    }

    /// Notes a row of the log for the fold.
    pub(super) fn added(
        &mut self,
        append: &Append,
        pos: i64,
        sender: Option<i64>,
        message: Option<&Message>,
    ) {
        let client_msg_id = message.and_then(|message| message.client_msg_id.clone());
        let sender_id = message.and_then(|message| message.sender_id.clone());
        let named = sender_id.zip(client_msg_id.clone());
        self.added.push(FoldRow {
            pos,
            conv: append.key.0,
            sender,
            sender_ord: int(append.sender_ord),
            message_id: message.map(|message| message.message_id),
            client_msg_id,
            sent_as: named.map(|(sender_id, client_msg_id)| SentName {
                conversation_id: append.conversation_id,
                sender_id,
                client_msg_id,
            }),
        });
    }

    /// Notes the first row of a new conversation's log.
    pub(super) fn began(&mut self, conv: i64, pos: i64, sender: i64) {
        self.added.push(FoldRow {
            pos,
            conv,
            sender: Some(sender),
            sender_ord: 0,
            message_id: None,
            client_msg_id: None,
            sent_as: None,
        });
    }
}

/// A user's key, when there is a row of theirs.
pub(super) fn find_user(conn: &Connection, user_id: &UserId) -> Result<Option<i64>, Fault> {
    let mut find = conn.prepare_cached("SELECT key FROM users WHERE user_id = ?1")?;
    let key = find.query_row([user_id.as_str()], |row| row.get(0));
    Ok(key.optional()?)
}
