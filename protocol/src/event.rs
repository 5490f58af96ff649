//! What the server tells. Past tense, `noun.verbed`.

use serde::{Deserialize, Serialize, de::DeserializeSeed, ser::SerializeMap};

use crate::{
    ConversationId, ConversationKind, ConversationState, MemberRole, Message, MessageId, Mine,
    Notification, Person, Presence, SessionId, Timestamp, UserId,
    consultation::{ConsultationEnded, ConsultationStarted, ParticipantMoved},
};

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $name:literal;)*) => {
        /// Everything that the server tells by itself, in every dialect.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Event {
            $($(#[$doc])* $variant($payload),)*
            /// A type that this version does not know. Only ever read, never sent; a durable
            /// one still advances the reader's seq.
            Unknown,
        }

        impl Event {
            /// The wire names, in the order of the enum.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The wire name: `type` of the frame.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* Self::Unknown => "unknown" }
            }
        }

        /// Reads the `data` of the event with this wire name.
        pub(crate) struct EventDataOf<'a>(pub(crate) &'a str);

        impl<'de> DeserializeSeed<'de> for EventDataOf<'_> {
            type Value = Event;
            fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Event, D::Error> {
                match self.0 {
                    $($name => <$payload>::deserialize(d).map(Event::$variant),)*
                    _ => serde::de::IgnoredAny::deserialize(d).map(|_| Event::Unknown),
                }
            }
        }

        impl Serialize for Event {
            /// Writes `data` alone.
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(data) => data.serialize(s),)*
                    Self::Unknown => s.serialize_unit(),
                }
            }
        }
    };
}

events! {
    /// The socket is authenticated. Always the first frame.
    SessionWelcome(SessionWelcome) = "session.welcome";
    /// The token runs out within a minute: send `session.refresh`.
    SessionExpiring(SessionExpiring) = "session.expiring";
    /// The socket is about to be closed.
    SessionClosing(SessionClosing) = "session.closing";
    /// What was missed in one conversation.
    SyncBatch(SyncBatch) = "sync.batch";
    /// Too much was missed to replay: page with `message.history`.
    SyncReset(SyncReset) = "sync.reset";
    /// Title, members or state changed. Durable, but for `preferences`.
    ConversationChanged(ConversationChanged) = "conversation.changed";
    /// Somebody said something. Durable.
    MessageCreated(Message) = "message.created";
    /// A message got another text. Durable.
    MessageUpdated(MessageUpdated) = "message.updated";
    /// A message was taken back. Durable.
    MessageDeleted(MessageDeleted) = "message.deleted";
    /// An emoji was put on a message or taken off. Durable.
    MessageReacted(MessageReacted) = "message.reacted";
    /// A member's watermark grew. Kept as a watermark, so it has no seq.
    ReceiptChanged(ReceiptChanged) = "receipt.changed";
    /// Somebody is writing, or stopped. Ephemeral; only to subscribers.
    TypingChanged(TypingChanged) = "typing.changed";
    /// Somebody came, went or changed their availability. Ephemeral.
    PresenceChanged(Presence) = "presence.changed";
    /// Somebody entered a consultation's room. Only to those in it; no seq.
    ParticipantJoined(ParticipantMoved) = "participant.joined";
    /// Somebody left a consultation's room. Only to those in it; no seq.
    ParticipantLeft(ParticipantMoved) = "participant.left";
    /// A consultation began. Durable.
    ConsultationStarted(ConsultationStarted) = "consultation.started";
    /// A consultation took place, or was cancelled. Durable.
    ConsultationEnded(ConsultationEnded) = "consultation.ended";
    /// Something for the owner of the socket. No seq.
    NotificationCreated(Notification) = "notification.created";
}

impl Event {
    /// Whether it may be dropped when a reader is slow: the next one of its kind makes up for
    /// it.
    #[must_use]
    pub const fn is_ephemeral(&self) -> bool {
        matches!(self, Self::TypingChanged(_) | Self::PresenceChanged(_))
    }
}

/// `session.welcome`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionWelcome {
    /// This connection. Opaque.
    pub session_id: SessionId,
    /// Who the token says the caller is.
    pub user: Person,
    /// Changes only when seqs could repeat, as after a restore from back-up.
    pub store_epoch: String,
    /// The server's clock.
    pub server_time: Timestamp,
    /// When the token runs out; absent when it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<Timestamp>,
    /// How often the server pings, milliseconds. A client that hears nothing for three of
    /// these reconnects.
    pub ping_interval_ms: u64,
    /// The bounds that a client plans by.
    pub limits: WelcomeLimits,
}

/// The bounds that a client plans by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WelcomeLimits {
    /// Bytes of UTF-8 in one text.
    pub text_bytes_max: u64,
    /// Bytes of one frame to the server.
    pub frame_bytes_max: u64,
    /// Positions in one `sync.resume`.
    pub resume_positions_max: u64,
    /// Events of one history page.
    pub history_page_max: u64,
    /// Milliseconds after sending within which an own message may be edited.
    pub edit_window_ms: u64,
}

/// `session.expiring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionExpiring {
    /// When the token runs out.
    pub token_expires_at: Timestamp,
}

/// `session.closing`: sent just before the close frame, with the same code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionClosing {
    /// The close code.
    pub code: u16,
    /// Its name.
    pub reason: String,
    /// When to come back, milliseconds from now; another for each client, so that they do not
    /// all come at once. None: as after any close with this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconnect_after_ms: Option<u64>,
}

/// An event of the log: `{"type":...,"seq":...,"data":{...}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEvent {
    /// Its place in the conversation's log.
    pub seq: u64,
    /// What happened, with messages as they stand now.
    pub event: Event,
}

impl Serialize for LoggedEvent {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(3))?;
        map.serialize_entry("type", self.event.name())?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("data", &self.event)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for LoggedEvent {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let parts = crate::codec::parts::<EventParts, _>(d)?;
        Ok(Self {
            seq: parts.seq.ok_or_else(|| D::Error::missing_field("seq"))?,
            event: parts.data.ok_or_else(|| D::Error::missing_field("data"))?,
        })
    }
}

/// How the codec reads the `data` of an event frame.
pub(crate) struct EventParts;

impl crate::codec::Tagged for EventParts {
    type Data = Event;
    fn read<'de, D: serde::Deserializer<'de>>(kind: &str, d: D) -> Result<Event, D::Error> {
        EventDataOf(kind).deserialize(d)
    }
}

/// `sync.batch`: a stretch of one conversation's log, ascending and dense. When it does not
/// reach `head_seq` another one follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncBatch {
    /// The events.
    pub events: Vec<LoggedEvent>,
    /// The newest seq that the caller may read.
    pub head_seq: u64,
}

/// `sync.reset`: forget the position and page with `message.history`; live events go on after
/// `head_seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReset {
    /// The newest seq that the caller may read.
    pub head_seq: u64,
    /// The first seq that the caller may read.
    pub first_seq: u64,
    /// The first seq that retention has kept.
    pub log_start_seq: u64,
}

/// What changed about a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was made.
    Created,
    /// Its title.
    Updated,
    /// Somebody came in, or got another role.
    MemberAdded,
    /// Somebody was taken out; the last event that they see.
    MemberRemoved,
    /// Somebody went; the last event that they see.
    MemberLeft,
    /// It was opened or made read-only.
    State,
    /// The caller's own pin, mute or archive mark, set on another of their devices. No seq.
    Preferences,
}

/// `conversation.changed`. The fields that `change` is about are present.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationChanged {
    /// What changed.
    pub change: Change,
    /// Who did it; absent when the server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_user_id: Option<UserId>,
    /// When.
    pub at: Timestamp,
    /// created: what kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ConversationKind>,
    /// created, updated: the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// created: whose care it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_id: Option<UserId>,
    /// created: the first members. Absent in broadcasts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member_ids: Vec<UserId>,
    /// member_*: whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// member_added: what they are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_role: Option<MemberRole>,
    /// member_added: the first seq that they may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    /// state: the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ConversationState>,
    /// preferences: the caller's own view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub me: Option<Mine>,
}

impl ConversationChanged {
    /// A change with nothing filled in yet.
    #[must_use]
    pub const fn new(change: Change, by_user_id: Option<UserId>, at: Timestamp) -> Self {
        Self {
            change,
            by_user_id,
            at,
            kind: None,
            title: None,
            patient_id: None,
            member_ids: Vec::new(),
            user_id: None,
            member_role: None,
            first_seq: None,
            state: None,
            me: None,
        }
    }
}

/// `message.updated`. In a replay it carries the text as it stands now, empty after a delete.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageUpdated {
    /// The edited message's seq.
    pub target_seq: u64,
    /// Its id.
    pub message_id: MessageId,
    /// Who sent and edited it.
    pub user_id: UserId,
    /// The text now. PHI.
    pub text: String,
    /// When it was edited.
    pub edited_at: Timestamp,
}

/// `message.deleted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDeleted {
    /// The deleted message's seq.
    pub target_seq: u64,
    /// Its id.
    pub message_id: MessageId,
    /// Who sent and deleted it.
    pub user_id: UserId,
    /// When.
    pub deleted_at: Timestamp,
}

/// `message.reacted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReacted {
    /// The message's seq.
    pub target_seq: u64,
    /// Its id.
    pub message_id: MessageId,
    /// Who did it.
    pub user_id: UserId,
    /// The emoji.
    pub emoji: String,
    /// Put on, or taken off.
    pub on: bool,
    /// When.
    pub at: Timestamp,
}

/// `receipt.changed`. Both watermarks only ever grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptChanged {
    /// Whose.
    pub user_id: UserId,
    /// Everything up to here reached one of their devices.
    pub delivered_up_to_seq: u64,
    /// Everything up to here was seen.
    pub read_up_to_seq: u64,
    /// When it changed.
    pub at: Timestamp,
}

/// `typing.changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypingChanged {
    /// Who.
    pub user_id: UserId,
    /// Writing, or stopped.
    pub typing: bool,
}

/// An event as it goes out: with its conversation, and with its seq when it is durable.
#[derive(Clone, Debug, PartialEq)]
pub struct EventFrame {
    /// Which conversation it is about, if any.
    pub conversation_id: Option<ConversationId>,
    /// Its place in the log; none for what is not in it.
    pub seq: Option<u64>,
    /// What happened.
    pub event: Event,
}

impl EventFrame {
    /// An event about no conversation.
    #[must_use]
    pub const fn plain(event: Event) -> Self {
        Self {
            conversation_id: None,
            seq: None,
            event,
        }
    }

    /// An event about a conversation that is not in its log.
    #[must_use]
    pub const fn about(conversation_id: ConversationId, event: Event) -> Self {
        Self {
            conversation_id: Some(conversation_id),
            seq: None,
            event,
        }
    }

    /// An event of a conversation's log.
    #[must_use]
    pub const fn logged(conversation_id: ConversationId, seq: u64, event: Event) -> Self {
        Self {
            conversation_id: Some(conversation_id),
            seq: Some(seq),
            event,
        }
    }
}

impl Serialize for EventFrame {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let fields =
            2 + usize::from(self.conversation_id.is_some()) + usize::from(self.seq.is_some());
        let mut map = s.serialize_map(Some(fields))?;
        map.serialize_entry("type", self.event.name())?;
        if let Some(conversation_id) = &self.conversation_id {
            map.serialize_entry("conversation_id", conversation_id)?;
        }
        if let Some(seq) = self.seq {
            map.serialize_entry("seq", &seq)?;
        }
        map.serialize_entry("data", &self.event)?;
        map.end()
    }
}

crate::quiet_debug! {
    MessageUpdated { target_seq, message_id, edited_at }
    ConversationChanged { change, user_id, at, state }
}
