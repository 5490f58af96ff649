//! The audit log: who did what, in a chain per node that shows when it was tampered with.
//!
//! Each entry holds the hash of the one before (`chain.rs`), and the end of the chain is kept
//! with a MAC of the server's own key, so that a tail that was cut off is missed. One task of a node
//! (`Trail::run`) takes what waits, gives it its places and has the store keep it, all of it at
//! once; so nothing that clients do waits for it, but for what must not be done without its
//! record ([`Trail::write`]).

pub mod chain;
mod routine;
mod trail;
mod whence;

pub(crate) use self::routine::{made, of_entry, session_opened};
pub use self::{
    chain::{AuditKey, Broken, Verified, verify},
    trail::{QUEUE_MAX, Trail},
    whence::Whence,
};
