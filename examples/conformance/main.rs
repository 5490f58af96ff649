//! A server for outside test suites of Socket.IO, Engine.IO and WebSocket, made of the product's
//! own edges.
//!
//! ```text
//! cargo run --release --example conformance                  Socket.IO at /socket.io/
//! cargo run --release --example conformance -- --engine-only Engine.IO at /engine.io/: an echo
//! cargo run --release --example conformance -- --ws-echo     WebSocket at /: an echo
//! cargo run --release --example conformance -- --two-nodes   Socket.IO on two nodes of a cluster
//! ```
//!
//! Listens on port PORT (3000) of 127.0.0.1, with a ping interval of 300 ms, a ping timeout of
//! 200 ms, payloads of 1,000,000 bytes and 1,000 ms for the first namespace. In Socket.IO's
//! namespace `/` every client is sent `auth` with what it said about itself, `message` is answered
//! with `message-back` and `message-with-ack` with an acknowledgement, both with the same
//! arguments; in `/custom` there is `auth` only, and there are no other namespaces. Two nodes
//! answer from behind a balancer that gives every connection to the other one, with the timings of
//! the product.

mod engine_echo;
mod served;
mod server;
mod two_nodes;
mod wires;
mod ws_echo;

use server::{Mode, Timings};
use std::error::Error;

/// What the threads of servers are called.
const SERVER_THREAD: &str = "server";

fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1);
    let mode = match argument.as_deref() {
        None | Some("--two-nodes") => Mode::SocketIo,
        Some("--engine-only") => Mode::EngineOnly,
        Some("--ws-echo") => Mode::WsEcho,
        Some(other) => return Err(format!("unknown argument {other}").into()),
    };
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>())?;
    if argument.as_deref() == Some("--two-nodes") {
        let address = two_nodes::start(mode, Timings::DEFAULT, &Default::default(), port)?;
        println!("listening on http://{address}");
        return two_nodes::until_told_to_stop();
    }
    actix_rt::System::new().block_on(async {
        let server = server::build(mode, Timings::OF_SUITES, port)?;
        println!("listening on http://{}", server.address());
        Ok(server.run().await?)
    })
}
