//! How the actors' ports meet the world.

pub mod agora;
mod names;
#[cfg(feature = "cluster")]
pub mod redis;
#[cfg(feature = "cluster")]
pub mod scylla;
pub mod sqlite;
#[cfg(feature = "webrtc")]
pub mod webrtc;
