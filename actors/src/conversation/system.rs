//! What the server itself says in a conversation, for one of the clinic's systems.

use actix::Context;
use bedside_protocol::{
    CommandError, ConversationKind, ConversationState, Event, Message, MessageId, MessageType,
    Reply, Timestamp, reply::MessageSent,
};
use std::sync::Arc;

use super::{
    ConversationActor, Pass, Stage,
    asks::storage_error,
    state::{Planned, State, check_pending},
};
use crate::{
    caller::Caller,
    ports::store::{AppendBody, AuditRecord},
};

/// Whether anything may be added.
fn check_open(state: &State, now: Timestamp) -> Result<(), CommandError> {
    let has_ended = || {
        let mut members = state.members.iter();
        members.any(|m| !m.related.is_some_and(|until| until.holds(now)))
    };
    // A relation may have ended a moment before the conversation is told so.
    let is_shut = state.kind == ConversationKind::Direct && has_ended();
    if state.state == ConversationState::ReadOnly || is_shut {
        return Err(CommandError::forbidden("this conversation is read-only"));
    }
    Ok(())
}

/// A message without a sender, which nobody has to have read.
fn write(state: &mut State, text: String, now: Timestamp) -> Planned {
    let message = Arc::new(Message {
        message_id: MessageId::new(),
        sender_id: None,
        message_type: MessageType::System,
        text,
        attachments: Vec::new(),
        reply_to_seq: None,
        client_msg_id: None,
        composed_at: None,
        created_at: now.max(state.head.at),
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
    });
    let body = AppendBody::Message {
        message: message.clone(),
        // It tells retries apart, and without a name there are none.
        body_hash: [0; 16],
    };
    let append = state.next_entry(None, false, now, body);
    Planned {
        reply: Reply::MessageSent(MessageSent {
            conversation_id: state.id,
            message_id: message.message_id,
            seq: append.seq,
            created_at: message.created_at,
            duplicate: false,
        }),
        event: Event::MessageCreated(Arc::unwrap_or_clone(message)),
        append,
        target_seq: None,
    }
}

impl ConversationActor {
    /// Tells the members of something that is in the audit log already. That the conversation is
    /// read-only keeps nobody from being told.
    pub(super) fn notice(&mut self, text: String, pass: Pass) {
        if let Err(error) = check_pending(self.pending.len()) {
            return pass.responder.err(error);
        }
        let now = self.shared.clock.now();
        let planned = self.state_mut().map(|state| Ok(write(state, text, now)));
        self.carry_out(planned, pass);
    }

    /// Writes it down for the auditor, and then for the members. Nothing else is handled
    /// meanwhile.
    pub(super) fn system_message(
        &mut self,
        by: &Caller,
        text: String,
        pass: Pass,
        ctx: &mut Context<Self>,
    ) {
        let now = self.shared.clock.now();
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let checked = check_open(state, now).and_then(|()| check_pending(self.pending.len()));
        if let Err(error) = checked {
            return pass.responder.err(error);
        }
        let record = AuditRecord {
            at: now,
            actor: Some(by.user_id.clone()),
            action: "message.system".into(),
            subject: self.id.to_string(),
            detail: String::new(),
        };
        let (shared, is_again) = (self.shared.clone(), pass.turn.is_again());
        let audit = async move {
            // One that is decided again has been written down.
            match is_again {
                true => Ok(()),
                false => shared.trail.write(record).await,
            }
        };
        self.hold(ctx, audit, move |audited, actor, ctx| {
            if let Err(fault) = audited {
                return pass.responder.err(storage_error(&fault));
            }
            let now = actor.shared.clock.now();
            let planned = actor.state_mut().map(|state| {
                check_open(state, now)?;
                Ok(write(state, text, now))
            });
            actor.carry_out(planned, pass);
            actor.push_fanout(ctx);
        });
    }
}
