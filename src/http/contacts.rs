//! `/api/v1/contacts`: whom I may write to.

use super::openapi::{Routes, at, bounds, one, op};
use actix_web::HttpResponse;
use bedside_actors::ports::store::PersonRecord;
use bedside_protocol::{Availability, Presence, Roles, Timestamp, UserId, limits};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};

use super::{
    auth::Me,
    input::Params,
    page,
    parts::{HttpParts, Parts},
    problem::Problem,
};
use walk::Walk;

mod place;
mod walk;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("People").add(
        at("/contacts").get(
            list,
            op("Whom I may write to")
                .about("Staff first, then who stands in a relation, then the families of a clinician's patients. A page may have fewer rows than its limit; the list ends where there is no cursor.")
                .ok(one::<Contacts>),
        ),
    );
}

#[derive(Deserialize, IntoParams)]
struct List {
    #[param(schema_with = bounds::cursor)]
    cursor: Option<String>,
    #[param(schema_with = bounds::contacts_page)]
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
struct Contacts {
    contacts: Vec<Contact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Contact {
    user_id: UserId,
    name: String,
    roles: Roles,
    online: bool,
    status: Availability,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_at: Option<Timestamp>,
}

impl Contact {
    /// Presence is shown to people who share a conversation; to others everyone is offline.
    fn new(person: PersonRecord, presence: Option<&Presence>) -> Self {
        Self {
            user_id: person.user_id,
            name: person.name,
            roles: person.roles,
            online: presence.is_some_and(|presence| presence.online),
            status: presence.map_or_else(Availability::default, |presence| presence.status),
            last_seen_at: presence.and_then(|presence| presence.last_seen_at),
        }
    }
}

/// `limit` 1..=200, by default 50. 200 `{contacts: [{user_id, name, roles, online, status,
/// last_seen_at?}], cursor?}`: staff first, then who stands in a relation, then the families of
/// a clinician's patients, each by user id. People whom the directory does not know yet are
/// left out. A page may have fewer rows than its limit; the list ends where there is no cursor.
async fn list(parts: Parts, me: Me, params: Params<List>) -> Result<HttpResponse, Problem> {
    let limit = page::limit(params.0.limit, limits::PRESENCE_WATCH_MAX)?;
    let place = params
        .0
        .cursor
        .as_deref()
        .map(page::from_cursor)
        .transpose()?;
    let (people, next) = Walk::start(&parts, &me, limit).await?.go_on(place).await?;
    let user_ids = people.iter().map(|person| person.user_id.clone()).collect();
    let presence: HashMap<UserId, Presence> = parts
        .node
        .presence(&me.0, user_ids)
        .await?
        .into_iter()
        .map(|presence| (presence.user_id.clone(), presence))
        .collect();
    let contacts = people
        .into_iter()
        .map(|person| {
            let presence = presence.get(&person.user_id);
            Contact::new(person, presence)
        })
        .collect();
    let cursor = next.as_ref().map(page::to_cursor).transpose()?;
    Ok(HttpResponse::Ok().json(Contacts { contacts, cursor }))
}

/// The first contacts, at most `limit`.
pub(super) async fn first_ids(
    parts: &HttpParts,
    me: &Me,
    limit: usize,
) -> Result<Vec<UserId>, Problem> {
    let (people, _) = Walk::start(parts, me, limit).await?.go_on(None).await?;
    Ok(people.into_iter().map(|person| person.user_id).collect())
}
