//! Notifications: `/api/v1/notifications`, and seeds 003's and 001's `/notifications`.

use super::openapi::{Routes, at, bounds, empty, one, op};
use actix_web::{HttpResponse, web};
use bedside_actors::{node::Publication, ports::store::NotificationRecord};
use bedside_protocol::openapi::anything;
use bedside_protocol::{
    Command, Notification, NotificationId, NotificationType, Timestamp, UserId,
    limits::NOTIFICATIONS_PAGE_MAX,
    notification::{Json, NotificationRef},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

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

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("Notifications").add(
        at("/notifications")
            .get(list, op("My notifications, the newest first").ok(one::<Page>))
            .post(
                post,
                op("Notify people")
                    .about("200 with none when everybody has one under this dedupe_key already. Titles and bodies are no place for clinical text.")
                    .for_services()
                    .ok(one::<Published>)
                    .created(one::<Published>)
                    .or(404),
            ),
    )
    .add(at("/notifications/{notification_id}/read").put(read, op("A notification was seen").ok(empty)));
}

/// The seeds' own paths.
pub(super) fn seed_routes(routes: &mut Routes<'_>) {
    routes.with(inbox::routes).with(send::routes);
}

#[derive(Deserialize, IntoParams)]
struct List {
    #[param(schema_with = bounds::cursor)]
    cursor: Option<String>,
    #[param(schema_with = bounds::notifications_page)]
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Notifications)]
struct Page {
    notifications: Vec<Row>,
    unread_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NotificationOfMine)]
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

#[derive(Deserialize, ToSchema)]
#[schema(as = NewNotification)]
struct Post {
    #[serde(rename = "type")]
    notification_type: NotificationType,
    #[schema(schema_with = bounds::notified)]
    user_ids: Vec<UserId>,
    #[schema(schema_with = bounds::notification_title)]
    title: String,
    #[serde(default)]
    #[schema(schema_with = bounds::notification_body)]
    body: String,
    #[schema(schema_with = anything, required = false)]
    data: Option<Json>,
    #[schema(schema_with = bounds::notification_action)]
    action: Option<String>,
    #[schema(schema_with = bounds::dedupe_key)]
    dedupe_key: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PublishedNotifications)]
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
