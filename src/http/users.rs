//! `/api/v1/users`, `/api/v1/users/me`, `/api/v1/users/{id}`: rows of the directory in seed
//! 003's shape (camelCase).

mod directory;
mod one;

use super::clinic::Done;
use super::openapi::{Routes, at, bounds, one as shape, op, paged};
use actix_web::{HttpResponse, web};
use bedside_actors::ports::{
    identity::SessionIdentity,
    store::{AuditRecord, PersonRecord},
};
use bedside_protocol::{CommandError, Role, Roles, Timestamp, UserId, limits::NAME_BYTES_MAX};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    auth::{Bearer, SignedIn},
    input::Body,
    parts::{HttpParts, Parts},
    problem::Problem,
};

/// Bytes of an e-mail address, as RFC 5321 bounds it.
const EMAIL_BYTES_MAX: usize = 254;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("People").add(
        at("/users/me")
            .get(me, op("My own row of the directory").ok(shape::<User>))
            .put(put_me, op("Change my own name").about("Another id, email or role than the token's is refused.").ok(shape::<User>)),
    )
    .add(
        at("/users/{id}")
            .get(one::get, op("One person").about("One's own, and for staff and systems anybody's; others see whom they have to do with.").ok(shape::<User>))
            .put(put, op("Write a person into the directory").about("What is absent stays; a new person needs name and role.").for_directory().ok(shape::<User>).created(shape::<User>))
            .delete(directory::delete, op("Take a person out of the directory").about("They have no role any more, their relations end and their sockets close. Safe to repeat.").roles("admin, service").ok(shape::<Done>)),
    )
    .add(at("/users").get(directory::list, op("The people who have a role").roles("admin, service").ok(paged::<User>)));
}

/// A row of `users`. What the clinic's own system keeps (phone number, title, picture, sign-ins)
/// is not kept here and so is null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct User {
    id: UserId,
    name: String,
    email: Option<String>,
    phone_number: Option<String>,
    /// The first of `roles`.
    role: Option<Role>,
    roles: Roles,
    title: Option<String>,
    avatar_url: Option<String>,
    /// Whether they have any role.
    is_active: bool,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    last_login: Option<Timestamp>,
    mfa_enabled: Option<bool>,
    last_seen_at: Option<Timestamp>,
}

impl From<PersonRecord> for User {
    fn from(person: PersonRecord) -> Self {
        Self {
            id: person.user_id,
            name: person.name,
            email: Some(person.email).filter(|email| !email.is_empty()),
            phone_number: None,
            role: person.roles.iter().next(),
            roles: person.roles,
            title: None,
            avatar_url: None,
            is_active: !person.roles.is_empty(),
            created_at: None,
            updated_at: None,
            last_login: None,
            mfa_enabled: None,
            last_seen_at: person.last_seen_at,
        }
    }
}

/// 200 with the caller's own row.
async fn me(parts: Parts, signed_in: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(User::from(own_record(&parts, &signed_in.0).await?)))
}

/// The caller's row; what the token says where there is none yet.
async fn own_record(
    parts: &HttpParts,
    identity: &SessionIdentity,
) -> Result<PersonRecord, Problem> {
    Ok(stored(parts, &identity.user_id)
        .await?
        .unwrap_or_else(|| PersonRecord {
            user_id: identity.user_id.clone(),
            name: identity.name.to_string(),
            email: identity.email.to_string(),
            roles: identity.roles,
            last_seen_at: None,
        }))
}

async fn stored(parts: &HttpParts, id: &UserId) -> Result<Option<PersonRecord>, Problem> {
    Ok(parts.node.store().people(vec![id.clone()]).await?.pop())
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserChanges)]
struct Put {
    id: Option<UserId>,
    #[serde(alias = "fullName", alias = "fullname")]
    #[schema(schema_with = bounds::name)]
    name: Option<String>,
    #[schema(schema_with = bounds::email)]
    email: Option<String>,
    #[schema(schema_with = bounds::maybe_role, required = false)]
    role: Option<String>,
    #[schema(schema_with = bounds::roles, required = false)]
    roles: Option<Vec<String>>,
}

impl Put {
    fn name(&self) -> Result<Option<String>, CommandError> {
        let Some(name) = self.name.as_deref().map(str::trim) else {
            return Ok(None);
        };
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(CommandError::invalid(
                "name: empty, or with control characters",
            ));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(CommandError::too_large("name: at most 200 bytes"));
        }
        Ok(Some(name.to_owned()))
    }

    fn email(&self) -> Result<Option<String>, CommandError> {
        let Some(email) = self.email.as_deref().map(str::trim) else {
            return Ok(None);
        };
        if email.len() > EMAIL_BYTES_MAX {
            return Err(CommandError::too_large("email: at most 254 bytes"));
        }
        let is_plausible = email
            .split_once('@')
            .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
        if !is_plausible || email.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(CommandError::invalid("email: not an address"));
        }
        Ok(Some(email.to_owned()))
    }

    /// `role` and `roles` together; none when neither is there.
    fn roles(&self) -> Result<Option<Roles>, CommandError> {
        let names = self.role.iter().chain(self.roles.iter().flatten());
        let roles = names
            .map(|name| Role::parse(name))
            .collect::<Option<Roles>>()
            .ok_or_else(|| CommandError::invalid("role: no such role"))?;
        if roles.has(Role::Service) {
            return Err(CommandError::invalid("role: a service is not a person"));
        }
        Ok(Some(roles).filter(|roles| !roles.is_empty()))
    }
}

/// Body: `{name?}`; `fullName` is the same. Who one is and may do comes from the token, so an
/// other `id`, `email` or `role` than there is `forbidden`. 200 with the row.
async fn put_me(
    parts: Parts,
    signed_in: SignedIn,
    body: Body<Put>,
) -> Result<HttpResponse, Problem> {
    let mut person = own_record(&parts, &signed_in.0).await?;
    let other_id = body.0.id.as_ref().is_some_and(|id| *id != person.user_id);
    let other_email = body.0.email()?.is_some_and(|email| email != person.email);
    let other_roles = body
        .0
        .roles()?
        .is_some_and(|roles| roles.iter().any(|role| !person.roles.has(role)));
    if other_id || other_email || other_roles {
        return Err(
            CommandError::forbidden("id, email and role come from the clinic's sign-in").into(),
        );
    }
    if let Some(name) = body.0.name()? {
        person.name = name;
        parts.node.store().put_person(person.clone()).await?;
    }
    Ok(HttpResponse::Ok().json(User::from(person)))
}

/// Body: `{id?, name, email?, role}`; `fullName` and `roles` are accepted too. What is absent
/// stays; a new row needs name and role. For service tokens, and for admins with the scope
/// directory:write. 201 when the row is new, else 200, with the row.
async fn put(
    parts: Parts,
    bearer: Bearer,
    id: web::Path<UserId>,
    body: Body<Put>,
) -> Result<HttpResponse, Problem> {
    bearer.require_directory(&parts)?;
    let user_id = id.into_inner();
    if body.0.id.as_ref().is_some_and(|id| *id != user_id) {
        return Err(CommandError::invalid("id: differs from the path's").into());
    }
    let before = stored(&parts, &user_id).await?;
    let is_new = before.is_none();
    let mut person = before.unwrap_or_else(|| PersonRecord {
        user_id: user_id.clone(),
        name: String::new(),
        email: String::new(),
        roles: Roles::NONE,
        last_seen_at: None,
    });
    person.name = body.0.name()?.unwrap_or(person.name);
    person.email = body.0.email()?.unwrap_or(person.email);
    person.roles = body.0.roles()?.unwrap_or(person.roles);
    if person.name.is_empty() || person.roles.is_empty() {
        return Err(CommandError::invalid("a new user needs name and role").into());
    }
    parts.node.store().put_person(person.clone()).await?;
    // The next token with other claims is to count again.
    parts.node.forget_identity(&user_id);
    audit(&parts, &bearer.identity.user_id, "user.put", &user_id).await?;
    let mut answer = if is_new {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer.json(User::from(person)))
}

async fn audit(
    parts: &HttpParts,
    actor: &UserId,
    action: &'static str,
    user_id: &UserId,
) -> Result<(), Problem> {
    let record = AuditRecord {
        at: parts.node.clock().now(),
        actor: Some(actor.clone()),
        action: action.into(),
        subject: user_id.to_string(),
        detail: String::new(),
    };
    Ok(parts.node.trail().write(record).await?)
}
