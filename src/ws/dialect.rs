//! What is spoken on a socket, as its [driver](super::driver) sees it.

use bedside_protocol::CloseCode;
use bytes::Bytes;
use std::{
    collections::VecDeque,
    task::{Context, Poll},
};
use tokio::time::Instant;

/// A message of a client.
#[derive(Clone, Copy)]
pub enum Incoming<'a> {
    /// In a text frame.
    Text(&'a str),
    /// In a binary frame.
    Binary(&'a [u8]),
}

/// What follows from a message.
#[derive(Debug)]
pub enum Step {
    /// The next one.
    Next,
    /// The end, for this reason.
    Close(CloseCode),
    /// The end, after this frame.
    CloseAfter(Bytes, CloseCode),
}

/// What there is to write.
#[derive(Debug)]
pub enum Output {
    /// Frames were added.
    Frames,
    /// No more will come.
    Closed(CloseCode),
}

/// What is spoken on a socket. Dropped as soon as the socket starts to close.
pub trait Dialect {
    /// Ready when [`receive`](Self::receive) may be called; until then the socket is not read.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Takes a message.
    fn receive(&mut self, message: Incoming<'_>) -> Step;

    /// The most bytes that the next message may have.
    fn message_bytes_max(&self) -> usize;

    /// Adds up to `frames_max` whole frames, or is woken when there are some.
    fn poll_output(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut VecDeque<Bytes>,
        frames_max: usize,
    ) -> Poll<Output>;

    /// Ready when no more will come, though not all was taken.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<CloseCode>;

    /// A last frame before the close frame.
    fn farewell(&self, code: CloseCode) -> Option<Bytes>;

    /// When its patience ends, and the code to close with then.
    fn deadline(&self) -> Option<(Instant, CloseCode)>;

    /// What follows when its deadline has come: by default the end. When it goes on, the next
    /// deadline has to be a later one.
    fn on_deadline(&mut self, now: Instant) -> Step {
        match self.deadline() {
            Some((at, code)) if at <= now => Step::Close(code),
            _ => Step::Next,
        }
    }

    /// Whether it finds out by itself that a client is gone. Then the driver sends no pings and
    /// has no patience of its own with a silent client.
    fn has_heartbeat(&self) -> bool {
        false
    }

    /// All frames that were taken out of it before are written.
    fn written(&mut self) {}
}
