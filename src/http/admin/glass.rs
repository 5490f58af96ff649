//! `/api/v1/admin/conversations/{conversation_id}/...`: reading in an emergency what one is not a
//! member of.

use actix_web::{HttpRequest, HttpResponse, web};
use bedside_actors::{audit::Whence, node::BrokenGlass};
use bedside_protocol::{ConversationId, Timestamp, UserId, command::MessageHistory};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::to_its_end;
use crate::http::{
    auth::Bearer,
    input::{Body, Params},
    openapi::bounds,
    parts::Parts,
    problem::Problem,
};

#[derive(Deserialize, ToSchema)]
#[schema(as = NewBreakGlass)]
pub(super) struct Post {
    #[schema(schema_with = bounds::block_reason)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = BreakGlass)]
pub(super) struct Broken {
    conversation_id: ConversationId,
    user_id: UserId,
    expires_at: Timestamp,
    /// Where in its log the members are told.
    seq: u64,
}

impl From<BrokenGlass> for Broken {
    fn from(broken: BrokenGlass) -> Self {
        Self {
            conversation_id: broken.conversation_id,
            user_id: broken.user_id,
            expires_at: broken.until,
            seq: broken.seq,
        }
    }
}

#[derive(Deserialize, IntoParams)]
pub(super) struct Range {
    #[param(schema_with = bounds::number)]
    after_seq: Option<u64>,
    #[param(schema_with = bounds::number)]
    before_seq: Option<u64>,
    #[param(schema_with = bounds::history_page)]
    limit: Option<u32>,
}

fn whence(parts: &Parts, request: &HttpRequest) -> Whence {
    let headers = request.head().headers();
    parts.strangers.whence(headers, request.peer_addr())
}

/// Body: `{reason}`, which the members and auditors read. For an hour from now the caller may read
/// this conversation below. 201 `{conversation_id, user_id, expires_at, seq}`. For admins.
pub(super) async fn post(
    parts: Parts,
    request: HttpRequest,
    bearer: Bearer,
    id: web::Path<ConversationId>,
    body: Body<Post>,
) -> Result<HttpResponse, Problem> {
    let (by, whence) = (bearer.caller(), whence(&parts, &request));
    let done = to_its_end(async move {
        let broken = parts
            .node
            .break_glass(&by, &whence, *id, &body.0.reason)
            .await?;
        Ok(Broken::from(broken))
    });
    Ok(HttpResponse::Created().json(done.await?))
}

/// `?after_seq=` or `?before_seq=`, `&limit=`, as of `/conversations/{id}/messages`, of the whole
/// log. For admins, within an hour of the above.
pub(super) async fn history(
    parts: Parts,
    request: HttpRequest,
    bearer: Bearer,
    id: web::Path<ConversationId>,
    params: Params<Range>,
) -> Result<HttpResponse, Problem> {
    let Range {
        after_seq,
        before_seq,
        limit,
    } = params.0;
    let history = MessageHistory {
        conversation_id: *id,
        after_seq,
        before_seq,
        limit,
    };
    let (by, whence) = (bearer.caller(), whence(&parts, &request));
    let page = parts.node.read_behind_glass(&by, &whence, history).await?;
    Ok(HttpResponse::Ok().json(page))
}
