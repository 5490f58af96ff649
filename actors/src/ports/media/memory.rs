//! A media server without media, for tests: it offers, takes answers and tells what a call
//! would be told, and does whatever else a test has it do.

mod call;

use bedside_protocol::{CallId, ParticipantId, Timestamp, limits};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use self::call::Call;
use super::{
    Failure, IceLogin, IceServer, Joining, Media, MediaError, MediaEvent, MediaSink, OfferId,
    Quality, Source,
};

/// What goes wrong until it is set right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaFaults {
    /// No offer is made.
    pub silent: bool,
    /// Every method that can refuse says that it is busy.
    pub busy: bool,
    /// Who answers fails, instead of being connected.
    pub fails: Option<Failure>,
}

/// Calls in memory.
#[derive(Default)]
pub struct MemoryMedia {
    calls: Mutex<HashMap<CallId, Call>>,
    faults: Mutex<MediaFaults>,
}

type Done = Result<(), MediaError>;

impl MemoryMedia {
    /// Without calls and faults.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: MediaFaults) {
        *self.faults.lock() = faults;
    }

    /// The calls that are open.
    #[must_use]
    pub fn open_calls(&self) -> HashSet<CallId> {
        self.calls.lock().keys().copied().collect()
    }

    /// Who has a place in a call.
    #[must_use]
    pub fn participants(&self, call: CallId) -> HashSet<ParticipantId> {
        let calls = self.calls.lock();
        calls.get(&call).map(Call::participants).unwrap_or_default()
    }

    /// Whether nothing is passed on of this source.
    #[must_use]
    pub fn is_muted(&self, call: CallId, participant: ParticipantId, source: Source) -> bool {
        let calls = self.calls.lock();
        calls
            .get(&call)
            .is_some_and(|call| call.is_muted(participant, source))
    }

    /// Nothing comes from the participant.
    pub fn interrupt(&self, call: CallId, participant: ParticipantId) {
        self.tell(call, MediaEvent::Interrupted(participant));
    }

    /// Something comes from the participant again.
    pub fn reconnect(&self, call: CallId, participant: ParticipantId) {
        self.tell(call, MediaEvent::Connected(participant));
    }

    /// The participant's connection is lost.
    pub fn fail(&self, call: CallId, participant: ParticipantId, why: Failure) {
        self.tell(call, MediaEvent::Failed(participant, why));
    }

    /// Somebody speaks, or nobody.
    pub fn speak(&self, call: CallId, who: Option<ParticipantId>) {
        self.tell(call, MediaEvent::Speaking(who));
    }

    /// A participant is reached like this.
    pub fn measure(&self, call: CallId, participant: ParticipantId, quality: Quality) {
        self.tell(call, MediaEvent::Quality(participant, quality));
    }

    /// The call's media breaks.
    pub fn lose(&self, call: CallId) {
        self.tell(call, MediaEvent::Lost);
        self.calls.lock().remove(&call);
    }

    fn tell(&self, call: CallId, event: MediaEvent) {
        let sink = self.calls.lock().get(&call).map(Call::sink);
        if let Some(sink) = sink {
            sink.happened(event);
        }
    }

    /// Does it, and tells what comes of it once the lock is free.
    fn with(&self, call: CallId, f: impl FnOnce(&mut Call, &mut Vec<MediaEvent>) -> Done) -> Done {
        let faults = *self.faults.lock();
        let mut events = Vec::new();
        let (sink, done) = {
            let mut calls = self.calls.lock();
            let call = calls.get_mut(&call).ok_or(MediaError::NoSuchCall)?;
            if faults.busy {
                return Err(MediaError::Busy);
            }
            let done = f(call, &mut events);
            if !faults.silent {
                call.offer_changes(&mut events);
            }
            (call.sink(), done)
        };
        for event in events {
            sink.happened(event);
        }
        done
    }
}

impl Media for MemoryMedia {
    fn ice_servers(&self, participant: ParticipantId, now: Timestamp) -> Vec<IceServer> {
        let expires_at = Timestamp::from_millis(now.as_millis() + 3_600_000);
        vec![IceServer {
            urls: vec!["turn:turn.test:3478".to_owned()],
            login: Some(IceLogin {
                username: participant.to_string(),
                credential: "memory".to_owned(),
                expires_at,
            }),
        }]
    }

    fn open(&self, call: CallId, sink: Arc<dyn MediaSink>) -> Done {
        if self.faults.lock().busy {
            return Err(MediaError::Unavailable("as a test has it".to_owned()));
        }
        let mut calls = self.calls.lock();
        if calls.contains_key(&call) {
            return Err(MediaError::CallExists);
        }
        calls.insert(call, Call::new(sink));
        Ok(())
    }

    fn close(&self, call: CallId) {
        self.calls.lock().remove(&call);
    }

    fn add(&self, call: CallId, participant: ParticipantId, joining: Joining) -> Done {
        self.with(call, |call, _| call.add(participant, joining))
    }

    fn answer(&self, call: CallId, who: ParticipantId, offer: OfferId, sdp: &str) -> Done {
        let faults = *self.faults.lock();
        self.with(call, |call, events| {
            if sdp.len() > limits::SDP_BYTES_MAX {
                return Err(MediaError::TooLarge);
            }
            if !sdp.starts_with("v=0") {
                return Err(MediaError::BadAnswer("it is no description"));
            }
            call.answer(who, offer, faults, events)
        })
    }

    fn candidate(&self, call: CallId, who: ParticipantId, candidate: &str) -> Done {
        self.with(call, |call, _| {
            if candidate.len() > limits::CANDIDATE_BYTES_MAX {
                return Err(MediaError::BadCandidate("it is too long"));
            }
            call.candidate(who)
        })
    }

    fn restart(&self, call: CallId, who: ParticipantId) -> Done {
        self.with(call, |call, events| call.restart(who, events))
    }

    fn publish(&self, call: CallId, who: ParticipantId, source: Source, allowed: bool) -> Done {
        self.with(call, |call, events| {
            call.publish(who, source, allowed, events)
        })
    }

    fn mute(&self, call: CallId, who: ParticipantId, source: Source, muted: bool) -> Done {
        self.with(call, |call, _| call.mute(who, source, muted))
    }

    fn remove(&self, call: CallId, who: ParticipantId) -> Done {
        self.with(call, |call, events| call.remove(who, events))
    }
}

#[cfg(test)]
mod tests;
