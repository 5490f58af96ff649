//! Consultations as they stand now.

use bedside_actors::ports::store::ConsultationSelect;
use bedside_protocol::{Consultation, ConsultationId};
use rusqlite::{Connection, Row, params};

use crate::adapters::sqlite::{
    fault::Fault,
    pen::find_user,
    values::{Named, consultation_id, conversation_id, int, optional_time, time, user_id},
};

/// The columns that [`consultation`] reads.
const COLUMNS: &str = "
    SELECT c.consultation_id, v.conversation_id, c.appointment_id, c.type, c.status, p.user_id,
        d.user_id, c.scheduled_at, c.started_at, c.ended_at, c.notes, c.created_at, c.updated_at";

/// What they come from besides `consultations c`, which is to come first: it is walked in the
/// order of the ids.
const JOINS: &str = "
    CROSS JOIN conversations v ON v.key = c.conv
    CROSS JOIN users p ON p.key = c.patient
    CROSS JOIN users d ON d.key = c.doctor";

/// Of which user (?1 member, ?2 patient, ?3 doctor), where it matters.
const OF: &str = "
    (?2 IS NULL OR c.patient = ?2) AND (?3 IS NULL OR c.doctor = ?3)
    AND (?1 IS NULL OR EXISTS (SELECT 1 FROM consultation_members o
        WHERE o.user = ?1 AND o.consultation_id = c.consultation_id))";

pub(crate) fn by_id(conn: &Connection, id: ConsultationId) -> Result<Option<Consultation>, Fault> {
    let key = int(id.number());
    one(conn, "c.consultation_id", key)
}

/// The consultation whose chat this is.
pub(crate) fn of_conversation(conn: &Connection, conv: i64) -> Result<Option<Consultation>, Fault> {
    one(conn, "c.conv", conv)
}

fn one(conn: &Connection, column: &str, key: i64) -> Result<Option<Consultation>, Fault> {
    let sql = format!("{COLUMNS} FROM consultations c {JOINS} WHERE {column} = ?1");
    let mut find = conn.prepare_cached(&sql)?;
    let mut rows = find.query([key])?;
    rows.next()?.map(consultation).transpose()
}

pub(crate) fn list(
    conn: &Connection,
    select: &ConsultationSelect,
) -> Result<Vec<Consultation>, Fault> {
    let mut keys = [None; 3];
    let wanted = [&select.member_id, &select.patient_id, &select.doctor_id];
    for (key, id) in keys.iter_mut().zip(wanted) {
        if let Some(id) = id {
            *key = find_user(conn, id)?;
            if key.is_none() {
                return Ok(Vec::new());
            }
        }
    }
    let [member, patient, doctor] = keys;
    let before = select.before.map_or(i64::MAX, |id| int(id.number()));
    let limit = int(select.limit as u64);
    let mut find = conn.prepare_cached(&listing(member, patient, doctor))?;
    let mut rows = find.query(params![member, patient, doctor, before, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(consultation(row)?);
    }
    Ok(found)
}

/// The question for these users. It walks along the index that has the fewest: a patient has
/// fewer consultations than a doctor.
fn listing(member: Option<i64>, patient: Option<i64>, doctor: Option<i64>) -> String {
    let (from, start, id) = match (member, patient, doctor) {
        (_, Some(_), _) => ("consultations c", "c.patient = ?2", "c.consultation_id"),
        (Some(_), None, _) => (
            "consultation_members m
             CROSS JOIN consultations c ON c.consultation_id = m.consultation_id",
            "m.user = ?1",
            "m.consultation_id",
        ),
        (None, None, Some(_)) => ("consultations c", "c.doctor = ?3", "c.consultation_id"),
        (None, None, None) => ("consultations c", "TRUE", "c.consultation_id"),
    };
    format!(
        "{COLUMNS} FROM {from} {JOINS}
         WHERE {start} AND {id} < ?4 AND {OF} ORDER BY {id} DESC LIMIT ?5"
    )
}

fn consultation(row: &Row<'_>) -> Result<Consultation, Fault> {
    Ok(Consultation {
        consultation_id: consultation_id(row, 0)?,
        conversation_id: conversation_id(row, 1)?,
        appointment_id: row.get(2)?,
        consultation_type: Named::read(row, 3)?,
        status: Named::read(row, 4)?,
        patient_id: user_id(row, 5)?,
        doctor_id: user_id(row, 6)?,
        scheduled_at: optional_time(row, 7)?,
        started_at: optional_time(row, 8)?,
        ended_at: optional_time(row, 9)?,
        notes: row.get(10)?,
        created_at: time(row, 11)?,
        updated_at: time(row, 12)?,
    })
}
