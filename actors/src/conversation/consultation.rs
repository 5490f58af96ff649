//! How the consultation of a conversation goes: plain steps on plain state, and the actor's way
//! to them.

use bedside_protocol::{
    CommandError, Consultation, ConsultationStatus as Status, ErrorCode, Event, Reply, Role,
    Timestamp, UserId,
    consultation::{ConsultationEnded, ConsultationStarted},
    limits,
    reply::ConsultationReply,
};
use std::sync::Arc;

use super::{
    ConversationActor, Pass, Stage,
    state::{Planned, State, check_pending},
};
use crate::{caller::Caller, consultation::Join, ports::store::AppendBody, rights::Verb};

/// What somebody wants to do with a consultation.
pub(super) enum Step {
    Start,
    End {
        notes: Option<String>,
    },
    /// Call it off.
    Cancel,
}

impl Step {
    const fn verb(&self) -> Verb {
        match self {
            Self::Start | Self::End { .. } => Verb::Hold,
            Self::Cancel => Verb::Cancel,
        }
    }
}

/// Where a step leads from here; none when it leads nowhere, because it has been taken.
fn next(status: Status, step: &Step) -> Result<Option<Status>, CommandError> {
    match (status, step) {
        (Status::Completed | Status::Cancelled, _) => conflict("this consultation is over"),
        (Status::InProgress, Step::Start) => Ok(None),
        (Status::Scheduled, Step::Start) => Ok(Some(Status::InProgress)),
        (Status::Scheduled, Step::End { .. }) => conflict("this consultation has not begun"),
        (Status::InProgress, Step::End { .. }) => Ok(Some(Status::Completed)),
        (Status::Scheduled | Status::InProgress, Step::Cancel) => Ok(Some(Status::Cancelled)),
    }
}

fn conflict<T>(why: &'static str) -> Result<T, CommandError> {
    Err(CommandError::new(ErrorCode::Conflict, why))
}

fn is_there<T>(consultation: Option<T>) -> Result<T, CommandError> {
    consultation.ok_or_else(|| CommandError::not_found("there is no consultation here"))
}

/// Takes a step. A reply at once when it had been taken before.
fn take(
    state: &mut State,
    caller: &Caller,
    step: Step,
    now: Timestamp,
) -> Result<Result<Planned, Reply>, CommandError> {
    state.check(step.verb(), caller, now)?;
    let at = now.max(state.head.at);
    let consultation = is_there(state.consultation.as_mut())?;
    let Some(status) = next(consultation.status, &step)? else {
        return Ok(Err(reply(consultation.clone(), None)));
    };
    let notes = match step {
        Step::End { notes } => notes,
        Step::Start | Step::Cancel => None,
    };
    if notes
        .as_ref()
        .is_some_and(|notes| notes.len() > limits::NOTES_BYTES_MAX)
    {
        return Err(CommandError::too_large("notes: at most 16384 bytes"));
    }
    consultation.status = status;
    consultation.updated_at = at;
    if notes.is_some() {
        consultation.notes.clone_from(&notes);
    }
    // The clinic's systems are nobody whom a client could look up.
    let by = (!caller.roles.has(Role::Service)).then(|| caller.user_id.clone());
    let event = if status == Status::InProgress {
        consultation.started_at = Some(at);
        Event::ConsultationStarted(ConsultationStarted {
            consultation_id: consultation.consultation_id,
            by_user_id: caller.user_id.clone(),
            at,
        })
    } else {
        consultation.ended_at = Some(at);
        Event::ConsultationEnded(ConsultationEnded {
            consultation_id: consultation.consultation_id,
            status,
            by_user_id: by.clone(),
            at,
        })
    };
    let stands = consultation.clone();
    let body = AppendBody::Consultation {
        event: Box::new(event.clone()),
        status,
        notes: notes.map(Arc::from),
    };
    let append = state.next_entry(by.as_ref(), false, now, body);
    Ok(Ok(Planned {
        reply: reply(stands, Some(append.seq)),
        append,
        event,
        target_seq: None,
    }))
}

fn reply(consultation: Consultation, seq: Option<u64>) -> Reply {
    Reply::Consultation(Box::new(ConsultationReply { consultation, seq }))
}

/// Whether the caller may come into the room; the consultation, if so.
fn enter(state: &State, caller: &Caller, now: Timestamp) -> Result<Consultation, CommandError> {
    state.check(Verb::Enter, caller, now)?;
    let consultation = is_there(state.stored_consultation.as_ref())?;
    if consultation.status.is_final() {
        return conflict("this consultation is over");
    }
    Ok(consultation.clone())
}

impl ConversationActor {
    pub(super) fn consult(&mut self, caller: &Caller, step: Step, pass: Pass) {
        if let Err(error) = check_pending(self.pending.len()) {
            return pass.responder.err(error);
        }
        let now = self.shared.clock.now();
        let Stage::Ready(state) = &mut self.stage else {
            return;
        };
        match take(state, caller, step, now) {
            Ok(Ok(planned)) => self.append(planned, pass),
            Ok(Err(reply)) => self.answer_started(reply, pass),
            Err(error) => pass.responder.err(error),
        }
    }

    /// Answers a second start: with the first one, when that is still on its way.
    fn answer_started(&mut self, reply: Reply, pass: Pass) {
        let mut pending = self.pending.iter_mut();
        match pending.find(|p| matches!(p.event, Event::ConsultationStarted(_))) {
            Some(first) => first.waiters.push(pass),
            None => pass.responder.ok(reply),
        }
    }

    pub(super) fn join_room(&self, caller: &Caller, pass: Pass) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let consultation = match enter(state, caller, self.shared.clock.now()) {
            Ok(consultation) => consultation,
            Err(error) => return pass.responder.err(error),
        };
        let Some(responder) = pass.responder.let_enter(&consultation) else {
            return;
        };
        let Some(outbox) = caller.outbox().cloned() else {
            return responder.err(CommandError::invalid("a room is entered with a socket"));
        };
        let join = Join {
            consultation,
            user_id: caller.user_id.clone(),
            outbox,
            responder,
        };
        self.shared.rooms.join(&self.shared, join);
    }

    /// Whoever is gone from the conversation is gone from its room.
    pub(super) fn expel(&self, gone: &UserId) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        if let Some(consultation) = &state.consultation {
            let id = consultation.consultation_id;
            self.shared.rooms.expel(id, gone);
        }
    }

    /// The same for those who went while there was no actor to see it.
    pub(super) fn expel_strangers(&self) {
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let Some(consultation) = &state.consultation else {
            return;
        };
        for user_id in self.shared.rooms.people(consultation.consultation_id) {
            if !state.member(&user_id).is_some_and(|m| m.is_present()) {
                self.expel(&user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_once_and_ends_once() {
        let end = || Step::End { notes: None };
        let to = |status, step| next(status, &step).map_err(|error| error.code);
        let over = Err(ErrorCode::Conflict);
        for (status, start, ended, cancelled) in [
            (
                Status::Scheduled,
                Ok(Some(Status::InProgress)),
                over,
                Ok(Some(Status::Cancelled)),
            ),
            (
                Status::InProgress,
                Ok(None),
                Ok(Some(Status::Completed)),
                Ok(Some(Status::Cancelled)),
            ),
            (Status::Completed, over, over, over),
            (Status::Cancelled, over, over, over),
        ] {
            assert_eq!(to(status, Step::Start), start, "{status:?}");
            assert_eq!(to(status, end()), ended, "{status:?}");
            assert_eq!(to(status, Step::Cancel), cancelled, "{status:?}");
        }
    }
}
