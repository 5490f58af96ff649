//! One call in memory.

use bedside_protocol::{ParticipantId, limits};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use super::MediaFaults;
use crate::ports::media::{
    Carries, Joining, MediaError, MediaEvent, MediaSink, Offer, OfferId, Section, Source,
};

pub(super) struct Call {
    sink: Arc<dyn MediaSink>,
    places: BTreeMap<ParticipantId, Place>,
}

#[derive(Default)]
struct Place {
    last_offer: u32,
    /// The offer that waits for its answer.
    waiting: Option<Offer>,
    /// Something changed since the last offer.
    changed: bool,
    restart: bool,
    candidates: usize,
    allowed: Vec<Source>,
    muted: HashSet<Source>,
    published: HashSet<Source>,
    /// What the last offer that was made can carry of others.
    carried: HashSet<(ParticipantId, Source)>,
    connected: bool,
}

type Done = Result<(), MediaError>;
type Events = Vec<MediaEvent>;

impl Call {
    pub(super) fn new(sink: Arc<dyn MediaSink>) -> Self {
        Self {
            sink,
            places: BTreeMap::new(),
        }
    }

    pub(super) fn sink(&self) -> Arc<dyn MediaSink> {
        self.sink.clone()
    }

    pub(super) fn participants(&self) -> HashSet<ParticipantId> {
        self.places.keys().copied().collect()
    }

    pub(super) fn is_muted(&self, who: ParticipantId, source: Source) -> bool {
        let place = self.places.get(&who);
        place.is_some_and(|place| place.muted.contains(&source))
    }

    fn place(&mut self, who: ParticipantId) -> Result<&mut Place, MediaError> {
        self.places
            .get_mut(&who)
            .ok_or(MediaError::NoSuchParticipant)
    }

    pub(super) fn add(&mut self, who: ParticipantId, joining: Joining) -> Done {
        if let Some(place) = self.places.get_mut(&who) {
            place.waiting = None;
            place.connected = false;
            place.carried.clear();
        } else if self.places.len() == limits::CALL_PARTICIPANTS_MAX {
            return Err(MediaError::Full);
        }
        let place = self.places.entry(who).or_insert_with(|| {
            let mut place = Place::default();
            let wanted = [
                (joining.microphone, Source::Microphone),
                (joining.camera, Source::Camera),
            ];
            place.allowed = wanted.iter().filter(|(yes, _)| *yes).map(|w| w.1).collect();
            place
        });
        place.changed = true;
        self.note_new_sources();
        Ok(())
    }

    /// Whoever cannot receive something that is allowed needs another offer.
    fn note_new_sources(&mut self) {
        let all = self.sources();
        for (who, place) in &mut self.places {
            let lacks = |s: &(ParticipantId, Source)| s.0 != *who && !place.carried.contains(s);
            place.changed |= all.iter().any(lacks);
        }
    }

    fn sources(&self) -> Vec<(ParticipantId, Source)> {
        let of = |(who, place): (&ParticipantId, &Place)| {
            let who = *who;
            let allowed = place.allowed.clone();
            allowed.into_iter().map(move |source| (who, source))
        };
        self.places.iter().flat_map(of).collect()
    }

    /// Offers what has changed to whoever has no offer to answer.
    pub(super) fn offer_changes(&mut self, events: &mut Events) {
        let all = self.sources();
        for (who, place) in &mut self.places {
            if !(place.changed || place.restart) || place.waiting.is_some() {
                continue;
            }
            let offer = place.next_offer(*who, &all);
            events.push(MediaEvent::Offer(*who, offer));
        }
    }

    pub(super) fn answer(
        &mut self,
        who: ParticipantId,
        offer: OfferId,
        faults: MediaFaults,
        events: &mut Events,
    ) -> Done {
        let place = self.place(who)?;
        if place.waiting.as_ref().map(|waiting| waiting.id) != Some(offer) {
            return Err(MediaError::StaleOffer);
        }
        place.waiting = None;
        if let Some(why) = faults.fails {
            place.connected = false;
            events.push(MediaEvent::Failed(who, why));
            return Ok(());
        }
        if !place.connected {
            place.connected = true;
            events.push(MediaEvent::Connected(who));
        }
        for source in place.allowed.clone() {
            if place.published.insert(source) {
                events.push(MediaEvent::Published(who, source));
            }
        }
        Ok(())
    }

    pub(super) fn candidate(&mut self, who: ParticipantId) -> Done {
        let place = self.place(who)?;
        if place.candidates == limits::CANDIDATES_MAX {
            return Err(MediaError::TooManyCandidates);
        }
        place.candidates += 1;
        Ok(())
    }

    pub(super) fn restart(&mut self, who: ParticipantId, events: &mut Events) -> Done {
        let place = self.place(who)?;
        place.restart = true;
        if let Some(waiting) = &place.waiting {
            events.push(MediaEvent::Offer(who, waiting.clone()));
        }
        Ok(())
    }

    pub(super) fn publish(
        &mut self,
        who: ParticipantId,
        source: Source,
        allowed: bool,
        events: &mut Events,
    ) -> Done {
        let screens = self.sources().into_iter().filter(|(other, of)| {
            *of == Source::Screen && source == Source::Screen && *other != who
        });
        let full = allowed && screens.count() == limits::CALL_SCREENS_MAX;
        let place = self.place(who)?;
        if full {
            return Err(MediaError::Full);
        }
        if allowed && !place.allowed.contains(&source) {
            place.allowed.push(source);
            place.changed = true;
            self.note_new_sources();
        } else if !allowed {
            place.allowed.retain(|other| *other != source);
            if place.published.remove(&source) {
                events.push(MediaEvent::Unpublished(who, source));
            }
        }
        Ok(())
    }

    pub(super) fn mute(&mut self, who: ParticipantId, source: Source, muted: bool) -> Done {
        let place = self.place(who)?;
        if muted {
            place.muted.insert(source);
        } else {
            place.muted.remove(&source);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, who: ParticipantId, events: &mut Events) -> Done {
        let place = self
            .places
            .remove(&who)
            .ok_or(MediaError::NoSuchParticipant)?;
        for source in place.published {
            events.push(MediaEvent::Unpublished(who, source));
        }
        Ok(())
    }
}

impl Place {
    fn next_offer(&mut self, who: ParticipantId, all: &[(ParticipantId, Source)]) -> Offer {
        self.last_offer += 1;
        self.changed = false;
        self.candidates = 0;
        let theirs = all.iter().filter(|(other, _)| *other != who);
        self.carried = theirs.clone().copied().collect();
        let carries = self
            .allowed
            .iter()
            .map(|source| Carries::Yours(*source))
            .chain(theirs.map(|(other, source)| Carries::Theirs(*other, *source)));
        let offer = Offer {
            id: OfferId(self.last_offer),
            sdp: format!("v=0\r\ns=offer {}\r\n", self.last_offer),
            sections: carries
                .enumerate()
                .map(|(mid, carries)| Section {
                    mid: mid.to_string(),
                    carries,
                })
                .collect(),
            restart: std::mem::take(&mut self.restart),
        };
        self.waiting = Some(offer.clone());
        offer
    }
}
