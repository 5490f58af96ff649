//! A participant's place in a call, as all threads see it.

use bedside_protocol::{ParticipantId, limits};
use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
};

use bedside_actors::ports::media::{Joining, MediaError, OfferId, Source};

use super::{forward::Publication, sdp, stats::Stats};

/// What is known of a participant besides their connection.
pub(super) struct Place {
    pub(super) id: ParticipantId,
    /// Its rank by the time of joining.
    pub(super) rank: u64,
    publications: [Arc<Publication>; 3],
    last_offer: AtomicU32,
    /// The offer that waits for its answer; 0 for none.
    waiting: AtomicU32,
    /// How many sections it has.
    sections: AtomicUsize,
    candidates: AtomicUsize,
    stats: Arc<Stats>,
}

impl Place {
    pub(super) fn new(
        id: ParticipantId,
        rank: u64,
        joining: Joining,
        stats: Arc<Stats>,
    ) -> Arc<Self> {
        stats.peers.fetch_add(1, Relaxed);
        let place = Self {
            id,
            rank,
            publications: Default::default(),
            last_offer: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            sections: AtomicUsize::new(0),
            candidates: AtomicUsize::new(0),
            stats,
        };
        place
            .publication(Source::Microphone)
            .allow(joining.microphone);
        place.publication(Source::Camera).allow(joining.camera);
        Arc::new(place)
    }

    pub(super) fn publication(&self, source: Source) -> &Arc<Publication> {
        &self.publications[source as usize]
    }

    pub(super) fn allowed(&self) -> impl Iterator<Item = Source> {
        let allowed = |source: &Source| self.publication(*source).is_allowed();
        Source::ALL.into_iter().filter(allowed)
    }

    /// The number for another offer.
    pub(super) fn next_offer(&self) -> OfferId {
        OfferId(self.last_offer.fetch_add(1, Relaxed) + 1)
    }

    /// This offer waits from now on.
    pub(super) fn wait_for(&self, offer: OfferId, sections: usize) {
        self.sections.store(sections, Relaxed);
        self.candidates.store(0, Relaxed);
        self.waiting.store(offer.0, Relaxed);
    }

    pub(super) fn wait_no_more(&self) {
        self.waiting.store(0, Relaxed);
    }

    /// An answer has come: it is the one that is waited for, and has the form of one.
    pub(super) fn claim(&self, offer: OfferId, sdp: &str) -> Result<(), MediaError> {
        if sdp.len() > limits::SDP_BYTES_MAX {
            return Err(MediaError::TooLarge);
        }
        if offer.0 == 0 || self.waiting.load(Relaxed) != offer.0 {
            return Err(MediaError::StaleOffer);
        }
        let sections = self.sections.load(Relaxed);
        sdp::check_answer(sdp, sections).map_err(MediaError::BadAnswer)?;
        self.waiting
            .compare_exchange(offer.0, 0, Relaxed, Relaxed)
            .map(drop)
            .map_err(|_| MediaError::StaleOffer)
    }

    /// The answer was of no use: the offer waits on.
    pub(super) fn wait_again(&self, offer: OfferId) {
        let _ = self.waiting.compare_exchange(0, offer.0, Relaxed, Relaxed);
    }

    pub(super) fn count_candidate(&self) -> Result<(), MediaError> {
        if self.candidates.fetch_add(1, Relaxed) < limits::CANDIDATES_MAX {
            Ok(())
        } else {
            Err(MediaError::TooManyCandidates)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stats.peers.fetch_sub(1, Relaxed);
    }
}
