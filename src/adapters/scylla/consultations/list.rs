//! Consultations by patient, doctor, member, or all of them.

use bedside_actors::ports::store::{ConsultationSelect, StoreResult};
use bedside_protocol::{Consultation, ConsultationId, UserId};

use super::of_conversation;
use crate::adapters::scylla::{
    cql::{Cql, Query, all},
    values::{consultation_id, day, int, month},
};

const FILE_PERSONS: Query = Query::write(
    "INSERT INTO consultations_by_user (user_id, relation, consultation_id, appointment_id)
     VALUES (?, ?, ?, ?)",
);
const FILE_MONTHS: Query = Query::write(
    "INSERT INTO consultations_by_month (month, consultation_id, appointment_id) VALUES (?, ?, ?)",
);
const FILE_MONTH: Query =
    Query::write("INSERT INTO consultation_months (list, month) VALUES ('all', ?)");
const PERSONS: Query = Query::read(
    "SELECT consultation_id, appointment_id FROM consultations_by_user
     WHERE user_id = ? AND relation = ? AND consultation_id < ? LIMIT ?",
);
const IS_PERSONS: Query = Query::read(
    "SELECT consultation_id FROM consultations_by_user
     WHERE user_id = ? AND relation = ? AND consultation_id = ?",
);
const MONTHS: Query = Query::read(
    "SELECT consultation_id, appointment_id FROM consultations_by_month
     WHERE month = ? AND consultation_id < ? LIMIT ?",
);
const WHICH_MONTHS: Query =
    Query::read("SELECT month FROM consultation_months WHERE list = 'all' AND month <= ?");

/// Whose a consultation is.
pub(super) const MEMBER: &str = "member";
const PATIENT: &str = "patient";
const DOCTOR: &str = "doctor";

/// Consultations that are looked at in one go: of a few that are wanted several may not be what
/// was asked for, and of many not all are worth holding.
const LOOK_MIN: usize = 16;
const LOOK_MAX: usize = 200;

/// Lists a new consultation wherever it is looked for, but for its members: those are listed as
/// they come into the conversation.
pub(super) async fn file(cql: &Cql, new: &Consultation) -> StoreResult<()> {
    let (id, appointment) = (new.consultation_id, new.appointment_id.as_str());
    let month = month_of(id);
    futures_util::try_join!(
        file_one(cql, &new.patient_id, PATIENT, id, appointment),
        file_one(cql, &new.doctor_id, DOCTOR, id, appointment),
        cql.write(FILE_MONTHS, (month, int(id.number()), appointment)),
        cql.write(FILE_MONTH, (month,)),
    )
    .map(|_| ())
}

pub(super) async fn file_one(
    cql: &Cql,
    user_id: &UserId,
    relation: &str,
    id: ConsultationId,
    appointment: &str,
) -> StoreResult<()> {
    let values = (user_id.as_str(), relation, int(id.number()), appointment);
    cql.write(FILE_PERSONS, values).await
}

fn month_of(id: ConsultationId) -> i32 {
    month(day(id.made_at()))
}

/// Where consultations are named, the newest first.
#[derive(Clone, Copy)]
enum List<'a> {
    Of(&'a UserId, &'static str),
    In(i32),
}

pub(super) async fn list(cql: &Cql, select: &ConsultationSelect) -> StoreResult<Vec<Consultation>> {
    let mut found = Vec::new();
    // The one with the fewest: a patient has fewer than a doctor.
    let list = match (&select.patient_id, &select.member_id, &select.doctor_id) {
        (Some(patient), _, _) => List::Of(patient, PATIENT),
        (None, Some(member), _) => List::Of(member, MEMBER),
        (None, None, Some(doctor)) => List::Of(doctor, DOCTOR),
        (None, None, None) => {
            let newest = select.before.map_or(i32::MAX, month_of);
            for (month,) in cql.rows::<(i32,)>(WHICH_MONTHS, (newest,)).await? {
                gather(cql, List::In(month), select, &mut found).await?;
                if found.len() >= select.limit {
                    break;
                }
            }
            return Ok(found);
        }
    };
    gather(cql, list, select, &mut found).await?;
    Ok(found)
}

/// Adds what was asked for, of all that a list names, until there are enough.
async fn gather(
    cql: &Cql,
    list: List<'_>,
    select: &ConsultationSelect,
    found: &mut Vec<Consultation>,
) -> StoreResult<()> {
    let mut before = select.before.map_or(i64::MAX, |id| int(id.number()));
    while found.len() < select.limit {
        let wanted = select.limit - found.len();
        let look = wanted.clamp(LOOK_MIN, LOOK_MAX);
        let named = names(cql, list, before, look).await?;
        let looked_at = named
            .iter()
            .map(|(id, appointment)| wanted_one(cql, select, *id, appointment));
        let ones = all(looked_at.collect()).await?;
        found.extend(ones.into_iter().flatten().take(wanted));
        match named.last() {
            Some((last, _)) if named.len() >= look => before = *last,
            _ => break,
        }
    }
    Ok(())
}

async fn names(
    cql: &Cql,
    list: List<'_>,
    before: i64,
    limit: usize,
) -> StoreResult<Vec<(i64, String)>> {
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    match list {
        List::Of(user_id, relation) => {
            let values = (user_id.as_str(), relation, before, limit);
            cql.rows(PERSONS, values).await
        }
        List::In(month) => cql.rows(MONTHS, (month, before, limit)).await,
    }
}

/// The consultation, if it stands and is one of those that were asked for.
async fn wanted_one(
    cql: &Cql,
    select: &ConsultationSelect,
    id: i64,
    appointment: &str,
) -> StoreResult<Option<Consultation>> {
    let Some(one) = of_conversation(cql, appointment, consultation_id(id)?).await? else {
        return Ok(None);
    };
    let is = |wanted: &Option<UserId>, is: &UserId| wanted.as_ref().is_none_or(|id| id == is);
    if !is(&select.patient_id, &one.patient_id) || !is(&select.doctor_id, &one.doctor_id) {
        return Ok(None);
    }
    if let Some(member) = &select.member_id {
        let values = (member.as_str(), MEMBER, id);
        if cql.first::<(i64,)>(IS_PERSONS, values).await?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(one))
}
