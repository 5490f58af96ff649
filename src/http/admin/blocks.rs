//! `/api/v1/admin/users/{id}/block` and `/api/v1/admin/blocks`: who is kept out whatever their
//! token, until it is lifted.

use actix_web::{HttpResponse, web};
use bedside_actors::ports::store::{Denial, DenialRecord};
use bedside_protocol::{CommandError, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Page, denied, to_its_end, write_down};
use crate::http::{
    auth::Bearer,
    input::{Body, Params},
    openapi::bounds,
    parts::Parts,
    problem::Problem,
};

/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 500;

#[derive(Deserialize, ToSchema)]
#[schema(as = NewBlock)]
pub(super) struct Put {
    #[schema(schema_with = bounds::block_reason)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Block)]
pub(super) struct Row {
    user_id: UserId,
    reason: String,
    blocked_at: Timestamp,
    blocked_by: UserId,
}

impl Row {
    fn of(record: DenialRecord) -> Option<Self> {
        let Denial::Block { user_id, reason } = record.denial else {
            return None;
        };
        Some(Self {
            user_id,
            reason,
            blocked_at: record.at,
            blocked_by: record.by,
        })
    }
}

/// Body: `{reason}`, which only administrators read. No token of this user is taken from now on,
/// and their sockets close with 4411, on all nodes. 200 `{user_id, reason, blocked_at,
/// blocked_by}`; who is blocked already gets the new reason. For admins and systems.
pub(super) async fn put(
    parts: Parts,
    bearer: Bearer,
    id: web::Path<UserId>,
    body: Body<Put>,
) -> Result<HttpResponse, Problem> {
    bearer.require_admin()?;
    let (user_id, by) = (id.into_inner(), bearer.identity.user_id);
    if user_id == by {
        return Err(CommandError::invalid("nobody blocks themselves").into());
    }
    let reason = body.0.reason.trim();
    if reason.is_empty() || reason.chars().any(char::is_control) {
        return Err(CommandError::invalid("reason: empty, or with control characters").into());
    }
    if reason.len() > REASON_BYTES_MAX {
        return Err(CommandError::too_large("reason: at most 500 bytes").into());
    }
    let record = DenialRecord {
        denial: Denial::Block {
            user_id,
            reason: reason.to_owned(),
        },
        at: parts.node.clock().now(),
        by,
    };
    let done = to_its_end(block(parts, record)).await?;
    Ok(HttpResponse::Ok().json(done))
}

async fn block(parts: Parts, record: DenialRecord) -> Result<Option<Row>, Problem> {
    parts.node.deny(record.clone()).await?;
    let row = Row::of(record);
    if let Some(row) = &row {
        // The reason is free text about a person, so it stays out of the log.
        let subject = row.user_id.to_string();
        write_down(
            &parts,
            &row.blocked_by,
            "user.block",
            subject,
            String::new(),
        )
        .await?;
    }
    Ok(row)
}

#[derive(Serialize, ToSchema)]
#[schema(as = LiftedBlock)]
pub(super) struct Lifted {
    user_id: UserId,
    lifted: bool,
}

/// 200 `{user_id, lifted}`; `lifted` is false when there was no block, so that a retry is safe.
/// For admins and systems.
pub(super) async fn delete(
    parts: Parts,
    bearer: Bearer,
    id: web::Path<UserId>,
) -> Result<HttpResponse, Problem> {
    bearer.require_admin()?;
    let (user_id, by) = (id.into_inner(), bearer.identity.user_id);
    let done = to_its_end(async move {
        let lifted = parts.node.unblock(user_id.clone()).await?;
        let subject = user_id.to_string();
        write_down(&parts, &by, "user.unblock", subject, String::new()).await?;
        Ok(Lifted { user_id, lifted })
    });
    Ok(HttpResponse::Ok().json(done.await?))
}

#[derive(Serialize, ToSchema)]
pub(super) struct Blocks {
    blocks: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// `?cursor=&limit=`. 200 `{blocks: [...], cursor?}`, by user id. For admins and systems.
pub(super) async fn list(
    parts: Parts,
    bearer: Bearer,
    params: Params<Page>,
) -> Result<HttpResponse, Problem> {
    bearer.require_admin()?;
    let by_user = |row: &Row| row.user_id.to_string();
    let (blocks, cursor) = denied(&parts, &params.0, Row::of, by_user).await?;
    Ok(HttpResponse::Ok().json(Blocks { blocks, cursor }))
}
