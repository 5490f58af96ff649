//! Sessions of Engine.IO in one process and on paused time: their bounds, their ends, and the way
//! from polling to a WebSocket. Over real connections they are tested elsewhere.

#[path = "../../examples/conformance/wires.rs"]
mod wires;
#[path = "../ws_support/mod.rs"]
mod ws_support;

mod far;
mod kit;
mod places;
mod polling;
mod upgrade;
mod websocket;
