//! What one socket has read and not yet understood.
//!
//! Sockets read into a buffer that all of a thread share, so that an idle one has none. Only the
//! start of a frame whose end has not come, and what waits while its session is busy, is kept
//! per socket.

use std::cell::RefCell;

/// What is read at once.
const SCRATCH_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer.
pub(super) fn with_scratch<T>(f: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.is_empty() {
            scratch.resize(SCRATCH_BYTES, 0);
        }
        f(scratch)
    })
}

/// What is kept for one socket.
#[derive(Default)]
pub(super) struct Inbox {
    kept: Vec<u8>,
    needed: usize,
}

impl Inbox {
    /// Starts with bytes that came with the handshake.
    pub(super) fn starting_with(read_ahead: &[u8]) -> Self {
        let mut inbox = Self::default();
        inbox.keep(read_ahead, 0);
        inbox
    }

    /// Whether what is kept may hold a whole frame.
    pub(super) fn is_worth_parsing(&self) -> bool {
        !self.kept.is_empty() && self.kept.len() >= self.needed
    }

    /// How much to read now: no more than the rest of a frame that has begun, so that what is
    /// kept is one frame and goes away with it.
    pub(super) fn wanted(&self) -> usize {
        if self.kept.is_empty() {
            usize::MAX
        } else {
            self.needed.saturating_sub(self.kept.len()).max(1)
        }
    }

    /// Whether nothing is kept, so that what is read can be understood where it lies.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Adds what was read. It grows with what really came, not with what a header promised.
    pub(super) fn append(&mut self, read: &[u8]) {
        self.kept.extend_from_slice(read);
    }

    /// Keeps the rest of what was read; there is no use in looking before it has `needed` bytes.
    pub(super) fn keep(&mut self, rest: &[u8], needed: usize) {
        self.kept = rest.to_vec();
        self.needed = needed;
    }

    /// Takes out all that is kept.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }

    /// Puts back what was taken, without the bytes up to `consumed`.
    pub(super) fn put_back(&mut self, mut kept: Vec<u8>, consumed: usize, needed: usize) {
        if consumed < kept.len() {
            kept.drain(..consumed);
            self.kept = kept;
            self.needed = needed;
        }
    }
}
