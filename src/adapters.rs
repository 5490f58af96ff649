//! How the actors' ports meet the world.

pub mod sqlite;
