//! Consultations in memory.

use async_trait::async_trait;
use bedside_protocol::{
    Consultation, ConsultationId, ConsultationStatus, ConversationId, ConversationKind, Event,
    Timestamp, UserId,
};
use std::collections::{BTreeMap, HashMap, HashSet};

use super::{MemoryStore, State};
use crate::ports::store::{
    Append, AppendBody, ConsultationSelect, ConsultationStore, NewConsultation, StoreError,
    StoreResult,
};

#[derive(Default)]
pub(super) struct Consultations {
    by_id: BTreeMap<ConsultationId, Consultation>,
    by_conversation: HashMap<ConversationId, ConsultationId>,
    appointments: HashSet<String>,
}

/// What an entry changes about its conversation's consultation.
pub(super) struct ConsultationChange {
    id: ConsultationId,
    status: ConsultationStatus,
    notes: Option<String>,
    at: Timestamp,
}

impl Consultations {
    /// The consultation whose chat this is.
    pub(super) fn of(&self, id: ConversationId) -> Option<&Consultation> {
        self.by_id.get(self.by_conversation.get(&id)?)
    }

    /// What the entry changes, if it is of that kind; a conflict when there is nothing to change.
    pub(super) fn change_by(&self, append: &Append) -> StoreResult<Option<ConsultationChange>> {
        let AppendBody::Consultation {
            event,
            status,
            notes,
        } = &append.body
        else {
            return Ok(None);
        };
        let (Event::ConsultationStarted(_) | Event::ConsultationEnded(_)) = **event else {
            return Err(StoreError::Conflict);
        };
        let of = self.of(append.conversation_id);
        Ok(Some(ConsultationChange {
            id: of.ok_or(StoreError::Conflict)?.consultation_id,
            status: *status,
            notes: notes.as_deref().map(str::to_owned),
            at: append.at,
        }))
    }

    pub(super) fn apply(&mut self, change: ConsultationChange) {
        let Some(consultation) = self.by_id.get_mut(&change.id) else {
            return;
        };
        consultation.status = change.status;
        consultation.updated_at = change.at;
        match change.status {
            ConsultationStatus::Scheduled => {}
            ConsultationStatus::InProgress => consultation.started_at = Some(change.at),
            ConsultationStatus::Completed | ConsultationStatus::Cancelled => {
                consultation.ended_at = Some(change.at);
            }
        }
        if change.notes.is_some() {
            consultation.notes = change.notes;
        }
    }
}

impl State {
    fn create_consultation(&mut self, new: NewConsultation) -> StoreResult<()> {
        let consultation = &new.consultation;
        let (id, conversation_id) = (consultation.consultation_id, consultation.conversation_id);
        if new.conversation.kind != ConversationKind::Consultation
            || new.conversation.conversation_id != conversation_id
            || self.consultations.by_id.contains_key(&id)
            || self
                .consultations
                .appointments
                .contains(&consultation.appointment_id)
        {
            return Err(StoreError::Conflict);
        }
        // The only thing left that can fail, so nothing is ever half made.
        self.create_conversation(new.conversation)?;
        let all = &mut self.consultations;
        all.appointments.insert(consultation.appointment_id.clone());
        all.by_conversation.insert(conversation_id, id);
        all.by_id.insert(id, new.consultation);
        Ok(())
    }

    fn selects(&self, select: &ConsultationSelect, consultation: &Consultation) -> bool {
        let is_member = |user_id: &UserId| {
            let log = self.log(consultation.conversation_id);
            log.is_some_and(|log| log.members.contains_key(user_id))
        };
        let is = |wanted: &Option<UserId>, id: &UserId| wanted.as_ref().is_none_or(|w| w == id);
        select
            .before
            .is_none_or(|before| consultation.consultation_id < before)
            && is(&select.patient_id, &consultation.patient_id)
            && is(&select.doctor_id, &consultation.doctor_id)
            && select.member_id.as_ref().is_none_or(is_member)
    }
}

#[async_trait]
impl ConsultationStore for MemoryStore {
    async fn create_consultation(&self, new: NewConsultation) -> StoreResult<()> {
        self.state.lock().writable()?.create_consultation(new)
    }

    async fn consultation(&self, id: ConsultationId) -> StoreResult<Option<Consultation>> {
        Ok(self.state.lock().consultations.by_id.get(&id).cloned())
    }

    async fn consultations(&self, select: ConsultationSelect) -> StoreResult<Vec<Consultation>> {
        let state = self.state.lock();
        let newest_first = state.consultations.by_id.values().rev();
        let found = newest_first.filter(|one| state.selects(&select, one));
        Ok(found.take(select.limit).cloned().collect())
    }
}
