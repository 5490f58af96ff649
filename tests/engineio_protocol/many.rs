//! Many sessions at once: each gets its own, all of it, in order.

use tokio::task::JoinSet;

use crate::support::{
    engine::{Engine, Event, Transport},
    polling::Session,
    under_test::engine_io,
};

const CLIENTS: usize = 200;
const TURNS: usize = 5;

#[tokio::test]
async fn two_hundred_clients_get_their_own() {
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(async move {
            let transport = match number % 3 {
                0 => Transport::WebSocket,
                1 => Transport::Polling,
                _ => Transport::Upgraded,
            };
            let mut engine = Engine::open(engine_io(), transport).await;
            for turn in 0..TURNS {
                let text = format!("{number}/{turn}");
                engine.say(&text);
                engine.send(text.as_bytes());
                assert_eq!(engine.next().await, Event::text(&text));
                assert_eq!(engine.next().await, Event::Binary(text.into_bytes()));
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("each client gets its own");
    }
}

#[tokio::test]
async fn requests_of_many_sessions_may_be_interleaved() {
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(Session::open(engine_io()).await);
    }
    for session in &sessions {
        session.post(&format!("4{}", session.sid)).await;
    }
    for session in sessions.iter().rev() {
        assert_eq!(session.next().await, [format!("4{}", session.sid)]);
    }
}
