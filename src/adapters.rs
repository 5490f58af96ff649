//! How the actors' ports meet the world.

#[cfg(feature = "cluster")]
pub mod redis;
pub mod sqlite;
