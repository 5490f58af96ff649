//! For tests of this crate and of the crates above it.

pub mod client;
pub mod hub;
pub mod liar;
pub mod owner;
pub mod store_contract;
