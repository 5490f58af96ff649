//! Sessions that are at one node and clients that come to another.

use bedside::{peer_calls::PeerCalls, socketio::engine::Config, ws::admission::Admission};
use futures_util::future::{FutureExt as _, join};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

use crate::{
    kit::{Answer, Server, Socket, assert_about, config, ms, settled},
    wires::Wires,
};

const HOLD_MS: u64 = 100;

struct Two {
    wires: Arc<Wires>,
    home: Server,
    other: Server,
}

impl Two {
    fn new() -> Self {
        // Nothing else happens for long.
        Self::with(Config {
            ping_interval: Duration::from_secs(1_000),
            ..config()
        })
    }

    fn with(config: Config) -> Self {
        let config = Config {
            far_hold: Duration::from_millis(HOLD_MS),
            ..config
        };
        let wires: Arc<Wires> = Arc::default();
        wires.is_here.store(true, Ordering::Relaxed);
        tokio::time::pause();
        let node = |name| {
            let server = Server::beside(config.clone(), Admission::new(100));
            server.edge.join(wires.end(name));
            let calls = PeerCalls {
                engine: server.edge.clone(),
                redeem: Arc::new(|_| None),
                clinic: None,
            };
            wires.serve(name, Arc::new(calls));
            server
        };
        let (home, other) = (node("home"), node("other"));
        Self { wires, home, other }
    }

    fn calls(&self) -> usize {
        self.wires.calls.load(Ordering::Relaxed)
    }

    async fn upgraded(&self, sid: &str) -> Socket {
        let mut socket = self.other.carry_on(sid).await;
        socket.say("2probe").await;
        assert_eq!(socket.text().await, "3probe");
        socket.say("5").await;
        settled().await;
        socket
    }
}

#[actix_web::test]
async fn the_beats_come_on_time_from_afar() {
    let two = Two::with(config());
    let start = Instant::now();
    let (sid, _) = two.home.open().await;
    for beat in 1..=3 {
        assert_eq!(two.other.poll(&sid).await, Answer::ok("2"));
        assert_about(start, 300 * beat);
        ms(120).await;
        assert_eq!(two.other.post(&sid, "3").await, Answer::ok("ok"));
    }
    assert_eq!(two.other.poll(&sid).await, Answer::ok("2"));
    assert_eq!(two.other.poll(&sid).await, Answer::ok("1"));
    assert_eq!(two.other.poll(&sid).await, Answer::unknown());
}

#[actix_web::test]
async fn a_long_poll_is_several_calls_and_one_poll() {
    let two = Two::new();
    let (sid, speaker) = two.home.open().await;
    let poll = two.other.poll(&sid);
    let send = async {
        ms(10 * HOLD_MS + HOLD_MS / 2).await;
        speaker.send("late");
    };
    let (answer, ()) = join(poll, send).await;
    assert_eq!(answer, Answer::ok("4late"));
    assert_eq!(two.calls(), 11);
    settled().await;
    assert_eq!(speaker.0.lock().written, 1);
}

#[actix_web::test]
async fn a_post_waits_for_a_speaker_that_is_busy() {
    let two = Two::new();
    let (sid, speaker) = two.home.open().await;
    let free = async {
        ms(3 * HOLD_MS).await;
        speaker.change(|script| script.busy = false);
    };
    let (posted, ()) = join(two.other.post(&sid, "4busy\u{1e}4next"), free).await;
    assert_eq!(posted, Answer::ok("ok"));
    assert_eq!(speaker.received(), ["busy", "next"]);
}

#[actix_web::test]
async fn a_client_that_lets_go_of_its_poll_ends_its_session_at_once() {
    let two = Two::new();
    let (sid, speaker) = two.home.open().await;
    let start = Instant::now();
    let mut poll = Box::pin(two.other.poll(&sid));
    assert!(poll.as_mut().now_or_never().is_none());
    ms(10).await;
    assert!(poll.as_mut().now_or_never().is_none());
    drop(poll);
    settled().await;
    assert!(speaker.is_dropped());
    assert!(start.elapsed() < Duration::from_millis(HOLD_MS));
}

#[actix_web::test]
async fn a_node_that_dies_takes_its_polls_with_it() {
    let two = Two::new();
    let (sid, speaker) = two.home.open().await;
    let mut poll = Box::pin(two.other.poll(&sid));
    assert!(poll.as_mut().now_or_never().is_none());
    ms(10).await;
    // It has no time to say anything.
    two.wires.is_cut.store(true, Ordering::Relaxed);
    drop(poll);
    ms(11_000).await;
    assert!(!speaker.is_dropped());
    ms(2_000).await;
    assert!(speaker.is_dropped());
    assert_eq!(two.home.admission.open(), 0);
}

#[actix_web::test]
async fn a_node_that_stops_gives_polls_back() {
    let two = Two::new();
    let (sid, speaker) = two.home.open().await;
    let stop = async {
        ms(HOLD_MS / 2).await;
        two.other.admission.drain();
    };
    let (answer, ()) = join(two.other.poll(&sid), stop).await;
    assert_eq!(answer, Answer::ok("6"));
    speaker.send("still here");
    assert_eq!(two.home.poll(&sid).await, Answer::ok("4still here"));
}

#[actix_web::test]
async fn a_websocket_may_be_idle_and_costs_a_call_for_each_hold() {
    let two = Two::new();
    let (sid, speaker) = two.home.open().await;
    let mut socket = two.upgraded(&sid).await;
    let before = two.calls();
    ms(10 * HOLD_MS).await;
    assert!((9..=11).contains(&(two.calls() - before)));
    speaker.send("down");
    assert_eq!(socket.text().await, "4down");
    socket.say("4up").await;
    settled().await;
    assert_eq!(speaker.received(), ["up"]);
    assert_eq!(two.home.counts.0.lock().1, 1, "it is a WebSocket at home");
}

#[actix_web::test]
async fn a_node_that_stops_lets_go_of_websockets() {
    let two = Two::new();
    let (sid, speaker) = two.home.open().await;
    let mut socket = two.upgraded(&sid).await;
    assert_eq!(two.other.admission.open(), 1);
    two.other.admission.drain();
    assert!(socket.0.rest().await.is_empty());
    settled().await;
    assert!(speaker.is_dropped());
    assert_eq!(two.other.admission.open(), 0);
    assert_eq!(two.home.admission.open(), 0);
}

#[actix_web::test]
async fn a_node_that_dies_takes_its_websockets_with_it() {
    let two = Two::new();
    let (sid, speaker) = two.home.open().await;
    let mut socket = two.upgraded(&sid).await;
    two.wires.is_cut.store(true, Ordering::Relaxed);
    let start = Instant::now();
    assert!(socket.0.rest().await.is_empty(), "nobody waits for ever");
    assert!((30..33).contains(&start.elapsed().as_secs()));
    assert!(!speaker.is_dropped());
    ms(30_000).await;
    assert!(speaker.is_dropped());
    assert_eq!(two.home.admission.open(), 0);
    assert_eq!(two.other.admission.open(), 0);
}

#[actix_web::test]
async fn a_server_that_closes_a_session_closes_its_websocket_elsewhere() {
    let two = Two::new();
    let (sid, speaker) = two.home.open().await;
    let mut socket = two.upgraded(&sid).await;
    speaker.end(bedside_protocol::CloseCode::GoingAway);
    assert_eq!(socket.close_code().await, Some(1001));
}

#[actix_web::test]
async fn a_server_alone_names_no_node() {
    let server = Server::new();
    let (sid, _) = server.open().await;
    assert!(!sid.contains('.'), "{sid}");
    assert_eq!(server.poll("a.b").await, Answer::unknown());
}

#[actix_web::test]
async fn one_of_several_names_itself() {
    let two = Two::new();
    let (sid, _) = two.other.open().await;
    let (random, node) = sid.rsplit_once('.').expect("it names its node");
    assert_eq!((random.len(), node), (24, "other"));
    // One from before it was one of several.
    assert_eq!(two.other.poll(random).await, Answer::unknown());
}
