//! Sessions of Engine.IO in one process and on paused time: their bounds, their ends, and the way
//! from polling to a WebSocket. Over real connections they are tested elsewhere.

#[path = "../ws_support/mod.rs"]
mod ws_support;

mod kit;
mod places;
mod polling;
mod upgrade;
mod websocket;
