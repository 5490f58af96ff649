//! What a command does to a conversation: plain functions from the state and the command to a
//! planned log entry, or to an answer.

use bedside_protocol::{
    CommandError, ConversationKind, ConversationState, ErrorCode, Event, MemberRole, Message,
    MessageId, MessageSend, Reply, Timestamp, UserId,
    command::{MemberAdd, MessageEdit, MessageReact},
    event::{Change, ConversationChanged, MessageDeleted, MessageReacted, MessageUpdated},
    limits, message,
    reply::{Logged, MessageSent},
};
use std::{sync::Arc, time::Duration};

use crate::{
    caller::Caller,
    ports::store::{AppendBody, BodyHash, ChangeEffect, MemberRecord, NewMember, SentRecord},
    rights::Verb,
};

use super::state::{MemberState, Planned, Sent, State};

/// A new message.
pub(crate) fn send(
    state: &mut State,
    caller: &Caller,
    command: MessageSend,
    body_hash: BodyHash,
    now: Timestamp,
) -> Planned {
    let created_at = now.max(state.head.at);
    let message = Arc::new(Message {
        message_id: MessageId::new(),
        sender_id: Some(caller.user_id.clone()),
        message_type: command.message_type,
        text: command.text,
        attachments: command.attachments,
        reply_to_seq: command.reply_to_seq,
        client_msg_id: command.client_msg_id,
        composed_at: command
            .composed_at
            .filter(|at| created_at.millis_since(*at) > limits::COMPOSED_AT_LAG_MS),
        created_at,
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
    });
    let append = state.next_entry(
        Some(&caller.user_id),
        true,
        now,
        AppendBody::Message {
            message: message.clone(),
            body_hash,
        },
    );
    if let Some(client_msg_id) = &message.client_msg_id {
        let record = SentRecord {
            sender_id: caller.user_id.clone(),
            client_msg_id: client_msg_id.clone(),
            seq: append.seq,
            message_id: message.message_id,
            created_at,
            body_hash,
        };
        state.recent.insert(record, state.stored.seq);
    }
    Planned {
        reply: Reply::MessageSent(MessageSent {
            conversation_id: state.id,
            message_id: message.message_id,
            seq: append.seq,
            created_at,
            duplicate: false,
        }),
        event: Event::MessageCreated(Arc::unwrap_or_clone(message)),
        append,
        target_seq: None,
    }
}

/// The answer to a send whose `client_msg_id` was used before.
pub(crate) fn repeated(
    state: &State,
    sent: &Sent,
    body_hash: BodyHash,
) -> Result<Reply, CommandError> {
    if sent.body_hash != body_hash {
        return Err(CommandError::new(
            ErrorCode::Conflict,
            "this client_msg_id was used for another message",
        ));
    }
    Ok(Reply::MessageSent(MessageSent {
        conversation_id: state.id,
        message_id: sent.message_id,
        seq: sent.seq,
        created_at: sent.created_at,
        duplicate: true,
    }))
}

/// Checks that a message may be answered to: that it is in the caller's window.
pub(crate) fn check_reply_to(
    state: &State,
    caller: &Caller,
    reply_to_seq: Option<u64>,
) -> Result<(), CommandError> {
    let Some(seq) = reply_to_seq else {
        return Ok(());
    };
    let sees = state.member(&caller.user_id).is_some_and(|m| m.sees(seq));
    if seq == 0 || seq > state.head.seq || !sees {
        return Err(CommandError::invalid(
            "reply_to_seq: there is no such message",
        ));
    }
    Ok(())
}

fn own_message<'a>(
    state: &State,
    caller: &Caller,
    seq: u64,
    target: Option<&'a Message>,
) -> Result<&'a Message, CommandError> {
    let message = visible_message(state, caller, seq, target)?;
    if message.sender_id.as_ref() != Some(&caller.user_id) {
        return Err(CommandError::forbidden(
            "only the sender may change a message",
        ));
    }
    Ok(message)
}

fn visible_message<'a>(
    state: &State,
    caller: &Caller,
    seq: u64,
    target: Option<&'a Message>,
) -> Result<&'a Message, CommandError> {
    let sees = state.member(&caller.user_id).is_some_and(|m| m.sees(seq));
    target
        .filter(|_| sees)
        .filter(|message| message.deleted_at.is_none())
        .ok_or_else(|| CommandError::not_found("there is no such message, or it was deleted"))
}

/// Another text for an own message.
pub(crate) fn edit(
    state: &mut State,
    caller: &Caller,
    command: MessageEdit,
    target: Option<&Message>,
    window: Duration,
    now: Timestamp,
) -> Result<Planned, CommandError> {
    message::validate_text(&command.text)?;
    if command.text.trim().is_empty() {
        return Err(CommandError::invalid("text is empty"));
    }
    state.check(Verb::Change, caller, now)?;
    let message = own_message(state, caller, command.seq, target)?;
    let age_ms = now.millis_since(message.created_at);
    if age_ms > i64::try_from(window.as_millis()).unwrap_or(i64::MAX) {
        return Err(CommandError::forbidden(
            "the time for editing this message has passed",
        ));
    }
    not_changing(state, command.seq)?;
    let (message_id, text) = (message.message_id, Arc::<str>::from(command.text.as_str()));
    let append = state.next_entry(
        Some(&caller.user_id),
        false,
        now,
        AppendBody::Edit {
            target_seq: command.seq,
            message_id,
            text,
        },
    );
    let event = Event::MessageUpdated(MessageUpdated {
        target_seq: command.seq,
        message_id,
        user_id: caller.user_id.clone(),
        text: command.text,
        edited_at: append.at,
    });
    Ok(logged(state, append, event, Some(command.seq)))
}

/// An own message is taken back.
pub(crate) fn delete(
    state: &mut State,
    caller: &Caller,
    seq: u64,
    target: Option<&Message>,
    now: Timestamp,
) -> Result<Planned, CommandError> {
    state.check(Verb::Change, caller, now)?;
    let message = own_message(state, caller, seq, target)?;
    not_changing(state, seq)?;
    let message_id = message.message_id;
    let append = state.next_entry(
        Some(&caller.user_id),
        false,
        now,
        AppendBody::Delete {
            target_seq: seq,
            message_id,
        },
    );
    let event = Event::MessageDeleted(MessageDeleted {
        target_seq: seq,
        message_id,
        user_id: caller.user_id.clone(),
        deleted_at: append.at,
    });
    Ok(logged(state, append, event, Some(seq)))
}

/// An emoji is put on a message or taken off. A reply at once when nothing changes by it.
pub(crate) fn react(
    state: &mut State,
    caller: &Caller,
    command: MessageReact,
    target: Option<&Message>,
    now: Timestamp,
) -> Result<Result<Planned, Reply>, CommandError> {
    message::validate_emoji(&command.emoji)?;
    state.check(Verb::React, caller, now)?;
    let message = visible_message(state, caller, command.seq, target)?;
    not_changing(state, command.seq)?;
    let there = message.reactions.iter().find(|r| r.emoji == command.emoji);
    let is_on = there.is_some_and(|r| r.user_ids.contains(&caller.user_id));
    if is_on == command.on {
        return Ok(Err(Reply::Logged(Logged {
            conversation_id: state.id,
            seq: command.seq,
        })));
    }
    if there.is_none() && message.reactions.len() >= limits::REACTIONS_PER_MESSAGE_MAX {
        return Err(CommandError::too_large(
            "emoji: a message carries at most 32 different ones",
        ));
    }
    let message_id = message.message_id;
    let append = state.next_entry(
        Some(&caller.user_id),
        false,
        now,
        AppendBody::React {
            target_seq: command.seq,
            message_id,
            emoji: Arc::from(command.emoji.as_str()),
            on: command.on,
        },
    );
    let event = Event::MessageReacted(MessageReacted {
        target_seq: command.seq,
        message_id,
        user_id: caller.user_id.clone(),
        emoji: command.emoji,
        on: command.on,
        at: append.at,
    });
    // Reactions do not exclude each other: each only adds or takes away its own.
    Ok(Ok(logged(state, append, event, None)))
}

/// Another title.
pub(crate) fn rename(
    state: &mut State,
    caller: &Caller,
    title: String,
    now: Timestamp,
) -> Result<Planned, CommandError> {
    validate_title(&title)?;
    state.check(Verb::Rename, caller, now)?;
    state.title.clone_from(&title);
    let mut changed = changed(Change::Updated, Some(&caller.user_id), now, state);
    changed.title = Some(title.clone());
    Ok(change(
        state,
        Some(&caller.user_id),
        now,
        changed,
        ChangeEffect::Title(title),
    ))
}

/// Checks the bounds of a title.
pub(crate) fn validate_title(title: &str) -> Result<(), CommandError> {
    if title.len() > limits::TITLE_BYTES_MAX {
        return Err(CommandError::too_large("title: at most 200 bytes"));
    }
    if title.trim().is_empty() || title.chars().any(char::is_control) {
        return Err(CommandError::invalid(
            "title is empty or holds control characters",
        ));
    }
    Ok(())
}

/// Somebody comes in. `newcomer` has its rights checked; its window is set here.
pub(crate) fn add_member(
    state: &mut State,
    caller: &Caller,
    command: &MemberAdd,
    mut newcomer: MemberState,
    from_start: bool,
    now: Timestamp,
) -> Result<Planned, CommandError> {
    state.check(Verb::Manage, caller, now)?;
    let before = state.member(&command.user_id);
    let is_new = before.is_none_or(|m| !m.is_present());
    if command.member_role != MemberRole::Admin {
        check_admin_stays(state, &command.user_id)?;
    }
    if is_new && state.present().count() >= limits::MEMBERS_MAX {
        return Err(CommandError::too_large("members: at most 1000"));
    }
    let seq = state.head.seq + 1;
    let first_seq = match before {
        Some(present) if present.is_present() => present.record.first_seq,
        _ if from_start || command.share_history => state.log_start_seq.max(1),
        _ => seq,
    };
    if let Some(before) = before {
        newcomer.record.receipts = before.record.receipts;
        newcomer.record.preferences = before.record.preferences;
        newcomer.sender_ord = before.sender_ord;
    }
    if is_new {
        // What was there before they came is not unread to them.
        let up_to_here = crate::ports::store::Receipts {
            delivered_seq: first_seq.saturating_sub(1),
            read_seq: first_seq.saturating_sub(1),
            read_ord: if first_seq == seq { state.head.ord } else { 0 },
            read_sender_ord: if first_seq == seq {
                newcomer.sender_ord
            } else {
                0
            },
        };
        newcomer.record.receipts = newcomer.record.receipts.merge(up_to_here);
    }
    newcomer.record.first_seq = first_seq;
    newcomer.record.last_seq = None;
    newcomer.record.member_role = command.member_role;
    newcomer.record.joined_at = now;
    let new_member = NewMember {
        user_id: command.user_id.clone(),
        member_role: command.member_role,
        first_seq,
        joined_at: now,
    };
    state.put_member(newcomer);
    let mut changed = changed(Change::MemberAdded, Some(&caller.user_id), now, state);
    changed.user_id = Some(command.user_id.clone());
    changed.member_role = Some(command.member_role);
    changed.first_seq = Some(first_seq);
    Ok(change(
        state,
        Some(&caller.user_id),
        now,
        changed,
        ChangeEffect::PutMember(new_member),
    ))
}

/// A member's window ends: they go (`by` is themselves), are taken out, or (`by` is none) the
/// relation that their membership rested on has ended.
pub(crate) fn end_member(
    state: &mut State,
    by: Option<&UserId>,
    user_id: &UserId,
    now: Timestamp,
) -> Result<Planned, CommandError> {
    let seq = state.head.seq + 1;
    let member = state
        .member_mut(user_id)
        .filter(|m| m.is_present())
        .ok_or_else(|| CommandError::not_found("user_id: not a member"))?;
    member.record.last_seq = Some(seq);
    let kind = if by == Some(user_id) {
        Change::MemberLeft
    } else {
        Change::MemberRemoved
    };
    let mut changed = changed(kind, by, now, state);
    changed.user_id = Some(user_id.clone());
    Ok(change(
        state,
        by,
        now,
        changed,
        ChangeEffect::EndMember(user_id.clone()),
    ))
}

/// The conversation is opened or made read-only by the server.
pub(crate) fn set_state(state: &mut State, to: ConversationState, now: Timestamp) -> Planned {
    state.state = to;
    let mut changed = changed(Change::State, None, now, state);
    changed.state = Some(to);
    change(state, None, now, changed, ChangeEffect::State(to))
}

/// Whether the last admin would go.
pub(crate) fn is_last_admin(state: &State, user_id: &UserId) -> bool {
    let mut admins = state
        .present()
        .filter(|m| m.record.member_role == MemberRole::Admin);
    matches!((admins.next(), admins.next()), (Some(only), None) if only.record.user_id == *user_id)
}

/// Refuses to take the last admin from a conversation that only admins can change.
pub(crate) fn check_admin_stays(state: &State, user_id: &UserId) -> Result<(), CommandError> {
    let by_admins = matches!(
        state.kind,
        ConversationKind::InternalStaff | ConversationKind::Broadcast
    );
    if by_admins && is_last_admin(state, user_id) && state.present().count() > 1 {
        return Err(CommandError::new(
            ErrorCode::Conflict,
            "make somebody else an admin first",
        ));
    }
    Ok(())
}

/// A person as a member to be.
pub(crate) fn newcomer(
    person: crate::ports::store::PersonRecord,
    slot: Arc<crate::sessions::UserSlot>,
    related: Option<crate::rights::Until>,
    treats: bool,
    now: Timestamp,
) -> MemberState {
    MemberState {
        record: MemberRecord {
            user_id: person.user_id,
            name: person.name,
            roles: person.roles,
            member_role: MemberRole::Member,
            first_seq: 1,
            last_seq: None,
            joined_at: now,
            receipts: Default::default(),
            preferences: Default::default(),
        },
        slot,
        sender_ord: 0,
        related,
        treats,
    }
}

fn not_changing(state: &State, seq: u64) -> Result<(), CommandError> {
    if state.changing.contains(&seq) {
        return Err(CommandError::unavailable(
            "another change of this message is on its way",
            50,
        ));
    }
    Ok(())
}

fn changed(
    what: Change,
    by: Option<&UserId>,
    now: Timestamp,
    state: &State,
) -> ConversationChanged {
    ConversationChanged::new(what, by.cloned(), now.max(state.head.at))
}

fn change(
    state: &mut State,
    by: Option<&UserId>,
    now: Timestamp,
    changed: ConversationChanged,
    effect: ChangeEffect,
) -> Planned {
    let append = state.next_entry(
        by,
        false,
        now,
        AppendBody::Change {
            event: Box::new(changed.clone()),
            effect,
        },
    );
    logged(state, append, Event::ConversationChanged(changed), None)
}

fn logged(
    state: &mut State,
    append: crate::ports::store::Append,
    event: Event,
    target_seq: Option<u64>,
) -> Planned {
    if let Some(seq) = target_seq {
        state.changing.insert(seq);
    }
    Planned {
        reply: Reply::Logged(Logged {
            conversation_id: state.id,
            seq: append.seq,
        }),
        event,
        append,
        target_seq,
    }
}
