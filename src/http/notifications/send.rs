//! Seed 001: `/notifications/send`, for what is shown inside the app.

use crate::http::openapi::{Routes, at, bounds, data_array, op};
use actix_web::HttpResponse;
use bedside_actors::node::Publication;
use bedside_protocol::openapi::anything;
use bedside_protocol::{CommandError, NotificationType, UserId, notification::Json};
use serde::Deserialize;
use utoipa::ToSchema;

use super::publish;
use crate::{
    http::{answer, auth::Bearer, input::Body, parts::Parts, problem::PlainProblem},
    seeds::{SeedId, notifications::NotificationRow},
};

/// The only channel that there is so far, by its spellings.
const CHANNELS: &[&str] = &["in_app", "in-app", "inapp"];

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.add(
        at("/notifications/send").post(
            send,
            op("Notify people inside the app")
                .for_services()
                .created(data_array::<NotificationRow>)
                .or(404),
        ),
    );
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NotificationToSend)]
struct Send {
    user_id: Option<SeedId>,
    user_ids: Option<Vec<SeedId>>,
    #[serde(rename = "type")]
    notification_type: NotificationType,
    #[schema(schema_with = bounds::notification_title)]
    title: String,
    #[serde(default)]
    #[schema(schema_with = bounds::notification_body)]
    body: String,
    #[schema(schema_with = anything, required = false)]
    data: Option<Json>,
    #[schema(schema_with = bounds::notification_action)]
    action: Option<String>,
    #[schema(schema_with = bounds::channel, required = false)]
    channel: Option<String>,
}

/// Body: `{userId or userIds, type, title, body?, data?, action?}`, for service tokens. 201
/// `{success, data}` with the rows that were made.
async fn send(
    parts: Parts,
    bearer: Bearer,
    body: Body<Send>,
) -> Result<HttpResponse, PlainProblem> {
    bearer.require_service()?;
    let published = publish(&parts, &bearer, body.0.try_into()?).await?;
    let rows = published.into_iter().map(NotificationRow::from);
    Ok(answer::created(rows.collect::<Vec<_>>()))
}

impl TryFrom<Send> for Publication {
    type Error = CommandError;

    fn try_from(send: Send) -> Result<Self, CommandError> {
        if let Some(channel) = send.channel
            && !CHANNELS.contains(&channel.to_ascii_lowercase().as_str())
        {
            return Err(CommandError::invalid("channel: only in_app is there"));
        }
        let user_ids = match (send.user_id, send.user_ids) {
            (Some(one), None) => vec![one],
            (None, Some(all)) => all,
            _ => return Err(CommandError::invalid("one of userId and userIds")),
        };
        let user_ids: Result<Vec<UserId>, _> = user_ids.iter().map(SeedId::user_id).collect();
        Ok(Self {
            notification_type: send.notification_type,
            user_ids: user_ids.map_err(|error| CommandError::invalid(error.0))?,
            title: send.title,
            body: send.body,
            data: send.data,
            action: send.action,
            dedupe_key: None,
        })
    }
}
