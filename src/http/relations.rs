//! `/api/v1/relations`: who is what to which patient, as the clinic's other systems say.

use super::openapi::{Routes, at, one, op};
use actix_web::HttpResponse;
use bedside_actors::ports::store::{AuditRecord, Relation};
use bedside_protocol::{CommandError, RelationKind, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    auth::Bearer,
    input::{Body, OptionalBody, Params},
    parts::{HttpParts, Parts},
    problem::Problem,
};

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("People").add(
        at("/relations")
            .get(list, op("Who is what to whom").about("By default the caller's own; those of others take the right to write them.").ok(one::<Relations>))
            .put(put, op("Say that somebody is something to a patient").about("`clinician_id` is short for `user_id` with the kind clinician. Another kind or end for the same two replaces the one before.").for_directory().ok(one::<Row>))
            .delete(delete, op("End a relation").about("By query or by body; `deleted` is false when there was none.").for_directory().ok(one::<Ended>)),
    );
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewRelation)]
struct Put {
    patient_id: UserId,
    user_id: Option<UserId>,
    clinician_id: Option<UserId>,
    kind: Option<RelationKind>,
    until: Option<Timestamp>,
}

impl Put {
    fn into_relation(self) -> Result<Relation, CommandError> {
        let (user_id, kind) = match (self.user_id, self.clinician_id, self.kind) {
            (Some(user_id), None, Some(kind)) => (user_id, kind),
            (None, Some(id), None | Some(RelationKind::Clinician)) => (id, RelationKind::Clinician),
            _ => {
                return Err(CommandError::invalid(
                    "a relation is {patient_id, user_id, kind} or {patient_id, clinician_id}",
                ));
            }
        };
        if user_id == self.patient_id {
            return Err(CommandError::invalid("user_id: the same as patient_id"));
        }
        Ok(Relation {
            patient_id: self.patient_id,
            user_id,
            kind,
            until: self.until,
        })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Relation)]
struct Row {
    patient_id: UserId,
    user_id: UserId,
    kind: RelationKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    live: bool,
}

impl Row {
    fn of(relation: Relation, now: Timestamp) -> Self {
        Self {
            live: relation.is_live(now),
            patient_id: relation.patient_id,
            user_id: relation.user_id,
            kind: relation.kind,
            until: relation.until,
        }
    }
}

/// Body: `{patient_id, user_id, kind, until?}`, or `{patient_id, clinician_id, until?}` for kind
/// clinician. Another kind or end for the same two replaces the one before; the ids need not be
/// known yet. 200 `{patient_id, user_id, kind, until?, live}`.
async fn put(parts: Parts, bearer: Bearer, body: Body<Put>) -> Result<HttpResponse, Problem> {
    bearer.require_directory(&parts)?;
    let relation = body.0.into_relation()?;
    parts.node.put_relation(relation.clone()).await?;
    let subject = (&relation.patient_id, &relation.user_id);
    audit(&parts, &bearer, "relation.put", subject).await?;
    Ok(HttpResponse::Ok().json(Row::of(relation, parts.node.clock().now())))
}

#[derive(Deserialize, ToSchema, IntoParams)]
#[schema(as = RelationPair)]
struct Pair {
    patient_id: Option<UserId>,
    user_id: Option<UserId>,
    clinician_id: Option<UserId>,
}

impl Pair {
    fn ids(self) -> Option<(UserId, UserId)> {
        Some((self.patient_id?, self.user_id.or(self.clinician_id)?))
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = EndedRelation)]
struct Ended {
    patient_id: UserId,
    user_id: UserId,
    deleted: bool,
}

/// `?patient_id=&user_id=`, or the same as a JSON body. 200 `{patient_id, user_id, deleted}`;
/// `deleted` is false when there was none, so that a retry is safe.
async fn delete(
    parts: Parts,
    bearer: Bearer,
    params: Params<Pair>,
    body: OptionalBody<Pair>,
) -> Result<HttpResponse, Problem> {
    bearer.require_directory(&parts)?;
    let (patient_id, user_id) = params
        .0
        .ids()
        .or_else(|| body.0?.ids())
        .ok_or_else(|| CommandError::invalid("patient_id and user_id are needed"))?;
    let deleted = parts
        .node
        .delete_relation(patient_id.clone(), user_id.clone())
        .await?;
    audit(&parts, &bearer, "relation.delete", (&patient_id, &user_id)).await?;
    Ok(HttpResponse::Ok().json(Ended {
        patient_id,
        user_id,
        deleted,
    }))
}

#[derive(Deserialize, IntoParams)]
struct Whose {
    user_id: Option<UserId>,
}

#[derive(Serialize, ToSchema)]
struct Relations {
    relations: Vec<Row>,
}

/// `?user_id=`, by default the caller's own; those of others take the right to write them.
/// 200 `{relations: [{patient_id, user_id, kind, until?, live}]}`.
async fn list(
    parts: Parts,
    bearer: Bearer,
    params: Params<Whose>,
) -> Result<HttpResponse, Problem> {
    let own = &bearer.identity.user_id;
    let user_id = params.0.user_id.unwrap_or_else(|| own.clone());
    if user_id != *own {
        bearer.require_directory(&parts)?;
    }
    let now = parts.node.clock().now();
    let found = parts.node.store().relations_of(user_id).await?;
    let relations = found.into_iter().map(|r| Row::of(r, now)).collect();
    Ok(HttpResponse::Ok().json(Relations { relations }))
}

async fn audit(
    parts: &HttpParts,
    bearer: &Bearer,
    action: &'static str,
    (patient_id, user_id): (&UserId, &UserId),
) -> Result<(), Problem> {
    let record = AuditRecord {
        at: parts.node.clock().now(),
        actor: Some(bearer.identity.user_id.clone()),
        action: action.into(),
        subject: patient_id.to_string(),
        detail: format!("user_id={user_id}"),
    };
    Ok(parts.node.trail().write(record).await?)
}
