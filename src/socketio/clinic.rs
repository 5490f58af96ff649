//! The front ends that clinics have: three dialects of Socket.IO on one server, each on the
//! namespaces of its own, as commands and events of a node.
//!
//! | namespace | seed | file |
//! |---|---|---|
//! | `/` | 004, 003 | `root`, with `direct` (004), `chats` (003), `watch`, `missed` |
//! | `/notifications` | 003 | `notifications` |
//! | `/consultation` | 000 | `consultation` |
//! | `/messages` | 000 | `messages` |
//!
//! A client in a namespace is a `peer` with a session of its own (`client`). What it emits is read
//! (`input`), looked up where need be (`lookups`), and becomes a command (`asked`). What its
//! outbox holds is shown (`out`), with names and facts from a shared table (`faces`). Refusals
//! that an auditor wants to know of are written down before they are told (`audit`).

mod answers;
mod asked;
mod audit;
mod client;
mod consultation;
mod delivery;
mod faces;
mod hall;
mod input;
mod lookups;
mod marks;
mod messages;
mod notifications;
mod out;
mod peer;
mod refresh;
mod replay;
mod rooms;
mod root;

use bedside_actors::{
    audit::Whence,
    node::Node,
    ports::identity::{SessionIdentity, Verification, Verified},
};
use bedside_protocol::{
    CommandError, ConsultationId, ConversationId, ErrorCode, Role, Roles, UserId,
};
use futures_util::future::FutureExt as _;
use serde::Deserialize as _;
use serde_json::{Value as Json, json};
use std::{sync::Arc, time::Duration};

use self::{
    client::Client,
    consultation::Consultations,
    hall::Hall,
    messages::Messages,
    notifications::Notifications,
    peer::{ClinicPeer, Dialect},
    rooms::{Room, RoomEvent, Sitter},
    root::Root,
};
use super::application::{
    Application, ConnectRefused, ConnectRequest, Connected, Connecting, Peer,
};
use crate::{
    peer_calls::{
        everywhere::Everywhere,
        wire::{Answer, Refused, Seated, Told},
    },
    seeds::{SeedId, Shown},
    strangers::{Strangers, Way},
};

/// What the sockets in a consultation's room are told.
const CONSULTATION_NOTIFICATION: &str = "consultation-notification";
/// What nodes may tell each other's sockets.
const ROOM_EVENTS: [&str; 3] = [
    CONSULTATION_NOTIFICATION,
    root::USER_JOINED,
    root::CALL_INITIATED,
];

/// What the dialects need of the rest of the server.
pub struct ClinicParts {
    /// Who does the work.
    pub node: Arc<Node>,
    /// How far everybody has been sent every conversation; REST notes it too.
    pub shown: Arc<Shown>,
    /// Whether clients of `/` are sent what they have missed: `BEDSIDE_SOCKETIO_REPLAY`.
    pub replay: bool,
    /// Who is told of bad tokens.
    pub strangers: Arc<Strangers>,
    /// How long clients stay after their token ran out: `BEDSIDE_SOCKETIO_EXPIRY`.
    pub grace: Duration,
}

/// The dialects of the clinics' front ends. See the module's text.
pub struct Clinic {
    hall: Arc<Hall>,
}

impl Clinic {
    /// Serves these.
    #[must_use]
    pub fn new(parts: ClinicParts) -> Self {
        Self {
            hall: Arc::new(Hall::new(parts)),
        }
    }

    /// Shows something to everybody in a consultation's room, as it is: who is not there misses
    /// it.
    pub fn notify_room(&self, id: ConsultationId, what: &Json) {
        let (rooms, room) = (&self.hall.rooms, Room::Consultation(id));
        rooms.tell(
            Consultations::NAMESPACE,
            room,
            CONSULTATION_NOTIFICATION,
            what,
        );
    }

    /// Other nodes have the same rooms and the same people.
    pub fn join(&self, elsewhere: &Everywhere) {
        self.hall.rooms.join(elsewhere.clone());
        let elsewhere = elsewhere.clone();
        let ask = move |user_id: &UserId, id| elsewhere.shown(user_id, id);
        self.hall.shown.ask_others(Box::new(ask));
    }

    /// Another node tells the sockets in a room.
    pub(crate) fn told(&self, told: &Told, argument: &[u8]) -> Answer {
        let namespace = match told.room {
            Room::Chat(_) => Root::NAMESPACE,
            Room::Consultation(_) => Consultations::NAMESPACE,
        };
        let event = ROOM_EVENTS.iter().find(|event| **event == told.event);
        let argument = serde_json::from_slice::<Json>(argument);
        let (Some(event), Ok(argument)) = (event, argument) else {
            return Answer::Refused(Refused::Unknown);
        };
        let event = RoomEvent::new(namespace, told.room, event, &argument);
        self.hall.rooms.tell_here(&event, told.is_ephemeral);
        Answer::Done
    }

    /// The sockets of this node in a room, the newest of them.
    pub(crate) fn sitters(&self, room: Room) -> Vec<Seated> {
        self.hall.rooms.with(room, |sitters| {
            let newest = sitters.len().saturating_sub(root::LISTED_MAX);
            sitters[newest..].iter().map(Sitter::seated).collect()
        })
    }

    /// How far this node has sent somebody a conversation.
    pub(crate) fn shown(&self, user_id: &UserId, id: ConversationId) -> u64 {
        self.hall.shown.highest(user_id, id).unwrap_or(0)
    }
}

/// A client that asks to be let in: where, from where, and what it says about itself.
struct Knock<'a> {
    namespace: &'static str,
    whence: &'a Whence,
    auth: &'a Json,
}

impl Knock<'_> {
    /// Lets in whom the token speaks for.
    fn answer(&self, hall: &Arc<Hall>, verified: Verified) -> Connected {
        let identity = verified.map_err(|error| self.refuse(hall, None, error, None))?;
        let roles = identity.roles;
        if roles.is_empty() || roles == Roles::from(Role::Service) {
            return Err(self.refuse(hall, Some(&identity), no_rights(), None));
        }
        // Seed 003's clients say who they are, and were believed.
        let claimed = self.auth.get("userId").filter(|claimed| !claimed.is_null());
        if let Some(claimed) = claimed {
            let claimed = SeedId::deserialize(claimed).ok();
            if claimed.as_ref().map(SeedId::as_str) != Some(identity.user_id.as_str()) {
                let why = Some("auth.userId was somebody else");
                return Err(self.refuse(hall, Some(&identity), no_rights(), why));
            }
        }
        Ok(match self.namespace {
            Notifications::NAMESPACE => self.admit(hall, identity, Notifications),
            Consultations::NAMESPACE => self.admit(hall, identity, Consultations::default()),
            Messages::NAMESPACE => self.admit(hall, identity, Messages),
            _ => {
                let root = Root::new(hall, &identity.user_id, self.auth);
                self.admit(hall, identity, root)
            }
        })
    }

    fn refuse(
        &self,
        hall: &Arc<Hall>,
        who: Option<&SessionIdentity>,
        error: CommandError,
        why: Option<&str>,
    ) -> ConnectRefused {
        let (way, who) = (Way::SocketIo(self.namespace), who.map(|who| &who.user_id));
        let why = why.unwrap_or(error.code.name());
        let error = hall.strangers.refused(way, self.whence, who, why, error);
        // Whatever is wrong with a token, for these clients it is one thing. That it could not be
        // looked at is another, and so is that there were too many: they come again with it.
        let message = match error.code {
            ErrorCode::Unavailable | ErrorCode::RateLimited => error.code,
            _ => ErrorCode::Unauthorized,
        };
        let mut data = json!({"code": error.code.name()});
        if error.code == ErrorCode::RateLimited {
            data["retry_after_ms"] = error.retry_after_ms.into();
        }
        ConnectRefused {
            message: message.name().to_owned(),
            data: Some(data),
        }
    }

    fn admit<D: Dialect>(
        &self,
        hall: &Arc<Hall>,
        identity: SessionIdentity,
        dialect: D,
    ) -> Box<dyn Peer> {
        let client = Client::open(hall, identity, self.whence, D::NAMESPACE, D::AMBIENT);
        Box::new(ClinicPeer::new(client, dialect))
    }
}

fn no_rights() -> CommandError {
    CommandError::forbidden("this token has no rights here")
}

impl Application for Clinic {
    fn connect(&self, request: ConnectRequest<'_>) -> Connecting {
        let namespaces = [
            Root::NAMESPACE,
            Notifications::NAMESPACE,
            Consultations::NAMESPACE,
            Messages::NAMESPACE,
        ];
        let Some(namespace) = namespaces.into_iter().find(|n| *n == request.namespace) else {
            let message = "Invalid namespace".to_owned();
            return Connecting::Done(Err(ConnectRefused {
                message,
                data: None,
            }));
        };
        let hall = &self.hall;
        let handshake = request.handshake;
        let whence = Whence::new(handshake.address, handshake.agent.as_deref());
        let knock = Knock {
            namespace,
            whence: &whence,
            auth: request.auth,
        };
        let token = request.auth.get("token").and_then(Json::as_str);
        let Some(token) = token.or(request.handshake.bearer.as_deref()) else {
            let error = CommandError::new(ErrorCode::Unauthorized, "there is no token");
            let refused = knock.refuse(hall, None, error, None);
            return Connecting::Done(Err(refused));
        };
        let node = &hall.node;
        match node.identities().verify(token, node.clock().now()) {
            Verification::Done(verified) => knock.answer(hall, verified).into(),
            Verification::Waiting(verified) => {
                let hall = Arc::clone(hall);
                let auth = request.auth.clone();
                let connected = async move {
                    let verified = verified.await;
                    let knock = Knock {
                        namespace,
                        whence: &whence,
                        auth: &auth,
                    };
                    knock.answer(&hall, verified)
                };
                Connecting::Waiting(connected.boxed())
            }
        }
    }
}
