//! The row of a conversation.

use bedside_actors::ports::store::{Attempt, NewConversation, StoreResult};
use bedside_protocol::{
    Consultation, ConsultationId, ConversationId, ConversationKind, ConversationState,
};
use scylla::{DeserializeRow, SerializeRow, value::CqlTimestamp};
use uuid::Uuid;

use super::{
    consultations,
    cql::{Cql, Query},
    values::{Named as _, Sparse, at, consultation_id, conversation_id, int, named, uuid_of},
};

const FIND: Query = Query::read(
    "SELECT conversation_id, kind, title, patient_id, created_by, created_at, state,
         log_start_seq, consultation_id, appointment_id, title_seq, state_seq, attempt
     FROM conversations WHERE conversation_id = ?",
);

/// A row of `conversations`.
#[derive(Clone, SerializeRow, DeserializeRow)]
pub(super) struct Row {
    conversation_id: Uuid,
    pub(super) kind: String,
    pub(super) title: String,
    pub(super) patient_id: Sparse<String>,
    pub(super) created_by: String,
    pub(super) created_at: CqlTimestamp,
    pub(super) state: String,
    pub(super) log_start_seq: i64,
    consultation_id: Sparse<i64>,
    appointment_id: Sparse<String>,
    title_seq: i64,
    state_seq: i64,
    /// Who made it.
    pub(super) attempt: Sparse<Uuid>,
}

impl Row {
    /// The row of a conversation that is being made.
    pub(super) fn of(
        new: &NewConversation,
        id: ConversationId,
        consultation: Option<(ConsultationId, &str)>,
    ) -> Self {
        Self {
            conversation_id: uuid_of(id),
            kind: new.kind.name().to_owned(),
            title: new.title.clone(),
            patient_id: new.patient_id.as_ref().map(ToString::to_string).into(),
            created_by: new.created_by.to_string(),
            created_at: at(new.created_at),
            state: ConversationState::Open.name().to_owned(),
            log_start_seq: 1,
            consultation_id: consultation.map(|(id, _)| int(id.number())).into(),
            appointment_id: consultation.map(|(_, name)| name.to_owned()).into(),
            title_seq: 1,
            state_seq: 1,
            attempt: Some(Uuid::from_u128(Attempt::next().0)).into(),
        }
    }

    pub(super) fn id(&self) -> ConversationId {
        conversation_id(self.conversation_id)
    }

    pub(super) fn kind(&self) -> StoreResult<ConversationKind> {
        named(&self.kind)
    }

    /// The id and the appointment of the consultation that it was made for.
    pub(super) fn consultation(&self) -> StoreResult<Option<(ConsultationId, &str)>> {
        match (self.consultation_id.0, self.appointment_id.0.as_deref()) {
            (Some(id), Some(appointment)) => Ok(Some((consultation_id(id)?, appointment))),
            _ => Ok(None),
        }
    }
}

/// Makes the row of a conversation, unless it is there.
pub(super) const MAKE: Query = Query::conditional(
    "INSERT INTO conversations (conversation_id, kind, title, patient_id, created_by, created_at,
         state, log_start_seq, consultation_id, appointment_id, title_seq, state_seq, attempt)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
);

/// A conversation that was made, whole.
pub(super) async fn find(cql: &Cql, id: ConversationId) -> StoreResult<Option<Row>> {
    cql.first::<Row>(FIND, (uuid_of(id),)).await
}

/// The same, but one that lost the race for its appointment is none, with the consultation as it
/// stands now.
pub(super) async fn standing(
    cql: &Cql,
    id: ConversationId,
) -> StoreResult<Option<(Row, Option<Consultation>)>> {
    let Some(row) = find(cql, id).await? else {
        return Ok(None);
    };
    if row.kind != ConversationKind::Consultation.name() {
        return Ok(Some((row, None)));
    }
    let Some((number, appointment)) = row.consultation()? else {
        return Ok(None);
    };
    let consultation = consultations::of_conversation(cql, appointment, number).await?;
    Ok(consultation.map(|consultation| (row, Some(consultation))))
}
