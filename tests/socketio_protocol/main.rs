//! Socket.IO v5 from outside, as its public protocol document has it, on an echo server made of the
//! product's own edge.

#[path = "../socketio_support/mod.rs"]
mod support;

mod acks;
mod binary;
mod connect;
mod events;
mod hostile;
mod malformed;
mod many;
mod msgpack;
mod namespaces;
mod paths;

use support::under_test::start;
