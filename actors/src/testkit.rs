//! For tests of this crate and of the crates above it.

pub mod client;
pub mod liar;
pub mod store_contract;
pub mod owner;
