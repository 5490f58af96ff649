//! The media of a server that carries no calls.

use bedside_protocol::{CallId, ParticipantId, Timestamp};
use std::sync::Arc;

use super::{IceServer, Joining, Media, MediaError, MediaSink, OfferId, Source};

/// Refuses every call and says why.
#[derive(Clone, Debug)]
pub struct NoMedia(String);

impl NoMedia {
    /// For this reason, as a text for operators.
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl Media for NoMedia {
    fn refusal(&self) -> Option<String> {
        Some(self.0.clone())
    }

    fn ice_servers(&self, _: ParticipantId, _: Timestamp) -> Vec<IceServer> {
        Vec::new()
    }

    fn open(&self, _: CallId, _: Arc<dyn MediaSink>) -> Result<(), MediaError> {
        Err(MediaError::Unavailable(self.0.clone()))
    }

    fn close(&self, _: CallId) {}

    fn add(&self, _: CallId, _: ParticipantId, _: Joining) -> Result<(), MediaError> {
        Err(MediaError::NoSuchCall)
    }

    fn answer(&self, _: CallId, _: ParticipantId, _: OfferId, _: &str) -> Result<(), MediaError> {
        Err(MediaError::NoSuchCall)
    }

    fn candidate(&self, _: CallId, _: ParticipantId, _: &str) -> Result<(), MediaError> {
        Err(MediaError::NoSuchCall)
    }

    fn restart(&self, _: CallId, _: ParticipantId) -> Result<(), MediaError> {
        Err(MediaError::NoSuchCall)
    }

    fn publish(&self, _: CallId, _: ParticipantId, _: Source, _: bool) -> Result<(), MediaError> {
        Err(MediaError::NoSuchCall)
    }

    fn mute(&self, _: CallId, _: ParticipantId, _: Source, _: bool) -> Result<(), MediaError> {
        Err(MediaError::NoSuchCall)
    }

    fn remove(&self, _: CallId, _: ParticipantId) -> Result<(), MediaError> {
        Err(MediaError::NoSuchCall)
    }
}
