//! What one socket has yet to write: shared frames that are handed to the kernel as they are.

use bytes::{Buf as _, Bytes};
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::AsyncWrite;

/// The most frames that one system call takes.
const SLICES_MAX: usize = 64;
/// The most pongs that wait. A client that pings faster than it reads gets the newest ones,
/// which RFC 6455, section 5.5.3, allows.
const CONTROLS_MAX: usize = 8;
/// Room for this many frames is kept by a socket that has nothing to write.
const IDLE_CAPACITY_MAX: usize = 8;

/// What a socket took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Bytes.
    pub(super) bytes: usize,
    /// Frames whose last byte was among them.
    pub(super) frames: usize,
}

/// The frames that wait for one socket. `current` is being written: nothing may come in its
/// middle, and once begun it has to be finished.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    current: Bytes,
    controls: VecDeque<Bytes>,
    queue: VecDeque<Bytes>,
}

impl Outgoing {
    /// Starts with bytes that are not to be dropped, whatever comes.
    pub(super) fn starting_with(current: Bytes) -> Self {
        Self {
            current,
            ..Self::default()
        }
    }

    /// Where further frames go, in order.
    pub(super) fn queue(&mut self) -> &mut VecDeque<Bytes> {
        &mut self.queue
    }

    /// Adds a ping or pong, which overtakes messages.
    pub(super) fn push_control(&mut self, frame: Bytes) {
        if self.controls.len() == CONTROLS_MAX {
            self.controls.pop_front();
        }
        self.controls.push_back(frame);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.current.is_empty() && self.controls.is_empty() && self.queue.is_empty()
    }

    /// Whether one more pong would push out another.
    pub(super) fn controls_full(&self) -> bool {
        self.controls.len() == CONTROLS_MAX
    }

    /// Drops all that has not begun to be written.
    pub(super) fn clear(&mut self) {
        self.controls = VecDeque::new();
        self.queue = VecDeque::new();
    }

    /// Writes until all is written or the socket takes no more. `written` grows by what it took.
    pub(super) fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        written: &mut Written,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let frames = [&self.current]
                .into_iter()
                .filter(|current| !current.is_empty())
                .chain(&self.controls)
                .chain(&self.queue);
            let mut count = 0;
            for (slice, frame) in slices.iter_mut().zip(frames) {
                *slice = IoSlice::new(frame);
                count += 1;
            }
            let n = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..count]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            written.bytes += n;
            written.frames += self.advance(n);
        }
        if self.queue.capacity() > IDLE_CAPACITY_MAX {
            self.queue = VecDeque::new();
        }
        self.controls = VecDeque::new();
        // TLS keeps what it was given until then.
        Pin::new(stream).poll_flush(cx)
    }

    /// Lets go of so many bytes; returns how many frames ended with them.
    fn advance(&mut self, mut written: usize) -> usize {
        let mut frames = 0;
        while written > 0 {
            if self.current.is_empty() {
                self.current = self
                    .controls
                    .pop_front()
                    .or_else(|| self.queue.pop_front())
                    .expect("there is a frame, because no more was written than was there");
            }
            let n = written.min(self.current.len());
            self.current.advance(n);
            frames += usize::from(self.current.is_empty());
            written -= n;
        }
        if self.current.is_empty() {
            // An empty slice of a shared frame would still keep all of it alive.
            self.current = Bytes::new();
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Takes so many bytes per call, then is stuck.
    struct Sink {
        took: Vec<u8>,
        calls: VecDeque<usize>,
    }

    impl AsyncWrite for Sink {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(buf)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let Some(n) = self.calls.pop_front() else {
                return Poll::Pending;
            };
            let all: Vec<u8> = bufs.iter().flat_map(|b| b.iter().copied()).collect();
            let n = n.min(all.len());
            self.took.extend_from_slice(&all[..n]);
            Poll::Ready(Ok(n))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn flush(outgoing: &mut Outgoing, calls: &[usize]) -> (String, bool) {
        let mut sink = Sink {
            took: Vec::new(),
            calls: calls.iter().copied().collect(),
        };
        let mut written = Written::default();
        let mut cx = Context::from_waker(Waker::noop());
        let done = outgoing.poll_flush(&mut sink, &mut cx, &mut written);
        assert_eq!(written.bytes, sink.took.len());
        let text = String::from_utf8(sink.took).expect("is UTF-8, because only ASCII went in");
        (text, done.is_ready())
    }

    fn outgoing(frames: &[&'static str]) -> Outgoing {
        let mut outgoing = Outgoing::default();
        outgoing
            .queue()
            .extend(frames.iter().map(|f| Bytes::from_static(f.as_bytes())));
        outgoing
    }

    #[test]
    fn order_is_kept_however_the_kernel_cuts() {
        for cut in 1..=9 {
            let mut outgoing = outgoing(&["abc", "de", "fghi"]);
            let (text, done) = flush(&mut outgoing, &[cut; 9]);
            assert_eq!((text.as_str(), done), ("abcdefghi", true), "cut at {cut}");
        }
    }

    #[test]
    fn a_pong_overtakes_messages_but_cuts_none_in_two() {
        let mut outgoing = outgoing(&["abc", "def"]);
        assert_eq!(flush(&mut outgoing, &[1]), ("a".to_owned(), false));
        outgoing.push_control(Bytes::from_static(b"1"));
        assert_eq!(flush(&mut outgoing, &[9]), ("bc1def".to_owned(), true));
    }

    #[test]
    fn the_newest_pongs_are_kept() {
        let mut outgoing = Outgoing::default();
        for n in 0..20_u8 {
            outgoing.push_control(Bytes::copy_from_slice(&[b'a' + n]));
        }
        assert_eq!(flush(&mut outgoing, &[99]), ("mnopqrst".to_owned(), true));
    }

    #[test]
    fn clearing_keeps_what_was_begun() {
        let mut outgoing = outgoing(&["abc", "def"]);
        assert_eq!(flush(&mut outgoing, &[4]), ("abcd".to_owned(), false));
        outgoing.clear();
        assert_eq!(flush(&mut outgoing, &[9]), ("ef".to_owned(), true));
    }

    #[test]
    fn more_frames_than_slices_all_go_out() {
        let mut outgoing = outgoing(&["x"; 200]);
        assert_eq!(flush(&mut outgoing, &[999; 4]), ("x".repeat(200), true));
        assert_eq!(outgoing.queue.capacity(), 0);
    }
}
