//! A clinic in memory, and clients of its front ends.

mod client;
mod ward;

pub(crate) use client::Client;
pub(crate) use ward::{NOW, Ward, id_of, person, user};

use std::time::Duration;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
