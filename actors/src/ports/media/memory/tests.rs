use super::*;
use crate::ports::media::{Carries, Offer};

#[derive(Default)]
struct Heard(Mutex<Vec<MediaEvent>>);

impl MediaSink for Heard {
    fn happened(&self, event: MediaEvent) {
        self.0.lock().push(event);
    }
}

impl Heard {
    fn take(&self) -> Vec<MediaEvent> {
        std::mem::take(&mut *self.0.lock())
    }
}

const BOTH: Joining = Joining {
    microphone: true,
    camera: true,
};

struct Scene {
    media: Arc<MemoryMedia>,
    call: CallId,
    heard: Arc<Heard>,
}

impl Scene {
    fn new() -> Self {
        let (media, call, heard) = (MemoryMedia::new(), CallId::new(), Arc::default());
        media.open(call, Arc::clone(&heard) as _).unwrap();
        Self { media, call, heard }
    }

    fn join(&self) -> ParticipantId {
        let who = ParticipantId::new();
        self.media.add(self.call, who, BOTH).unwrap();
        who
    }

    fn offers(&self) -> HashMap<ParticipantId, Offer> {
        let offer = |event| match event {
            MediaEvent::Offer(who, offer) => Some((who, offer)),
            _ => None,
        };
        self.heard.take().into_iter().filter_map(offer).collect()
    }

    fn answer(&self, who: ParticipantId, offer: OfferId) -> Done {
        self.media.answer(self.call, who, offer, "v=0\r\n")
    }
}

#[test]
fn who_answers_is_connected_and_published() {
    let scene = Scene::new();
    let who = scene.join();
    let offer = scene.offers().remove(&who).unwrap();
    assert_eq!(scene.answer(who, offer.id), Ok(()));
    assert_eq!(
        scene.heard.take(),
        [
            MediaEvent::Connected(who),
            MediaEvent::Published(who, Source::Microphone),
            MediaEvent::Published(who, Source::Camera),
        ]
    );
    assert_eq!(scene.answer(who, offer.id), Err(MediaError::StaleOffer));
}

#[test]
fn one_offer_waits_and_the_next_has_all_that_changed() {
    let scene = Scene::new();
    let first = scene.join();
    let offer = scene.offers().remove(&first).unwrap();
    let second = scene.join();
    scene.join();
    assert!(!scene.offers().contains_key(&first));
    scene.answer(first, offer.id).unwrap();
    let next = scene.offers().remove(&first).unwrap();
    assert_eq!(next.sections.len(), 6);
    let carries = next.sections.iter().map(|s| s.carries);
    assert!(
        carries
            .clone()
            .any(|c| c == Carries::Theirs(second, Source::Camera))
    );
}

#[test]
fn who_comes_again_is_offered_anew_and_the_others_are_not() {
    let scene = Scene::new();
    let (first, second) = (scene.join(), scene.join());
    for (who, offer) in scene.offers() {
        scene.answer(who, offer.id).unwrap();
    }
    for (who, offer) in scene.offers() {
        scene.answer(who, offer.id).unwrap();
    }
    scene.media.add(scene.call, second, BOTH).unwrap();
    let offers = scene.offers();
    assert!(offers.contains_key(&second) && !offers.contains_key(&first));
}

#[test]
fn faults_are_told_as_a_media_server_would() {
    let scene = Scene::new();
    scene.media.set_faults(MediaFaults {
        fails: Some(Failure::Unreachable),
        ..MediaFaults::default()
    });
    let who = scene.join();
    let offer = scene.offers().remove(&who).unwrap();
    scene.answer(who, offer.id).unwrap();
    let failed = MediaEvent::Failed(who, Failure::Unreachable);
    assert_eq!(scene.heard.take(), [failed]);

    scene.media.set_faults(MediaFaults {
        silent: true,
        ..MediaFaults::default()
    });
    scene.join();
    assert_eq!(scene.heard.take(), []);
    scene.media.set_faults(MediaFaults::default());
    scene.media.lose(scene.call);
    assert_eq!(scene.heard.take(), [MediaEvent::Lost]);
    let nobody = scene.media.mute(scene.call, who, Source::Microphone, true);
    assert_eq!(nobody, Err(MediaError::NoSuchCall));
}

#[test]
fn a_call_has_so_many_places_and_screens() {
    let scene = Scene::new();
    let people: Vec<_> = (0..limits::CALL_PARTICIPANTS_MAX)
        .map(|_| scene.join())
        .collect();
    let one_more = scene.media.add(scene.call, ParticipantId::new(), BOTH);
    assert_eq!(one_more, Err(MediaError::Full));
    let share = |who| scene.media.publish(scene.call, who, Source::Screen, true);
    for who in &people[..limits::CALL_SCREENS_MAX] {
        assert_eq!(share(*who), Ok(()));
    }
    assert_eq!(
        share(people[limits::CALL_SCREENS_MAX]),
        Err(MediaError::Full)
    );
    assert_eq!(share(people[0]), Ok(()));
}
