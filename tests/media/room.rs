//! A call under test: the SFU, its clients, and what was told.

use bedside::adapters::webrtc::{Options, WebRtc};
use bedside_actors::ports::media::{Joining, Media as _, MediaEvent, MediaSink, Offer, Source};
use bedside_protocol::{CallId, ParticipantId};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::mpsc;

use crate::client::{Client, about};

pub(crate) const BOTH: Joining = Joining {
    microphone: true,
    camera: true,
};

/// An SFU on a free port of this machine.
pub(crate) fn sfu() -> Arc<WebRtc> {
    WebRtc::start(Options {
        port: 0,
        advertised: vec![[127, 0, 0, 1].into()],
        threads: 1,
        peers_max: 40,
        turn: None,
        simulcast: false,
    })
    .expect("an SFU that works")
}

pub(crate) struct Room {
    pub(crate) sfu: Arc<WebRtc>,
    pub(crate) call: CallId,
    pub(crate) clients: Arc<Mutex<HashMap<ParticipantId, Arc<Client>>>>,
    told: Arc<Mutex<Vec<MediaEvent>>>,
}

struct Sink(mpsc::UnboundedSender<MediaEvent>);

impl MediaSink for Sink {
    fn happened(&self, event: MediaEvent) {
        let _ = self.0.send(event);
    }
}

impl Room {
    pub(crate) fn open(sfu: &Arc<WebRtc>) -> Self {
        let (sink, mut events) = mpsc::unbounded_channel();
        let room = Self {
            sfu: sfu.clone(),
            call: CallId::new(),
            clients: Arc::default(),
            told: Arc::default(),
        };
        sfu.open(room.call, Arc::new(Sink(sink)))
            .expect("an SFU that works");
        let (clients, told) = (room.clients.clone(), room.told.clone());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                told.lock().push(event.clone());
                if let MediaEvent::Offer(who, offer) = event {
                    let client = clients.lock().get(&who).cloned();
                    if let Some(client) = client {
                        tokio::spawn(async move { client.answer(offer).await });
                    }
                }
            }
        });
        room
    }

    /// Somebody who sends joins, and answers what is offered.
    pub(crate) async fn join(&self, tag: u8) -> Arc<Client> {
        self.join_as(ParticipantId::new(), tag).await
    }

    pub(crate) async fn join_as(&self, id: ParticipantId, tag: u8) -> Arc<Client> {
        let client = Client::with_id(self.sfu.clone(), self.call, id, tag).await;
        self.clients.lock().insert(id, client.clone());
        self.sfu
            .add(self.call, id, BOTH)
            .expect("an SFU that works");
        client
    }

    pub(crate) fn told(&self) -> Vec<MediaEvent> {
        self.told.lock().clone()
    }

    pub(crate) fn offers_to(&self, who: ParticipantId) -> Vec<Offer> {
        let offer = |event| match event {
            MediaEvent::Offer(to, offer) if to == who => Some(offer),
            _ => None,
        };
        self.told().into_iter().filter_map(offer).collect()
    }

    pub(crate) async fn until_told(&self, event: &MediaEvent) {
        until(&format!("{event:?} is told"), || {
            self.told().contains(event)
        })
        .await;
    }

    /// Until each of these receives voice and picture of each other one.
    pub(crate) async fn until_all_see_all(&self, clients: &[Arc<Client>]) {
        for client in clients {
            for other in clients.iter().filter(|other| other.id != client.id) {
                for source in [Source::Microphone, Source::Camera] {
                    let before = client.received(other.id, source).packets;
                    let what = format!("{source:?} of {} reaches {}", other.id, client.id);
                    until(&what, || {
                        client.received(other.id, source).packets > before + 10
                    })
                    .await;
                }
            }
        }
    }

    pub(crate) fn told_about(&self, who: ParticipantId) -> Vec<MediaEvent> {
        let told = self.told().into_iter();
        told.filter(|event| about(event) == Some(who)).collect()
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_200 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("30 s passed, and it is not so that {what}");
}
