//! Consultations: the port, and what the writer writes of them.

use async_trait::async_trait;
use bedside_actors::ports::store::{
    Append, ConsultationSelect, ConsultationStore, NewConsultation, StoreResult,
};
use bedside_protocol::{
    Consultation, ConsultationId, ConsultationStatus, ConversationKind, Event, Timestamp, UserId,
};
use rusqlite::params;

use super::{
    SqliteStore,
    fault::Fault,
    pen::Pen,
    reads::consultations,
    values::{EntryKind, int, json},
};

#[async_trait]
impl ConsultationStore for SqliteStore {
    async fn create_consultation(&self, new: NewConsultation) -> StoreResult<()> {
        self.write(move |pen| pen.create_consultation(&new)).await
    }

    async fn consultation(&self, id: ConsultationId) -> StoreResult<Option<Consultation>> {
        self.readers
            .read(move |conn| consultations::by_id(conn, id))
            .await
    }

    async fn consultations(&self, select: ConsultationSelect) -> StoreResult<Vec<Consultation>> {
        self.readers
            .read(move |conn| consultations::list(conn, &select))
            .await
    }
}

impl Pen<'_> {
    fn create_consultation(&mut self, new: &NewConsultation) -> Result<(), Fault> {
        let NewConsultation {
            consultation: new,
            conversation,
        } = new;
        if conversation.kind != ConversationKind::Consultation
            || conversation.conversation_id != new.conversation_id
        {
            return Err(Fault::Conflict);
        }
        let conv = self.insert_conversation(conversation)?;
        let patient = self.user_key(&new.patient_id)?;
        let doctor = self.user_key(&new.doctor_id)?;
        let sql = "INSERT INTO consultations (consultation_id, conv, appointment_id, type, status,
                patient, doctor, scheduled_at, started_at, ended_at, notes, created_at, updated_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        self.conn.prepare_cached(sql)?.execute(params![
            int(new.consultation_id.number()),
            conv,
            new.appointment_id,
            new.consultation_type.name(),
            new.status.name(),
            patient,
            doctor,
            new.scheduled_at.map(Timestamp::as_millis),
            new.started_at.map(Timestamp::as_millis),
            new.ended_at.map(Timestamp::as_millis),
            new.notes,
            new.created_at.as_millis(),
            new.updated_at.as_millis(),
        ])?;
        for member in &conversation.members {
            self.put_member(conv, member)?;
            self.file_consultation_member(conv, &member.user_id)?;
        }
        Ok(())
    }

    /// Lists the conversation's consultation, if there is one, among those of this person.
    pub(super) fn file_consultation_member(
        &mut self,
        conv: i64,
        user_id: &UserId,
    ) -> Result<(), Fault> {
        let user = self.user_key(user_id)?;
        let sql = "INSERT OR IGNORE INTO consultation_members (user, consultation_id)
            SELECT ?2, consultation_id FROM consultations WHERE conv = ?1";
        self.conn.prepare_cached(sql)?.execute([conv, user])?;
        Ok(())
    }

    /// What an entry changes about its conversation's consultation.
    pub(super) fn change_consultation(
        &mut self,
        append: &Append,
        status: ConsultationStatus,
        notes: Option<&str>,
    ) -> Result<(), Fault> {
        let at = append.at.as_millis();
        let is_over = status.is_final();
        let sql = "UPDATE consultations SET status = ?2, updated_at = ?3,
                started_at = COALESCE(?4, started_at), ended_at = COALESCE(?5, ended_at),
                notes = COALESCE(?6, notes)
            WHERE conv = ?1";
        let changed = self.conn.prepare_cached(sql)?.execute(params![
            append.key.0,
            status.name(),
            at,
            (status == ConsultationStatus::InProgress).then_some(at),
            is_over.then_some(at),
            notes,
        ])?;
        if changed == 0 {
            return Err(Fault::Conflict);
        }
        Ok(())
    }
}

/// How the log keeps an event of a consultation.
pub(super) fn entry_of(event: &Event) -> Result<(EntryKind, String), Fault> {
    match event {
        Event::ConsultationStarted(started) => Ok((EntryKind::ConsultationStarted, json(started)?)),
        Event::ConsultationEnded(ended) => Ok((EntryKind::ConsultationEnded, json(ended)?)),
        _ => Err(Fault::Conflict),
    }
}
