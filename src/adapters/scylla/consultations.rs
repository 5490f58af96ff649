//! Consultations: made with their conversations, and read. Their changes come with the log
//! (`filing.rs`), as `UPDATE consultations ... IF change_seq < ?`, so a new row has
//! `change_seq = 1`, the seq of the log's first entry.
//!
//! One is made when its row is, last of all. What names it before (its conversation, its id, the
//! lists) counts only while the row of its appointment names the same id, so every way to a
//! consultation ends at [`of_conversation`].

mod list;

use async_trait::async_trait;
use bedside_actors::ports::store::{
    ConsultationSelect, ConsultationStore, NewConsultation, StoreError, StoreResult,
};
use bedside_protocol::{Consultation, ConsultationId, ConversationKind, Timestamp, UserId};
use scylla::{DeserializeRow, SerializeRow, value::CqlTimestamp};
use std::sync::Arc;
use uuid::Uuid;

use super::{
    Core, CqlStore,
    cql::{Cql, Query},
    create,
    values::{
        Sparse, at, consultation_id, conversation_id, int, named, time, user_id as parse_user_id,
        uuid_of,
    },
};

const FIND: Query = Query::read(
    "SELECT appointment_id, consultation_id, conversation_id, type, status, patient_id, doctor_id,
         scheduled_at, started_at, ended_at, notes, created_at, updated_at, change_seq
     FROM consultations WHERE appointment_id = ?",
);
const MAKE: Query = Query::conditional(
    "INSERT INTO consultations (appointment_id, consultation_id, conversation_id, type, status,
         patient_id, doctor_id, scheduled_at, started_at, ended_at, notes, created_at, updated_at,
         change_seq)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
);
const MAKE_ID: Query = Query::conditional(
    "INSERT INTO consultation_ids (consultation_id, appointment_id) VALUES (?, ?) IF NOT EXISTS",
);
const APPOINTMENT: Query =
    Query::read("SELECT appointment_id FROM consultation_ids WHERE consultation_id = ?");

#[async_trait]
impl ConsultationStore for CqlStore {
    async fn create_consultation(&self, new: NewConsultation) -> StoreResult<()> {
        self.run(async move |core| create_consultation(&core, &new).await)
            .await
    }

    async fn consultation(&self, id: ConsultationId) -> StoreResult<Option<Consultation>> {
        self.run(async move |core| by_id(&core.cql, id).await).await
    }

    async fn consultations(&self, select: ConsultationSelect) -> StoreResult<Vec<Consultation>> {
        self.run(async move |core| list::list(&core.cql, &select).await)
            .await
    }
}

#[derive(Clone, SerializeRow, DeserializeRow)]
struct Row {
    appointment_id: String,
    consultation_id: i64,
    conversation_id: Uuid,
    #[scylla(rename = "type")]
    consultation_type: String,
    status: String,
    patient_id: String,
    doctor_id: String,
    scheduled_at: Sparse<CqlTimestamp>,
    started_at: Sparse<CqlTimestamp>,
    ended_at: Sparse<CqlTimestamp>,
    notes: Sparse<String>,
    created_at: CqlTimestamp,
    updated_at: CqlTimestamp,
    change_seq: i64,
}

impl Row {
    fn of(new: &Consultation) -> Self {
        let optional = |when: Option<Timestamp>| Sparse(when.map(at));
        Self {
            appointment_id: new.appointment_id.clone(),
            consultation_id: int(new.consultation_id.number()),
            conversation_id: uuid_of(new.conversation_id),
            consultation_type: new.consultation_type.name().to_owned(),
            status: new.status.name().to_owned(),
            patient_id: new.patient_id.to_string(),
            doctor_id: new.doctor_id.to_string(),
            scheduled_at: optional(new.scheduled_at),
            started_at: optional(new.started_at),
            ended_at: optional(new.ended_at),
            notes: Sparse(new.notes.clone()),
            created_at: at(new.created_at),
            updated_at: at(new.updated_at),
            change_seq: 1,
        }
    }

    fn read(self) -> StoreResult<Consultation> {
        Ok(Consultation {
            consultation_id: consultation_id(self.consultation_id)?,
            conversation_id: conversation_id(self.conversation_id),
            appointment_id: self.appointment_id,
            consultation_type: named(&self.consultation_type)?,
            status: named(&self.status)?,
            patient_id: parse_user_id(&self.patient_id)?,
            doctor_id: parse_user_id(&self.doctor_id)?,
            scheduled_at: self.scheduled_at.0.map(time),
            started_at: self.started_at.0.map(time),
            ended_at: self.ended_at.0.map(time),
            notes: self.notes.0,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        })
    }
}

/// Everything that belongs to it and then its row, which decides. Who loses the race for an
/// appointment, or comes no further, leaves what nobody sees.
async fn create_consultation(core: &Arc<Core>, new: &NewConsultation) -> StoreResult<()> {
    let NewConsultation {
        consultation: new,
        conversation,
    } = new;
    if conversation.kind != ConversationKind::Consultation
        || conversation.conversation_id != new.conversation_id
    {
        return Err(StoreError::Conflict);
    }
    let (cql, id, appointment) = (&core.cql, new.consultation_id, new.appointment_id.as_str());
    if of_appointment(cql, appointment).await?.is_some() {
        return Err(StoreError::Conflict);
    }
    // Looked at before anything is written, and once more when it is taken.
    check_id(cql, id, appointment).await?;
    create::conversation(core, conversation, Some((id, appointment))).await?;
    cql.apply_surely(MAKE_ID, (int(id.number()), appointment))
        .await?;
    check_id(cql, id, appointment).await?;
    list::file(cql, new).await?;
    cql.apply_surely(MAKE, Row::of(new)).await?;
    match of_conversation(cql, appointment, id).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::Conflict),
    }
}

/// That an id is free, or goes with this appointment.
async fn check_id(cql: &Cql, id: ConsultationId, appointment: &str) -> StoreResult<()> {
    match appointment_of(cql, id).await? {
        Some(other) if other != appointment => match of_conversation(cql, &other, id).await? {
            Some(_) => Err(StoreError::Conflict),
            // Somebody is making it right now, or came no further.
            None => Err(StoreError::Unavailable(
                "this consultation id is being used; try again".to_owned(),
            )),
        },
        _ => Ok(()),
    }
}

async fn appointment_of(cql: &Cql, id: ConsultationId) -> StoreResult<Option<String>> {
    let found = cql.first::<(String,)>(APPOINTMENT, (int(id.number()),));
    Ok(found.await?.map(|(appointment,)| appointment))
}

async fn of_appointment(cql: &Cql, appointment: &str) -> StoreResult<Option<Consultation>> {
    let row = cql.first::<Row>(FIND, (appointment,)).await?;
    row.map(Row::read).transpose()
}

async fn by_id(cql: &Cql, id: ConsultationId) -> StoreResult<Option<Consultation>> {
    match appointment_of(cql, id).await? {
        Some(appointment) => of_conversation(cql, &appointment, id).await,
        None => Ok(None),
    }
}

/// The consultation of a conversation whose row names this appointment and this id. None when
/// the appointment has another one: then the conversation lost the race and does not count.
pub(super) async fn of_conversation(
    cql: &Cql,
    appointment_id: &str,
    id: ConsultationId,
) -> StoreResult<Option<Consultation>> {
    let found = of_appointment(cql, appointment_id).await?;
    Ok(found.filter(|found| found.consultation_id == id))
}

/// Lists a consultation among those of a new member of its conversation. Called again and again
/// for the same one.
pub(super) async fn file_member(
    cql: &Cql,
    appointment_id: &str,
    id: ConsultationId,
    user_id: &UserId,
) -> StoreResult<()> {
    list::file_one(cql, user_id, list::MEMBER, id, appointment_id).await
}
