//! The shapes of the seeds: what REST and Socket.IO both put on the wire for clients that were
//! written for other servers. Plain functions on protocol types, no I/O; times and texts go
//! through as they are.
//!
//! | file | what |
//! |---|---|
//! | `id` | ids that are numbers where they look like one (seed 000) |
//! | `chat` | people and direct messages (seed 004) |
//! | `clinic` | chats, participants and messages (seed 003) |
//! | `consultations` | consultations and their messages (seed 000) |
//! | `notifications` | notifications (seeds 003 and 001) |
//! | `shown` | how far each person has been sent each conversation: what "all up to now" means |

pub mod chat;
pub mod clinic;
pub mod consultations;
pub mod id;
pub mod notifications;
pub mod shown;

pub use id::SeedId;
pub use shown::Shown;

/// What the audit log calls a sender in a payload that is somebody else than the token's.
pub const SENDER_SPOOFED: &str = "sender.spoofed";
