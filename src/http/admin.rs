//! `/api/v1/admin/...`: what administrators do, and the clinic's systems on their behalf.

mod audit;
mod blocks;
mod revocations;

use actix_web::{rt, web};
use bedside_actors::ports::store::{AuditRecord, DenialRecord};
use bedside_protocol::{CommandError, UserId, limits::CONVERSATIONS_PAGE_MAX};
use serde::Deserialize;

use super::{parts::Parts, problem::Problem};

/// Rows of a page, unless it is said how many.
const PAGE: usize = 50;

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/admin/revocations")
            .route(web::get().to(revocations::list))
            .route(web::post().to(revocations::post)),
    )
    .service(
        web::resource("/admin/users/{id}/block")
            .route(web::put().to(blocks::put))
            .route(web::delete().to(blocks::delete)),
    )
    .service(web::resource("/admin/blocks").route(web::get().to(blocks::list)))
    .service(web::resource("/admin/audit").route(web::get().to(audit::list)));
}

/// Which page of a list.
#[derive(Deserialize)]
struct Page {
    cursor: Option<String>,
    limit: Option<usize>,
}

impl Page {
    /// The rows of this page of what is sorted by `key`, and the cursor of the next.
    fn of<T>(
        &self,
        mut rows: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), CommandError> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=CONVERSATIONS_PAGE_MAX).contains(&limit) {
            return Err(CommandError::invalid("limit: 1 to 200"));
        }
        rows.sort_by_cached_key(&key);
        if let Some(after) = &self.cursor {
            rows.retain(|row| key(row) > *after);
        }
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let cursor = rows.last().map(&key).filter(|_| has_more);
        Ok((rows, cursor))
    }
}

/// Something that an administrator does, to its end: a request is dropped when its client hangs
/// up.
async fn to_its_end<T: 'static>(
    work: impl Future<Output = Result<T, Problem>> + 'static,
) -> Result<T, Problem> {
    rt::spawn(work).await.unwrap_or_else(|_| {
        Err(CommandError::unavailable("whether all of it was done is unknown", 1_000).into())
    })
}

async fn write_down(
    parts: &Parts,
    actor: &UserId,
    action: &'static str,
    subject: String,
    detail: String,
) -> Result<(), Problem> {
    let record = AuditRecord {
        at: parts.node.clock().now(),
        actor: Some(actor.clone()),
        action: action.into(),
        subject,
        detail,
    };
    Ok(parts.node.trail().write(record).await?)
}

/// Everything that is kept out.
async fn denials(parts: &Parts) -> Result<Vec<DenialRecord>, Problem> {
    Ok(parts.node.store().denials().await?.records)
}
