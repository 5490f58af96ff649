//! Bedside: how the server meets the world.

pub mod adapters;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod demo;
pub mod http;
pub mod key_file;
pub mod metrics;
pub mod page;
pub mod peer_calls;
pub mod seeds;
pub mod server;
pub mod socketio;
pub mod telemetry;
pub mod ws;
