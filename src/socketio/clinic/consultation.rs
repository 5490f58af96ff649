//! `/consultation`: who is in a consultation's room, and how far it has come (seed 000).

use bedside_actors::outbox::{Ambient, SharedEvent};
use bedside_protocol::{
    Command, CommandError, Consultation, ConsultationId, ConversationId, Event, Reply, Timestamp,
    UserId,
    consultation::{ConsultationEnd, ConsultationRef},
    event::Change,
};
use serde::Serialize;
use std::{collections::HashMap, sync::Arc};

use super::{
    answers,
    asked::{About, Asked, What},
    client::{Client, Missing},
    input::Input,
    notifications::NotificationEvent,
    out::Out,
    peer::Dialect,
    rooms::{Room, RoomEvent},
};
use crate::seeds::{SeedId, consultations::ConsultationRow};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Moved {
    user_id: SeedId,
    timestamp: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Turned {
    consultation_id: SeedId,
    timestamp: Timestamp,
}

#[derive(Serialize)]
struct Answer {
    ok: bool,
    consultation: ConsultationRow,
    #[serde(skip_serializing_if = "Option::is_none")]
    participants: Option<Vec<SeedId>>,
}

impl Answer {
    fn new(consultation: &Consultation, participants: Option<&[UserId]>) -> Self {
        Self {
            ok: true,
            consultation: consultation.clone().into(),
            participants: participants.map(|ids| ids.iter().map(SeedId::from).collect()),
        }
    }
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Consultations {
    /// The rooms that this socket is in.
    entered: HashMap<ConsultationId, ConversationId>,
}

impl Consultations {
    fn enter(&mut self, client: &Client, id: ConsultationId, chat: ConversationId) {
        let room = Room::Consultation(id);
        client.hall.rooms.enter(room, client.me(), &client.outbox);
        self.entered.insert(id, chat);
    }

    fn leave(&mut self, client: &Client, id: ConsultationId) {
        self.entered.remove(&id);
        let session_id = client.outbox.session_id();
        client.hall.rooms.leave(Room::Consultation(id), session_id);
    }

    /// Whoever is taken out of the conversation is in the room no more.
    fn leave_chat(&mut self, client: &Client, chat: ConversationId) {
        let entered = self.entered.iter().find(|(_, its)| **its == chat);
        if let Some(id) = entered.map(|(id, _)| *id) {
            self.leave(client, id);
        }
    }
}

impl Dialect for Consultations {
    const NAMESPACE: &'static str = "/consultation";
    const AMBIENT: Ambient = Ambient {
        direct_typing: false,
        consultation_typing: false,
    };
    const EVENTS: &'static [&'static str] = &[
        "join-consultation",
        "leave-consultation",
        "start-consultation",
        "end-consultation",
    ];

    fn event(&mut self, client: &mut Client, input: Input) -> Result<(), CommandError> {
        let consultation_id = input.consultation()?;
        let it = ConsultationRef { consultation_id };
        let (command, what) = match input.event {
            "join-consultation" => (
                Command::ConsultationJoin(it),
                What::Entered(consultation_id),
            ),
            "leave-consultation" => (Command::ConsultationLeave(it), What::Left(consultation_id)),
            "start-consultation" => (Command::ConsultationStart(it), What::Plain),
            _ => {
                let notes = input.text("notes")?.map(str::to_owned);
                let end = ConsultationEnd {
                    consultation_id,
                    notes,
                };
                (Command::ConsultationEnd(end), What::Plain)
            }
        };
        let asked = Asked {
            event: input.event,
            ack: input.ack,
            about: About::Consultation(consultation_id),
            what,
        };
        client.command(command, asked);
        Ok(())
    }

    fn show(
        &mut self,
        client: &mut Client,
        event: &Arc<SharedEvent>,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        let frame = event.frame();
        match &frame.event {
            Event::ParticipantJoined(moved) | Event::ParticipantLeft(moved) => {
                let has_come = matches!(frame.event, Event::ParticipantJoined(_));
                let event = if has_come { "user-joined" } else { "user-left" };
                let moved = Moved {
                    user_id: SeedId::from(&moved.user_id),
                    timestamp: moved.at,
                };
                out.emit(event, &moved);
            }
            Event::ConsultationStarted(started) => {
                self.show_turn(
                    started.consultation_id,
                    started.at,
                    "consultation-started",
                    out,
                );
            }
            Event::ConsultationEnded(ended) => {
                self.show_turn(ended.consultation_id, ended.at, "consultation-ended", out);
            }
            Event::NotificationCreated(notification) => {
                let shown = NotificationEvent::<SeedId>::new(notification);
                out.emit("notification", &shown);
            }
            Event::ConversationChanged(changed) => {
                if matches!(changed.change, Change::MemberRemoved | Change::MemberLeft)
                    && changed.user_id.as_ref() == Some(client.me())
                    && let Some(chat) = frame.conversation_id
                {
                    self.leave_chat(client, chat);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn answer(
        &mut self,
        client: &mut Client,
        asked: &Asked,
        reply: &Reply,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        match (&asked.what, reply) {
            (What::Entered(id), Reply::Joined(joined)) => {
                self.enter(client, *id, joined.consultation.conversation_id);
                let participants = Some(joined.participants.as_slice());
                let answer = Answer::new(&joined.consultation, participants);
                out.answer(asked.ack, &answer);
            }
            (_, Reply::Consultation(reply)) => {
                out.answer(asked.ack, &Answer::new(&reply.consultation, None));
            }
            (what, _) => {
                if let What::Left(id) = what {
                    self.leave(client, *id);
                }
                out.answer(asked.ack, &answers::ok());
            }
        }
        Ok(())
    }

    fn show_room(&mut self, event: &RoomEvent, out: &mut Out<'_, '_>) {
        if let Room::Consultation(id) = event.room
            && self.entered.contains_key(&id)
        {
            out.emit_made(&event.frame, event.event, &event.argument);
        }
    }

    fn closed(&mut self, client: &Client) {
        let ids: Vec<_> = self.entered.keys().copied().collect();
        for id in ids {
            self.leave(client, id);
        }
    }
}

impl Consultations {
    /// Tells of a consultation's beginning or end, if this socket is in its room.
    fn show_turn(
        &self,
        id: ConsultationId,
        timestamp: Timestamp,
        event: &str,
        out: &mut Out<'_, '_>,
    ) {
        if self.entered.contains_key(&id) {
            let turned = Turned {
                consultation_id: id.into(),
                timestamp,
            };
            out.emit(event, &turned);
        }
    }
}
