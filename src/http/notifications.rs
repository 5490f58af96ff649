//! Notifications: `/api/v1/notifications`, and seeds 003's and 001's `/notifications`.

use actix_web::{HttpResponse, web};
use bedside_actors::{node::Publication, ports::store::NotificationRecord};
use bedside_protocol::{
    Command, Notification, NotificationId, NotificationType, Timestamp, UserId,
    limits::NOTIFICATIONS_PAGE_MAX,
    notification::{Json, NotificationRef},
};
use serde::{Deserialize, Serialize};

use super::{
    auth::{Bearer, Me},
    input::{Body, Params},
    page,
    parts::{HttpParts, Parts},
    problem::Problem,
};

mod inbox;
mod publish;
mod send;

pub(super) use publish::publish;

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/notifications")
            .route(web::get().to(list))
            .route(web::post().to(post)),
    )
    .service(web::resource("/notifications/{notification_id}/read").route(web::put().to(read)));
}

/// The seeds' own paths.
pub(super) fn seed_routes(cfg: &mut web::ServiceConfig) {
    inbox::routes(cfg);
    send::routes(cfg);
}

#[derive(Deserialize)]
struct List {
    cursor: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Page {
    notifications: Vec<Row>,
    unread_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    notification: Notification,
    #[serde(skip_serializing_if = "Option::is_none")]
    acked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_at: Option<Timestamp>,
}

impl From<NotificationRecord> for Row {
    fn from(record: NotificationRecord) -> Self {
        Self {
            notification: record.notification,
            acked_at: record.acked_at,
            read_at: record.read_at,
        }
    }
}

/// The caller's own, the newest first. `limit` 1..=200, by default 50. 200 `{notifications:
/// [{...Notification, acked_at?, read_at?}], unread_count, cursor?}`.
async fn list(parts: Parts, me: Me, params: Params<List>) -> Result<HttpResponse, Problem> {
    let limit = page::limit(params.0.limit, NOTIFICATIONS_PAGE_MAX)?;
    let before = params.0.cursor.as_deref();
    let before: Option<NotificationId> = before.map(page::from_cursor).transpose()?;
    let store = parts.node.store();
    // One more tells whether the list goes on.
    let mut rows = store
        .notifications(me.id().clone(), before, limit + 1)
        .await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().map(|row| row.notification.notification_id);
    let cursor = last.filter(|_| has_more);
    Ok(HttpResponse::Ok().json(Page {
        cursor: cursor.as_ref().map(page::to_cursor).transpose()?,
        unread_count: store.unread_notifications(me.id().clone()).await?,
        notifications: rows.into_iter().map(Row::from).collect(),
    }))
}

/// 200 `{}`. One of somebody else, or none, is `not_found`.
async fn read(
    parts: Parts,
    me: Me,
    id: web::Path<NotificationId>,
) -> Result<HttpResponse, Problem> {
    mark_read(&parts, &me, *id).await?;
    Ok(HttpResponse::Ok().json(Json::Object(serde_json::Map::new())))
}

async fn mark_read(parts: &HttpParts, me: &Me, id: NotificationId) -> Result<(), Problem> {
    let command = Command::NotificationRead(NotificationRef {
        notification_id: id,
    });
    me.run(parts, command).await?;
    Ok(())
}

#[derive(Deserialize)]
struct Post {
    #[serde(rename = "type")]
    notification_type: NotificationType,
    user_ids: Vec<UserId>,
    title: String,
    #[serde(default)]
    body: String,
    data: Option<Json>,
    action: Option<String>,
    dedupe_key: Option<String>,
}

#[derive(Serialize)]
struct Published {
    data: Vec<Notification>,
}

/// Body: `{type, user_ids, title, body?, data?, action?, dedupe_key?}`, for service tokens.
/// `{data: [Notification]}`, those that are new: 201, or 200 when everybody had one under this
/// `dedupe_key` already.
async fn post(parts: Parts, bearer: Bearer, body: Body<Post>) -> Result<HttpResponse, Problem> {
    bearer.require_service()?;
    let data = publish(&parts, &bearer, body.0.into()).await?;
    let mut answer = if data.is_empty() {
        HttpResponse::Ok()
    } else {
        HttpResponse::Created()
    };
    Ok(answer.json(Published { data }))
}

impl From<Post> for Publication {
    fn from(post: Post) -> Self {
        Self {
            notification_type: post.notification_type,
            user_ids: post.user_ids,
            title: post.title,
            body: post.body,
            data: post.data,
            action: post.action,
            dedupe_key: post.dedupe_key,
        }
    }
}
