//! What a session carries, as Engine.IO sees it.

use bedside_protocol::CloseCode;
use bytes::Bytes;
use std::{
    collections::VecDeque,
    task::{Context, Poll},
};
use tokio::time::Instant;

use crate::{
    socketio::application::Handshake,
    ws::{admission::Waiting, dialect::Output},
};

pub use socketioxide_core::Str;

/// Speaks with clients. One for all sessions of a server.
pub trait Speaks: Send + Sync + 'static {
    /// A session was opened. `waiting` is its place among those that have not said who they are:
    /// to be let go when it has.
    fn open(&self, handshake: Handshake, waiting: Waiting) -> Box<dyn Speaker>;
}

/// Speaks with one client. Moves to another thread when the client changes its transport.
/// Dropped as soon as the session ends.
pub trait Speaker: Send {
    /// Ready when the next message may be taken; until then the client is not read.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Takes a message of text.
    ///
    /// # Errors
    /// Why the session ends.
    fn text(&mut self, text: Str) -> Result<(), CloseCode>;

    /// Takes a message of bytes.
    ///
    /// # Errors
    /// Why the session ends.
    fn binary(&mut self, bytes: Bytes) -> Result<(), CloseCode>;

    /// The most bytes that the next message may have.
    fn message_bytes_max(&self) -> usize;

    /// Adds messages, each as a whole WebSocket frame and the text ones with Engine.IO's `4` in
    /// front; or is woken when there are some.
    fn poll_output(&mut self, cx: &mut Context<'_>, into: &mut VecDeque<Bytes>) -> Poll<Output>;

    /// Ready when no more will come, though not all was taken.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<CloseCode>;

    /// When it wants to be called though nothing came.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline has come.
    ///
    /// # Errors
    /// Why the session ends.
    fn on_deadline(&mut self, now: Instant) -> Result<(), CloseCode> {
        let _ = now;
        Ok(())
    }

    /// All that was taken before is written.
    fn written(&mut self) {}

    /// The client showed that it is there.
    fn heard(&mut self) {}
}
