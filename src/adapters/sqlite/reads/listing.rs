//! A user's conversations, and what is unread in them.

use bedside_actors::ports::store::{
    Conversations, Head, Listed, MemberRecord, Preferences, Receipts, Select,
};
use bedside_protocol::{
    Conversation, ConversationId, ConversationKind, Member, MemberRole, Mine, Timestamp, UserId,
};
use rusqlite::{Connection, Row};
use std::cmp::Reverse;

use super::{
    load::{head_at, members},
    log::last_message,
    lookups::{sender_ord, sender_ord_at},
};
use crate::adapters::sqlite::{
    fault::Fault,
    pen::find_user,
    values::{
        Named, conversation_id, count, optional_consultation_id, optional_count, optional_user_id,
        preferences, receipts, time, user_id,
    },
};

const MEMBERSHIP: &str = "
    SELECT c.key, c.conversation_id, m.member_role, m.first_seq, m.last_seq, m.delivered_seq,
        m.read_seq, m.read_ord, m.read_sender_ord, m.pinned, m.muted_until, m.archived,
        c.kind
    FROM conversation_members m JOIN conversations c ON c.key = m.conv
    WHERE m.user = ?1";

/// One conversation of the user, as far as it takes to sort it.
struct Membership {
    conv: i64,
    conversation_id: ConversationId,
    member_role: MemberRole,
    first_seq: u64,
    last_seq: Option<u64>,
    receipts: Receipts,
    preferences: Preferences,
    kind: ConversationKind,
    /// The last entry that the user may read.
    head: Head,
}

impl Membership {
    fn read(conn: &Connection, row: &Row<'_>) -> Result<Self, Fault> {
        let conv = row.get(0)?;
        let last_seq = optional_count(row, 4)?;
        Ok(Self {
            conv,
            conversation_id: conversation_id(row, 1)?,
            member_role: Named::read(row, 2)?,
            first_seq: count(row, 3)?,
            last_seq,
            receipts: receipts(row, 5)?,
            preferences: preferences(row, 9)?,
            kind: Named::read(row, 12)?,
            head: head_at(conn, conv, last_seq.unwrap_or(u64::MAX))?,
        })
    }

    /// Newest activity first, ties by id.
    const fn place(&self) -> (Reverse<Timestamp>, ConversationId) {
        (Reverse(self.head.at), self.conversation_id)
    }

    fn unread(&self, conn: &Connection, user: i64) -> Result<u64, Fault> {
        let own = match self.last_seq {
            None => sender_ord(conn, self.conv, user)?,
            Some(last_seq) => sender_ord_at(conn, self.conv, user, last_seq)?,
        };
        Ok(self.receipts.unread(self.head.ord, own))
    }
}

pub(crate) fn conversations(
    conn: &Connection,
    user_id: &UserId,
    select: Select,
) -> Result<Conversations, Fault> {
    let Some(user) = find_user(conn, user_id)? else {
        return Ok(Conversations::default());
    };
    let (chosen, has_more) = match select {
        Select::Ids(ids) => (by_id(conn, user, ids)?, false),
        Select::Page {
            after,
            limit,
            without,
        } => {
            let mut all = memberships(conn, user)?;
            all.retain(|one| {
                after.is_none_or(|(at, id)| one.place() > (Reverse(at), id))
                    && !without.contains(&one.conversation_id)
            });
            all.sort_unstable_by_key(Membership::place);
            let has_more = all.len() > limit;
            all.truncate(limit);
            (all, has_more)
        }
    };
    let rows = chosen.iter().map(|one| conversation(conn, user, one));
    Ok(Conversations {
        rows: rows.collect::<Result<_, _>>()?,
        has_more,
    })
}

pub(crate) fn listed(conn: &Connection, user_id: &UserId) -> Result<Vec<Listed>, Fault> {
    let Some(user) = find_user(conn, user_id)? else {
        return Ok(Vec::new());
    };
    let mut all = memberships(conn, user)?;
    all.sort_unstable_by_key(Membership::place);
    let listed = all.into_iter().map(|one| Listed {
        conversation_id: one.conversation_id,
        kind: one.kind,
        last_activity_at: one.head.at,
        last_seq: one.last_seq,
        pinned: one.preferences.pinned,
        archived: one.preferences.archived,
    });
    Ok(listed.collect())
}

pub(crate) fn unread_total(conn: &Connection, user_id: &UserId) -> Result<u64, Fault> {
    let Some(user) = find_user(conn, user_id)? else {
        return Ok(0);
    };
    let mut total = 0;
    for one in memberships(conn, user)? {
        if one.last_seq.is_none() && !one.preferences.archived {
            total += one.unread(conn, user)?;
        }
    }
    Ok(total)
}

fn memberships(conn: &Connection, user: i64) -> Result<Vec<Membership>, Fault> {
    let mut read = conn.prepare_cached(MEMBERSHIP)?;
    let mut rows = read.query([user])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(Membership::read(conn, row)?);
    }
    Ok(all)
}

fn by_id(
    conn: &Connection,
    user: i64,
    mut ids: Vec<ConversationId>,
) -> Result<Vec<Membership>, Fault> {
    ids.sort_unstable();
    ids.dedup();
    let mut read = conn.prepare_cached(&format!("{MEMBERSHIP} AND c.conversation_id = ?2"))?;
    let mut found = Vec::new();
    for id in ids {
        let mut rows = read.query(rusqlite::params![user, id.to_bytes()])?;
        if let Some(row) = rows.next()? {
            found.push(Membership::read(conn, row)?);
        }
    }
    Ok(found)
}

fn conversation(conn: &Connection, user: i64, one: &Membership) -> Result<Conversation, Fault> {
    let sql = "SELECT c.title, p.user_id, b.user_id, c.created_at, c.state,
            c.log_start_seq, n.consultation_id
        FROM conversations c JOIN users b ON b.key = c.created_by
        LEFT JOIN users p ON p.key = c.patient
        LEFT JOIN consultations n ON n.conv = c.key
        WHERE c.key = ?1";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([one.conv])?;
    let row = rows.next()?.ok_or(Fault::Value("conversation"))?;
    let present = members(conn, one.conv)?.into_iter();
    let present = present.filter(|member| member.last_seq.is_none());
    Ok(Conversation {
        conversation_id: one.conversation_id,
        kind: one.kind,
        title: row.get(0)?,
        patient_id: optional_user_id(row, 1)?,
        consultation_id: optional_consultation_id(row, 6)?,
        created_by: user_id(row, 2)?,
        created_at: time(row, 3)?,
        state: Named::read(row, 4)?,
        head_seq: one.head.seq,
        log_start_seq: count(row, 5)?,
        last_activity_at: one.head.at,
        last_message: last_message(conn, one.conv, one.first_seq, one.head.seq)?,
        me: Mine {
            member_role: one.member_role,
            first_seq: one.first_seq,
            last_seq: one.last_seq,
            delivered_up_to_seq: one.receipts.delivered_seq,
            read_up_to_seq: one.receipts.read_seq,
            unread_count: one.unread(conn, user)?,
            pinned: one.preferences.pinned,
            muted_until: one.preferences.muted_until,
            archived: one.preferences.archived,
        },
        members: present.map(member).collect(),
    })
}

fn member(record: MemberRecord) -> Member {
    Member {
        user_id: record.user_id,
        name: record.name,
        roles: record.roles,
        member_role: record.member_role,
        first_seq: record.first_seq,
        last_seq: record.last_seq,
        joined_at: record.joined_at,
        delivered_up_to_seq: record.receipts.delivered_seq,
        read_up_to_seq: record.receipts.read_seq,
    }
}
