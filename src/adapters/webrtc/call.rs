//! One call: a task that owns the connections of its participants, and brings them in line with
//! who is there and what they may send whenever something changes.

use bedside_actors::ports::media::{Failure, MediaError, MediaEvent, MediaSink, OfferId, Source};
use bedside_protocol::{CallId, ParticipantId, limits};
use futures_util::FutureExt as _;
use parking_lot::RwLock;
use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    link::{Link, LinkState},
    peer::{Behind, Peer, Surroundings, Told},
    place::Place,
    speaker::Speaker,
    stats::Stats,
};

/// Asks that wait for a call's task.
const ASKS_MAX: usize = 128;
/// How often levels are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How often it is told how people are reached, in ticks.
const QUALITY_TICKS: u64 = 12;
/// A source that nothing comes from for so long sends no longer.
const SILENT: Duration = Duration::from_secs(5);
/// How long a connection may take from the offer on, the answer included.
const CONNECT_WITHIN: Duration = Duration::from_secs(25);

/// What the task does on somebody's behalf.
pub(super) enum Ask {
    Connect(Arc<Place>),
    Answer(Arc<Place>, OfferId, String),
    Restart(Arc<Place>),
    #[cfg(test)]
    Panic,
}

/// A call as other threads see it.
pub(super) struct CallShared {
    pub(super) id: CallId,
    pub(super) sink: Arc<dyn MediaSink>,
    pub(super) places: RwLock<HashMap<ParticipantId, Arc<Place>>>,
    pub(super) joined: AtomicU64,
    asks: mpsc::Sender<Ask>,
    wake: Arc<Notify>,
    closed: AtomicBool,
    stats: Arc<Stats>,
}

impl CallShared {
    pub(super) fn new(
        id: CallId,
        sink: Arc<dyn MediaSink>,
        stats: Arc<Stats>,
    ) -> (Arc<Self>, mpsc::Receiver<Ask>) {
        let (asks, waiting) = mpsc::channel(ASKS_MAX);
        stats.calls.fetch_add(1, Relaxed);
        let shared = Arc::new(Self {
            id,
            sink,
            places: RwLock::default(),
            joined: AtomicU64::new(0),
            asks,
            wake: Arc::default(),
            closed: AtomicBool::new(false),
            stats,
        });
        (shared, waiting)
    }

    pub(super) fn ask(&self, ask: Ask) -> Result<(), MediaError> {
        self.asks.try_send(ask).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => MediaError::Busy,
            mpsc::error::TrySendError::Closed(_) => MediaError::NoSuchCall,
        })
    }

    /// Something changed that the task has to bring its connections in line with.
    pub(super) fn changed(&self) {
        self.wake.notify_one();
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Relaxed);
        self.wake.notify_one();
    }

    pub(super) fn place(&self, who: ParticipantId) -> Result<Arc<Place>, MediaError> {
        let places = self.places.read();
        places
            .get(&who)
            .cloned()
            .ok_or(MediaError::NoSuchParticipant)
    }
}

impl Drop for CallShared {
    fn drop(&mut self) {
        self.stats.calls.fetch_sub(1, Relaxed);
    }
}

/// Runs a call to its end. Whether it broke.
pub(super) async fn run(
    shared: Arc<CallShared>,
    asks: mpsc::Receiver<Ask>,
    around: Surroundings,
) -> bool {
    let call = Call {
        shared: shared.clone(),
        asks,
        around,
        peers: HashMap::new(),
        published: HashMap::new(),
        speaker: Speaker::default(),
        clock: Instant::now(),
        ticks: 0,
    };
    let broke = AssertUnwindSafe(call.run()).catch_unwind().await.is_err();
    if broke {
        shared.stats.panicked();
    }
    broke
}

struct Call {
    shared: Arc<CallShared>,
    asks: mpsc::Receiver<Ask>,
    around: Surroundings,
    peers: HashMap<ParticipantId, Peer>,
    /// What was told to be published.
    published: HashMap<ParticipantId, Vec<Source>>,
    speaker: Speaker,
    clock: Instant,
    ticks: u64,
}

impl Drop for Call {
    /// Also after a panic: connections do not end by being forgotten.
    fn drop(&mut self) {
        for (_, peer) in self.peers.drain() {
            peer.close();
        }
    }
}

impl Call {
    async fn run(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.shared.closed.load(Relaxed) {
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.on(ask).await,
                    None => return,
                },
                () = self.shared.wake.notified() => {}
                _ = ticks.tick() => self.tick(),
            }
            self.settle().await;
        }
    }

    fn tell(&self, event: MediaEvent) {
        self.shared.sink.happened(event);
    }

    async fn on(&mut self, ask: Ask) {
        match ask {
            Ask::Connect(place) => self.connect(place).await,
            Ask::Answer(place, offer, sdp) => self.answer(&place, offer, sdp).await,
            Ask::Restart(place) => self.restart(&place),
            #[cfg(test)]
            Ask::Panic => panic!("as a test has it"),
        }
    }

    /// The connection of this place, and not of one that somebody had before.
    fn peer(&mut self, place: &Arc<Place>) -> Option<&mut Peer> {
        let peer = self.peers.get_mut(&place.id)?;
        Arc::ptr_eq(&peer.link.place, place).then_some(peer)
    }

    async fn connect(&mut self, place: Arc<Place>) {
        if let Some(before) = self.peers.remove(&place.id) {
            before.close();
        }
        place.wait_no_more();
        let link = Link::new(
            place.clone(),
            self.shared.stats.clone(),
            self.shared.wake.clone(),
            self.clock,
        );
        match Peer::connect(link, &self.around).await {
            Ok(peer) => {
                self.peers.insert(place.id, peer);
            }
            Err(error) => {
                tracing::error!(call = %self.shared.id, %error, "a connection cannot be made");
                self.tell(MediaEvent::Failed(place.id, Failure::Internal));
            }
        }
    }

    async fn answer(&mut self, place: &Arc<Place>, offer: OfferId, sdp: String) {
        let waits = |peer: &&mut Peer| peer.waiting.as_ref().is_some_and(|w| w.offer.id == offer);
        let Some(peer) = self.peer(place).filter(waits) else {
            return;
        };
        let taken = AssertUnwindSafe(peer.answer(sdp)).catch_unwind().await;
        match taken {
            Ok(Ok(())) => {}
            // Parts of it may have been taken over already, so that it is no use to try again on
            // this connection.
            Ok(Err(error)) => {
                tracing::debug!(%error, "an answer cannot be used");
                self.fail(place.id, Failure::BadAnswer);
            }
            // What the connection is in now, nobody knows.
            Err(_) => peer.link.broke(),
        }
    }

    fn restart(&mut self, place: &Arc<Place>) {
        let Some(peer) = self.peer(place) else {
            return;
        };
        peer.restart = true;
        let again = peer.waiting.as_ref().map(|waiting| waiting.offer.clone());
        if let Some(offer) = again {
            self.tell(MediaEvent::Offer(place.id, offer));
        }
    }

    /// Brings everything in line with what is wanted.
    async fn settle(&mut self) {
        self.part();
        self.tell_states();
        self.tell_sources();
        let everybody = self.everybody();
        let ids: Vec<ParticipantId> = self.peers.keys().copied().collect();
        for id in ids {
            if let Err(error) = self.line_up(id, &everybody).await {
                tracing::error!(call = %self.shared.id, %error, "a connection cannot be offered");
                self.fail(id, Failure::Internal);
            }
        }
    }

    /// Connections of people who have no place any more.
    fn part(&mut self) {
        let places = self.shared.places.read().clone();
        let gone: Vec<ParticipantId> = self
            .peers
            .values()
            .map(|peer| &peer.link.place)
            .filter(|place| !places.get(&place.id).is_some_and(|p| Arc::ptr_eq(p, place)))
            .map(|place| place.id)
            .collect();
        for id in gone {
            if let Some(peer) = self.peers.remove(&id) {
                peer.close();
            }
            for source in self.published.remove(&id).unwrap_or_default() {
                self.tell(MediaEvent::Unpublished(id, source));
            }
        }
    }

    fn tell_states(&mut self) {
        let mut events = Vec::new();
        for (id, peer) in &mut self.peers {
            let (told, event) = match peer.link.state() {
                LinkState::Connecting | LinkState::Abandoned => continue,
                LinkState::Connected => (Told::Connected, MediaEvent::Connected(*id)),
                LinkState::Interrupted => (Told::Interrupted, MediaEvent::Interrupted(*id)),
                LinkState::Failed => (Told::Failed, MediaEvent::Failed(*id, Failure::Unreachable)),
                LinkState::Broken => (Told::Failed, MediaEvent::Failed(*id, Failure::Internal)),
            };
            if told == Told::Connected {
                peer.trying_since = None;
            }
            if told == peer.told {
                continue;
            }
            match told {
                Told::Connected => peer.key_frames_needed(),
                Told::Failed => self.shared.stats.peer_failed(),
                _ => {}
            }
            peer.told = told;
            events.push(event);
        }
        for event in events {
            self.tell(event);
        }
    }

    fn tell_sources(&mut self) {
        let now = self.clock.elapsed();
        let mut events = Vec::new();
        for (id, peer) in &self.peers {
            if peer.told != Told::Connected {
                continue;
            }
            let published = self.published.entry(*id).or_default();
            for source in Source::ALL {
                let publication = peer.link.place.publication(source);
                let live = publication.is_allowed() && publication.is_live(now, SILENT);
                let told = published.contains(&source);
                if live && !told {
                    published.push(source);
                    events.push(MediaEvent::Published(*id, source));
                } else if !live && told {
                    published.retain(|other| *other != source);
                    publication.forget();
                    events.push(MediaEvent::Unpublished(*id, source));
                }
            }
        }
        for event in events {
            self.tell(event);
        }
    }

    /// All that is sent in the call, in the order of joining.
    fn everybody(&self) -> Vec<Behind> {
        let places = self.shared.places.read();
        let mut places: Vec<_> = places.values().collect();
        places.sort_by_key(|place| place.rank);
        let of = |place: &&Arc<Place>| {
            let place = (*place).clone();
            let sources: Vec<Source> = place.allowed().collect();
            sources.into_iter().map(move |source| Behind {
                who: place.id,
                source,
                publication: place.publication(source).clone(),
            })
        };
        places.iter().flat_map(of).collect()
    }

    /// Gives one participant the sections that they need, and offers what changed.
    async fn line_up(
        &mut self,
        id: ParticipantId,
        everybody: &[Behind],
    ) -> rtc::shared::error::Result<()> {
        let Some(peer) = self.peers.get_mut(&id) else {
            return Ok(());
        };
        if matches!(peer.link.state(), LinkState::Broken | LinkState::Abandoned) {
            return Ok(());
        }
        let others: Vec<Behind> = everybody.iter().filter(|b| b.who != id).cloned().collect();
        peer.receive().await?;
        peer.subscribe(&others).await?;
        if peer.waiting.is_some() || !(peer.changed || peer.restart) {
            return Ok(());
        }
        let number = peer.link.place.next_offer();
        let offer = peer.offer(number, &self.around).await?;
        self.tell(MediaEvent::Offer(id, offer));
        Ok(())
    }

    fn fail(&mut self, id: ParticipantId, why: Failure) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        match why {
            Failure::Internal => peer.link.broke(),
            Failure::BadAnswer | Failure::NoAnswer => peer.link.abandon(),
            Failure::Unreachable => {}
        }
        peer.waiting = None;
        peer.trying_since = None;
        peer.link.place.wait_no_more();
        if peer.told != Told::Failed {
            peer.told = Told::Failed;
            self.shared.stats.peer_failed();
            self.tell(MediaEvent::Failed(id, why));
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
        self.give_up();
        let now = self.clock.elapsed();
        let level = |peer: &Peer| {
            let voice = peer.link.place.publication(Source::Microphone);
            if voice.is_live(now, TICK * 4) {
                voice.level()
            } else {
                0
            }
        };
        let levels = self.peers.iter().map(|(id, peer)| (*id, level(peer)));
        if let Some(speaking) = self.speaker.hear(now, levels) {
            self.tell(MediaEvent::Speaking(speaking));
        }
        if self.ticks.is_multiple_of(QUALITY_TICKS) {
            let over = TICK * QUALITY_TICKS as u32;
            for (id, peer) in &self.peers {
                let window = peer.observed.take();
                if peer.is_connected() {
                    self.tell(MediaEvent::Quality(*id, window.quality(over)));
                }
            }
        }
    }

    /// Those who do not answer, and those who answer and do not come.
    fn give_up(&mut self) {
        let now = Instant::now();
        let answer_within = Duration::from_millis(limits::ANSWER_TIMEOUT_MS);
        let late = |peer: &Peer| {
            let waits = peer.waiting.as_ref();
            if waits.is_some_and(|waiting| now > waiting.since + answer_within) {
                Some(Failure::NoAnswer)
            } else if peer
                .trying_since
                .is_some_and(|at| now > at + CONNECT_WITHIN)
            {
                Some(Failure::Unreachable)
            } else {
                None
            }
        };
        let failed: Vec<_> = self
            .peers
            .iter()
            .filter_map(|(id, peer)| Some((*id, late(peer)?)))
            .collect();
        for (id, why) in failed {
            self.fail(id, why);
        }
    }
}
