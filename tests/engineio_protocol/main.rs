//! Engine.IO v4 from outside, as its public protocol document has it, on an echo server made of the
//! product's own edge.

#[path = "../socketio_support/mod.rs"]
mod support;

mod closing;
mod handshake;
mod heartbeat;
mod hostile;
mod invalid;
mod many;
mod messages;
mod payloads;
mod polls;
mod raw;
mod upgrade;

use support::under_test::start;
