//! Bedside: how the server meets the world.

pub mod adapters;
pub mod app;
pub mod auth;
mod budget;
pub mod cli;
pub mod config;
pub mod demo;
pub mod http;
pub mod key_file;
pub mod metrics;
pub mod page;
pub mod peer_calls;
mod recent;
pub mod seeds;
pub mod server;
pub mod socketio;
pub mod strangers;
pub mod telemetry;
pub mod ws;
