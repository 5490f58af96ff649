//! `/`: direct conversations (seed 004, `direct.rs`) by user, and any conversation (seed 003,
//! `chats.rs`) once a socket has joined it.

mod chats;
mod direct;
mod missed;
mod watch;

use bedside_actors::outbox::{Ambient, SharedEvent};
use bedside_protocol::{
    CommandError, ConversationId, ConversationKind, Event, Message, Reply, UserId,
    conversation::ConversationState,
    event::{Change, ConversationChanged},
};
use serde_json::Value as Json;
use std::sync::Arc;

pub(super) use self::chats::{CALL_INITIATED, LISTED_MAX, USER_JOINED};
use self::{chats::Chats, missed::Missed, watch::Watch};
use super::{
    answers,
    asked::{Asked, What},
    client::{Client, Missing, Step},
    hall::Hall,
    input::Input,
    lookups,
    out::Out,
    peer::{Dialect, WHO},
    rooms::RoomEvent,
};

/// See the module's text.
pub(super) struct Root {
    chats: Chats,
    watch: Watch,
    missed: Missed,
}

impl Root {
    pub(super) fn new(hall: &Hall, me: &UserId, auth: &Json) -> Self {
        Self {
            chats: Chats::default(),
            watch: Watch::default(),
            missed: Missed::new(hall, me, auth),
        }
    }

    fn show_message(
        &mut self,
        client: &mut Client,
        event: &SharedEvent,
        place: (ConversationId, u64),
        message: &Message,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        let (id, seq) = place;
        let Some(facts) = lookups::facts(client, id, Some(seq))? else {
            return Ok(());
        };
        let is_own = message.sender_id.as_ref() == Some(client.me());
        let mut is_shown = false;
        if facts.kind == ConversationKind::Direct {
            if seq <= 2
                && let Some(other) = facts.other(client.me())
            {
                // The conversation is new, and whoever made it gets no event about that.
                self.watch.add(client, other, out)?;
            }
            is_shown |= direct::show(client, &mut self.missed, event, place, &facts, message, out)?;
        }
        if !self.missed.is_missed(place) {
            is_shown |= self.chats.show_message(client, event, place, message, out);
        }
        if is_shown && !is_own {
            let is_direct = facts.kind == ConversationKind::Direct;
            client.delivery.taken(place, is_direct);
        }
        Ok(())
    }

    fn show_change(
        &mut self,
        client: &mut Client,
        id: ConversationId,
        changed: &ConversationChanged,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        match changed.change {
            Change::MemberRemoved | Change::MemberLeft
                if changed.user_id.as_ref() == Some(client.me()) =>
            {
                self.chats.leave(client, id);
            }
            // A relation holds again: what rested on it has to be asked for anew.
            Change::State if changed.state == Some(ConversationState::Open) => {
                if let Some(other) = other_of(client, id)? {
                    self.watch.add_again(client, &other, out)?;
                }
            }
            Change::Created => {
                if let Some(other) = other_of(client, id)? {
                    self.watch.add(client, &other, out)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The other one, if it is a direct conversation. Errors: it is not known yet.
fn other_of(client: &Client, id: ConversationId) -> Result<Option<UserId>, Missing> {
    let facts = lookups::facts(client, id, None)?;
    let other = facts.as_ref().and_then(|facts| facts.other(client.me()));
    Ok(other.cloned())
}

impl Dialect for Root {
    const NAMESPACE: &'static str = "/";
    const AMBIENT: Ambient = Ambient {
        direct_typing: true,
        consultation_typing: false,
    };
    const EVENTS: &'static [&'static str] = &[
        "send_message",
        "typing_start",
        "typing_stop",
        "mark_read",
        "set_status",
        "join-chat",
        "send-message",
        "typing",
        "message-read",
        "call-initiated",
    ];

    fn greeting(&self) -> Vec<(&'static str, String)> {
        self.missed.greeting()
    }

    fn who(event: &str) -> &'static [&'static str] {
        match event {
            // Here it is the other one.
            "mark_read" => &["userId", "initiatedBy"],
            _ => WHO,
        }
    }

    fn opened(&mut self, client: &mut Client) {
        self.watch.open(client);
    }

    fn event(&mut self, client: &mut Client, input: Input) -> Result<(), CommandError> {
        match input.event {
            "send_message" => direct::send(client, input),
            "typing_start" => direct::typing(client, &input, true),
            "typing_stop" => direct::typing(client, &input, false),
            "mark_read" => direct::mark_read(client, &input),
            "set_status" => direct::set_status(client, &input),
            "join-chat" => self.chats.join(client, &input),
            "send-message" => chats::send(client, input),
            "typing" => chats::typing(client, &input),
            "message-read" => chats::read(client, &input),
            _ => self.chats.call(client, input),
        }
    }

    fn step(&mut self, client: &mut Client, step: Step) {
        match step {
            Step::Join(asked, id, unseen, seated) => {
                self.chats.joined(client, &asked, id, unseen, &seated);
            }
            Step::Directs(Some(rows)) => {
                for row in &rows {
                    client.hall.marks.seed_row(row);
                    client.hall.faces.note_row(row);
                }
                // Whoever was let in before may have been sent something meanwhile.
                if self.watch.is_opening() {
                    for row in &rows {
                        client.outbox.came(row.conversation_id, row.head_seq);
                    }
                }
                self.watch.start(client, &rows);
                self.missed.start(client, &rows);
            }
            Step::Directs(None) => self.watch.open_again(client),
            Step::Command(..) | Step::Done(..) | Step::Refused(..) => {}
        }
    }

    fn is_opening(&self) -> bool {
        self.watch.is_opening()
    }

    fn is_holding(&self) -> bool {
        self.missed.is_holding()
    }

    fn marked(&mut self) {
        self.missed.marked();
    }

    fn unwatched(&mut self, client: &mut Client, _user_id: &UserId) -> Result<(), Missing> {
        self.watch.renew(client)
    }

    fn show(
        &mut self,
        client: &mut Client,
        event: &Arc<SharedEvent>,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        let frame = event.frame();
        let id = match (&frame.event, frame.conversation_id) {
            (Event::PresenceChanged(presence), _) => {
                if presence.user_id != *client.me() {
                    watch::show(presence, out);
                }
                return Ok(());
            }
            (_, Some(id)) => id,
            (_, None) => return Ok(()),
        };
        match (&frame.event, frame.seq) {
            (_, Some(_)) if self.missed.is_early(id) => Ok(()),
            (Event::MessageCreated(message), Some(seq)) => {
                self.show_message(client, event, (id, seq), message, out)
            }
            (Event::TypingChanged(typing), _) => {
                direct::show_typing(client, event, id, typing, out)?;
                self.chats.show_typing(event, id, typing, out);
                Ok(())
            }
            (Event::ReceiptChanged(receipt), _) => {
                // What has to be looked up for it comes first: nothing is shown twice.
                let read = self.chats.newly_read(client, event, id, receipt)?;
                direct::show_receipt(client, event, id, receipt, out)?;
                if let Some(message_id) = read {
                    chats::show_receipt(event, message_id, receipt, out);
                }
                Ok(())
            }
            (Event::ConversationChanged(changed), _) => self.show_change(client, id, changed, out),
            _ => Ok(()),
        }
    }

    fn answer(
        &mut self,
        client: &mut Client,
        asked: &Asked,
        reply: &Reply,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        match (&asked.what, reply) {
            (What::SentTo, Reply::MessageSent(sent)) => {
                direct::show_sent_again(client, &mut self.missed, sent, out)?;
                answers::answer(asked, reply, out);
            }
            (What::Call { chat, call_type }, _) => {
                chats::show_called(client, asked.ack, *chat, *call_type, out);
            }
            (What::Quiet, _) => {}
            _ => answers::answer(asked, reply, out),
        }
        Ok(())
    }

    fn show_room(&mut self, event: &RoomEvent, out: &mut Out<'_, '_>) {
        self.chats.show_room(event, out);
    }

    fn closed(&mut self, client: &Client) {
        self.chats.leave_all(client);
        self.missed.closed(client);
    }
}
