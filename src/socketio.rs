//! The Socket.IO edge: Engine.IO v4 and Socket.IO v5 for the front ends that clinics have.
//!
//! ```text
//! edge          the two put together: WebSockets and routes
//! engine/       Engine.IO: sessions over WebSocket and long polling, upgrades, heartbeats
//! protocol      Socket.IO: packets, namespaces, attachments, acknowledgements
//! application   what is served over it (the seam)
//! clinic/       the dialects of the clinics' front ends, as commands and events of a node
//! ```
//!
//! Nothing below `application` knows what is served: `examples/conformance.rs` serves echoes for
//! outside test suites with the very same code.

pub mod application;
pub mod clinic;
mod edge;
pub mod engine;
pub mod protocol;

pub use edge::{Parts, edge};
