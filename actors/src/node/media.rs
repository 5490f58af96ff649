//! Who may be seen and heard in a consultation, wherever its call runs.

use bedside_protocol::{CommandError, Consultation, ConsultationId, ErrorCode, MemberRole, Roles};

use super::Node;
use crate::{
    caller::Caller,
    resume,
    rights::{Standing, Verb, may},
};

/// What somebody may do in a consultation's call.
#[derive(Clone, Debug)]
pub struct MediaPass {
    /// Which consultation.
    pub consultation: Consultation,
    /// Whether they may be seen and heard, or only see and hear.
    pub publishes: bool,
    /// Whether they hold it: clinicians who are not there to interpret or to observe.
    pub holds: bool,
}

impl Node {
    /// What the caller may do in the call of a consultation that is not over.
    ///
    /// # Errors
    /// `not_found`, also for one that is nothing to the caller; `forbidden`; `conflict` when it
    /// is over; `unavailable`.
    pub async fn media_pass(
        &self,
        caller: &Caller,
        id: ConsultationId,
    ) -> Result<MediaPass, CommandError> {
        let consultation = self.consultation(caller, id).await?;
        let unknown = || CommandError::not_found("there is no such consultation");
        let chat = resume::view(&self.shared, caller, consultation.conversation_id);
        let chat = chat.await.map_err(|error| match error.code {
            ErrorCode::NotAMember => unknown(),
            _ => error,
        })?;
        let own = chat.members.iter().find(|m| m.user_id == caller.user_id);
        let known = own.map_or(Roles::NONE, |member| member.roles);
        let standing = Standing {
            kind: chat.kind,
            state: chat.state,
            roles: caller.roles,
            member: Some(chat.me.member_role),
            present: chat.me.last_seq.is_none(),
            // Who is no longer staff by their token has lost what rested on it.
            related: caller.roles.is_staff() || !known.is_staff(),
        };
        may(Verb::Enter, &standing).map_err(|error| match error.code {
            ErrorCode::NotAMember => unknown(),
            _ => error,
        })?;
        if consultation.status.is_final() {
            return Err(CommandError::new(
                ErrorCode::Conflict,
                "this consultation is over",
            ));
        }
        Ok(MediaPass {
            consultation,
            publishes: chat.me.member_role != MemberRole::Observer,
            holds: may(Verb::Hold, &standing).is_ok(),
        })
    }
}
