//! What travels between Bedside and its clients.
//!
//! No I/O, no async, no actors. Read [`codec`] for how a frame looks, [`command`] for what may
//! be asked, [`event`] for what is told, [`error`] and [`close`] for what goes wrong, [`envelope`]
//! for what nodes of a cluster send to each other, and
//! [`limits`] for every bound. `docs/PROTOCOL.md` is the same for people who write clients.
#![deny(missing_docs)]

pub mod close;
pub mod codec;
pub mod command;
pub mod consultation;
pub mod conversation;
pub mod envelope;
pub mod error;
pub mod event;
pub mod ids;
pub mod limits;
pub mod message;
pub mod node;
pub mod notification;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod people;
mod quiet;
pub mod reply;
pub mod time;

pub use close::CloseCode;
pub use codec::{CommandFrame, DecodeError, ServerFrame, WireFormat};
pub use command::Command;
pub use consultation::{Consultation, ConsultationStatus, ConsultationType};
pub use conversation::{
    Conversation, ConversationKind, ConversationState, LastMessage, Member, MemberRole, Mine,
};
pub use error::{CommandError, ErrorCode};
pub use event::{Event, EventFrame, LoggedEvent};
pub use ids::{
    CallId, ClientMsgId, ConsultationId, ConversationId, MessageId, NodeId, NotificationId,
    ParticipantId, SessionId, UserId,
};
pub use message::{Attachment, Message, MessageSend, MessageType, Reaction};
pub use notification::{Notification, NotificationType};
pub use people::{Availability, Person, Presence, RelationKind, Role, Roles};
pub use reply::Reply;
pub use time::Timestamp;
