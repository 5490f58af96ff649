//! What the actors need of the world, as traits. Adapters live in the `bedside` crate.

pub mod bus;
pub mod clock;
pub mod fallback;
pub mod identity;
pub mod media;
pub mod store;
