//! A server for outside test suites of Socket.IO, Engine.IO and WebSocket, made of the product's
//! own edges.
//!
//! ```text
//! cargo run --release --example conformance                  Socket.IO at /socket.io/
//! cargo run --release --example conformance -- --engine-only Engine.IO at /engine.io/: an echo
//! cargo run --release --example conformance -- --ws-echo     WebSocket at /: an echo
//! ```
//!
//! Listens on port PORT (3000) of 127.0.0.1, with a ping interval of 300 ms, a ping timeout of
//! 200 ms, payloads of 1,000,000 bytes and 1,000 ms for the first namespace. In Socket.IO's
//! namespace `/` every client is sent `auth` with what it said about itself, `message` is answered
//! with `message-back` and `message-with-ack` with an acknowledgement, both with the same
//! arguments; in `/custom` there is `auth` only, and there are no other namespaces.

mod engine_echo;
mod served;
mod server;
mod ws_echo;

use bedside::{
    socketio::{
        self,
        engine::{Config, EngineEdge, Parts, metrics::NoSessionMetrics},
        protocol::Limits,
    },
    ws::{admission::Admission, metrics::NoMetrics},
};
use std::{error::Error, sync::Arc, time::Duration};

/// More than any suite opens.
const CONNECTIONS_MAX: usize = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mode = std::env::args().nth(1);
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>())?;
    actix_rt::System::new().block_on(async {
        let admission = Admission::with(CONNECTIONS_MAX, CONNECTIONS_MAX);
        let server = match mode.as_deref() {
            None => server::build(port, &admission, Some(socket_io(&admission)), None),
            Some("--engine-only") => {
                server::build(port, &admission, Some(engine_only(&admission)), None)
            }
            Some("--ws-echo") => server::build(port, &admission, None, Some(ws_echo::EchoEdge)),
            Some(other) => return Err(format!("unknown argument {other}").into()),
        }?;
        println!("listening on http://{}", server.address());
        Ok(server.run().await?)
    })
}

fn config(path: &str) -> Config {
    Config {
        path: path.to_owned(),
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        payload_bytes_max: 1_000_000,
        ..Config::default()
    }
}

fn socket_io(admission: &Arc<Admission>) -> EngineEdge {
    socketio::edge(socketio::Parts {
        application: Arc::new(served::Echo),
        config: config("/socket.io"),
        limits: Limits {
            connect_timeout: Duration::from_secs(1),
            attachments_max: 1_000,
            ..Limits::default()
        },
        admission: Arc::clone(admission),
        allowed_origins: Arc::from([]),
        proxies: 0,
        socket_metrics: Arc::new(NoMetrics),
        metrics: Arc::new(NoSessionMetrics),
    })
}

fn engine_only(admission: &Arc<Admission>) -> EngineEdge {
    EngineEdge::new(Parts {
        config: config("/engine.io"),
        speaks: Arc::new(engine_echo::EchoSpeaks),
        admission: Arc::clone(admission),
        allowed_origins: Arc::from([]),
        proxies: 0,
        socket_metrics: Arc::new(NoMetrics),
        metrics: Arc::new(NoSessionMetrics),
    })
}
