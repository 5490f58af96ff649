//! Seed 000: `/consultations`, and its messages under `/messages` too.

use super::openapi::{Routes, at, bounds, data, data_array, op};
use crate::seeds::notifications::NotificationRow;
use actix_web::{HttpResponse, web};
use bedside_actors::node::{ConsultationFilter, ConsultationRequest};
use bedside_protocol::{
    Command, CommandError, Consultation, ConsultationId, ConsultationType, Reply, Timestamp,
    consultation::{ConsultationEnd, ConsultationRef},
    ids::InvalidId,
    limits::CONSULTATIONS_PAGE_MAX,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    answer,
    auth::{Bearer, Me},
    input::{Body, OptionalBody, Params},
    page,
    parts::{HttpParts, Parts},
    problem::{PlainProblem, Problem},
};
use crate::seeds::{SeedId, consultations::ConsultationRow};

mod chat;
mod notify;
mod unread;

type Answer = Result<HttpResponse, PlainProblem>;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes
        .under("Consultations (seed 000)")
        .add(at("/consultations").post(
            create,
            op("Make a consultation")
                .about("One per appointment. `doctorId` is by default the caller.")
                .roles("doctor, admin, service")
                .created(data::<ConsultationRow>)
                .or(404)
                .or(409),
        ))
        // Before the id: no id reads like this.
        .add(at("/consultations/history").get(
            history,
            op("List consultations").about("The newest first: people see their own, admins and services all.").ok(data_array::<ConsultationRow>),
        ))
        .add(at("/consultations/{id}").get(get, op("One consultation").about("To those in it, admins and services.").ok(data::<ConsultationRow>)))
        .add(at("/consultations/{id}/start").post(start, op("Begin it").about("By clinicians in it.").ok(data::<ConsultationRow>).or(409)))
        .add(at("/consultations/{id}/end").post(end, op("End it").about("By clinicians in it.").ok(data::<ConsultationRow>).or(409)))
        .add(at("/consultations/{id}/cancel").post(cancel, op("Cancel it").about("By clinicians in it, admins and services.").ok(data::<ConsultationRow>).or(409)))
        .add(at("/consultations/{id}/notifications").post(
            notify::post,
            op("Show something to everybody in it")
                .about("Any object of at most 16 KiB. It goes as it is to those in the room, and each participant gets a notification.")
                .for_services()
                .created(data_array::<NotificationRow>),
        ))
        .with(chat::routes)
        .with(unread::routes);
}

/// The seed's row of a consultation.
fn row(consultation: Consultation) -> ConsultationRow {
    consultation.into()
}

/// An id in a body or query that cannot be one.
fn bad(field: &'static str) -> impl Fn(InvalidId) -> CommandError {
    move |error| CommandError::invalid(format!("{field}: {error}"))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewConsultation)]
struct Create {
    appointment_id: SeedId,
    #[serde(rename = "type")]
    #[schema(schema_with = bounds::consultation_type)]
    consultation_type: String,
    patient_id: SeedId,
    doctor_id: Option<SeedId>,
    scheduled_at: Option<Timestamp>,
}

impl TryFrom<Create> for ConsultationRequest {
    type Error = CommandError;

    fn try_from(create: Create) -> Result<Self, CommandError> {
        let doctor_id = create.doctor_id.as_ref().map(SeedId::user_id).transpose();
        Ok(Self {
            appointment_id: create.appointment_id.as_str().to_owned(),
            consultation_type: ConsultationType::parse(&create.consultation_type)
                .ok_or_else(|| CommandError::invalid("type: VIDEO or CHAT"))?,
            patient_id: create.patient_id.user_id().map_err(bad("patientId"))?,
            doctor_id: doctor_id.map_err(bad("doctorId"))?,
            scheduled_at: create.scheduled_at,
        })
    }
}

/// Body: `{appointmentId, type, patientId, doctorId?, scheduledAt?}`, for doctors, admins and
/// service tokens. 201; 409 when the appointment has one.
async fn create(parts: Parts, bearer: Bearer, body: Body<Create>) -> Answer {
    let (caller, request) = (bearer.caller(), body.0.try_into()?);
    let made = parts.node.create_consultation(&caller, request).await?;
    Ok(answer::created(row(made)))
}

/// 200, for those in it, admins and service tokens; 404 to others.
async fn get(parts: Parts, bearer: Bearer, id: web::Path<ConsultationId>) -> Answer {
    let found = parts.node.consultation(&bearer.caller(), *id).await?;
    Ok(answer::ok(row(found)))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
struct History {
    #[param(schema_with = bounds::seed_id)]
    patient_id: Option<SeedId>,
    #[param(schema_with = bounds::seed_id)]
    doctor_id: Option<SeedId>,
    #[param(schema_with = bounds::consultation_number)]
    before: Option<SeedId>,
    #[param(schema_with = bounds::consultations_page)]
    limit: Option<usize>,
}

/// `?patientId=&doctorId=`, each where it matters, `&limit=` 1..=200, by default 50, `&before=` an
/// id. 200 with a list, the newest first: people see their own, admins and service tokens all.
async fn history(parts: Parts, bearer: Bearer, params: Params<History>) -> Answer {
    let History {
        patient_id,
        doctor_id,
        before,
        limit,
    } = params.0;
    let user = |id: Option<SeedId>, field| {
        let id = id.as_ref().map(SeedId::user_id).transpose();
        id.map_err(bad(field))
    };
    let before = before.as_ref().map(SeedId::consultation_id).transpose();
    let filter = ConsultationFilter {
        patient_id: user(patient_id, "patientId")?,
        doctor_id: user(doctor_id, "doctorId")?,
        before: before.map_err(bad("before"))?,
        limit: page::limit(limit, CONSULTATIONS_PAGE_MAX)?,
    };
    let found = parts.node.consultations(&bearer.caller(), filter).await?;
    let rows: Vec<_> = found.into_iter().map(row).collect();
    Ok(answer::ok(rows))
}

/// 200; for the clinicians in it. One that goes on already is answered as it stands.
async fn start(parts: Parts, me: Me, id: web::Path<ConsultationId>) -> Answer {
    let command = Command::ConsultationStart(ConsultationRef {
        consultation_id: *id,
    });
    Ok(answer::ok(changed(&parts, &me, command).await?))
}

#[derive(Default, Deserialize, ToSchema)]
#[schema(as = ConsultationNotes)]
struct End {
    #[schema(schema_with = bounds::notes)]
    notes: Option<String>,
}

/// Body: `{notes?}`, or none. 200; for the clinicians in it.
async fn end(
    parts: Parts,
    me: Me,
    id: web::Path<ConsultationId>,
    body: OptionalBody<End>,
) -> Answer {
    let command = Command::ConsultationEnd(ConsultationEnd {
        consultation_id: *id,
        notes: body.0.unwrap_or_default().notes,
    });
    Ok(answer::ok(changed(&parts, &me, command).await?))
}

async fn changed(parts: &HttpParts, me: &Me, command: Command) -> Result<ConsultationRow, Problem> {
    match me.run(parts, command).await? {
        Reply::Consultation(reply) => Ok(row(reply.consultation)),
        _ => Err(CommandError::unavailable("the server lost the answer", 0).into()),
    }
}

/// 200; for the clinicians in it, admins and service tokens, as long as it is not over.
async fn cancel(parts: Parts, bearer: Bearer, id: web::Path<ConsultationId>) -> Answer {
    let caller = bearer.caller();
    let cancelled = parts.node.cancel_consultation(&caller, *id).await?;
    Ok(answer::ok(row(cancelled)))
}
