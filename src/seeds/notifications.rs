//! Seed 003: notifications, and what seed 001 answers with when one was sent.

use bedside_actors::ports::store::NotificationRecord;
use bedside_protocol::{
    Notification, NotificationId, NotificationType, Timestamp, UserId, notification::Json,
    openapi::anything,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A notification. What is not there is null.
#[derive(Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationRow {
    /// Its id.
    pub id: NotificationId,
    /// Whose it is; always a string.
    pub user_id: UserId,
    /// What it is about.
    #[serde(rename = "type")]
    pub notification_type: NotificationType,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// What its publisher added.
    #[schema(schema_with = anything)]
    pub data: Option<Json>,
    /// Whether it was seen.
    pub is_read: bool,
    /// When.
    pub read_at: Option<Timestamp>,
    /// Where it leads.
    pub action: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<NotificationRecord> for NotificationRow {
    fn from(record: NotificationRecord) -> Self {
        Self {
            is_read: record.read_at.is_some(),
            read_at: record.read_at,
            ..record.notification.into()
        }
    }
}

impl From<Notification> for NotificationRow {
    /// One that nobody has seen yet.
    fn from(notification: Notification) -> Self {
        Self {
            id: notification.notification_id,
            user_id: notification.user_id,
            notification_type: notification.notification_type,
            title: notification.title,
            body: notification.body,
            data: notification.data,
            is_read: false,
            read_at: None,
            action: notification.action,
            created_at: notification.created_at,
        }
    }
}

bedside_protocol::quiet_debug! {
    NotificationRow { id, user_id, notification_type, is_read }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, to_value};

    #[test]
    fn a_notification_has_exactly_the_seeds_members() {
        let at = Timestamp::from_millis(0);
        let notification = Notification {
            notification_id: NotificationId::from_bytes([7; 16]),
            user_id: UserId::new("7").expect("is an id"),
            notification_type: NotificationType::LabResults,
            title: "Results".to_owned(),
            body: "There are new results.".to_owned(),
            data: Some(json!({"labId": 5})),
            action: None,
            created_at: at,
        };
        let mut wanted = json!({
            "id": "07070707-0707-0707-0707-070707070707", "userId": "7", "type": "lab_results",
            "title": "Results", "body": "There are new results.", "data": {"labId": 5},
            "isRead": false, "readAt": null, "action": null, "createdAt": at,
        });
        let row = NotificationRow::from(notification.clone());
        assert_eq!(to_value(row).expect("is written"), wanted);
        let record = NotificationRecord {
            notification,
            read_at: Some(at),
            acked_at: None,
        };
        wanted["isRead"] = json!(true);
        wanted["readAt"] = json!(at);
        let row = NotificationRow::from(record);
        assert_eq!(to_value(row).expect("is written"), wanted);
    }
}
