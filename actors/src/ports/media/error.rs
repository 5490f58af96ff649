//! Why a media server does not do what it is asked.

use std::fmt;

/// Why not. None of the texts repeats what a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaError {
    /// This call is not open.
    NoSuchCall,
    /// This call is open already.
    CallExists,
    /// Nobody has this place in the call.
    NoSuchParticipant,
    /// As many people are in the call, or as many screens are shared, as there may be.
    Full,
    /// This server carries as many people as it may; another node might not.
    Overloaded,
    /// The offer has been answered, or another one has taken its place.
    StaleOffer,
    /// The text is longer than it may be.
    TooLarge,
    /// The answer is none, or does not fit its offer.
    BadAnswer(&'static str),
    /// The candidate is none.
    BadCandidate(&'static str),
    /// More candidates to one offer than there may be.
    TooManyCandidates,
    /// Too much waits for the call's attention; later it may go.
    Busy,
    /// Calls are not carried, now or at all. The text is for operators.
    Unavailable(String),
}

impl MediaError {
    /// Whether the same may go well a little later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy | Self::Overloaded | Self::Unavailable(_))
    }
}

impl fmt::Display for MediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchCall => f.write_str("there is no such call"),
            Self::CallExists => f.write_str("the call is open already"),
            Self::NoSuchParticipant => f.write_str("nobody has this place in the call"),
            Self::Full => f.write_str("the call is full"),
            Self::Overloaded => f.write_str("this server carries as many people as it may"),
            Self::StaleOffer => f.write_str("this offer does not wait for an answer"),
            Self::TooLarge => f.write_str("the description is too large"),
            Self::BadAnswer(why) => write!(f, "the answer cannot be used: {why}"),
            Self::BadCandidate(why) => write!(f, "the candidate cannot be used: {why}"),
            Self::TooManyCandidates => f.write_str("too many candidates"),
            Self::Busy => f.write_str("too much waits for this call"),
            Self::Unavailable(why) => write!(f, "calls are not carried: {why}"),
        }
    }
}

impl std::error::Error for MediaError {}
