//! What readers get of the conversations in memory.

use bedside_protocol::{Conversation, LastMessage, Member, Mine, UserId};
use std::collections::HashMap;

use super::super::{
    ConversationKey, Loaded, LogPage, LogRange, MemberRecord, SentRecord, TAIL_ENTRIES,
    page::PageBuilder,
};
use super::{
    State,
    log::{Entry, Log, MemberRow, What},
};

pub(super) fn load(state: &State, key: usize) -> Loaded {
    let log = &state.logs[key];
    let head = log.head();
    let tail_from_seq = (head.seq + 1).saturating_sub(TAIL_ENTRIES).max(1);
    let tail = log.range(tail_from_seq, head.seq);
    Loaded {
        key: ConversationKey(key as i64),
        kind: log.kind,
        title: log.title.clone(),
        patient_id: log.patient_id.clone(),
        created_by: log.created_by.clone(),
        created_at: log.created_at,
        state: log.state,
        consultation: state.consultations.of(log.id).cloned(),
        log_start_seq: 1,
        head,
        members: log
            .members
            .iter()
            .map(|(user_id, row)| member_record(state, user_id, row))
            .collect(),
        sender_ords: sender_ords(log),
        tail: tail.filter_map(sent).collect(),
        tail_from_seq,
        // Tests have several nodes write to one memory.
        attempts: Some(
            log.range(tail_from_seq, head.seq)
                .map(|(seq, entry)| (seq, entry.attempt))
                .collect(),
        ),
    }
}

fn member_record(state: &State, user_id: &UserId, row: &MemberRow) -> MemberRecord {
    let person = state.people.get(user_id);
    MemberRecord {
        user_id: user_id.clone(),
        name: person.map_or_else(String::new, |person| person.name.clone()),
        roles: person.map_or_else(Default::default, |person| person.roles),
        member_role: row.member_role,
        first_seq: row.first_seq,
        last_seq: row.last_seq,
        joined_at: row.joined_at,
        receipts: row.receipts,
        preferences: row.preferences,
    }
}

fn sender_ords(log: &Log) -> HashMap<UserId, u64> {
    log.range(1, u64::MAX)
        .filter(|(_, entry)| entry.sender_ord > 0)
        .filter_map(|(_, entry)| Some((entry.by.clone()?, entry.sender_ord)))
        .collect()
}

/// The record of a message that was sent under a `client_msg_id`.
pub(super) fn sent((seq, entry): (u64, &Entry)) -> Option<SentRecord> {
    let What::Message { message, body_hash } = &entry.what else {
        return None;
    };
    Some(SentRecord {
        sender_id: message.sender_id.clone()?,
        client_msg_id: message.client_msg_id.clone()?,
        seq,
        message_id: message.message_id,
        created_at: message.created_at,
        body_hash: *body_hash,
    })
}

pub(super) fn page(log: &Log, range: LogRange) -> LogPage {
    let mut page = PageBuilder::new(range);
    let entries = log.range(range.from_seq, range.to_seq);
    let entries: Box<dyn Iterator<Item = _>> = if range.newest_first {
        Box::new(entries.rev())
    } else {
        Box::new(entries)
    };
    for (seq, entry) in entries {
        if !page.push(log.logged(seq, entry)) {
            break;
        }
    }
    page.finish()
}

/// The user's own view; none when they never were a member.
pub(super) fn mine(log: &Log, user_id: &UserId) -> Option<Mine> {
    let row = log.members.get(user_id)?;
    let head = log.head_at(row.last_seq.unwrap_or(u64::MAX));
    let sender_ord = log.sender_ord(user_id, head.seq);
    Some(Mine {
        member_role: row.member_role,
        first_seq: row.first_seq,
        last_seq: row.last_seq,
        delivered_up_to_seq: row.receipts.delivered_seq,
        read_up_to_seq: row.receipts.read_seq,
        unread_count: row.receipts.unread(head.ord, sender_ord),
        pinned: row.preferences.pinned,
        muted_until: row.preferences.muted_until,
        archived: row.preferences.archived,
    })
}

/// The conversation as the user sees it; none when they never were a member.
pub(super) fn conversation(state: &State, log: &Log, user_id: &UserId) -> Option<Conversation> {
    let me = mine(log, user_id)?;
    let head = log.head_at(me.last_seq.unwrap_or(u64::MAX));
    let last_message = log.range(me.first_seq, head.seq).rev().find_map(message);
    Some(Conversation {
        conversation_id: log.id,
        kind: log.kind,
        title: log.title.clone(),
        patient_id: log.patient_id.clone(),
        consultation_id: state.consultations.of(log.id).map(|c| c.consultation_id),
        created_by: log.created_by.clone(),
        created_at: log.created_at,
        state: log.state,
        head_seq: head.seq,
        log_start_seq: 1,
        last_activity_at: head.at,
        last_message,
        me,
        members: present_members(state, log),
    })
}

fn message((seq, entry): (u64, &Entry)) -> Option<LastMessage> {
    match &entry.what {
        What::Message { message, .. } => Some(LastMessage {
            seq,
            message: message.clone(),
        }),
        _ => None,
    }
}

fn present_members(state: &State, log: &Log) -> Vec<Member> {
    let present = log.members.iter().filter(|(_, row)| row.last_seq.is_none());
    present
        .map(|(user_id, row)| {
            let record = member_record(state, user_id, row);
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
        })
        .collect()
}
