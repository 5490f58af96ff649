//! `GET /api/v1/users` and `DELETE /api/v1/users/{id}`: what admins and the clinic's systems do
//! with the directory.

use crate::http::openapi::bounds;
use actix_web::{HttpResponse, rt, web};
use bedside_actors::ports::store::{Denial, DenialRecord, PersonRecord};
use bedside_protocol::{CloseCode, CommandError, Role, Roles, UserId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{User, audit, stored};
use crate::http::{
    auth::Bearer,
    clinic::{Done, pages::Page},
    input::Params,
    parts::{HttpParts, Parts},
    problem::Problem,
};

/// People that one listing goes through and counts. More than one clinic has.
const PEOPLE_MAX: u64 = 100_000;
/// So far may the clock of who issues tokens be ahead.
const CLOCK_AHEAD_MS: i64 = 30_000;
/// People that are read at a time.
const STEP: usize = 1_000;

#[derive(Deserialize, IntoParams)]
pub(super) struct List {
    #[param(schema_with = bounds::page_number)]
    page: Option<u64>,
    #[param(schema_with = bounds::page_number)]
    limit: Option<u64>,
    #[param(schema_with = bounds::role)]
    role: Option<String>,
}

/// 200 with a page of the people who have a role, by id. `?page=&limit=&role=`. For admins and
/// systems.
pub(super) async fn list(
    parts: Parts,
    bearer: Bearer,
    params: Params<List>,
) -> Result<HttpResponse, Problem> {
    bearer.require_admin()?;
    let page = Page::of(params.0.page, params.0.limit)?;
    let roles = match params.0.role.as_deref() {
        None => Role::ALL.iter().copied().collect(),
        Some(name) => Role::parse(name)
            .map(Roles::from)
            .ok_or_else(|| CommandError::invalid("role: no such role"))?,
    };
    let (people, total) = people(&parts, roles, page).await?;
    let rows = people.into_iter().map(User::from).collect();
    Ok(HttpResponse::Ok().json(page.list(rows, total)))
}

/// The people of a page, and how many there are in all.
async fn people(
    parts: &HttpParts,
    roles: Roles,
    page: Page,
) -> Result<(Vec<PersonRecord>, u64), Problem> {
    let wanted = page.skip()..page.skip().saturating_add(page.limit());
    let (mut rows, mut total) = (Vec::new(), 0);
    let mut after: Option<UserId> = None;
    while total < PEOPLE_MAX {
        let step = parts.node.store().people_with_roles(roles, after, STEP);
        let step = step.await?;
        let is_last = step.len() < STEP;
        after = step.last().map(|person| person.user_id.clone());
        for person in step {
            if wanted.contains(&total) {
                rows.push(person);
            }
            total += 1;
        }
        if is_last {
            break;
        }
    }
    Ok((rows, total))
}

/// Takes somebody out of the directory: they have no role any more, their relations end, the
/// tokens that they hold are revoked, and their sockets are closed. What they wrote stays. 200 `{message}`, also when tried again. For
/// admins and systems.
pub(super) async fn delete(
    parts: Parts,
    bearer: Bearer,
    id: web::Path<UserId>,
) -> Result<HttpResponse, Problem> {
    bearer.require_admin()?;
    let person = stored(&parts, &id)
        .await?
        .ok_or_else(|| CommandError::not_found("nobody of that id is known"))?;
    // A request is dropped when its client hangs up; this is done to its end.
    let work = rt::spawn(remove(parts, bearer.identity.user_id, person));
    work.await.unwrap_or_else(|_| {
        Err(CommandError::unavailable("whether all of it was done is unknown", 1_000).into())
    })?;
    Ok(HttpResponse::Ok().json(Done {
        message: "User deleted",
    }))
}

async fn remove(parts: Parts, by: UserId, person: PersonRecord) -> Result<(), Problem> {
    let (node, user_id) = (&parts.node, person.user_id.clone());
    // First of all, so that nothing new comes to rest on what they were.
    let without_roles = PersonRecord {
        roles: Roles::NONE,
        ..person
    };
    node.store().put_person(without_roles).await?;
    // With this their sockets close, too.
    node.deny(DenialRecord {
        denial: Denial::Issued {
            user_id: user_id.clone(),
            before: node.clock().now().plus_millis(CLOCK_AHEAD_MS),
        },
        at: node.clock().now(),
        by: by.clone(),
    })
    .await?;
    audit(&parts, &by, "user.delete", &user_id).await?;
    // Those whose token says no time at which it was issued, or a later one.
    node.end_sessions(&user_id, CloseCode::Revoked);
    for relation in node.store().relations_of(user_id.clone()).await? {
        node.delete_relation(relation.patient_id, relation.user_id)
            .await?;
    }
    node.recheck_person(&user_id).await?;
    Ok(())
}
