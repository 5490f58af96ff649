//! The tests of Engine.IO and Socket.IO once more, on two nodes behind a balancer that gives every
//! connection to the other one: no client may notice.

#[path = "../socketio_support/mod.rs"]
mod support;

#[path = "../socketio_protocol/acks.rs"]
mod acks;
#[path = "../socketio_protocol/binary.rs"]
mod binary;
#[path = "../engineio_protocol/closing.rs"]
mod closing;
#[path = "../engineio_protocol/handshake.rs"]
mod handshake;
#[path = "../engineio_protocol/heartbeat.rs"]
mod heartbeat;
#[path = "../engineio_protocol/hostile.rs"]
mod hostile;
#[path = "../engineio_protocol/invalid.rs"]
mod invalid;
#[path = "../engineio_protocol/many.rs"]
mod many;
#[path = "../engineio_protocol/messages.rs"]
mod messages;
#[path = "../socketio_protocol/namespaces.rs"]
mod namespaces;
#[path = "../engineio_protocol/payloads.rs"]
mod payloads;
#[path = "../engineio_protocol/polls.rs"]
mod polls;
#[path = "../engineio_protocol/upgrade.rs"]
mod upgrade;

mod faults;
mod nodes;
mod tickets;

use nodes::start;
