//! `GET /api/v1/admin/audit`: what was written down for auditors, newest first.

use actix_web::HttpResponse;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bedside_actors::ports::store::{AuditEntry, AuditRange};
use bedside_protocol::{CommandError, Role, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, collections::BTreeMap};
use utoipa::{IntoParams, ToSchema};

use crate::http::{
    auth::Bearer,
    input::Params,
    openapi::bounds,
    parts::{HttpParts, Parts},
    problem::Problem,
};

/// Entries of a page.
const PAGE_MAX: usize = 200;
/// Entries of each node that one request looks through. A page may have fewer rows for it, or
/// none, and a cursor all the same.
const LOOKED_AT_MAX: usize = 2_000;

#[derive(Deserialize, IntoParams)]
pub(super) struct Query {
    user: Option<UserId>,
    action: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    #[param(schema_with = bounds::cursor)]
    cursor: Option<String>,
    #[param(schema_with = bounds::conversations_page)]
    limit: Option<usize>,
}

impl Query {
    fn wants(&self, entry: &AuditEntry) -> bool {
        let record = &entry.record;
        // Who did it, or to whom it was done.
        let is_of =
            |user: &UserId| record.actor.as_ref() == Some(user) || record.subject == user.as_str();
        self.user.as_ref().is_none_or(is_of)
            && self
                .action
                .as_ref()
                .is_none_or(|action| record.action == *action)
            && self.from.is_none_or(|from| record.at >= from)
            && self.to.is_none_or(|to| record.at < to)
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(super) struct Row {
    node: String,
    seq: u64,
    at: Timestamp,
    actor: Option<UserId>,
    action: String,
    subject: String,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
}

impl From<AuditEntry> for Row {
    fn from(entry: AuditEntry) -> Self {
        let record = entry.record;
        Self {
            node: entry.node,
            seq: entry.seq,
            at: record.at,
            actor: record.actor,
            action: record.action.into_owned(),
            subject: record.subject,
            detail: record.detail,
            ip: entry.ip,
            agent: entry.agent,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditPage)]
pub(super) struct Page {
    entries: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// How far each node's chain was read: from below this place it goes on.
type Places = BTreeMap<String, u64>;

/// `?user=&action=&from=&to=&cursor=&limit=` (1 to 200, by default 50): `user` did it or is its
/// subject; `from` is included, `to` is not. 200 `{entries: [...], cursor?}`. For admins.
pub(super) async fn list(
    parts: Parts,
    bearer: Bearer,
    params: Params<Query>,
) -> Result<HttpResponse, Problem> {
    if !bearer.identity.roles.has(Role::Admin) {
        return Err(CommandError::forbidden("this takes the role admin").into());
    }
    let query = params.0;
    let limit = query.limit.unwrap_or(super::PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(CommandError::invalid("limit: 1 to 200").into());
    }
    let mut places = places(&parts, query.cursor.as_deref()).await?;
    let mut found = Vec::new();
    for (node, below) in &places {
        found.extend(look(&parts, node, *below, &query, limit).await?);
    }
    // Newest first, as far as the clocks of nodes agree; each node's own in their order.
    found.sort_by_key(|looked| (Reverse(looked.entry.record.at), Reverse(looked.entry.seq)));
    let mut entries = Vec::new();
    for looked in found {
        if looked.is_wanted && entries.len() == limit {
            break;
        }
        places.insert(looked.entry.node.clone(), looked.entry.seq);
        if looked.is_wanted {
            entries.push(Row::from(looked.entry));
        }
    }
    places.retain(|_, below| *below > 1);
    let cursor = (!places.is_empty()).then(|| encode(&places));
    Ok(HttpResponse::Ok().json(Page { entries, cursor }))
}

struct Looked {
    entry: AuditEntry,
    is_wanted: bool,
}

/// A node's entries from below a place on, until there are enough.
async fn look(
    parts: &HttpParts,
    node: &str,
    below: u64,
    query: &Query,
    limit: usize,
) -> Result<Vec<Looked>, Problem> {
    let (mut looked, mut wanted, mut to_seq) = (Vec::new(), 0, below.saturating_sub(1));
    while to_seq > 0 && looked.len() < LOOKED_AT_MAX && wanted < limit {
        let range = AuditRange {
            from_seq: 1,
            to_seq,
            newest_first: true,
            limit: PAGE_MAX,
        };
        let entries = parts.node.store().audit_entries(node.to_owned(), range);
        let entries = entries.await?;
        let Some(last) = entries.last() else { break };
        to_seq = last.seq - 1;
        for entry in entries {
            let is_wanted = query.wants(&entry);
            wanted += usize::from(is_wanted);
            looked.push(Looked { entry, is_wanted });
        }
    }
    Ok(looked)
}

async fn places(parts: &HttpParts, cursor: Option<&str>) -> Result<Places, Problem> {
    if let Some(cursor) = cursor {
        let wrong = || CommandError::invalid("cursor: not one of this list");
        let json = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
        return Ok(serde_json::from_slice(&json).map_err(|_| wrong())?);
    }
    let nodes = parts.node.store().audit_nodes().await?;
    Ok(nodes.into_iter().map(|node| (node, u64::MAX)).collect())
}

fn encode(places: &Places) -> String {
    let json = serde_json::to_vec(places)
        .expect("encoded, because a map of texts to numbers is plain JSON");
    URL_SAFE_NO_PAD.encode(json)
}
