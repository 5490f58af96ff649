//! Consultations: made with their conversations, and read. Their changes come with the log
//! (`filing.rs`), as `UPDATE consultations ... IF change_seq < ?`, so a new row has
//! `change_seq = 1`, the seq of the log's first entry.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    ConsultationSelect, ConsultationStore, NewConsultation, StoreResult,
};
use bedside_protocol::{Consultation, ConsultationId, UserId};

use super::{CqlStore, cql::Cql, not_there_yet};

#[async_trait]
impl ConsultationStore for CqlStore {
    async fn create_consultation(&self, _new: NewConsultation) -> StoreResult<()> {
        // Everything but its own tables: `create::conversation`, with the consultation's id and
        // appointment.
        not_there_yet()
    }

    async fn consultation(&self, _id: ConsultationId) -> StoreResult<Option<Consultation>> {
        not_there_yet()
    }

    async fn consultations(&self, _select: ConsultationSelect) -> StoreResult<Vec<Consultation>> {
        not_there_yet()
    }
}

/// The consultation of a conversation whose row names this appointment and this id. None when
/// the appointment has another one: then the conversation lost the race and does not count.
pub(super) async fn of_conversation(
    _cql: &Cql,
    _appointment_id: &str,
    _id: ConsultationId,
) -> StoreResult<Option<Consultation>> {
    not_there_yet()
}

/// Lists a consultation among those of a new member of its conversation. Called again and again
/// for the same one.
pub(super) async fn file_member(
    _cql: &Cql,
    _appointment_id: &str,
    _id: ConsultationId,
    _user_id: &UserId,
) -> StoreResult<()> {
    not_there_yet()
}
