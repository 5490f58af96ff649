//! What calls need of whatever carries their sound and pictures.
//!
//! Promises that every media server keeps:
//!
//! 1. No method waits for the network: what takes time is told to the call's [`MediaSink`].
//! 2. It always offers, and a participant only answers. There is one offer on its way to a
//!    participant at a time; what changes meanwhile is in the next one.
//! 3. An answer counts for the offer whose number it names, once. Any other is refused and
//!    changes nothing.
//! 4. Events of one participant arrive in the order in which they happened, and
//!    [`MediaEvent::Offer`] before anything that follows from its answer.
//! 5. A participant who is added again has a new connection and the same place: the others go on
//!    receiving what they received, without a new offer.
//! 6. What one participant sends, or does not, disturbs nobody else; what goes wrong in one call
//!    disturbs no other call.
//!
//! Whoever calls it decides who may be in a call and who is told what; a media server knows
//! places ([`ParticipantId`]) and no people.

mod error;
pub mod memory;
mod none;
mod quality;

pub use self::{
    error::MediaError,
    none::NoMedia,
    quality::{Quality, Rating},
};

use bedside_protocol::{CallId, ParticipantId, Timestamp, quiet_debug};
use std::sync::Arc;

/// Number of an offer to one participant. Ascends for as long as the call lives, also over the
/// participant's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfferId(pub u32);

/// Where sound or pictures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A participant's voice.
    Microphone,
    /// A participant's picture.
    Camera,
    /// What a participant shows of their screen.
    Screen,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Microphone, Self::Camera, Self::Screen];

    /// Whether it is sound; else it is pictures.
    #[must_use]
    pub const fn is_audio(self) -> bool {
        matches!(self, Self::Microphone)
    }
}

/// What a participant may send from the beginning. Everybody receives everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joining {
    /// Their voice.
    pub microphone: bool,
    /// Their picture.
    pub camera: bool,
}

/// What one media section of an offer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its `a=mid`.
    pub mid: String,
    /// What goes through it.
    pub carries: Carries,
}

/// What goes through a media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carries {
    /// What the participant sends. The answer makes it `sendonly`, or `inactive` for nothing.
    Yours(Source),
    /// What another participant sends.
    Theirs(ParticipantId, Source),
    /// Nothing now. It was somebody's who left, and will be somebody else's.
    Nothing,
}

/// An offer for a participant.
#[derive(Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its number, which the answer names.
    pub id: OfferId,
    /// What `setRemoteDescription` takes. At most [`SDP_BYTES_MAX`] bytes.
    ///
    /// [`SDP_BYTES_MAX`]: bedside_protocol::limits::SDP_BYTES_MAX
    pub sdp: String,
    /// What its sections are for, in their order.
    pub sections: Vec<Section>,
    /// Whether it makes the client look for another way through the network.
    pub restart: bool,
}

// An offer's text holds what lets somebody into the connection.
quiet_debug! {
    Offer { id, sections, restart }
}

/// Why a participant's connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No way through the network, or none any more.
    Unreachable,
    /// An offer was not answered in time.
    NoAnswer,
    /// An answer passed [`Media::answer`] and proved unusable all the same.
    BadAnswer,
    /// Something in the media server broke.
    Internal,
}

/// Something that happened in a call.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// The participant's client has to answer this.
    Offer(ParticipantId, Offer),
    /// The participant is connected: for the first time, or again.
    Connected(ParticipantId),
    /// Nothing comes from the participant for some seconds. They are connected again, or
    /// fail. [`Media::restart`] helps when their network has changed.
    Interrupted(ParticipantId),
    /// The participant's connection is lost. They keep their place: [`Media::add`] gives them
    /// another connection, [`Media::remove`] frees it. For [`Failure::Unreachable`]
    /// [`Media::restart`] may help, too.
    Failed(ParticipantId, Failure),
    /// The participant sends from this source: what comes of it is there to be received.
    Published(ParticipantId, Source),
    /// And no longer.
    Unpublished(ParticipantId, Source),
    /// Who is heard most, for about as long as a sentence; none for silence.
    Speaking(Option<ParticipantId>),
    /// How a connected participant is reached, every 2 to 5 s.
    Quality(ParticipantId, Quality),
    /// The call's media is gone with all its participants, as after a bug or with the socket.
    /// Nothing else is told of this call, and it may be opened again.
    Lost,
}

/// Hears what happens in one call. Called on a thread of the media server; must not block or
/// panic, nor call [`Media`] from within.
pub trait MediaSink: Send + Sync {
    /// Something happened.
    fn happened(&self, event: MediaEvent);
}

/// A server by whose help a client finds a way through the network.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:` and `turn:` URLs.
    pub urls: Vec<String>,
    /// For TURN: name and password, and when they run out.
    pub login: Option<IceLogin>,
}

/// What a TURN server lets somebody in by, for a limited time.
#[derive(Clone, PartialEq, Eq)]
pub struct IceLogin {
    /// The name.
    pub username: String,
    /// The password.
    pub credential: String,
    /// When both run out.
    pub expires_at: Timestamp,
}

quiet_debug! {
    IceServer { urls }
    IceLogin { expires_at }
}

/// Carries the sound and pictures of calls.
pub trait Media: Send + Sync {
    /// Why it carries no calls at all, as a text for people; none when it does.
    fn refusal(&self) -> Option<String> {
        None
    }

    /// What a participant's client needs besides offers to find its way, valid from `now` on.
    fn ice_servers(&self, participant: ParticipantId, now: Timestamp) -> Vec<IceServer>;

    /// Opens a call that nobody is in yet.
    ///
    /// # Errors
    /// [`MediaError::CallExists`], [`MediaError::Unavailable`].
    fn open(&self, call: CallId, sink: Arc<dyn MediaSink>) -> Result<(), MediaError>;

    /// Ends a call with all its connections. Nothing for one that is not there. An event that is
    /// on its way may still arrive.
    fn close(&self, call: CallId);

    /// Gives a participant a connection, or a new one in place of theirs, and offers it. What
    /// they may send, and what is muted, stays as it was for one who has a place.
    ///
    /// # Errors
    /// [`MediaError::NoSuchCall`], [`MediaError::Full`], [`MediaError::Overloaded`],
    /// [`MediaError::Busy`].
    fn add(
        &self,
        call: CallId,
        participant: ParticipantId,
        joining: Joining,
    ) -> Result<(), MediaError>;

    /// Takes the answer to an offer.
    ///
    /// # Errors
    /// [`MediaError::StaleOffer`] for one that was answered or overtaken,
    /// [`MediaError::TooLarge`], [`MediaError::BadAnswer`], and those of [`Media::remove`].
    fn answer(
        &self,
        call: CallId,
        participant: ParticipantId,
        offer: OfferId,
        sdp: &str,
    ) -> Result<(), MediaError>;

    /// Takes the place where a client says it can be reached, in the form of the `candidate`
    /// attribute of SDP; an empty one says that there are no more. A server that is reachable
    /// itself looks at its form only.
    ///
    /// # Errors
    /// [`MediaError::BadCandidate`], [`MediaError::TooManyCandidates`], and those of
    /// [`Media::remove`].
    fn candidate(
        &self,
        call: CallId,
        participant: ParticipantId,
        candidate: &str,
    ) -> Result<(), MediaError>;

    /// Offers a participant a new way through the network, on the connection that they have. An
    /// offer that is on its way is repeated first, as its client may never have seen it.
    ///
    /// # Errors
    /// Those of [`Media::remove`].
    fn restart(&self, call: CallId, participant: ParticipantId) -> Result<(), MediaError>;

    /// Lets a participant send from a source, or no longer, by a new offer where it takes one.
    ///
    /// # Errors
    /// [`MediaError::Full`] for one screen too many, and those of [`Media::remove`].
    fn publish(
        &self,
        call: CallId,
        participant: ParticipantId,
        source: Source,
        allowed: bool,
    ) -> Result<(), MediaError>;

    /// Passes nothing on of what a participant sends from a source, or passes it on again. It
    /// holds over their connections.
    ///
    /// # Errors
    /// Those of [`Media::remove`].
    fn mute(
        &self,
        call: CallId,
        participant: ParticipantId,
        source: Source,
        muted: bool,
    ) -> Result<(), MediaError>;

    /// Ends a participant's connection and frees their place.
    ///
    /// # Errors
    /// [`MediaError::NoSuchCall`], [`MediaError::NoSuchParticipant`], and [`MediaError::Busy`]
    /// when too much waits for the call's attention.
    fn remove(&self, call: CallId, participant: ParticipantId) -> Result<(), MediaError>;
}
