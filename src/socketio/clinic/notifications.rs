//! `/notifications`: what the clinic's systems tell people (seed 003).

use bedside_actors::outbox::{Ambient, SharedEvent};
use bedside_protocol::{
    Command, CommandError, Event, Notification, NotificationType, Reply, Timestamp, UserId,
    notification::{Json, NotificationRef},
};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

use super::{
    answers,
    asked::{About, Asked, What},
    client::{Client, Missing},
    input::Input,
    out::Out,
    peer::Dialect,
};

/// `notification`, as both seeds have it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotificationEvent<'a, Id> {
    #[serde(rename = "type")]
    notification_type: NotificationType,
    user_id: Id,
    title: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    timestamp: Timestamp,
}

impl<'a, Id: From<&'a UserId>> NotificationEvent<'a, Id> {
    pub(super) fn new(notification: &'a Notification) -> Self {
        Self {
            notification_type: notification.notification_type,
            user_id: Id::from(&notification.user_id),
            title: &notification.title,
            body: &notification.body,
            data: notification.data.as_ref(),
            action: notification.action.as_deref(),
            timestamp: notification.created_at,
        }
    }
}

/// See the module's text.
pub(super) struct Notifications;

impl Dialect for Notifications {
    const NAMESPACE: &'static str = "/notifications";
    const AMBIENT: Ambient = Ambient {
        direct_typing: false,
        consultation_typing: false,
    };
    const EVENTS: &'static [&'static str] = &["notification:acknowledge"];

    fn opened(&mut self, client: &mut Client) {
        let message = json!({"message": "Connected to notifications"});
        client.emit("connected", message);
    }

    fn event(&mut self, client: &mut Client, input: Input) -> Result<(), CommandError> {
        let notification_id = input.notification()?;
        let asked = Asked {
            event: input.event,
            ack: input.ack,
            about: About::Notification(notification_id),
            what: What::Plain,
        };
        let ack = NotificationRef { notification_id };
        client.command(Command::NotificationAck(ack), asked);
        Ok(())
    }

    fn show(
        &mut self,
        _core: &mut Client,
        event: &Arc<SharedEvent>,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        if let Event::NotificationCreated(notification) = &event.frame().event {
            let shown = NotificationEvent::<&UserId>::new(notification);
            out.emit("notification", &shown);
        }
        Ok(())
    }

    fn answer(
        &mut self,
        _core: &mut Client,
        asked: &Asked,
        _reply: &Reply,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        out.answer(asked.ack, &answers::ok());
        Ok(())
    }
}
