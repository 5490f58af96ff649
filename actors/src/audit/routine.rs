//! Records of what people do every day: sign-ins, changes of conversations, and what staff read.
//! None of them holds a text.

use bedside_protocol::{ConversationId, Event, SessionId, Timestamp, UserId, event::Change};

use crate::ports::store::AuditRecord;

/// Actions of this module. All others are of acts that somebody decides on, or are refused.
const ROUTINE: &[&str] = &[
    "session.open",
    "history.read",
    "message.edit",
    "message.delete",
    "conversation.create",
    "conversation.update",
    "conversation.state",
    "member.add",
    "member.remove",
    "member.leave",
];

impl AuditRecord {
    /// Whether it is of what people do every day.
    #[must_use]
    pub fn is_routine(&self) -> bool {
        ROUTINE.contains(&&*self.action)
    }
}

/// Somebody signed in.
pub(crate) fn session_opened(at: Timestamp, who: &UserId, session: SessionId) -> AuditRecord {
    AuditRecord {
        at,
        actor: Some(who.clone()),
        action: "session.open".into(),
        subject: session.to_string(),
        detail: String::new(),
    }
}

/// Somebody made a conversation.
pub(crate) fn made(at: Timestamp, who: &UserId, id: ConversationId) -> AuditRecord {
    AuditRecord {
        at,
        actor: Some(who.clone()),
        action: "conversation.create".into(),
        subject: id.to_string(),
        detail: String::new(),
    }
}

/// Somebody of the staff read a conversation; once an hour.
pub(super) fn history_read(at: Timestamp, who: &UserId, id: ConversationId) -> AuditRecord {
    AuditRecord {
        at,
        actor: Some(who.clone()),
        action: "history.read".into(),
        subject: id.to_string(),
        detail: String::new(),
    }
}

/// The record of an entry that was added to a conversation's log, if it deserves one.
pub(crate) fn of_entry(
    id: ConversationId,
    seq: u64,
    at: Timestamp,
    event: &Event,
) -> Option<AuditRecord> {
    let (actor, action, detail) = match event {
        // Only who sent it edits it.
        Event::MessageUpdated(edited) => (
            Some(&edited.user_id),
            "message.edit",
            format!("seq={seq} target_seq={}", edited.target_seq),
        ),
        Event::MessageDeleted(deleted) => (
            Some(&deleted.user_id),
            "message.delete",
            format!("seq={seq} target_seq={}", deleted.target_seq),
        ),
        Event::ConversationChanged(changed) => {
            let action = match changed.change {
                Change::Created => "conversation.create",
                Change::Updated => "conversation.update",
                Change::State => "conversation.state",
                Change::MemberAdded => "member.add",
                Change::MemberRemoved => "member.remove",
                Change::MemberLeft => "member.leave",
                Change::Preferences => return None,
            };
            let whom = changed.user_id.as_ref();
            let detail = whom.map_or_else(
                || format!("seq={seq}"),
                |whom| format!("seq={seq} user {whom}"),
            );
            (changed.by_user_id.as_ref(), action, detail)
        }
        _ => return None,
    };
    Some(AuditRecord {
        at,
        actor: actor.cloned(),
        action: action.into(),
        subject: id.to_string(),
        detail,
    })
}
