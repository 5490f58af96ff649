//! `/api/v1/admin/revocations`: tokens that are not good any more.

use actix_web::HttpResponse;
use bedside_actors::ports::{
    identity::TokenId,
    store::{Denial, DenialRecord},
};
use bedside_protocol::{CommandError, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Page, denied, to_its_end, write_down};
use crate::http::{
    auth::Bearer,
    input::{Body, Params},
    parts::Parts,
    problem::Problem,
};

/// How far ahead `issued_before` may be: so far may the clock of who issues tokens be ahead.
const AHEAD_MS: i64 = 30_000;

#[derive(Deserialize, ToSchema)]
#[schema(as = NewRevocation)]
pub(super) struct Post {
    user_id: Option<UserId>,
    issued_before: Option<Timestamp>,
    token_id: Option<String>,
}

impl Post {
    fn denial(self, now: Timestamp) -> Result<Denial, CommandError> {
        match (self.user_id, self.token_id) {
            (Some(user_id), None) => {
                let before = self.issued_before.unwrap_or(now);
                if before.millis_since(now) > AHEAD_MS {
                    return Err(CommandError::invalid(
                        "issued_before: at most 30 s ahead; to keep somebody out, block them",
                    ));
                }
                Ok(Denial::Issued { user_id, before })
            }
            (None, Some(id)) if self.issued_before.is_none() => TokenId::new(&id)
                .map(Denial::Token)
                .ok_or_else(|| CommandError::invalid("token_id: 1 to 256 bytes of plain text")),
            _ => Err(CommandError::invalid(
                "a revocation is {user_id, issued_before} or {token_id}",
            )),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Revocation)]
pub(super) struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<String>,
    revoked_at: Timestamp,
    revoked_by: UserId,
}

impl Row {
    fn of(record: DenialRecord) -> Option<Self> {
        let row = Self {
            user_id: None,
            issued_before: None,
            token_id: None,
            revoked_at: record.at,
            revoked_by: record.by,
        };
        match record.denial {
            Denial::Issued { user_id, before } => Some(Self {
                user_id: Some(user_id),
                issued_before: Some(before),
                ..row
            }),
            Denial::Token(id) => Some(Self {
                token_id: Some(id.as_str().to_owned()),
                ..row
            }),
            Denial::Block { .. } => None,
        }
    }

    /// Users come before tokens.
    fn key(&self) -> String {
        match (&self.user_id, &self.token_id) {
            (Some(user_id), _) => format!("1{user_id}"),
            (None, id) => format!("2{}", id.as_deref().unwrap_or_default()),
        }
    }
}

/// Body: `{user_id, issued_before?}`: tokens of this user that were issued before this time, by
/// default now, are not good any more; or `{token_id}`: the token whose `jti` this is. Their
/// sockets close with 4410, on all nodes. 200 `{user_id, issued_before, revoked_at, revoked_by}`
/// or `{token_id, ...}`; safe to repeat. For admins and systems.
pub(super) async fn post(
    parts: Parts,
    bearer: Bearer,
    body: Body<Post>,
) -> Result<HttpResponse, Problem> {
    bearer.require_admin()?;
    let now = parts.node.clock().now();
    let record = DenialRecord {
        denial: body.0.denial(now)?,
        at: now,
        by: bearer.identity.user_id,
    };
    let done = to_its_end(revoke(parts, record)).await?;
    Ok(HttpResponse::Ok().json(done))
}

async fn revoke(parts: Parts, record: DenialRecord) -> Result<Option<Row>, Problem> {
    let (action, subject, detail) = match &record.denial {
        Denial::Issued { user_id, before } => (
            "tokens.revoke",
            user_id.to_string(),
            format!("issued_before={before}"),
        ),
        Denial::Token(id) => ("token.revoke", id.as_str().to_owned(), String::new()),
        Denial::Block { .. } => return Ok(None),
    };
    parts.node.deny(record.clone()).await?;
    write_down(&parts, &record.by, action, subject, detail).await?;
    Ok(Row::of(record))
}

#[derive(Serialize, ToSchema)]
pub(super) struct Revocations {
    revocations: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// `?cursor=&limit=`. 200 `{revocations: [...], cursor?}`: those of users by id, then those of
/// single tokens. For admins and systems.
pub(super) async fn list(
    parts: Parts,
    bearer: Bearer,
    params: Params<Page>,
) -> Result<HttpResponse, Problem> {
    bearer.require_admin()?;
    let (revocations, cursor) = denied(&parts, &params.0, Row::of, Row::key).await?;
    Ok(HttpResponse::Ok().json(Revocations {
        revocations,
        cursor,
    }))
}
