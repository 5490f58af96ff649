//! Who decides: sessions, conversations and presence, their supervision, fan-out and outboxes,
//! and the ports they need.
//!
//! A message's way through: a transport hands a command to its [`session`], which hands it to
//! the [`conversation`] through the directory; that gives it its place in the log, has the
//! store ([`ports::store`]) keep it, answers through the caller's [`outbox`], and fans it out to
//! the members' [`sessions`].

pub mod audit;
pub mod caller;
pub mod cluster;
mod consultation;
pub mod conversation;
pub mod counters;
pub mod denials;
mod directory;
pub mod node;
pub mod outbox;
pub mod ports;
mod presence;
mod rates;
mod resume;
pub mod rights;
pub mod session;
pub mod sessions;
pub mod supervision;
#[cfg(feature = "testkit")]
pub mod testkit;
