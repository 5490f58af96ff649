//! What one of the clinic's systems shows to everybody in a consultation.

use actix_web::web;
use bedside_actors::node::Publication;
use bedside_protocol::{
    CommandError, Consultation, ConsultationId, NotificationType, UserId,
    limits::{
        NOTIFICATION_BODY_BYTES_MAX, NOTIFICATION_DATA_BYTES_MAX, NOTIFICATION_TITLE_BYTES_MAX,
        ROOM_NOTIFICATION_BYTES_MAX,
    },
    notification::Json,
};
use serde::Deserialize;
use serde_json::Map;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::Answer;
use crate::{
    http::{
        answer,
        auth::Bearer,
        input::Body,
        notifications::publish,
        parts::{HttpParts, Parts},
        problem::Problem,
    },
    seeds::notifications::NotificationRow,
};

/// Any JSON object.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Shown(Map<String, Json>);

impl PartialSchema for Shown {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Object).into()
    }
}

impl ToSchema for Shown {}

/// Body: any JSON object of at most 16 KiB, for service tokens. It goes as it is to those who are
/// in the room, and each participant gets a notification with what it holds of one: `type`,
/// `title`, `body` or `message`, and the object itself as `data` where it fits. 201 with the
/// notifications' rows.
pub(super) async fn post(
    parts: Parts,
    bearer: Bearer,
    id: web::Path<ConsultationId>,
    body: Body<Shown>,
) -> Answer {
    bearer.require_service()?;
    let shown = Json::Object(body.0.0);
    let bytes = shown.to_string().len();
    if bytes > ROOM_NOTIFICATION_BYTES_MAX {
        return Err(CommandError::too_large("body: at most 16384 bytes of JSON").into());
    }
    let consultation = parts.node.consultation(&bearer.caller(), *id).await?;
    let user_ids = participants(&parts, &consultation).await?;
    let publication = publication(&shown, bytes, user_ids);
    let published = publish(&parts, &bearer, publication).await?;
    (parts.notify_room)(*id, shown);
    let rows = published.into_iter().map(NotificationRow::from);
    Ok(answer::created(rows.collect::<Vec<_>>()))
}

/// Everybody who is a member of its conversation now.
async fn participants(
    parts: &HttpParts,
    consultation: &Consultation,
) -> Result<Vec<UserId>, Problem> {
    let store = parts.node.store();
    let chat = store.load(consultation.conversation_id, false).await?;
    let members = chat.into_iter().flat_map(|chat| chat.members);
    Ok(members
        .filter(|member| member.last_seq.is_none())
        .map(|member| member.user_id)
        .collect())
}

/// The notification that lies in what is shown; `bytes` is its size.
fn publication(shown: &Json, bytes: usize, user_ids: Vec<UserId>) -> Publication {
    let text = |name: &str| shown.get(name).and_then(Json::as_str);
    let title = text("title").filter(|title| !title.trim().is_empty());
    let body = text("body").or_else(|| text("message"));
    Publication {
        notification_type: text("type")
            .and_then(NotificationType::parse)
            .unwrap_or(NotificationType::SystemAlert),
        user_ids,
        title: cut(
            title.unwrap_or("Consultation"),
            NOTIFICATION_TITLE_BYTES_MAX,
        ),
        body: cut(body.unwrap_or(""), NOTIFICATION_BODY_BYTES_MAX),
        data: Some(shown.clone()).filter(|_| bytes <= NOTIFICATION_DATA_BYTES_MAX),
        action: None,
        dedupe_key: None,
    }
}

/// As much of a text as fits: the room has seen all of it.
fn cut(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(shown: &Json) -> Publication {
        publication(shown, shown.to_string().len(), Vec::new())
    }

    #[test]
    fn what_it_holds_of_a_notification_is_taken() {
        let shown =
            json!({"type": "lab_results", "title": "T", "body": "B", "message": "M", "x": 1});
        let made = of(&shown);
        assert_eq!(made.notification_type, NotificationType::LabResults);
        assert_eq!((made.title.as_str(), made.body.as_str()), ("T", "B"));
        assert_eq!(made.data, Some(shown));
        let made = of(&json!({"message": "M", "title": " ", "type": "whatever"}));
        assert_eq!(made.notification_type, NotificationType::SystemAlert);
        assert_eq!(
            (made.title.as_str(), made.body.as_str()),
            ("Consultation", "M")
        );
        let made = of(&json!({"title": 7, "body": {}, "type": null}));
        assert_eq!(
            (made.title.as_str(), made.body.as_str()),
            ("Consultation", "")
        );
    }

    #[test]
    fn what_is_too_long_for_a_notification_is_cut_and_the_object_left_out() {
        let long = "ä".repeat(NOTIFICATION_DATA_BYTES_MAX / 2);
        let made = of(&json!({"title": long, "body": long}));
        assert_eq!(made.title.len(), NOTIFICATION_TITLE_BYTES_MAX);
        assert_eq!(made.body.len(), NOTIFICATION_BODY_BYTES_MAX);
        assert_eq!(made.data, None);
        assert_eq!(cut("aä", 2), "a");
    }
}
