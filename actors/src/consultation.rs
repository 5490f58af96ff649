//! The room of one consultation: who is in it right now, and who is told of it.
//!
//! A table that everybody reads ([`Rooms`]) and one actor per room that anybody is in, which
//! lets people in and tells the others. It runs where the consultation's conversation runs, so
//! that what the conversation says of its members and what the room does about it never cross.
//! Who is told of what is never counted, but seen from the table (`room.rs`), so that a restart
//! of the actor cannot make it drift.

mod room;
mod rooms;

pub(crate) use rooms::Rooms;

use actix::{Actor, ActorContext, Context, Handler, Message, Supervised};
use bedside_protocol::{
    Consultation, ConsultationId, ConversationId, Event, EventFrame, Reply, SessionId, UserId,
    consultation::ParticipantMoved, reply::Joined,
};
use std::sync::Arc;

use crate::{
    caller::Responder,
    node::Shared,
    outbox::{Outbox, SharedEvent},
    supervision::Recover,
};

/// A socket comes in; its user may, the conversation says.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Join {
    /// As it stands now.
    pub(crate) consultation: Consultation,
    pub(crate) user_id: UserId,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) responder: Responder,
}

/// Somebody goes, after whatever they asked before.
#[derive(Message)]
#[rtype(result = "()")]
struct Go(Who);

/// Who goes.
enum Who {
    /// One socket.
    Session(SessionId),
    /// All of somebody's sockets.
    User(UserId),
}

/// Somebody went: the others are to hear of it.
#[derive(Message)]
#[rtype(result = "()")]
struct Settle;

/// The actor of one room.
pub(crate) struct ConsultationActor {
    id: ConsultationId,
    conversation_id: ConversationId,
    generation: u64,
    shared: Arc<Shared>,
}

impl ConsultationActor {
    /// Tells those in the room who came and who went, and ends when nobody is left. Returns who
    /// is there.
    fn settle(&self, ctx: &mut Context<Self>) -> Vec<UserId> {
        let at = self.shared.clock.now();
        let cluster = self.shared.cluster.as_deref();
        let rooms = &self.shared.rooms;
        let settled = rooms.settle(self.id, self.generation, cluster);
        if let Some(cluster) = cluster {
            cluster.tell_rooms(self.id, settled.own_moves);
        }
        for moved in settled.moves {
            let participant = ParticipantMoved {
                consultation_id: self.id,
                user_id: moved.user_id,
                at,
            };
            let event = if moved.is_in {
                Event::ParticipantJoined(participant)
            } else {
                Event::ParticipantLeft(participant)
            };
            let event = SharedEvent::new(EventFrame::about(self.conversation_id, event));
            for outbox in moved.to {
                outbox.event(&event);
            }
        }
        if settled.is_over {
            ctx.stop();
        }
        settled.people
    }
}

impl Actor for ConsultationActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // A predecessor may have failed before it had told everything.
        self.settle(ctx);
    }
}

impl Supervised for ConsultationActor {}

impl Recover for ConsultationActor {
    const NAME: &'static str = "consultation";
}

impl Handler<Join> for ConsultationActor {
    type Result = ();

    fn handle(&mut self, join: Join, ctx: &mut Self::Context) {
        let rooms = &self.shared.rooms;
        let entered = rooms.enter(self.id, &join.user_id, &join.outbox);
        let participants = self.settle(ctx);
        join.responder.answer(entered.map(|()| {
            Reply::Joined(Box::new(Joined {
                consultation: join.consultation,
                participants,
            }))
        }));
    }
}

impl Handler<Go> for ConsultationActor {
    type Result = ();

    fn handle(&mut self, Go(who): Go, ctx: &mut Self::Context) {
        self.shared.rooms.take_out(self.id, &who);
        self.settle(ctx);
    }
}

impl Handler<Settle> for ConsultationActor {
    type Result = ();

    fn handle(&mut self, _: Settle, ctx: &mut Self::Context) {
        self.settle(ctx);
    }
}
