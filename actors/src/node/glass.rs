//! Break-glass: an administrator reads a conversation that they are not in, for an hour, and its
//! members are told.
//!
//! First it is written down for auditors, then the members are told in the conversation itself,
//! and only then may it be read. Until when stands in the store, so that it counts on every node
//! and none forgets it. Each page that is read is written down before it is answered.

use bedside_protocol::{
    CommandError, ConversationId, Reply, Role, Timestamp, UserId, command::MessageHistory,
    reply::History,
};
use std::sync::Arc;

use super::Node;
use crate::{
    audit::Whence,
    caller::Caller,
    conversation::Act,
    ports::store::{AuditRecord, Glass, StoreError},
    resume::{self, storage_error},
};

/// For how long it may be read, milliseconds.
pub const GLASS_MS: i64 = 3_600_000;
/// Bytes of a reason.
pub const GLASS_REASON_BYTES_MAX: usize = 500;

/// What [`Node::break_glass`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenGlass {
    /// Who may read.
    pub user_id: UserId,
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Until when.
    pub until: Timestamp,
    /// Where its members are told.
    pub seq: u64,
}

impl Node {
    /// Lets an administrator read a conversation for an hour, and tells its members who and why.
    /// The reason is for them and for auditors.
    ///
    /// # Errors
    /// `forbidden` for others than administrators, `invalid_argument` and `too_large` about the
    /// reason, `not_found`, `unavailable`.
    pub async fn break_glass(
        self: &Arc<Self>,
        by: &Caller,
        whence: &Whence,
        conversation_id: ConversationId,
        reason: &str,
    ) -> Result<BrokenGlass, CommandError> {
        check_admin(by)?;
        let reason = check_reason(reason)?;
        let found = self.shared.store.load(conversation_id, false).await;
        if found.map_err(fault)?.is_none() {
            return Err(no_such_conversation());
        }
        let at = self.shared.clock.now();
        let until = at.plus_millis(GLASS_MS);
        let detail = format!("until={until} reason={reason}");
        self.write_down(by, whence, "glass.break", conversation_id, detail)
            .await?;
        let act = Act::Notice(notice(by, until, reason));
        let told = match self.ask(by.clone(), conversation_id, act).await? {
            Reply::MessageSent(sent) => sent,
            other => unreachable!("a message is answered with where it is, not {other:?}"),
        };
        let glass = Glass {
            conversation_id,
            user_id: by.user_id.clone(),
            at,
            until,
        };
        self.shared.store.put_glass(glass).await.map_err(fault)?;
        Ok(BrokenGlass {
            user_id: by.user_id.clone(),
            conversation_id,
            until,
            seq: told.seq,
        })
    }

    /// A page of the whole log, for an administrator who has broken the glass within the last
    /// hour.
    ///
    /// # Errors
    /// `forbidden` for all others, and otherwise as `message.history`.
    pub async fn read_behind_glass(
        &self,
        by: &Caller,
        whence: &Whence,
        history: MessageHistory,
    ) -> Result<History, CommandError> {
        check_admin(by)?;
        let id = history.conversation_id;
        let glass = self.shared.store.glass(by.user_id.clone(), id).await;
        let now = self.shared.clock.now();
        let is_over = |glass: Glass| now >= glass.until;
        if glass.map_err(fault)?.is_none_or(is_over) {
            return Err(CommandError::forbidden(
                "this takes a break-glass of the last hour",
            ));
        }
        let page = resume::whole_history(&self.shared, history).await?;
        let seqs = page.events.first().zip(page.events.last());
        let detail = seqs.map_or_else(String::new, |(first, last)| {
            format!("seq={}..{}", first.seq, last.seq)
        });
        // Nobody sees what is not written down.
        self.write_down(by, whence, "glass.read", id, detail)
            .await?;
        Ok(page)
    }

    async fn write_down(
        &self,
        by: &Caller,
        whence: &Whence,
        action: &'static str,
        id: ConversationId,
        detail: String,
    ) -> Result<(), CommandError> {
        let record = AuditRecord {
            at: self.shared.clock.now(),
            actor: Some(by.user_id.clone()),
            action: action.into(),
            subject: id.to_string(),
            detail,
        };
        let written = self.shared.trail.write_from(record, whence).await;
        written.map_err(fault)
    }
}

fn check_admin(by: &Caller) -> Result<(), CommandError> {
    if by.roles.has(Role::Admin) {
        return Ok(());
    }
    Err(CommandError::forbidden("this takes the role admin"))
}

fn check_reason(reason: &str) -> Result<&str, CommandError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().any(char::is_control) {
        return Err(CommandError::invalid(
            "reason: empty, or with control characters",
        ));
    }
    if reason.len() > GLASS_REASON_BYTES_MAX {
        return Err(CommandError::too_large("reason: at most 500 bytes"));
    }
    Ok(reason)
}

fn notice(by: &Caller, until: Timestamp, reason: &str) -> String {
    let who = match by.name.trim() {
        "" => by.user_id.as_str(),
        name => name,
    };
    format!(
        "Emergency access: the administrator {who} may read this conversation until {until}. Reason: {reason}"
    )
}

fn no_such_conversation() -> CommandError {
    CommandError::not_found("no such conversation")
}

fn fault(fault: StoreError) -> CommandError {
    storage_error(&fault)
}
