//! Seed 003: everybody's own notifications.

use crate::http::openapi::{Routes, array, at, bounds, one, op};
use actix_web::{HttpResponse, web};
use bedside_protocol::{NotificationId, limits::NOTIFICATIONS_PAGE_MAX};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::mark_read;
use crate::{
    http::{auth::Me, input::Params, page, parts::Parts, problem::PlainProblem},
    seeds::notifications::NotificationRow,
};

/// Rows when the caller names no limit, as the seed has it.
const LIMIT_DEFAULT: usize = 20;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes
        .under("Notifications (seeds 003 and 001)")
        .add(at("/notifications").get(
            list,
            op("My notifications, the newest first").ok(array::<NotificationRow>),
        ))
        .add(
            at("/notifications/unread/count")
                .get(unread, op("How many are unread").ok(one::<Count>)),
        )
        .add(
            at("/notifications/{notification_id}/read")
                .put(read, op("A notification was seen").ok(one::<Told>)),
        );
}

#[derive(Deserialize, IntoParams)]
struct List {
    #[param(schema_with = bounds::notifications_page)]
    limit: Option<usize>,
}

/// `?limit=` 1..=200, by default 20. 200 with an array of rows, the newest first.
async fn list(parts: Parts, me: Me, params: Params<List>) -> Result<HttpResponse, PlainProblem> {
    let limit = params.0.limit.or(Some(LIMIT_DEFAULT));
    let limit = page::limit(limit, NOTIFICATIONS_PAGE_MAX)?;
    let store = parts.node.store();
    let rows = store.notifications(me.id().clone(), None, limit).await?;
    let rows: Vec<_> = rows.into_iter().map(NotificationRow::from).collect();
    Ok(HttpResponse::Ok().json(rows))
}

#[derive(Serialize, ToSchema)]
struct Count {
    count: u64,
}

/// 200 `{count}`.
async fn unread(parts: Parts, me: Me) -> Result<HttpResponse, PlainProblem> {
    let store = parts.node.store();
    let count = store.unread_notifications(me.id().clone()).await?;
    Ok(HttpResponse::Ok().json(Count { count }))
}

#[derive(Serialize, ToSchema)]
struct Told {
    message: &'static str,
}

/// 200 `{message}`; 404 for one of somebody else.
async fn read(
    parts: Parts,
    me: Me,
    id: web::Path<NotificationId>,
) -> Result<HttpResponse, PlainProblem> {
    mark_read(&parts, &me, *id).await?;
    Ok(HttpResponse::Ok().json(Told {
        message: "Notification marked as read",
    }))
}
