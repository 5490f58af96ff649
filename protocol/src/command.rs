//! What clients ask for. Imperative `noun.verb`.

use serde::{Deserialize, Serialize, de::DeserializeSeed};
use std::collections::HashMap;

#[cfg(feature = "openapi")]
use crate::openapi::bounds;
use crate::{
    Availability, ConversationId, ConversationKind, MemberRole, MessageSend, Timestamp, UserId,
    consultation::{ConsultationEnd, ConsultationRef},
    notification::NotificationRef,
};

macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $name:literal;)*) => {
        /// Everything that a client may ask, in every dialect.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Command { $($(#[$doc])* $variant($payload),)* }

        impl Command {
            /// The wire names, in the order of the enum.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The wire name: `type` of the frame.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }
        }

        /// Reads the `data` of the command with this wire name.
        pub(crate) struct DataOf<'a>(pub(crate) &'a str);

        impl<'de> DeserializeSeed<'de> for DataOf<'_> {
            type Value = Option<Command>;
            fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Option<Command>, D::Error> {
                match self.0 {
                    $($name => <$payload>::deserialize(d).map(|data| Some(Command::$variant(data))),)*
                    _ => serde::de::IgnoredAny::deserialize(d).map(|_| None),
                }
            }
        }

        impl Serialize for Command {
            /// Writes `data` alone.
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$variant(data) => data.serialize(s),)* }
            }
        }
    };
}

commands! {
    /// Say who you are: the first frame of a socket whose handshake carried no token.
    SessionHello(SessionHello) = "session.hello";
    /// Put a new token in the place of the one that runs out.
    SessionRefresh(SessionRefresh) = "session.refresh";
    /// Get what was missed.
    SyncResume(SyncResume) = "sync.resume";
    /// Make a conversation, or find the direct one of a pair.
    ConversationCreate(ConversationCreate) = "conversation.create";
    /// Change the title.
    ConversationUpdate(ConversationUpdate) = "conversation.update";
    /// Pin, mute or archive, for the caller alone.
    ConversationSet(ConversationSet) = "conversation.set";
    /// Also get typing and participants' presence, while it is on screen.
    ConversationSubscribe(ConversationRef) = "conversation.subscribe";
    /// No more typing and presence.
    ConversationUnsubscribe(ConversationRef) = "conversation.unsubscribe";
    /// Bring someone in, or change what they are here.
    MemberAdd(MemberAdd) = "member.add";
    /// Take someone out.
    MemberRemove(MemberRemove) = "member.remove";
    /// Go.
    MemberLeave(ConversationRef) = "member.leave";
    /// Say something.
    MessageSend(MessageSend) = "message.send";
    /// Change the text of an own message, within 15 minutes of sending it.
    MessageEdit(MessageEdit) = "message.edit";
    /// Take an own message back.
    MessageDelete(MessageRef) = "message.delete";
    /// Put an emoji on a message, or take it off.
    MessageReact(MessageReact) = "message.react";
    /// Read a page of the log.
    MessageHistory(MessageHistory) = "message.history";
    /// All up to here reached this device.
    ReceiptDeliver(Receipt) = "receipt.deliver";
    /// All up to here was seen.
    ReceiptRead(Receipt) = "receipt.read";
    /// The caller is writing, or has stopped.
    TypingSet(TypingSet) = "typing.set";
    /// The caller's own availability.
    PresenceSet(PresenceSet) = "presence.set";
    /// Whose presence this socket wants to hear of.
    PresenceWatch(PresenceWatch) = "presence.watch";
    /// Enter a consultation's room.
    ConsultationJoin(ConsultationRef) = "consultation.join";
    /// Leave it.
    ConsultationLeave(ConsultationRef) = "consultation.leave";
    /// Begin a consultation.
    ConsultationStart(ConsultationRef) = "consultation.start";
    /// End it.
    ConsultationEnd(ConsultationEnd) = "consultation.end";
    /// A notification reached this device.
    NotificationAck(NotificationRef) = "notification.ack";
    /// A notification was seen.
    NotificationRead(NotificationRef) = "notification.read";
}

/// `session.hello {token}`. Reply: empty, after the event `session.welcome`. Any fault closes
/// with 4401.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionHello {
    /// The JWT, at most 8 KiB. Secret: never logged.
    pub token: String,
}

impl std::fmt::Debug for SessionHello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionHello { token: *** }")
    }
}

/// `session.refresh {token}`. Reply: [`crate::reply::TokenRefreshed`]. A token of somebody else
/// is `forbidden`; a bad one is `unauthorized` or `token_expired`, and the old one goes on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRefresh {
    /// The new JWT, of the same `sub`. Secret: never logged.
    pub token: String,
}

impl std::fmt::Debug for SessionRefresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionRefresh { token: *** }")
    }
}

/// `sync.resume {positions, store_epoch}`: what came after these positions.
///
/// Answered by `sync.batch` and `sync.reset` events and then the reply
/// [`crate::reply::Resumed`]. More than 1,000 positions are `too_large`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncResume {
    /// Per conversation the last seq that the client has, 0 for none.
    #[serde(default)]
    pub positions: HashMap<ConversationId, u64>,
    /// `store_epoch` of the welcome under which the positions were learned. Another one than
    /// today's resets them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_epoch: Option<String>,
    /// Where the list of conversations that `positions` does not name goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `conversation.create`. Reply: [`crate::reply::ConversationReply`]. For the direct
/// conversation of a pair it is idempotent and says `created:false` when it was there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationCreate {
    /// What kind; consultations are made by their own resource.
    pub kind: ConversationKind,
    /// Who else; exactly one for a direct conversation.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(schema_with = bounds::member_ids))]
    pub member_ids: Vec<UserId>,
    /// At most 200 bytes; required but for direct ones.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "openapi", schema(schema_with = bounds::title))]
    pub title: String,
    /// The patient: required for care teams and family updates, and a member by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient_id: Option<UserId>,
}

/// `conversation.update {conversation_id, title}`. Reply: [`crate::reply::Logged`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationUpdate {
    /// Which.
    pub conversation_id: ConversationId,
    /// The new title, 1..=200 bytes.
    pub title: String,
}

/// `conversation.set`: absent fields stay as they are; `muted_until: null` unmutes.
/// Reply: [`crate::Mine`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationSet {
    /// Which.
    pub conversation_id: ConversationId,
    /// Shown on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// No alerts before this time.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub muted_until: Option<Option<Timestamp>>,
    /// Out of the ordinary list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// Tells a field that is null from one that is absent.
fn present<'de, D, T>(d: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(d).map(Some)
}

/// A conversation and nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRef {
    /// Which.
    pub conversation_id: ConversationId,
}

/// `member.add`. Reply: [`crate::reply::Logged`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAdd {
    /// Which conversation; not a direct one.
    pub conversation_id: ConversationId,
    /// Whom. Adding a present member with another role changes the role.
    pub user_id: UserId,
    /// What they are here.
    #[serde(default)]
    pub member_role: MemberRole,
    /// Lets someone who is not a clinician read from the start. Only a clinician may; audited.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub share_history: bool,
}

/// `member.remove`. Reply: [`crate::reply::Logged`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRemove {
    /// Which conversation; not a direct one.
    pub conversation_id: ConversationId,
    /// Whom.
    pub user_id: UserId,
}

/// `message.edit`. Reply: [`crate::reply::Logged`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEdit {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Which message.
    pub seq: u64,
    /// The new text, at most 16 KiB. PHI.
    pub text: String,
}

/// One message. Reply to `message.delete`: [`crate::reply::Logged`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRef {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Which message.
    pub seq: u64,
}

/// `message.react`. Reply: [`crate::reply::Logged`]; one that changes nothing gets the seq of
/// the message itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReact {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Which message.
    pub seq: u64,
    /// One emoji, at most 64 bytes.
    pub emoji: String,
    /// False takes it off.
    #[serde(default = "yes")]
    pub on: bool,
}

const fn yes() -> bool {
    true
}

/// `message.history`: a page of the dense log, ascending, within the caller's window.
/// Reply: [`crate::reply::History`]. Neither bound given: the newest page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageHistory {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Only entries after this seq, the oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
    /// Only entries before this seq, the newest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_seq: Option<u64>,
    /// 1..=200, by default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `receipt.deliver`, `receipt.read`. Reply: [`crate::reply::ReceiptTaken`]. A seq past the
/// head counts as the head; one below the watermark changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// All up to and with this seq.
    pub up_to_seq: u64,
}

/// `typing.set`. Ends by itself after 5 s; clients renew every 3 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypingSet {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Writing, or stopped.
    pub typing: bool,
}

/// `presence.set`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PresenceSet {
    /// available, busy or away.
    pub status: Availability,
}

/// `presence.watch`: replaces what this socket watched before.
/// Reply: [`crate::reply::Presences`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceWatch {
    /// At most 200; people who share no conversation with the caller are left out.
    pub user_ids: Vec<UserId>,
}

crate::quiet_debug! {
    MessageEdit { conversation_id, seq }
    ConversationCreate { kind }
    ConversationUpdate { conversation_id }
}
