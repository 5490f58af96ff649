//! About how many bytes something in a raw outbox takes on the wire: its texts, and a little for
//! the rest.

use bedside_protocol::{Conversation, Event, LoggedEvent, Message, Notification, Reply, limits};

/// What anything weighs besides its texts.
pub(super) const BASE: usize = 256;

pub(super) fn of_event(event: &Event) -> usize {
    BASE + match event {
        Event::MessageCreated(message) => of_message(message),
        Event::MessageUpdated(message) => message.text.len(),
        Event::SyncBatch(batch) => of_log(&batch.events),
        Event::NotificationCreated(notification) => of_notification(notification),
        _ => 0,
    }
}

pub(super) fn of_reply(reply: &Reply) -> usize {
    BASE + match reply {
        Reply::History(page) => of_log(&page.events),
        Reply::Resumed(resumed) => {
            let listed = resumed.conversations.iter().map(of_conversation);
            listed.sum::<usize>() + BASE * resumed.watermarks.len()
        }
        Reply::Consultation(reply) => reply.consultation.notes.as_ref().map_or(0, String::len),
        _ => 0,
    }
}

fn of_log(events: &[LoggedEvent]) -> usize {
    events.iter().map(|logged| of_event(&logged.event)).sum()
}

fn of_message(message: &Message) -> usize {
    let attachments = message.attachments.iter();
    let attached = attachments.map(|a| a.url.len() + a.name.len() + a.media_type.len());
    message.text.len() + attached.sum::<usize>()
}

fn of_conversation(conversation: &Conversation) -> usize {
    let last = conversation.last_message.as_ref();
    let last = last.map_or(0, |last| of_message(&last.message));
    BASE * (1 + conversation.members.len()) + conversation.title.len() + last
}

fn of_notification(notification: &Notification) -> usize {
    let action = notification.action.as_ref().map_or(0, String::len);
    // To measure it would be to write it.
    let data = notification.data.as_ref();
    let data = data.map_or(0, |_| limits::NOTIFICATION_DATA_BYTES_MAX);
    notification.title.len() + notification.body.len() + action + data
}
