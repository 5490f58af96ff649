use super::*;
use parking_lot::Mutex;
use std::time::Duration;

#[derive(Default)]
struct Heard(Mutex<Vec<MediaEvent>>);

impl MediaSink for Heard {
    fn happened(&self, event: MediaEvent) {
        self.0.lock().push(event);
    }
}

fn sfu() -> Arc<WebRtc> {
    WebRtc::start(Options {
        port: 0,
        advertised: vec![[127, 0, 0, 1].into()],
        threads: 1,
        peers_max: 10,
        turn: None,
        simulcast: true,
    })
    .unwrap()
}

const VOICE: Joining = Joining {
    microphone: true,
    camera: false,
};

fn open(sfu: &WebRtc) -> (CallId, Arc<Heard>) {
    let (call, heard) = (CallId::new(), Arc::<Heard>::default());
    sfu.open(call, heard.clone()).unwrap();
    (call, heard)
}

async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..1_200 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("30 s passed, and it is not so");
}

fn offers(heard: &Heard) -> usize {
    let is_offer = |event: &&MediaEvent| matches!(event, MediaEvent::Offer(..));
    heard.0.lock().iter().filter(is_offer).count()
}

#[tokio::test]
async fn a_panic_in_one_call_touches_no_other() {
    let sfu = sfu();
    let ((broken, one), (whole, other)) = (open(&sfu), open(&sfu));
    for call in [broken, whole] {
        sfu.add(call, ParticipantId::new(), VOICE).unwrap();
    }
    until(|| offers(&one) == 1 && offers(&other) == 1).await;
    sfu.call(broken).unwrap().ask(Ask::Panic).unwrap();
    until(|| one.0.lock().last() == Some(&MediaEvent::Lost)).await;
    assert_eq!(sfu.stats().panics(), 1);
    let nobody = sfu.add(broken, ParticipantId::new(), VOICE);
    assert_eq!(nobody, Err(MediaError::NoSuchCall));
    sfu.add(whole, ParticipantId::new(), VOICE).unwrap();
    until(|| offers(&other) == 2).await;
    until(|| sfu.stats().peers() == 2 && sfu.stats().calls() == 1).await;
    // And it may be opened again.
    sfu.open(broken, one.clone()).unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let started = WebRtc::start(Options {
        port: taken.local_addr().unwrap().port(),
        advertised: vec![[127, 0, 0, 1].into()],
        threads: 1,
        peers_max: 1,
        turn: None,
        simulcast: false,
    });
    assert!(started.is_err());
}
