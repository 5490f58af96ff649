//! How the actors' ports meet the world.

mod names;
#[cfg(feature = "cluster")]
pub mod scylla;
#[cfg(feature = "cluster")]
pub mod redis;
pub mod sqlite;
