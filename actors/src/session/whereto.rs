//! From what a client names (a person, a consultation) to the conversation that is meant.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use bedside_protocol::{Command, ConsultationId, ConversationId, MessageSend, UserId};
use std::collections::HashMap;

use super::SessionActor;
use crate::caller::Responder;

/// Conversations of each kind whose ids a session remembers.
const KNOWN_MAX: usize = 256;

/// What was looked up before. Neither ever changes.
#[derive(Default)]
pub(super) struct Known {
    direct: HashMap<UserId, ConversationId>,
    consultations: HashMap<ConsultationId, ConversationId>,
}

impl Known {
    fn note_direct(&mut self, other: UserId, id: ConversationId) {
        if self.direct.len() >= KNOWN_MAX {
            self.direct.clear();
        }
        self.direct.insert(other, id);
    }

    fn note_consultation(&mut self, consultation_id: ConsultationId, id: ConversationId) {
        if self.consultations.len() >= KNOWN_MAX {
            self.consultations.clear();
        }
        self.consultations.insert(consultation_id, id);
    }
}

impl SessionActor {
    /// `message.send`, to whatever it names.
    pub(super) fn send(
        &mut self,
        mut send: MessageSend,
        responder: Responder,
        ctx: &mut Context<Self>,
    ) {
        let names_others = send.to_user_id.is_some() || send.consultation_id.is_some();
        if let (Some(id), false) = (send.conversation_id, names_others) {
            // The conversation looks at the rest.
            return self.to_conversation(id, Command::MessageSend(send), responder);
        }
        if let Err(error) = send.validate() {
            return responder.err(error);
        }
        if let Some(to) = send.to_user_id.take() {
            self.send_to_user(to, send, responder, ctx);
        } else if let Some(id) = send.consultation_id.take() {
            self.ask_consultation(id, Command::MessageSend(send), responder, ctx);
        }
    }

    fn send_to_user(
        &mut self,
        to: UserId,
        send: MessageSend,
        responder: Responder,
        ctx: &mut Context<Self>,
    ) {
        let command = Command::MessageSend(send);
        if let Some(id) = self.known.direct.get(&to) {
            return self.pass_on(*id, command, responder);
        }
        let (node, caller, other) = (self.node.clone(), self.caller.clone(), to.clone());
        // Nothing that the client sends after it may overtake it.
        ctx.wait(
            async move { node.direct_with(&caller, other).await }
                .into_actor(self)
                .map(move |found, actor, _| match found {
                    Ok(id) => {
                        actor.known.note_direct(to, id);
                        actor.pass_on(id, command, responder);
                    }
                    Err(error) => responder.err(error),
                }),
        );
    }

    /// Passes a command on to the conversation of a consultation.
    pub(super) fn ask_consultation(
        &mut self,
        consultation_id: ConsultationId,
        command: Command,
        responder: Responder,
        ctx: &mut Context<Self>,
    ) {
        if let Some(id) = self.known.consultations.get(&consultation_id) {
            return self.pass_on(*id, command, responder);
        }
        let node = self.node.clone();
        // Nothing that the client sends after it may overtake it.
        ctx.wait(
            async move { node.consultation_chat(consultation_id).await }
                .into_actor(self)
                .map(move |found, actor, _| match found {
                    Ok(id) => {
                        actor.known.note_consultation(consultation_id, id);
                        actor.pass_on(id, command, responder);
                    }
                    Err(error) => responder.err(error),
                }),
        );
    }

    fn pass_on(&self, id: ConversationId, mut command: Command, responder: Responder) {
        if let Command::MessageSend(send) = &mut command {
            // A message names its conversation from here on.
            send.conversation_id = Some(id);
        }
        self.to_conversation(id, command, responder);
    }
}
