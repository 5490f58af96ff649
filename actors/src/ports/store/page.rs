//! What every store must do alike when it reads a log, as plain functions.

use bedside_protocol::{Attachment, Event, LoggedEvent, Reaction, UserId};

use super::{LogPage, LogRange};

/// Gathers a page of a log in the order in which the store walks it, until a bound is met.
#[derive(Debug)]
pub struct PageBuilder {
    range: LogRange,
    events: Vec<LoggedEvent>,
    bytes: usize,
    has_more: bool,
}

impl PageBuilder {
    /// An empty page of `range`.
    #[must_use]
    pub const fn new(range: LogRange) -> Self {
        Self {
            range,
            events: Vec::new(),
            bytes: 0,
            has_more: false,
        }
    }

    /// Takes the next entry; false once the page is full, and then the entry is not in it.
    pub fn push(&mut self, logged: LoggedEvent) -> bool {
        self.bytes = self.bytes.saturating_add(text_bytes(&logged.event));
        let too_many = self.events.len() >= self.range.limit;
        let too_big = !self.events.is_empty() && self.bytes > self.range.bytes_max;
        self.has_more = too_many || too_big;
        if !self.has_more {
            self.events.push(logged);
        }
        !self.has_more
    }

    /// The page, ascending.
    #[must_use]
    pub fn finish(mut self) -> LogPage {
        if self.range.newest_first {
            self.events.reverse();
        }
        LogPage {
            events: self.events,
            has_more: self.has_more,
        }
    }
}

/// Bytes of everything in an event that people wrote, which is what makes one large.
#[must_use]
pub fn text_bytes(event: &Event) -> usize {
    match event {
        Event::MessageCreated(message) => {
            let attachments: usize = message.attachments.iter().map(attachment_bytes).sum();
            let reactions: usize = message.reactions.iter().map(reaction_bytes).sum();
            message.text.len() + attachments + reactions
        }
        Event::MessageUpdated(updated) => updated.text.len(),
        Event::MessageReacted(reacted) => reacted.emoji.len(),
        Event::ConversationChanged(changed) => {
            let members: usize = changed.member_ids.iter().map(|id| id.as_str().len()).sum();
            changed.title.as_deref().map_or(0, str::len) + members
        }
        _ => 0,
    }
}

fn attachment_bytes(attachment: &Attachment) -> usize {
    attachment.url.len() + attachment.name.len() + attachment.media_type.len()
}

fn reaction_bytes(reaction: &Reaction) -> usize {
    let people: usize = reaction.user_ids.iter().map(|id| id.as_str().len()).sum();
    reaction.emoji.len() + people
}

/// Puts a person's emoji on, or takes it off. Emojis and people stay in the order in which they
/// came; doing it twice is doing it once.
pub fn toggle_reaction(reactions: &mut Vec<Reaction>, emoji: &str, by: &UserId, on: bool) {
    let found = reactions.iter().position(|r| r.emoji == emoji);
    match (found, on) {
        (Some(at), true) if !reactions[at].user_ids.contains(by) => {
            reactions[at].user_ids.push(by.clone());
        }
        (None, true) => reactions.push(Reaction {
            emoji: emoji.to_owned(),
            user_ids: vec![by.clone()],
        }),
        (Some(at), false) => {
            reactions[at].user_ids.retain(|id| id != by);
            if reactions[at].user_ids.is_empty() {
                reactions.remove(at);
            }
        }
        _ => {}
    }
}
