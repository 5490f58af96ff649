//! A server that is stopped while clients send: what it stored it also acknowledged, everybody is
//! told when to come back, and it ends by itself.

use bedside_loadtest::{
    http::Rest,
    peer::{Got, Peer, number_of, say, text_of},
    server::{DataDir, Recipe, SECRET, Server},
    world::World,
    ws::Dial,
};
use bedside_protocol::{ConversationId, ErrorCode, Event};
use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinSet, time::Instant};

const ROUNDS: u64 = 6;
/// Of each client in each round; fewer than it may at once.
const SENDS_MAX: u64 = 3_900;
/// Sends of each that wait for their answers.
const AT_ONCE: u64 = 64;
/// What is promised, with some patience for a busy machine.
const STOPS_WITHIN: Duration = Duration::from_secs(20);

/// What one client saw of the end.
#[derive(Default)]
struct End {
    acknowledged: Vec<u64>,
    refused: Vec<u64>,
    unanswered: Vec<u64>,
    closing: Option<(u16, Option<u64>)>,
    code: u16,
}

/// Keeps so many sends on their way, and reads until the end.
async fn talk(mut peer: Peer, to: ConversationId, first: u64, answered: Arc<Notify>) -> End {
    let mut names = first..first + SENDS_MAX;
    let mut post = |peer: &mut Peer| {
        let name = names.next()?;
        Some((name, peer.post(&say(to, name, text_of(name, 200)))))
    };
    let mut posted: Vec<_> = (0..AT_ONCE).filter_map(|_| post(&mut peer)).collect();
    let mut end = End::default();
    loop {
        match peer.read().await.expect("frames of the protocol") {
            Got::Answer(_) => {
                answered.notify_one();
                posted.extend(post(&mut peer));
            }
            Got::Event(frame) => {
                if let Event::SessionClosing(closing) = frame.event {
                    end.closing = Some((closing.code, closing.reconnect_after_ms));
                }
            }
            Got::Closed(code) => {
                end.code = code;
                break;
            }
        }
    }
    for (number, id) in posted {
        match peer.take_answer(id) {
            Some(Ok(_)) => end.acknowledged.push(number),
            Some(Err(error)) => {
                assert_eq!(error.code, ErrorCode::Unavailable, "{error}");
                assert!(error.retry_after_ms > 0);
                end.refused.push(number);
            }
            None => end.unanswered.push(number),
        }
    }
    end
}

async fn stored(server: SocketAddr, world: &World) -> HashSet<u64> {
    let mut stored = HashSet::new();
    for pair in &world.pairs {
        let token = &world.users[pair.members[0]].token;
        let peer = Peer::open(&Dial::new(server), token).await;
        let mut peer = peer.expect("a socket");
        let (mut after, mut more) = (0, true);
        while more {
            let page = peer.page(pair.id, after).await.expect("a page");
            more = page.has_more;
            for logged in page.events {
                after = logged.seq;
                if let Event::MessageCreated(message) = logged.event {
                    let name = message.client_msg_id.as_ref();
                    let number = name.and_then(|name| number_of(name.as_str()));
                    assert!(stored.insert(number.expect("one of ours")), "nothing twice");
                }
            }
        }
    }
    stored
}

/// Everybody says much at once, and in the midst of it the server is stopped.
async fn stop_in_the_midst(server: Server, world: &World, round: u64) -> Vec<End> {
    let dial = Dial::new(server.address);
    let answered = Arc::new(Notify::new());
    let mut clients = JoinSet::new();
    for (i, pair) in world.pairs.iter().enumerate() {
        let token = &world.users[pair.members[0]].token;
        let peer = Peer::open(&dial, token).await.expect("a socket");
        let first = (round * 100 + i as u64) * 10_000;
        clients.spawn(talk(peer, pair.id, first, answered.clone()));
    }
    // With the first answer the others are on their way. In each round at another moment.
    answered.notified().await;
    tokio::time::sleep(Duration::from_millis(2 * round)).await;
    let begun = Instant::now();
    let status = server.stop().await.expect("it stops");
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < STOPS_WITHIN, "{:?}", begun.elapsed());
    clients.join_all().await
}

#[tokio::test]
async fn what_is_stored_while_it_stops_is_acknowledged() {
    let dir = DataDir::new(None).expect("a directory");
    let recipe = Recipe::of(env!("CARGO_BIN_EXE_bedside"));
    let server = Server::start(&recipe, &dir).await.expect("it starts");
    let mut rest = Rest::connect(server.address).await.expect("it listens");
    let ready = rest.ask("GET", "/ready", "", None).await;
    assert_eq!(ready.expect("an answer").status, 200);
    let world = World::make(server.address, SECRET, "drain", 8, 8).await;
    let world = world.expect("people who may talk");
    let (mut acknowledged, mut held_up, mut jitter) = (HashSet::new(), 0, HashSet::new());
    let mut server = Some(server);
    for round in 0..ROUNDS {
        let running = match server.take() {
            Some(server) => server,
            None => Server::start(&recipe, &dir).await.expect("it starts again"),
        };
        let (mut refused, mut unanswered) = (HashSet::new(), HashSet::new());
        for end in stop_in_the_midst(running, &world, round).await {
            let Some((1001, Some(after))) = end.closing else {
                panic!("it was told {:?}", end.closing);
            };
            assert!((500..=3_500).contains(&after));
            jitter.insert(after);
            assert_eq!(end.code, 1001);
            held_up += end.refused.len() + end.unanswered.len();
            refused.extend(end.refused);
            unanswered.extend(end.unanswered);
            acknowledged.extend(end.acknowledged);
        }
        let again = Server::start(&recipe, &dir).await.expect("it starts again");
        let stored = stored(again.address, &world).await;
        let log = dir.log_tail();
        for (what, number) in [
            ("stored and refused", stored.intersection(&refused).count()),
            (
                "stored and unanswered",
                stored.intersection(&unanswered).count(),
            ),
            (
                "acknowledged and lost",
                acknowledged.difference(&stored).count(),
            ),
        ] {
            assert_eq!(number, 0, "{what}, in round {round}:\n{log}");
        }
        server = Some(again);
    }
    assert!(held_up > 0, "it was never stopped while somebody sent");
    assert!(jitter.len() > 20, "everybody is told another time");
}
