//! The server under test: the conformance example, started once for all tests of a binary that want the same timings.
//!
//! With `BEDSIDE_TEST_ENGINEIO_AT`, `BEDSIDE_TEST_SOCKETIO_AT` or `BEDSIDE_TEST_MSGPACK_AT` (an
//! address and a port) the tests run against another server that has the suites' timings and
//! answers in the same way. This is how the tests themselves are tested: on the reference server.

use std::{
    net::SocketAddr,
    sync::{
        Once, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use self::server::{Mode, Timings};

#[path = "../../examples/conformance/engine_echo.rs"]
mod engine_echo;
#[path = "../../examples/conformance/served.rs"]
mod served;
#[path = "../../examples/conformance/server.rs"]
pub(crate) mod server;
#[path = "../../examples/conformance/two_nodes.rs"]
pub(crate) mod two_nodes;
#[path = "../../examples/conformance/wires.rs"]
pub(crate) mod wires;
#[path = "../../examples/conformance/ws_echo.rs"]
mod ws_echo;

/// A server, and the path at which it speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The path of Engine.IO's requests.
    pub(crate) path: &'static str,
}

/// The most bytes of a message or payload.
pub(crate) const MAX_PAYLOAD: usize = 1_000_000;

/// The timings of most tests: the suites' ping interval, but time enough for a client on a busy
/// machine. What happens when that time is over is tested with the suites' own.
pub(crate) const CALM: Timings = Timings {
    ping_timeout: Duration::from_secs(3),
    connect_timeout: Duration::from_secs(10),
    ..Timings::OF_SUITES
};

/// Engine.IO that sends back whatever it gets.
pub(crate) fn engine_io() -> Server {
    static HERE: OnceLock<SocketAddr> = OnceLock::new();
    Server {
        address: elsewhere("BEDSIDE_TEST_ENGINEIO_AT")
            .unwrap_or_else(|| here(&HERE, Mode::EngineOnly, CALM)),
        path: "/engine.io/",
    }
}

/// The same with the timings that suites expect.
pub(crate) fn strict_engine_io() -> Server {
    static HERE: OnceLock<SocketAddr> = OnceLock::new();
    Server {
        address: elsewhere("BEDSIDE_TEST_ENGINEIO_AT")
            .unwrap_or_else(|| here(&HERE, Mode::EngineOnly, Timings::OF_SUITES)),
        path: "/engine.io/",
    }
}

/// Socket.IO.
pub(crate) fn socket_io() -> Server {
    Server {
        address: elsewhere("BEDSIDE_TEST_SOCKETIO_AT").unwrap_or_else(calm_socket_io),
        path: "/socket.io/",
    }
}

/// The same where clients have to enter a namespace as soon as suites expect.
pub(crate) fn strict_socket_io() -> Server {
    static HERE: OnceLock<SocketAddr> = OnceLock::new();
    let timings = Timings {
        ping_timeout: CALM.ping_timeout,
        ..Timings::OF_SUITES
    };
    Server {
        address: elsewhere("BEDSIDE_TEST_SOCKETIO_AT")
            .unwrap_or_else(|| here(&HERE, Mode::SocketIo, timings)),
        path: "/socket.io/",
    }
}

/// Socket.IO for clients that speak MessagePack. For this server they are clients like others.
pub(crate) fn msgpack() -> Server {
    Server {
        address: elsewhere("BEDSIDE_TEST_MSGPACK_AT").unwrap_or_else(calm_socket_io),
        path: "/socket.io/",
    }
}

fn calm_socket_io() -> SocketAddr {
    static HERE: OnceLock<SocketAddr> = OnceLock::new();
    here(&HERE, Mode::SocketIo, CALM)
}

/// A WebSocket at `/` that sends back whatever it gets.
pub(crate) fn ws_echo() -> SocketAddr {
    static HERE: OnceLock<SocketAddr> = OnceLock::new();
    here(&HERE, Mode::WsEcho, CALM)
}

fn elsewhere(variable: &str) -> Option<SocketAddr> {
    let address = std::env::var(variable).ok()?;
    Some(address.parse().expect("an address and a port"))
}

/// The server of this process, which runs until the tests are done.
fn here(started: &OnceLock<SocketAddr>, mode: Mode, timings: Timings) -> SocketAddr {
    *started.get_or_init(|| {
        count_panics();
        crate::start(mode, timings)
    })
}

/// Starts one server.
pub(crate) fn start(mode: Mode, timings: Timings) -> SocketAddr {
    two_nodes::run(move || server::build(mode, timings, 0)).expect("a free port")
}

const SERVER_THREAD: &str = "server";
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// The tests' own panics do not count: their threads are named after them.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(count_from_now_on);
}

fn count_from_now_on() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let name = thread::current().name().unwrap_or_default().to_owned();
        if name == SERVER_THREAD || name.starts_with("actix") {
            PANICS.fetch_add(1, Ordering::Relaxed);
        }
        report(panic);
    }));
}

/// No thread of the server has panicked.
pub(crate) fn assert_no_panic() {
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "panics of the server");
}

impl Server {
    /// The path and query of a request of this transport.
    pub(crate) fn target(&self, transport: &str) -> String {
        format!("{}?EIO=4&transport={transport}", self.path)
    }
}
