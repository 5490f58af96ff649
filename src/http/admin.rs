//! `/api/v1/admin/...`: what administrators do, and the clinic's systems on their behalf.

mod audit;
mod blocks;
mod glass;
mod revocations;

use actix_web::rt;
use bedside_actors::ports::store::{AuditRecord, DenialRecord};
use bedside_protocol::{CommandError, UserId, limits::CONVERSATIONS_PAGE_MAX, reply::History};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    openapi::{Routes, at, bounds, one, op},
    parts::Parts,
    problem::Problem,
};

/// Rows of a page, unless it is said how many.
const PAGE: usize = 50;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes
        .under("Administration")
        .add(
            at("/admin/revocations")
                .get(revocations::list, op("Tokens that are not good any more").for_admins().ok(one::<revocations::Revocations>))
                .post(revocations::post, op("Revoke tokens").about("`{user_id, issued_before?}`: those of this user that were issued before this time, by default now; or `{token_id}`: the one whose `jti` this is. Open sockets close with 4410, on all nodes. Safe to repeat.").for_admins().ok(one::<revocations::Row>)),
        )
        .add(
            at("/admin/users/{id}/block")
                .put(blocks::put, op("Block a user").about("No token of theirs is taken until the block is lifted; open sockets close with 4411, on all nodes.").for_admins().ok(one::<blocks::Row>))
                .delete(blocks::delete, op("Lift a block").about("`lifted` is false when there was none.").for_admins().ok(one::<blocks::Lifted>)),
        )
        .add(at("/admin/blocks").get(blocks::list, op("Who is blocked").for_admins().ok(one::<blocks::Blocks>)))
        .add(at("/admin/conversations/{conversation_id}/break-glass").post(glass::post, op("Read a conversation in an emergency").about("For an hour the caller may read it below, without being in it. The members are told who and why, in the conversation; the reason stands in the audit log too. Safe to repeat: each tells the members again and lasts an hour.").only_admins().created(one::<glass::Broken>)))
        .add(at("/admin/conversations/{conversation_id}/messages").get(glass::history, op("A page of a log, in an emergency").about("The whole log, as of `/conversations/{conversation_id}/messages`, within an hour of breaking the glass; each page is written into the audit log.").only_admins().ok(one::<History>)))
        .add(at("/admin/audit").get(audit::list, op("What was written down for auditors").about("Newest first. `user` did it or is its subject; `from` is included, `to` is not. A page may have fewer rows than asked for, or none, and a cursor all the same. For the role admin.").only_admins().ok(one::<audit::Page>)));
}

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
struct Page {
    cursor: Option<String>,
    #[param(schema_with = bounds::conversations_page)]
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

/// A page of what is kept out, as far as it is of one kind.
async fn denied<R>(
    parts: &Parts,
    page: &Page,
    of: fn(DenialRecord) -> Option<R>,
    key: impl Fn(&R) -> String,
) -> Result<(Vec<R>, Option<String>), Problem> {
    let all = parts.node.store().denials().await?.records;
    Ok(page.of(all.into_iter().filter_map(of).collect(), key)?)
}
